import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  type S3Client,
  UpdateObjectEncryptionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { refusal, s3For } from './support.ts';

const KMS_ID = '11111111-2222-3333-4444-555555555555';
const ARN = `arn:aws:kms:us-east-1:000000000000:key/${KMS_ID}`;
let server: EmbeddedServer;
let s3: S3Client;
let number = 0;
let Bucket = '';
let now = Date.parse('2026-11-24T12:00:00Z');
const Key = 'secret';
const PLAIN = Buffer.from('the only copy of a file');

beforeAll(async () => {
  server = await startEmbedded({
    now: () => now,
    kmsKeys: [
      { id: KMS_ID, alias: 'vault' },
      { id: 'off', state: 'Disabled' },
      { id: 'dying', state: 'PendingDeletion' },
      { id: 'rsa', spec: 'RSA_2048' },
      { id: 'closed', denied: ['kms:GenerateDataKey'] },
      { id: 'write-only', denied: ['kms:Decrypt'] },
      { id: 'slow', quota: 3 },
    ],
  });
  s3 = s3For(server, { systemClockOffset: now - Date.now() });
});

afterAll(async () => {
  s3.destroy();
  await server.close();
});

beforeEach(() => {
  Bucket = `encryption-${++number}`;
  server.createBucket(Bucket);
  server.kms.resetCalls();
});

const put = (more: object = {}) => s3.send(new PutObjectCommand({ Bucket, Key, Body: PLAIN, ...more }));
const head = (more: object = {}) => s3.send(new HeadObjectCommand({ Bucket, Key, ...more }));
const get = async (more: object = {}) => {
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return { answer, body: Buffer.from((await answer.Body?.transformToByteArray()) ?? []) };
};
const md5 = createHash('md5').update(PLAIN).digest('hex');

