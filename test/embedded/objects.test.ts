import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { refusal, s3For } from './support.ts';

let server: EmbeddedServer;
let s3: S3Client;
let number = 0;
let Bucket = '';

beforeAll(async () => {
  server = await startEmbedded();
  s3 = s3For(server);
});

afterAll(async () => {
  s3.destroy();
  await server.close();
});

beforeEach(() => {
  Bucket = `objects-${++number}`;
  server.createBucket(Bucket);
});

const get = async (Key: string, more: object = {}): Promise<Buffer> => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};

describe('put and get', () => {
  test('a buffer goes round with its metadata, headers and default encryption', async () => {
    const body = randomBytes(70_000);
    const put = await s3.send(
      new PutObjectCommand({
        Bucket,
        Key: 'a/b',
        Body: body,
        Metadata: { Colour: 'blue', 's3vault-mtime': '12' },
        ContentType: 'text/plain',
        CacheControl: 'no-store',
      }),
    );
    expect(put.ServerSideEncryption).toBe('AES256');
    expect(put.ChecksumCRC32).toBeDefined();
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'a/b' }));
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? [])).toEqual(body);
    expect(got.Metadata).toEqual({ colour: 'blue', 's3vault-mtime': '12' });
    expect(got.ContentType).toBe('text/plain');
    expect(got.CacheControl).toBe('no-store');
    expect(got.ETag).toBe(put.ETag);
    expect(got.ChecksumCRC32).toBe(put.ChecksumCRC32);
    expect(got.ChecksumType).toBe('FULL_OBJECT');
    expect(server.object(Bucket, 'a/b')?.body).toEqual(body);
  });

  test('a stream with a trailing checksum is taken out of its framing', async () => {
    const body = randomBytes(300_000);
    const client = s3For(server, { requestStreamBufferSize: 65_536 });
    await client.send(
      new PutObjectCommand({ Bucket, Key: 's', Body: Readable.from([body]), ContentLength: body.length }),
    );
    expect(await get('s')).toEqual(body);
    const sent = server.requests.recent.at(-2);
    expect(sent?.headers['x-amz-content-sha256']).toBe('STREAMING-UNSIGNED-PAYLOAD-TRAILER');
    expect(server.object(Bucket, 's')?.headers).not.toHaveProperty('content-encoding');
    client.destroy();
  });

  test('small chunks before the last are refused', async () => {
    const pieces = Readable.from([randomBytes(100), randomBytes(9000)]);
    const failed = await refusal(
      s3.send(new PutObjectCommand({ Bucket, Key: 's', Body: pieces, ContentLength: 9100 })),
    );
    expect(failed).toMatchObject({ status: 400, name: 'InvalidChunkSizeError' });
  });

  test('an empty object', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'e', Body: '' }));
    expect((await get('e')).length).toBe(0);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'e' }));
    expect(head.ContentLength).toBe(0);
    expect(head.ETag).toBe('"d41d8cd98f00b204e9800998ecf8427e"');
  });

  test('ranges', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'r', Body: '0123456789' }));
    expect((await get('r', { Range: 'bytes=2-4' })).toString()).toBe('234');
    expect((await get('r', { Range: 'bytes=7-' })).toString()).toBe('789');
    expect((await get('r', { Range: 'bytes=-3' })).toString()).toBe('789');
    expect((await get('r', { Range: 'bytes=8-99' })).toString()).toBe('89');
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'r', Range: 'bytes=0-0' }));
    expect(got.ContentRange).toBe('bytes 0-0/10');
    expect(got.ChecksumCRC32).toBeUndefined();
    await got.Body?.transformToByteArray();
    expect(await refusal(get('r', { Range: 'bytes=10-' }))).toMatchObject({
      status: 416,
      name: 'InvalidRange',
    });
  });

  test('what is not there is 404, by its right name', async () => {
    expect(await refusal(get('none'))).toMatchObject({ status: 404, name: 'NoSuchKey' });
    const head = s3.send(new HeadObjectCommand({ Bucket, Key: 'none' }));
    expect(await refusal(head)).toMatchObject({ status: 404, name: 'NotFound' });
    const elsewhere = s3.send(new GetObjectCommand({ Bucket: 'no-such-bucket', Key: 'x' }));
    expect(await refusal(elsewhere)).toMatchObject({ status: 404, name: 'NoSuchBucket' });
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'none' }));
  });

  test('limits of keys and metadata', async () => {
    const longest = 'é'.repeat(512);
    await s3.send(new PutObjectCommand({ Bucket, Key: longest, Body: 'x' }));
    const long = s3.send(new PutObjectCommand({ Bucket, Key: `${longest}x`, Body: 'x' }));
    expect(await refusal(long)).toMatchObject({ status: 400, name: 'KeyTooLongError' });
    const fits = { n: 'x'.repeat(2047) };
    await s3.send(new PutObjectCommand({ Bucket, Key: 'm', Body: 'x', Metadata: fits }));
    const much = s3.send(
      new PutObjectCommand({ Bucket, Key: 'm', Body: 'x', Metadata: { n: `${fits.n}x` } }),
    );
    expect(await refusal(much)).toMatchObject({ status: 400, name: 'MetadataTooLarge' });
  });

  test('virtual-host style reaches the same bucket, with a certificate for its name', async () => {
    const client = s3For(server, { forcePathStyle: false });
    await client.send(new PutObjectCommand({ Bucket, Key: 'v', Body: 'virtual' }));
    expect(server.requests.recent.at(-1)?.headers.host).toBe(`${Bucket}.localhost:${server.port}`);
    expect((await get('v')).toString()).toBe('virtual');
    client.destroy();
  });
});

