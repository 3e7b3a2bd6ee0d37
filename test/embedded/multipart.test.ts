import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { refusal, s3For } from './support.ts';

const MIB = 2 ** 20;
let server: EmbeddedServer;
let s3: S3Client;
let number = 0;
let Bucket = '';
const Key = 'big';

beforeAll(async () => {
  server = await startEmbedded();
  s3 = s3For(server);
});

afterAll(async () => {
  s3.destroy();
  await server.close();
});

beforeEach(() => {
  Bucket = `multipart-${++number}`;
  server.createBucket(Bucket);
});

const create = async (more: object = {}): Promise<string> => {
  const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }));
  return UploadId;
};

const part = async (
  UploadId: string,
  PartNumber: number,
  Body: Uint8Array,
  more: object = {},
): Promise<CompletedPart> => {
  const answer = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ...more }));
  return {
    PartNumber,
    ETag: answer.ETag,
    ...(answer.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: answer.ChecksumCRC32 }),
  };
};

const complete = (UploadId: string, Parts: CompletedPart[], more: object = {}) =>
  s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...more }));

const stripped = ({ PartNumber, ETag }: CompletedPart): CompletedPart => ({ PartNumber, ETag });

describe('lib-storage', () => {
  test('sends parts side by side; the ETag counts them', async () => {
    const body = randomBytes(12 * MIB);
    const upload = new Upload({ client: s3, params: { Bucket, Key, Body: body, Metadata: { m: '1' } } });
    const done = await upload.done();
    expect(done.ETag).toMatch(/^"[0-9a-f]{32}-3"$/);
    const stored = server.object(Bucket, Key);
    expect(stored?.body.equals(body)).toBe(true);
    expect(stored).toMatchObject({ size: body.length, parts: 3, metadata: { m: '1' } });
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    expect(head.ChecksumType).toBe('COMPOSITE');
    const digests = [0, 5, 10].map((at) => {
      const value = Buffer.alloc(4);
      value.writeUInt32BE(crc32(body.subarray(at * MIB, (at + 5) * MIB)));
      return value;
    });
    const whole = Buffer.alloc(4);
    whole.writeUInt32BE(crc32(Buffer.concat(digests)));
    expect(head.ChecksumCRC32).toBe(`${whole.toString('base64')}-3`);
    const md5s = [0, 5, 10].map((at) =>
      createHash('md5')
        .update(body.subarray(at * MIB, (at + 5) * MIB))
        .digest(),
    );
    expect(done.ETag).toBe(`"${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-3"`);
  });

  test.each([
    'CRC32',
    'CRC32C',
    'CRC64NVME',
  ] as const)('a full-object %s is what the client works out of the download', async (ChecksumAlgorithm) => {
    const body = randomBytes(11 * MIB);
    const params = { Bucket, Key, Body: body, ChecksumAlgorithm, ChecksumType: 'FULL_OBJECT' as const };
    await new Upload({ client: s3, params }).done();
    // The SDK verifies it while reading; a wrong one rejects.
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    expect(got.ChecksumType).toBe('FULL_OBJECT');
    expect(got[`Checksum${ChecksumAlgorithm}`]).toBeDefined();
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
  });
});