describe('SSE-C', () => {
  const key = randomBytes(32);
  const sse = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key as unknown as string };
  const other = { ...sse, SSECustomerKey: randomBytes(32) as unknown as string };
  const keyMd5 = createHash('md5').update(key).digest('base64');

  test('goes round with its key; what is stored is sealed, and the key is nowhere', async () => {
    const written = await put(sse);
    expect(written).toMatchObject({ SSECustomerAlgorithm: 'AES256', SSECustomerKeyMD5: keyMd5 });
    expect(written.ServerSideEncryption).toBeUndefined();
    expect(written.ETag).not.toBe(`"${md5}"`);
    const { answer, body } = await get(sse);
    expect(body).toEqual(PLAIN);
    expect(answer.SSECustomerKeyMD5).toBe(keyMd5);
    expect(answer.ServerSideEncryption).toBeUndefined();
    const stored = server.storedBytes(Bucket, Key);
    expect(stored?.includes(PLAIN)).toBe(false);
    expect(JSON.stringify(server.requests.recent)).not.toContain(key.toString('base64'));
    expect((await get({ ...sse, Range: 'bytes=4-7' })).body.toString()).toBe('only');
  });

  test('every way of getting the headers wrong has its own answer', async () => {
    // The SDK cannot send half a triple: it is spoilt on its way out.
    const spoilt = async (change: (headers: Record<string, string>) => void): Promise<string> => {
      const client = s3For(server, { systemClockOffset: now - Date.now() });
      client.middlewareStack.add(
        (next) => (args) => {
          change((args.request as { headers: Record<string, string> }).headers);
          return next(args);
        },
        { step: 'build', priority: 'low' },
      );
      const failed = await refusal(client.send(new PutObjectCommand({ Bucket, Key, Body: PLAIN, ...sse })));
      client.destroy();
      expect(failed.status).toBe(400);
      return `${failed.name}: ${failed.message}`;
    };
    const PREFIX = 'x-amz-server-side-encryption-customer-';
    const drop = (headers: Record<string, string>, name: string): void => {
      for (const one of Object.keys(headers)) if (one.toLowerCase() === PREFIX + name) delete headers[one];
    };
    const set = (headers: Record<string, string>, name: string, value: string): void => {
      drop(headers, name);
      headers[PREFIX + name] = value;
    };
    expect(await spoilt((h) => drop(h, 'algorithm'))).toContain('must provide a valid encryption algorithm.');
    expect(await spoilt((h) => drop(h, 'key'))).toContain('must provide an appropriate secret key.');
    expect(await spoilt((h) => set(h, 'algorithm', 'AES128'))).toMatch(/^InvalidEncryptionAlgorithmError/);
    expect(await spoilt((h) => set(h, 'key', 'AAAA'))).toContain(
      'The secret key was invalid for the specified',
    );
    expect(await spoilt((h) => set(h, 'key-md5', 'AAAA'))).toContain(
      'The calculated MD5 hash of the key did not',
    );
    expect(await spoilt((h) => void (h['x-amz-server-side-encryption'] = 'AES256'))).toContain(
      'Customer provided key is incompatible',
    );
  });

  test('reading without the key, with another, and with one that is not needed', async () => {
    await put(sse);
    expect(await refusal(get())).toMatchObject({
      status: 400,
      name: 'InvalidRequest',
      message: expect.stringContaining('was stored using a form of Server Side Encryption'),
    });
    expect(await refusal(get(other))).toMatchObject({ status: 403, name: 'AccessDenied' });
    expect((await refusal(head())).status).toBe(400);
    expect((await refusal(head(other))).status).toBe(403);
    await put();
    expect((await refusal(get(sse))).message).toContain('not applicable to this object');
  });

  test('parts carry the key of their upload; Complete without it leaves no checksum', async () => {
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'CRC32', ...sse }),
    );
    const part = (more: object) =>
      s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: PLAIN, ...more }));
    expect((await refusal(part({}))).message).toContain(
      'The multipart upload initiate requested encryption.',
    );
    expect((await refusal(part(other))).message).toContain('did not match the ones used originally');
    const { ETag, ChecksumCRC32, SSECustomerKeyMD5 } = await part(sse);
    expect(SSECustomerKeyMD5).toBe(keyMd5);
    const done = await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag, ChecksumCRC32 }] },
      }),
    );
    expect(done.ChecksumCRC32).toBeUndefined();
    expect((await head({ ...sse, ChecksumMode: 'ENABLED' })).ChecksumCRC32).toBeUndefined();
    const body = randomBytes(6 * 2 ** 20);
    const whole = await new Upload({ client: s3, params: { Bucket, Key, Body: body, ...sse } }).done();
    expect(whole.ChecksumCRC32).toMatch(/-2$/);
    expect((await get(sse)).body.equals(body)).toBe(true);
  });

  test('copies need the key of the source and may change it', async () => {
    await put(sse);
    const CopySource = `${Bucket}/${Key}`;
    const without = s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
    expect(await refusal(without)).toMatchObject({ status: 400, name: 'InvalidRequest' });
    const source = {
      CopySourceSSECustomerAlgorithm: 'AES256',
      CopySourceSSECustomerKey: key as unknown as string,
    };
    await s3.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...source, ...other }));
    expect((await get(other)).body).toEqual(PLAIN);
    await s3.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'plain',
        CopySource,
        CopySourceSSECustomerAlgorithm: 'AES256',
        CopySourceSSECustomerKey: other.SSECustomerKey,
      }),
    );
    expect((await get({ Key: 'plain' })).body).toEqual(PLAIN);
  });

  test('a new bucket blocks it until told otherwise; reading goes on', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: `${Bucket}-new` }));
    const blocked = put({ Bucket: `${Bucket}-new`, ...sse });
    expect(await refusal(blocked)).toMatchObject({
      status: 403,
      name: 'AccessDenied',
      message: expect.stringContaining('blocked upload requests'),
    });
    await put(sse);
    const rule = (types: ('SSE-C' | 'NONE')[]) => ({
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const },
      BlockedEncryptionTypes: { EncryptionType: types },
    });
    const set = (types: ('SSE-C' | 'NONE')[]) =>
      s3.send(
        new PutBucketEncryptionCommand({
          Bucket,
          ServerSideEncryptionConfiguration: { Rules: [rule(types)] },
        }),
      );
    await set(['SSE-C']);
    const read = await s3.send(new GetBucketEncryptionCommand({ Bucket }));
    expect(read.ServerSideEncryptionConfiguration?.Rules?.[0]?.BlockedEncryptionTypes).toEqual({
      EncryptionType: ['SSE-C'],
    });
    expect((await refusal(put(sse))).status).toBe(403);
    const begun = s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...sse }));
    expect((await refusal(begun)).status).toBe(403);
    expect((await get(sse)).body).toEqual(PLAIN);
    await set(['NONE']);
    await put(sse);
  });
});

