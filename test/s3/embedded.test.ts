/** The store adapter on the embedded server: the contract, and what happens when things go wrong. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type BucketOptions,
  type EmbeddedServer,
  type Fault,
  startEmbedded,
} from '../../src/embedded/server.ts';
import { systemClock } from '../../src/clock.ts';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Clock, ObjectStore } from '../../src/model/ports.ts';
import { resolveRemote } from '../../src/s3/connect.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { type StoreOptions, openStore } from '../../src/s3/open-store.ts';
import {
  bytesIn,
  listAll,
  objectStoreContract,
  PART,
  sourceOf,
  TestJournal,
} from '../contract/object-store.ts';
import { type Endpoint, protectionOf, rigOn, storeOn } from './rig.ts';

const KMS_KEY = '1234abcd-12ab-34cd-56ef-1234567890ab';
const folder = mkdtempSync(join(tmpdir(), 's3vault-s3-'));
let server: EmbeddedServer;
let silent: EmbeddedServer;
let buckets = 0;

beforeAll(async () => {
  server = await startEmbedded({ kmsKeys: [{ id: KMS_KEY }] });
  silent = await startEmbedded({ kmsKeys: [{ id: KMS_KEY }], sse: 'silent' });
});

afterAll(async () => {
  await Promise.all([server.close(), silent.close()]);
  rmSync(folder, { recursive: true });
});

async function placeOf(on: EmbeddedServer, asAws = false): Promise<Endpoint> {
  const caFile = await on.caFile(mkdtempSync(join(folder, 'ca-')));
  return {
    endpoint: on.url,
    caFile,
    region: on.region,
    ...on.credentials,
    kmsKeyId: KMS_KEY,
    asAws,
    createBucket: async (options) => {
      const name = `bucket-${++buckets}`;
      on.createBucket(name, options);
      return name;
    },
  };
}

const ALL = ['client', 'sse-c', 'sse-kms', 'dsse-kms', 'sse-s3'] as const;
objectStoreContract('embedded server', async () => rigOn(await placeOf(server), ALL, []));
objectStoreContract('embedded server, as Amazon S3', async () => rigOn(await placeOf(server, true), ALL, []));
objectStoreContract('embedded server that confirms nothing', async () =>
  rigOn(await placeOf(silent), ['client'], ['sse-c', 'sse-kms', 'dsse-kms', 'sse-s3']),
);

/** Real, but for pauses, which end at once and are written down. */
function hastyClock(): Clock & { readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    ...systemClock,
    pauses,
    sleep: async (ms) => {
      pauses.push(ms);
    },
  };
}

const opened: ObjectStore[] = [];
afterEach(async () => {
  server.faults.clear();
  await Promise.all(opened.splice(0).map((store) => store.close()));
});

interface Opened {
  readonly store: ObjectStore;
  readonly bucket: string;
  readonly clock: ReturnType<typeof hastyClock>;
}

async function open(
  protection: Protection = protectionOf('client', KMS_KEY),
  options: Partial<StoreOptions> & BucketOptions & { asAws?: boolean } = {},
): Promise<Opened> {
  const { asAws = false, versioning = false, blockSseC = false, ignoreConditions = false, ...more } = options;
  const bucket = `bucket-${++buckets}`;
  server.createBucket(bucket, { versioning, blockSseC, ignoreConditions });
  const clock = hastyClock();
  const store = await storeOn(await placeOf(server, asAws), bucket, protection, { clock, ...more });
  opened.push(store);
  server.requests.reset();
  return { store, bucket, clock };
}

const KEY = objectKey('folder/file.txt');
const BODY = Buffer.from('some bytes');
const SSE = 'x-amz-server-side-encryption';
const big = () => sourceOf([randomBytes(PART), randomBytes(PART), randomBytes(9)]);