describe('the rules', () => {
  test('a part below 5 MiB only at the end', async () => {
    const id = await create();
    const parts = [await part(id, 1, randomBytes(5 * MIB - 1)), await part(id, 2, randomBytes(10))];
    expect(await refusal(complete(id, parts))).toMatchObject({ status: 400, name: 'EntityTooSmall' });
    const whole = [await part(id, 1, randomBytes(5 * MIB)), await part(id, 2, randomBytes(10))];
    await complete(id, whole);
    expect(server.object(Bucket, Key)?.size).toBe(5 * MIB + 10);
    expect(server.pendingUploads(Bucket)).toEqual([]);
  });

  test('unknown parts, wrong ETags, wrong order, no parts, unknown uploads', async () => {
    const id = await create();
    const one = await part(id, 1, randomBytes(5 * MIB));
    const two = await part(id, 2, randomBytes(10));
    const missing = { PartNumber: 3, ETag: two.ETag };
    expect(await refusal(complete(id, [one, missing]))).toMatchObject({ name: 'InvalidPart' });
    const other = { PartNumber: 2, ETag: '"0123"' };
    expect(await refusal(complete(id, [one, other]))).toMatchObject({ name: 'InvalidPart' });
    expect(await refusal(complete(id, [two, one]))).toMatchObject({ name: 'InvalidPartOrder' });
    expect(await refusal(complete(id, []))).toMatchObject({ name: 'MalformedXML' });
    expect(await refusal(complete('nonsense', [one]))).toMatchObject({ status: 404, name: 'NoSuchUpload' });
    expect(await refusal(part('nonsense', 1, Buffer.from('x')))).toMatchObject({ name: 'NoSuchUpload' });
    expect(await refusal(part(id, 10_001, Buffer.from('x')))).toMatchObject({ name: 'InvalidArgument' });
    await complete(id, [one, two]);
    expect(await refusal(complete(id, [one, two]))).toMatchObject({ name: 'NoSuchUpload' });
  });

  test('a part sent twice counts once; the promised size is held', async () => {
    const id = await create();
    await part(id, 1, randomBytes(100));
    const one = await part(id, 1, Buffer.from('text'));
    const failed = await refusal(complete(id, [one], { MpuObjectSize: 5 }));
    expect(failed).toMatchObject({ status: 400, name: 'InvalidRequest' });
    expect(failed.message).toContain('header value 5 does not match what was computed: 4');
    await complete(id, [one], { MpuObjectSize: 4 });
    expect(server.object(Bucket, Key)?.body.toString()).toBe('text');
  });

  test('checksums announced at the start are demanded at the end', async () => {
    const id = await create({ ChecksumAlgorithm: 'CRC32' });
    const one = await part(id, 1, Buffer.from('text'));
    expect((await refusal(complete(id, [stripped(one)]))).message).toContain('It was missing for part 1');
    const sha = part(id, 2, Buffer.from('x'), { ChecksumAlgorithm: 'SHA256' });
    expect((await refusal(sha)).message).toContain(
      'expected checksum Type: crc32, actual checksum Type: sha256',
    );
    await complete(id, [one]);
    const type = s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ChecksumType: 'FULL_OBJECT' }));
    expect(await refusal(type)).toMatchObject({ name: 'InvalidRequest' });
  });

  test('a full-object checksum given at the end is checked', async () => {
    const id = await create({ ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' });
    const one = await part(id, 1, Buffer.from('text'));
    const wrong = complete(id, [one], { ChecksumCRC32: 'AAAAAA==', ChecksumType: 'FULL_OBJECT' });
    expect(await refusal(wrong)).toMatchObject({ status: 400, name: 'BadDigest' });
    await complete(id, [one], { ChecksumCRC32: one.ChecksumCRC32, ChecksumType: 'FULL_OBJECT' });
  });

  test('without an algorithm S3 has a CRC64NVME of its own', async () => {
    const id = await create();
    await complete(id, [stripped(await part(id, 1, Buffer.from('123456789')))]);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    // Check value of CRC-64/NVME: ae8b14860a799888.
    expect(head.ChecksumCRC64NVME).toBe(Buffer.from('ae8b14860a799888', 'hex').toString('base64'));
  });
});

describe('looking and ending', () => {
  test('parts and uploads are listed in pages, aborted ones are gone', async () => {
    const id = await create({ ChecksumAlgorithm: 'CRC32' });
    for (const n of [3, 1, 2]) await part(id, n, Buffer.from(`part ${n}`));
    const first = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId: id, MaxParts: 2 }));
    expect(first.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
      [1, 6],
      [2, 6],
    ]);
    expect(first.Parts?.[0]?.ChecksumCRC32).toBeDefined();
    expect(first.IsTruncated).toBe(true);
    const rest = await s3.send(
      new ListPartsCommand({ Bucket, Key, UploadId: id, PartNumberMarker: first.NextPartNumberMarker }),
    );
    expect(rest.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([3]);
    const other = await create();
    const listed = await s3.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 1 }));
    expect(listed.Uploads?.length).toBe(1);
    const more = await s3.send(
      new ListMultipartUploadsCommand({
        Bucket,
        KeyMarker: listed.NextKeyMarker,
        UploadIdMarker: listed.NextUploadIdMarker,
      }),
    );
    const found = [...(listed.Uploads ?? []), ...(more.Uploads ?? [])].map(({ UploadId }) => UploadId);
    expect(new Set(found)).toEqual(new Set([id, other]));
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: id }));
    expect(await refusal(s3.send(new ListPartsCommand({ Bucket, Key, UploadId: id })))).toMatchObject({
      name: 'NoSuchUpload',
    });
  });

  test('parts copied from an object', async () => {
    const body = randomBytes(6 * MIB);
    await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: body }));
    const id = await create();
    const copy = (PartNumber: number, CopySourceRange: string) =>
      s3.send(
        new UploadPartCopyCommand({
          Bucket,
          Key,
          UploadId: id,
          PartNumber,
          CopySource: `${Bucket}/source`,
          CopySourceRange,
        }),
      );
    const one = await copy(1, `bytes=0-${5 * MIB - 1}`);
    const two = await copy(2, `bytes=${5 * MIB}-${6 * MIB - 1}`);
    expect(await refusal(copy(3, `bytes=0-${6 * MIB}`))).toMatchObject({ name: 'InvalidArgument' });
    await complete(id, [
      { PartNumber: 1, ETag: one.CopyPartResult?.ETag },
      { PartNumber: 2, ETag: two.CopyPartResult?.ETag },
    ]);
    expect(server.object(Bucket, Key)?.body.equals(body)).toBe(true);
    const second = await s3.send(new GetObjectCommand({ Bucket, Key, PartNumber: 2 }));
    expect(second.PartsCount).toBe(2);
    expect((await second.Body?.transformToByteArray())?.length).toBe(MIB);
  });
});