describe('SSE-S3 and SSE-KMS', () => {
  test('asked for, S3 keeps the bytes sealed; the ETag of SSE-S3 alone is the MD5', async () => {
    expect((await put({ ServerSideEncryption: 'AES256' })).ETag).toBe(`"${md5}"`);
    expect(server.storedBytes(Bucket, Key)?.includes(PLAIN)).toBe(false);
    expect((await get()).body).toEqual(PLAIN);
    expect((await put({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KMS_ID })).ETag).not.toBe(`"${md5}"`);
    expect(server.storedBytes(Bucket, Key)?.includes(PLAIN)).toBe(false);
    expect((await get()).body).toEqual(PLAIN);
  });

  test.each([
    KMS_ID,
    ARN,
    'alias/vault',
    ARN.replace(`key/${KMS_ID}`, 'alias/vault'),
  ])('the key named %s is answered as its ARN', async (SSEKMSKeyId) => {
    const SSEKMSEncryptionContext = Buffer.from('{"team":"blue"}').toString('base64');
    const written = await put({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId, SSEKMSEncryptionContext });
    expect(written).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ARN });
    const context: unknown = JSON.parse(
      Buffer.from(written.SSEKMSEncryptionContext ?? '', 'base64').toString(),
    );
    expect(context).toMatchObject({ team: 'blue' });
    const found = await head();
    expect(found).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ARN });
  });

  test.each([
    ['99999999-2222-3333-4444-555555555555', 400, 'KMS.NotFoundException', 'does not exist'],
    ['nonsense', 400, 'KMS.NotFoundException', 'Invalid keyId'],
    [ARN.replace('us-east-1', 'eu-west-1'), 400, 'KMS.NotFoundException', 'Invalid arn eu-west-1'],
    ['off', 400, 'KMS.DisabledException', 'disabled'],
    ['dying', 400, 'KMS.KMSInvalidStateException', 'pending deletion'],
    ['rsa', 400, 'KMS.InvalidKeyUsageException', ''],
    ['closed', 403, 'AccessDenied', 'kms:GenerateDataKey'],
  ])('a key that cannot be used: %s', async (SSEKMSKeyId, status, name, text) => {
    const failed = await refusal(put({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId }));
    expect(failed).toMatchObject({ status, name, message: expect.stringContaining(text) });
    expect(server.keys(Bucket)).toEqual([]);
  });

  test('reading needs kms:Decrypt and a key that is enabled; a plain HEAD does not', async () => {
    await put({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'write-only' });
    expect(await refusal(get())).toMatchObject({ status: 403, name: 'AccessDenied' });
    await head();
    expect((await refusal(head({ ChecksumMode: 'ENABLED' }))).status).toBe(403);
    await put({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KMS_ID });
    server.kms.set({ id: KMS_ID, alias: 'vault', state: 'Disabled' });
    expect(await refusal(get())).toMatchObject({ name: 'KMS.DisabledException' });
    server.kms.set({ id: KMS_ID, alias: 'vault' });
    expect((await get()).body).toEqual(PLAIN);
  });

  test('Bucket Keys spare KMS; two layers cost double and take none', async () => {
    const kms = { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: KMS_ID };
    for (let n = 0; n < 4; n++) await put(kms);
    expect(server.kms.callTimes.length).toBe(4);
    server.kms.resetCalls();
    for (let n = 0; n < 4; n++)
      expect((await put({ ...kms, BucketKeyEnabled: true })).BucketKeyEnabled).toBe(true);
    expect((await get()).answer.BucketKeyEnabled).toBe(true);
    expect(server.kms.callTimes.length).toBe(1);
    server.kms.resetCalls();
    const dsse = { ServerSideEncryption: 'aws:kms:dsse' as const, SSEKMSKeyId: KMS_ID };
    expect(await put(dsse)).toMatchObject({ ServerSideEncryption: 'aws:kms:dsse', SSEKMSKeyId: ARN });
    expect(server.kms.callTimes.length).toBe(2);
    expect((await get()).body).toEqual(PLAIN);
    expect(await refusal(put({ ...dsse, BucketKeyEnabled: true }))).toMatchObject({
      name: 'InvalidArgument',
    });
  });

  test('above the quota of a second KMS throttles through S3, with the text that names it', async () => {
    const kms = { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: 'slow' };
    for (let n = 0; n < 3; n++) await put(kms);
    expect(await refusal(put(kms))).toEqual({
      status: 503,
      name: 'SlowDown',
      message: 'Please reduce your request rate for operations involving AWS KMS.',
    });
    now += 1000;
    await put(kms);
  });

  test('multipart under KMS: a call at the start, one a part, one at the end', async () => {
    const kms = { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: KMS_ID };
    const body = randomBytes(11 * 2 ** 20);
    const done = await new Upload({ client: s3, params: { Bucket, Key, Body: body, ...kms } }).done();
    expect(done).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ARN });
    expect(server.kms.callTimes.length).toBe(5);
    expect((await get()).body.equals(body)).toBe(true);
  });

  test('the default of the bucket applies where nothing is asked', async () => {
    const set = (rule: object) =>
      s3.send(
        new PutBucketEncryptionCommand({
          Bucket,
          ServerSideEncryptionConfiguration: {
            Rules: [{ ApplyServerSideEncryptionByDefault: rule as never }],
          },
        }),
      );
    await set({ SSEAlgorithm: 'aws:kms', KMSMasterKeyID: ARN });
    expect(await put()).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ARN });
    expect(await put({ ServerSideEncryption: 'AES256' })).toMatchObject({ ServerSideEncryption: 'AES256' });
    const odd = set({ SSEAlgorithm: 'AES256', KMSMasterKeyID: ARN });
    expect(await refusal(odd)).toMatchObject({ name: 'InvalidArgument' });
    const managed = await put({ ServerSideEncryption: 'aws:kms' });
    expect(managed.SSEKMSKeyId).toBe('arn:aws:kms:us-east-1:000000000000:key/aws/s3');
  });

  test('an object moves to a KMS key in place and keeps its ETag', async () => {
    const { ETag } = await put({ ServerSideEncryption: 'AES256' });
    const ObjectEncryption = { SSEKMS: { KMSKeyArn: ARN, BucketKeyEnabled: true } };
    await s3.send(new UpdateObjectEncryptionCommand({ Bucket, Key, ObjectEncryption }));
    expect(await head()).toMatchObject({ ETag, ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ARN });
    expect((await get()).body).toEqual(PLAIN);
  });
});

test('a silent endpoint encrypts and does not say so', async () => {
  const silent = await startEmbedded({ sse: 'silent' });
  const client = s3For(silent);
  silent.createBucket('silent-bucket');
  const written = await client.send(
    new PutObjectCommand({ Bucket: 'silent-bucket', Key, Body: PLAIN, ServerSideEncryption: 'AES256' }),
  );
  expect(written.ServerSideEncryption).toBeUndefined();
  expect(silent.object('silent-bucket', Key)?.encryption).toBe('AES256');
  client.destroy();
  await silent.close();
});