describe('a proof that is missing', () => {
  const cases: [Protection['mode'], string][] = [
    ['client', 'etag'],
    ['sse-c', `${SSE}-customer-algorithm`],
    ['sse-c', `${SSE}-customer-key-md5`],
    ['sse-kms', SSE],
    ['sse-kms', `${SSE}-aws-kms-key-id`],
    ['dsse-kms', SSE],
    ['sse-s3', SSE],
  ];
  test.each(cases)('%s without %s: the object is removed again', async (mode, name) => {
    const { store, bucket } = await open(protectionOf(mode, KMS_KEY));
    server.faults.add({
      match: ({ method }) => method !== 'GET',
      fault: { kind: 'strip-headers', names: [name] },
    });
    const failure = { kind: 'security', code: 'proof-missing', exit: 6 };
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject(failure);
    expect(server.keys(bucket)).toEqual([]);
    expect(server.requests.count('DeleteObject')).toBe(1);
  });

  test('in a versioned bucket its new version is removed, and the one before is back', async () => {
    const { store, bucket } = await open(protectionOf('sse-s3', KMS_KEY), { versioning: true });
    const before = await store.put(KEY, Buffer.from('before'), {});
    server.faults.add({ match: 'PutObject', fault: { kind: 'strip-headers', names: [SSE] } });
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject({ code: 'proof-missing' });
    expect(server.versions(bucket, KEY).map(({ versionId }) => versionId)).toEqual([before.versionId]);
    expect((await bytesIn((await store.get(KEY)).body)).toString()).toBe('before');
  });

  test('a removal that fails is said', async () => {
    const { store, bucket } = await open(protectionOf('sse-s3', KMS_KEY));
    server.faults.add({ match: 'PutObject', fault: { kind: 'strip-headers', names: [SSE] } });
    const denied = { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' } as const;
    server.faults.add({ match: 'DeleteObject', fault: denied });
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject({
      kind: 'security',
      message: expect.stringContaining('could not be removed'),
    });
    expect(server.keys(bucket)).toEqual([KEY]);
  });

  test('a multipart upload whose beginning proves nothing is aborted before a part is sent [PROOF-2]', async () => {
    for (const mode of ['sse-c', 'sse-kms', 'sse-s3'] as const) {
      const { store, bucket } = await open(protectionOf(mode, KMS_KEY));
      const names = [SSE, `${SSE}-customer-algorithm`];
      server.faults.add({ match: 'CreateMultipartUpload', fault: { kind: 'strip-headers', names } });
      const journal = new TestJournal();
      await expect(store.upload(KEY, big(), journal)).rejects.toMatchObject({ code: 'proof-missing' });
      expect(server.requests.count('UploadPart')).toBe(0);
      expect(server.pendingUploads(bucket)).toEqual([]);
      expect(journal.calls).toEqual(['begun', 'ended']);
    }
  });

  test('a multipart object that proves nothing in the end is removed', async () => {
    for (const mode of ['sse-c', 'sse-kms', 'sse-s3'] as const) {
      const { store, bucket } = await open(protectionOf(mode, KMS_KEY));
      const names = [SSE, `${SSE}-customer-key-md5`];
      for (const match of ['CompleteMultipartUpload', 'HeadObject'] as const)
        server.faults.add({ match, fault: { kind: 'strip-headers', names } });
      await expect(store.upload(KEY, big(), new TestJournal())).rejects.toMatchObject({
        code: 'proof-missing',
      });
      expect(server.keys(bucket)).toEqual([]);
      expect(server.pendingUploads(bucket)).toEqual([]);
    }
  });

  test('nothing of one whose answer got lost stays, not even a delete marker over its version', async () => {
    const { store, bucket } = await open(protectionOf('sse-s3', KMS_KEY), { versioning: true });
    server.faults.add({ match: 'CompleteMultipartUpload', times: 1, fault: { kind: 'reset-after' } });
    server.faults.add({ match: 'HeadObject', fault: { kind: 'strip-headers', names: [SSE] } });
    await expect(store.upload(KEY, big(), new TestJournal())).rejects.toMatchObject({
      code: 'proof-missing',
    });
    expect(server.versions(bucket, KEY)).toEqual([]);
  });

  test('an SSE-C part that is not confirmed ends the upload', async () => {
    const { store, bucket } = await open(protectionOf('sse-c', KMS_KEY));
    const names = [`${SSE}-customer-key-md5`];
    server.faults.add({ match: 'UploadPart', fault: { kind: 'strip-headers', names } });
    await expect(store.upload(KEY, big(), new TestJournal())).rejects.toMatchObject({
      code: 'proof-missing',
    });
    expect(server.pendingUploads(bucket)).toEqual([]);
  });

  test('what may not be asked for its proof is removed as well, and the refusal is said', async () => {
    const { store, bucket } = await open(protectionOf('client', KMS_KEY), { asAws: true });
    const names = ['x-amz-checksum-crc32'];
    server.faults.add({ match: 'PutObject', fault: { kind: 'strip-headers', names } });
    server.faults.add({
      match: ({ operation }) => operation === 'HeadObject' || operation === 'GetObject',
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'not to be read' },
    });
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject({
      kind: 'refused',
      code: 'access-denied',
      message: expect.stringContaining('not to be read') as string,
    });
    expect(server.keys(bucket)).toEqual([]);
  });

  test.each([
    [
      'another key',
      'wrong-key',
      403,
      'The calculated MD5 hash of the key did not match the hash that was provided.',
    ],
    ['another mode', 'proof-missing', 400, 'The encryption parameters are not applicable to this object.'],
  ])('SSE-C: what its parts said proves nothing of a large object under %s', async (_, code, status, message) => {
    const { store, bucket } = await open(protectionOf('sse-c', KMS_KEY));
    server.faults.add({
      match: 'HeadObject',
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message },
    });
    server.faults.add({
      match: 'GetObject',
      fault: { kind: 'status', status, code: status === 403 ? 'AccessDenied' : 'InvalidRequest', message },
    });
    await expect(store.upload(KEY, big(), new TestJournal())).rejects.toMatchObject({
      kind: 'security',
      code,
    });
    expect(server.keys(bucket)).toEqual([]);
  });

  test('as Amazon S3, a client-side object without its CRC-32 is asked for it', async () => {
    const { store } = await open(protectionOf('client', KMS_KEY), { asAws: true });
    const fault = { kind: 'strip-headers', names: ['x-amz-checksum-crc32'] } as const;
    server.faults.add({ match: 'PutObject', fault });
    expect(await store.put(KEY, BODY, {})).toMatchObject({ proof: { checksum: { algorithm: 'crc32' } } });
    expect(server.requests.count('HeadObject')).toBe(1);
    server.faults.add({ match: 'HeadObject', fault });
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject({ code: 'proof-missing' });
  });
});

