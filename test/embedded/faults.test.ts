import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { type EmbeddedServer, type Fault, startEmbedded } from '../../src/embedded/server.ts';
import { refusal, s3For } from './support.ts';

const Bucket = 'fault-bucket';
const Key = 'k';
const BODY = randomBytes(200_000);
let server: EmbeddedServer;
let s3: S3Client;

beforeAll(async () => {
  server = await startEmbedded();
  server.createBucket(Bucket);
  s3 = s3For(server);
});

afterAll(async () => {
  s3.destroy();
  await server.close();
});

beforeEach(async () => {
  server.faults.clear();
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: BODY }));
  server.requests.reset();
});

const put = (more: object = {}, client = s3) =>
  client.send(new PutObjectCommand({ Bucket, Key: 'new', Body: BODY, ...more }));
const get = async (client = s3): Promise<Buffer> => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};
const once = (match: 'PutObject' | 'GetObject' | 'HeadObject', fault: Fault) =>
  server.faults.add({ match, times: 1, fault });

describe('answers', () => {
  test.each([
    [{ kind: 'slow-down' }, 503, 'SlowDown', 'Please reduce your request rate.'],
    [
      { kind: 'kms-slow-down' },
      503,
      'SlowDown',
      'Please reduce your request rate for operations involving AWS KMS.',
    ],
    [{ kind: 'error-500' }, 500, 'InternalError', 'We encountered an internal error. Please try again.'],
    [{ kind: 'expired-token' }, 400, 'ExpiredToken', 'The provided token has expired.'],
    [
      { kind: 'status', status: 409, code: 'ConditionalRequestConflict', message: 'again' },
      409,
      'ConditionalRequestConflict',
      'again',
    ],
  ] as const)('%o', async (fault, status, name, message) => {
    const active = once('PutObject', fault);
    const attempt = { Key: `new ${status} ${name} ${message}` };
    expect(await refusal(put(attempt))).toEqual({ status, name, message });
    expect(active.hits).toBe(1);
    expect(server.object(Bucket, attempt.Key)).toBeUndefined();
    expect(server.requests.recent.at(-1)).toMatchObject({ status, fault: fault.kind, bytesIn: BODY.length });
    await put(attempt);
    expect(active.hits).toBe(1);
    expect(server.requests.count('PutObject')).toBe(2);
  });

  test('the SDK gets through by trying again', async () => {
    const active = server.faults.add({ match: 'PutObject', times: 2, fault: { kind: 'error-500' } });
    const client = s3For(server, { maxAttempts: 3 });
    await put({}, client);
    client.destroy();
    expect(active.hits).toBe(2);
  });

  test('a redirect names its place', async () => {
    once('GetObject', { kind: 'redirect', location: 'http://localhost/elsewhere' });
    let failed: unknown;
    await get().catch((error: unknown) => (failed = error));
    expect(failed).toMatchObject({
      $metadata: { httpStatusCode: 307 },
      $response: { headers: { location: 'http://localhost/elsewhere' } },
    });
  });

  test('a clock that is wrong refuses, and shows its time', async () => {
    server.faults.add({ match: () => true, fault: { kind: 'clock-skew', ms: 3_600_000 } });
    expect(await refusal(put({}, s3For(server)))).toMatchObject({
      status: 403,
      name: 'RequestTimeTooSkewed',
    });
    await put({}, s3For(server, { maxAttempts: 2 }));
  });
});

describe('connections', () => {
  test('broken before: nothing happened', async () => {
    once('PutObject', { kind: 'reset-before' });
    expect(await refusal(put({ Key: 'before' }))).toMatchObject({ status: undefined });
    expect(server.object(Bucket, 'before')).toBeUndefined();
    expect(server.requests.recent.at(-1)).toMatchObject({ status: 0, fault: 'reset-before' });
  });

  test('broken in the middle of the body: nothing happened', async () => {
    once('PutObject', { kind: 'reset-mid-body' });
    await refusal(put({ Key: 'middle', Body: randomBytes(4 * 2 ** 20) }));
    expect(server.object(Bucket, 'middle')).toBeUndefined();
  });

  test('broken after: it happened, and nobody said so', async () => {
    once('PutObject', { kind: 'reset-after' });
    expect(await refusal(put({ Key: 'after', IfNoneMatch: '*' }))).toMatchObject({ status: undefined });
    expect(server.object(Bucket, 'after')?.body.equals(BODY)).toBe(true);
    expect((await refusal(put({ Key: 'after', IfNoneMatch: '*' }))).status).toBe(412);
  });

  test('broken in the middle of the answer', async () => {
    once('GetObject', { kind: 'reset-mid-body' });
    await refusal(get());
    expect((await get()).equals(BODY)).toBe(true);
  });

  test('hanging: until the client gives up, or the server ends', async () => {
    const active = once('HeadObject', { kind: 'hang' });
    const gone = new AbortController();
    const call = s3.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal: gone.signal });
    await server.requests.until('HeadObject', 1);
    expect(active.hits).toBe(1);
    gone.abort();
    expect((await refusal(call)).name).toBe('AbortError');
  });

  test('slow bodies and late answers arrive whole', async () => {
    once('GetObject', { kind: 'slow-body', ms: 1, bytes: 50_000 });
    expect((await get()).equals(BODY)).toBe(true);
    once('PutObject', { kind: 'slow-body', ms: 1 });
    await put({ Key: 'slow' });
    expect(server.object(Bucket, 'slow')?.body.equals(BODY)).toBe(true);
    once('PutObject', { kind: 'delay', ms: 5 });
    await put({ Key: 'late' });
  });
});

describe('answers that lie', () => {
  test('a body with one bit flipped is caught by the checksum; the object is whole', async () => {
    once('GetObject', { kind: 'corrupt-body' });
    expect((await refusal(get())).message).toContain('Checksum mismatch');
    expect((await get()).equals(BODY)).toBe(true);
    once('GetObject', { kind: 'corrupt-body' });
    const lax = s3For(server, { responseChecksumValidation: 'WHEN_REQUIRED' });
    const damaged = await get(lax);
    expect(damaged.length).toBe(BODY.length);
    expect(damaged.filter((byte, at) => byte !== BODY[at]).length).toBe(1);
    lax.destroy();
  });

  test('headers that are missing', async () => {
    once('PutObject', { kind: 'strip-headers', names: ['x-amz-server-side-encryption'] });
    const answer = await put({ ServerSideEncryption: 'AES256' });
    expect(answer.ServerSideEncryption).toBeUndefined();
    expect(answer.ETag).toBeDefined();
  });
});

describe('choosing', () => {
  test('by a function of the request, until removed', async () => {
    const active = server.faults.add({
      match: ({ key, method, query }) => key === 'chosen' && method === 'PUT' && query.size >= 0,
      fault: { kind: 'error-500' },
    });
    await put({ Key: 'other' });
    for (let n = 0; n < 3; n++) await refusal(put({ Key: 'chosen' }));
    expect(active.hits).toBe(3);
    active.remove();
    await put({ Key: 'chosen' });
  });

  test('requests are counted by operation, with their bytes', async () => {
    await put();
    await get();
    await s3.send(new ListObjectsV2Command({ Bucket }));
    const { requests } = server;
    expect(requests.counts).toEqual({ PutObject: 1, GetObject: 1, ListObjectsV2: 1 });
    expect([requests.total, requests.bytesIn, requests.bytes('PutObject')]).toEqual([
      3,
      BODY.length,
      BODY.length,
    ]);
    const reached = requests.untilTotal(5);
    await put();
    await put();
    await reached;
    requests.reset();
    expect(requests.total).toBe(0);
  });
});
