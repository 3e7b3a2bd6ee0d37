import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { refusal, s3For } from './support.ts';

let server: EmbeddedServer;
let s3: S3Client;
let number = 0;
let Bucket = '';
const Key = 'k';

beforeAll(async () => {
  server = await startEmbedded();
  s3 = s3For(server);
});

afterAll(async () => {
  s3.destroy();
  await server.close();
});

beforeEach(() => {
  Bucket = `conditions-${++number}`;
  server.createBucket(Bucket, { versioning: number % 2 === 0 });
});

const put = (more: object = {}, Body = 'x') => s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const remove = (more: object = {}) => s3.send(new DeleteObjectCommand({ Bucket, Key, ...more }));

async function upload(Body = 'part') {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body }));
  return (more: object) =>
    s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
        ...more,
      }),
    );
}

describe.each(['without', 'with'])('a bucket %s versioning', () => {
  test('If-None-Match: * on PUT', async () => {
    await put({ IfNoneMatch: '*' });
    expect(await refusal(put({ IfNoneMatch: '*' }))).toMatchObject({
      status: 412,
      name: 'PreconditionFailed',
    });
    await remove();
    await put({ IfNoneMatch: '*' });
  });

  test('If-Match on PUT', async () => {
    expect(await refusal(put({ IfMatch: '"0"' }))).toMatchObject({ status: 404, name: 'NoSuchKey' });
    const { ETag } = await put();
    expect(await refusal(put({ IfMatch: '"0"' }))).toMatchObject({ status: 412 });
    await put({ IfMatch: ETag }, 'y');
    await put({ IfMatch: server.object(Bucket, Key)?.etag.replaceAll('"', '') });
    await remove();
    expect(await refusal(put({ IfMatch: ETag }))).toMatchObject({ status: 404, name: 'NoSuchKey' });
  });

  test('forms that S3 does not take are 501', async () => {
    for (const odd of [{ IfNoneMatch: '"0"' }, { IfMatch: '*' }, { IfMatch: '"0"', IfNoneMatch: '*' }]) {
      expect(await refusal(put(odd))).toMatchObject({ status: 501, name: 'NotImplemented' });
    }
  });

  test('DELETE', async () => {
    expect((await refusal(remove({ IfMatch: '*' }))).status).toBe(412);
    const { ETag } = await put();
    expect((await refusal(remove({ IfMatch: '"0"' }))).status).toBe(412);
    await remove({ IfMatch: ETag });
    await put();
    await remove({ IfMatch: '*' });
    expect((await refusal(remove({ IfMatchSize: 1 }))).status).toBe(501);
    expect(server.keys(Bucket)).toEqual([]);
  });

  test('Complete: what exists, what came and what went in between', async () => {
    const blocked = await upload();
    await put();
    expect((await refusal(blocked({ IfNoneMatch: '*' }))).status).toBe(412);
    const cameAndWent = await upload();
    await put();
    await remove();
    expect(await refusal(cameAndWent({ IfNoneMatch: '*' }))).toMatchObject({
      status: 409,
      name: 'ConditionalRequestConflict',
    });
    await (await upload())({ IfNoneMatch: '*' });
    const { ETag } = await put();
    const overwritten = await upload();
    await put();
    expect((await refusal(overwritten({ IfMatch: ETag }))).status).toBe(409);
    const gone = await upload();
    await remove();
    expect((await refusal(gone({ IfMatch: ETag }))).status).toBe(404);
    await put();
    const other = await upload();
    expect((await refusal(other({ IfMatch: '"0"' }))).status).toBe(412);
    await other({ IfMatch: ETag });
  });
});

test('reads: 412 and 304', async () => {
  const { ETag } = await put();
  const get = (more: object) => s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  const head = (more: object) => s3.send(new HeadObjectCommand({ Bucket, Key, ...more }));
  expect((await refusal(get({ IfMatch: '"0"' }))).status).toBe(412);
  expect((await refusal(get({ IfNoneMatch: ETag }))).status).toBe(304);
  expect((await refusal(head({ IfNoneMatch: ETag }))).status).toBe(304);
  await head({ IfMatch: ETag });
  expect((await refusal(head({ IfUnmodifiedSince: new Date(0) }))).status).toBe(412);
  expect((await refusal(head({ IfModifiedSince: new Date() }))).status).toBe(304);
});