test('SSE-C: every request about an object carries the key, and no other does', async () => {
  const { store } = await open(protectionOf('sse-c', KMS_KEY));
  await store.put(KEY, BODY, {});
  await bytesIn((await store.get(KEY)).body);
  await store.head(KEY);
  await store.upload(objectKey('big'), big(), new TestJournal());
  await listAll(store, '');
  await store.remove(KEY);
  const md5 = createHash('md5').update(createHash('sha256').update('key false').digest()).digest('base64');
  const without = ['DeleteObject', 'ListObjectsV2', 'AbortMultipartUpload'];
  const seen = new Set<string>();
  for (const { operation, headers } of server.requests.recent) {
    seen.add(operation);
    const expected = without.includes(operation) ? undefined : md5;
    expect([operation, headers[`${SSE}-customer-key-md5`]]).toEqual([operation, expected]);
    expect(headers[`${SSE}-customer-algorithm`]).toBe(expected === undefined ? undefined : 'AES256');
  }
  for (const operation of [
    'PutObject',
    'GetObject',
    'HeadObject',
    'CreateMultipartUpload',
    'UploadPart',
    'CompleteMultipartUpload',
  ])
    expect(seen).toContain(operation);
});

describe('what goes wrong on the way', () => {
  const passing: [string, Fault][] = [
    ['a 500', { kind: 'error-500' }],
    ['SlowDown', { kind: 'slow-down' }],
    ['a reset before', { kind: 'reset-before' }],
    ['a reset in the middle', { kind: 'reset-mid-body' }],
    ['a lost answer', { kind: 'reset-after' }],
  ];
  test.each(passing)('%s is tried again', async (_, fault) => {
    const { store, bucket, clock } = await open();
    server.faults.add({ match: 'PutObject', times: 2, fault });
    await store.put(KEY, randomBytes(400_000), {});
    expect(server.keys(bucket)).toEqual([KEY]);
    expect(clock.pauses.length).toBe(2);
  });

  test.each(
    passing,
  )('%s of a part: the same bytes again, once more journaled as sent only at the end', async (_, fault) => {
    const { store } = await open();
    server.faults.add({ match: 'UploadPart', times: 2, fault });
    const journal = new TestJournal();
    const source = big();
    await store.upload(KEY, source, journal);
    expect(journal.calls.filter((call) => call.startsWith('sent')).length).toBe(3);
    expect((await store.head(KEY))?.size).toBe(source.size);
  });

  test('a Complete whose answer got lost is recognised by the object', async () => {
    for (const asAws of [false, true]) {
      const { store, bucket } = await open(protectionOf('client', KMS_KEY), { asAws });
      server.faults.add({ match: 'CompleteMultipartUpload', times: 1, fault: { kind: 'reset-after' } });
      const receipt = await store.upload(KEY, big(), new TestJournal());
      expect(receipt).toMatchObject({ size: 2 * PART + 9, proof: { mode: 'client' } });
      expect(receipt.etag).toBe(server.object(bucket, KEY)?.etag.replaceAll('"', ''));
    }
  });

  test('a conditional put whose answer got lost is recognised as our own', async () => {
    for (const asAws of [false, true]) {
      const { store } = await open(protectionOf('client', KMS_KEY), { asAws });
      server.faults.add({ match: 'PutObject', times: 1, fault: { kind: 'reset-after' } });
      const receipt = await store.put(KEY, BODY, { 's3vault-id': 'x' }, { ifNoneMatch: '*' });
      expect(receipt.etag).toBe((await store.head(KEY))?.etag);
    }
  });

  test('throttling is told, with whose limit it is', async () => {
    const told: unknown[] = [];
    const { store } = await open(protectionOf('sse-kms', KMS_KEY), {
      onThrottle: ({ resource }) => told.push(resource),
    });
    server.faults.add({ match: 'PutObject', times: 1, fault: { kind: 'kms-slow-down' } });
    await store.put(KEY, BODY, {});
    server.faults.add({ match: 'ListObjectsV2', times: 1, fault: { kind: 'slow-down' } });
    await listAll(store, '');
    expect(told).toEqual(['kms', 's3']);
  });

  test('a clock that is wrong is corrected once', async () => {
    const { store } = await open();
    server.faults.add({ match: 'PutObject', fault: { kind: 'clock-skew' } });
    await store.put(KEY, BODY, {});
  });

  test('expired credentials are refreshed once, then refused', async () => {
    const { bucket, store } = await open();
    server.faults.add({ match: 'HeadObject', fault: { kind: 'expired-token' } });
    server.faults.add({ match: 'PutObject', fault: { kind: 'expired-token' } });
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject({
      kind: 'refused',
      code: 'credentials-expired',
    });
    const resolved = await resolveOn(bucket);
    const { accessKeyId, secretAccessKey } = server.credentials;
    const old = server.issueSession(Date.now() - 1_000);
    let refreshes = 0;
    const credentials = {
      get: async () => (refreshes === 0 ? old : { accessKeyId, secretAccessKey }),
      refresh: async () => ++refreshes === 1,
    };
    server.faults.clear();
    const refreshing = openStore({ ...resolved, credentials }, protectionOf('client', KMS_KEY), {
      clock: systemClock,
      transfers: 1,
    });
    opened.push(refreshing);
    await refreshing.put(KEY, BODY, {});
    expect(refreshes).toBe(1);
  });

  test('a bucket that blocks SSE-C says how to allow it', async () => {
    const { store, bucket } = await open(protectionOf('sse-c', KMS_KEY), { blockSseC: true });
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject({
      kind: 'refused',
      code: 'sse-c-blocked',
      hint: expect.stringContaining(`bucket harden ${bucket} --allow-sse-c`),
    });
    const uploading = store.upload(KEY, big(), new TestJournal());
    await expect(uploading).rejects.toMatchObject({ code: 'sse-c-blocked' });
  });

  test('a KMS key that is not there is refused', async () => {
    const { store } = await open({ mode: 'sse-kms', keyId: 'no-such-key', context: {} });
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject({ kind: 'refused', code: 'kms-missing' });
  });

  test('wrong credentials and a missing bucket are refused', async () => {
    const place = await placeOf(server);
    const { bucket } = await open();
    const protection = protectionOf('client', KMS_KEY);
    const unknown = await storeOn({ ...place, accessKeyId: 'AKIAUNKNOWN000000000' }, bucket, protection);
    const forged = await storeOn({ ...place, secretAccessKey: 'wrong' }, bucket, protection);
    const missing = await storeOn(place, 'no-such-bucket', protection);
    const region = await storeOn({ ...place, region: 'eu-west-1' }, bucket, protection);
    opened.push(unknown, forged, missing, region);
    await expect(unknown.reach()).rejects.toMatchObject({ kind: 'refused', code: 'credentials-unknown' });
    await expect(forged.reach()).rejects.toMatchObject({ kind: 'refused', code: 'signature' });
    await expect(missing.reach()).rejects.toMatchObject({ kind: 'refused', code: 'bucket-missing' });
    await expect(listAll(missing, '')).rejects.toMatchObject({ kind: 'refused', code: 'bucket-missing' });
    await expect(region.reach()).rejects.toMatchObject({
      kind: 'refused',
      code: 'wrong-region',
      hint: 'say so with --region us-east-1',
    });
  });

  test('redirects are not followed, least of all to plain HTTP', async () => {
    const { store } = await open();
    const plain: Fault = { kind: 'redirect', location: 'http://localhost:1/', status: 307 };
    server.faults.add({ match: () => true, fault: plain });
    const refused = { kind: 'refused', code: 'plain-http' };
    await expect(store.put(KEY, BODY, {})).rejects.toMatchObject(refused);
    await expect(store.get(KEY)).rejects.toMatchObject(refused);
    await expect(listAll(store, '')).rejects.toMatchObject({ kind: 'refused' });
    expect(server.requests.total).toBe(3);
    server.faults.clear();
    const other: Fault = { kind: 'redirect', location: 'https://localhost:1/', status: 301 };
    server.faults.add({ match: () => true, fault: other });
    await expect(store.head(KEY)).rejects.toMatchObject({ kind: 'refused', code: 'redirected' });
  });

  test('a body that is cut short is noticed', async () => {
    const { store } = await open();
    await store.put(KEY, randomBytes(500_000), {});
    server.faults.add({ match: 'GetObject', fault: { kind: 'reset-mid-body' } });
    await expect(store.get(KEY).then(({ body }) => bytesIn(body))).rejects.toMatchObject({
      kind: 'transient',
    });
  });

  test('an answer that breaks off in the middle of its words is asked for again', async () => {
    const { store, clock } = await open(undefined, { ignoreConditions: true });
    const operations = ['ListObjectVersions', 'CopyObject'] as const;
    for (const match of operations) server.faults.add({ match, times: 1, fault: { kind: 'reset-mid-body' } });
    for await (const page of store.versions('')) expect(page).toEqual([]);
    expect(await store.conditions('')).toMatchObject({ copies: 'ignored' });
    expect(clock.pauses).toHaveLength(operations.length);
  });

  test('waiting for an answer can be cancelled, for parts as well', async () => {
    const { store } = await open();
    for (const operation of ['PutObject', 'UploadPart'] as const)
      server.faults.add({ match: operation, fault: { kind: 'hang' } });
    const control = new AbortController();
    const { signal } = control;
    const putting = store.put(KEY, BODY, {}, { signal });
    const uploading = store.upload(KEY, big(), new TestJournal(), { signal });
    const settled = Promise.allSettled([putting, uploading]);
    await server.requests.until('CreateMultipartUpload', 1);
    control.abort();
    for (const { status, reason } of (await settled) as PromiseRejectedResult[])
      expect([status, reason]).toMatchObject(['rejected', { kind: 'cancelled' }]);
  });

  test('a source that fails does not wait for parts that hang', async () => {
    const { store } = await open();
    server.faults.add({ match: 'UploadPart', fault: { kind: 'hang' } });
    const source = {
      ...big(),
      open: async function* () {
        yield randomBytes(PART);
        yield randomBytes(PART);
        await server.requests.until('CreateMultipartUpload', 1);
        throw new VaultError('changed', 'changed-while-reading', 'it changed');
      },
    };
    const changed = { code: 'changed-while-reading' };
    await expect(store.upload(KEY, source, new TestJournal())).rejects.toMatchObject(changed);
  });

  test('after an upload has failed nothing of it is under way', async () => {
    const { store } = await open();
    const ofPart = (number: string) => (request: { readonly query: ReadonlyMap<string, string> }) =>
      request.query.get('partNumber') === number;
    server.faults.add({ match: ofPart('1'), fault: { kind: 'hang' } });
    const denied = { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' } as const;
    server.faults.add({ match: ofPart('2'), fault: denied });
    const journal = new TestJournal();
    await expect(store.upload(KEY, big(), journal)).rejects.toMatchObject({ code: 'access-denied' });
    expect(journal.calls).not.toContain('sent 1');
    expect(journal.calls).not.toContain('ended');
  });

  test('a store that does not keep conditions is looked at first', async () => {
    const { store } = await open();
    await store.put(KEY, BODY, {});
    server.requests.reset();
    const unmet = { kind: 'changed', code: 'precondition' };
    await expect(store.put(KEY, BODY, {}, { ifNoneMatch: '*' })).rejects.toMatchObject(unmet);
    expect(server.requests.counts).toEqual({ HeadObject: 1 });
  });

  test('a server that is gone is offline, and not tried again', async () => {
    const gone = await startEmbedded();
    const place = await placeOf(gone);
    await gone.close();
    const clock = hastyClock();
    const store = await storeOn(place, 'any-bucket', protectionOf('client', KMS_KEY), { clock });
    opened.push(store);
    await expect(store.reach()).rejects.toMatchObject({ kind: 'offline' });
    await expect(listAll(store, '')).rejects.toMatchObject({ kind: 'offline' });
    expect(clock.pauses).toEqual([]);
  });
});

async function resolveOn(bucket: string) {
  const { endpoint, caFile, region, accessKeyId, secretAccessKey } = await placeOf(server);
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  return resolveRemote({ bucket, prefix: '', endpoint, region, caBundle: caFile }, env);
}