describe('delete', () => {
  test('many at once, with keys that XML can hardly carry', async () => {
    const keys = ['a', 'line\nbreak', 'a&b<c>"d"', '  spaces ', 'emoji 😀'];
    for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
    const Objects = keys.map((Key) => ({ Key }));
    const answer = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(answer.Deleted?.map(({ Key }) => Key)).toEqual(keys);
    expect(server.keys(Bucket)).toEqual([]);
  });

  test('per object only where the ETag fits', async () => {
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'b', Body: 'x' }));
    const Objects = [
      { Key: 'a', ETag },
      { Key: 'b', ETag: '"0"' },
    ];
    const answer = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(answer.Deleted?.map(({ Key }) => Key)).toEqual(['a']);
    expect(answer.Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([['b', 'PreconditionFailed']]);
  });
});

describe('copy', () => {
  test('keeps or replaces metadata, and refuses a copy onto itself that changes nothing', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'a b+ü', Body: 'text', Metadata: { m: '1' } }));
    const CopySource = `${Bucket}/${encodeURIComponent('a b+ü')}`;
    const copy = await s3.send(new CopyObjectCommand({ Bucket, Key: 'c', CopySource }));
    expect(copy.CopyObjectResult?.ETag).toBe('"1cb251ec0d568de6a929b520c4aed8d1"');
    expect(server.object(Bucket, 'c')?.metadata).toEqual({ m: '1' });
    const same = s3.send(new CopyObjectCommand({ Bucket, Key: 'a b+ü', CopySource }));
    expect(await refusal(same)).toMatchObject({ status: 400, name: 'InvalidRequest' });
    const Metadata = { m: '2' };
    await s3.send(
      new CopyObjectCommand({ Bucket, Key: 'a b+ü', CopySource, Metadata, MetadataDirective: 'REPLACE' }),
    );
    expect(server.object(Bucket, 'a b+ü')?.metadata).toEqual(Metadata);
  });
});

describe('buckets', () => {
  test('made, found, listed, removed', async () => {
    const name = `made-${number}`;
    await s3.send(new CreateBucketCommand({ Bucket: name }));
    await s3.send(new HeadBucketCommand({ Bucket: name }));
    const again = s3.send(new CreateBucketCommand({ Bucket: name }));
    expect(await refusal(again)).toMatchObject({ status: 409, name: 'BucketAlreadyOwnedByYou' });
    const listed = await s3.send(new ListBucketsCommand({ Prefix: 'made-' }));
    expect(listed.Buckets?.map(({ Name }) => Name)).toEqual([name]);
    expect(
      (await s3.send(new GetBucketLocationCommand({ Bucket: name }))).LocationConstraint,
    ).toBeUndefined();
    await s3.send(new PutObjectCommand({ Bucket: name, Key: 'x', Body: 'x' }));
    const full = s3.send(new DeleteBucketCommand({ Bucket: name }));
    expect(await refusal(full)).toMatchObject({ status: 409, name: 'BucketNotEmpty' });
    await s3.send(new DeleteObjectCommand({ Bucket: name, Key: 'x' }));
    await s3.send(new DeleteBucketCommand({ Bucket: name }));
    expect(await refusal(s3.send(new HeadBucketCommand({ Bucket: name })))).toMatchObject({ status: 404 });
    const odd = s3.send(new CreateBucketCommand({ Bucket: 'UPPER' }));
    expect(await refusal(odd)).toMatchObject({ name: 'InvalidBucketName' });
  });
});
