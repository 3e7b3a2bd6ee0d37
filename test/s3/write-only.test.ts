/** What `bucket policy --iam --write-only` prints is enough to send files of any size, each proved. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey } from '../../src/model/brands.ts';
import type { ObjectStore } from '../../src/model/ports.ts';
import { iamPolicy } from '../../src/s3/posture/iam.ts';
import { PART, TestJournal, sourceOf } from '../contract/object-store.ts';
import { grantedOnly } from './granted.ts';
import { protectionOf, storeOn } from './rig.ts';

const KMS_KEY = '1234abcd-12ab-34cd-56ef-1234567890ab';
const SSE = 'x-amz-server-side-encryption';
const MODES = ['client', 'sse-c', 'sse-kms', 'dsse-kms', 'sse-s3'] as const;
type ModeName = (typeof MODES)[number];

const folder = mkdtempSync(join(tmpdir(), 's3vault-write-only-'));
let server: EmbeddedServer;
let buckets = 0;
const opened: ObjectStore[] = [];

beforeAll(async () => {
  server = await startEmbedded({ kmsKeys: [{ id: KMS_KEY }] });
});
afterEach(async () => {
  server.faults.clear();
  await Promise.all(opened.splice(0).map((store) => store.close()));
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Machine {
  readonly store: ObjectStore;
  readonly bucket: string;
  readonly again: () => Promise<ObjectStore>;
}

/** A machine that has the printed policy and nothing else. */
async function writeOnly(mode: ModeName, asAws = true): Promise<Machine> {
  const bucket = `write-only-${++buckets}`;
  const ground = { bucket, region: server.region, isAws: true };
  const guard = { prefix: 'docs/', mode, ...(mode.includes('kms') ? { kmsKeyId: KMS_KEY } : {}) };
  server.createBucket(bucket, {
    policy: grantedOnly(iamPolicy(ground, guard, { writeOnly: true }), bucket),
  });
  const place = {
    endpoint: server.url,
    caFile: await server.caFile(folder),
    region: server.region,
    ...server.credentials,
    asAws,
  };
  const again = async (): Promise<ObjectStore> => {
    const store = await storeOn(place, bucket, protectionOf(mode, KMS_KEY));
    opened.push(store);
    return store;
  };
  const store = await again();
  server.requests.reset();
  return { store, bucket, again };
}

const KEY = objectKey('docs/large.bin');
const parts = [randomBytes(PART), randomBytes(PART), randomBytes(9)];
const large = () => sourceOf(parts, { 's3vault-mtime': '1' });
const heads = (): number => server.requests.count('HeadObject');

describe.each(MODES)('mode %s', (mode) => {
  test.each([true, false])('a large file is sent and proved (as Amazon S3: %s)', async (asAws) => {
    const { store, bucket } = await writeOnly(mode, asAws);
    const receipt = await store.upload(KEY, large(), new TestJournal());
    expect(receipt.proof).toMatchObject({ mode });
    expect(receipt.etag).toBe(server.object(bucket, KEY)?.etag.replaceAll('"', ''));
    if (asAws) expect(receipt.proof).toMatchObject({ checksum: { algorithm: 'crc32' } });
    // Only sse-c is silent at Complete: there the object is asked, and that is refused.
    expect(heads()).toBe(mode === 'sse-c' ? 1 : 0);
  });

  test('nothing else is granted: the object can not be looked at, read or removed', async () => {
    const { store } = await writeOnly(mode);
    await store.put(KEY, Buffer.from('small'), {});
    for (const denied of [() => store.head(KEY), () => store.get(KEY), () => store.remove(KEY)])
      await expect(denied()).rejects.toMatchObject({ code: 'access-denied' });
  });

  test('a Complete whose answer got lost is not taken for done: the upload is to begin anew', async () => {
    const { store } = await writeOnly(mode);
    server.faults.add({ match: 'CompleteMultipartUpload', times: 1, fault: { kind: 'reset-after' } });
    const journal = new TestJournal();
    await expect(store.upload(KEY, large(), journal)).rejects.toMatchObject({ code: 'upload-gone' });
    expect(journal.uploadId).toBeUndefined();
  });
});

test('sse-c: parts that an earlier run sent count as it saw them confirmed', async () => {
  const { store, bucket, again } = await writeOnly('sse-c');
  const journal = new TestJournal();
  const refused = { kind: 'status', status: 403, code: 'AccessDenied', message: 'not now' } as const;
  server.faults.add({ match: 'CompleteMultipartUpload', fault: refused });
  await expect(store.upload(KEY, large(), journal)).rejects.toMatchObject({ code: 'access-denied' });
  server.faults.clear();
  server.requests.reset();
  const receipt = await (await again()).upload(KEY, large(), journal);
  expect(server.requests.count('UploadPart')).toBe(0);
  expect(receipt.proof).toMatchObject({ mode: 'sse-c', algorithm: 'AES256' });
  expect(server.keys(bucket)).toEqual([KEY]);
});

describe('what the answers do not prove is not taken', () => {
  // It could not be taken back either.
  const nothing = {
    kind: 'security',
    exit: 6,
    message: expect.stringContaining('what was written could not be removed again') as string,
  };

  test.each(['sse-kms', 'dsse-kms', 'sse-s3'] as const)('%s: a silent Complete', async (mode) => {
    const { store } = await writeOnly(mode);
    const fault = { kind: 'strip-headers', names: [SSE] } as const;
    server.faults.add({ match: 'CompleteMultipartUpload', fault });
    await expect(store.upload(KEY, large(), new TestJournal())).rejects.toMatchObject(nothing);
    expect(heads()).toBe(1);
  });

  test('sse-c: a part of a run that did not note what was confirmed', async () => {
    const { store, again } = await writeOnly('sse-c');
    const journal = new TestJournal();
    const refused = { kind: 'status', status: 403, code: 'AccessDenied', message: 'not now' } as const;
    server.faults.add({ match: 'CompleteMultipartUpload', fault: refused });
    await expect(store.upload(KEY, large(), journal)).rejects.toMatchObject({ code: 'access-denied' });
    server.faults.clear();
    const { keyMd5: _, ...old } = journal.part(2)?.answer ?? { etag: '' };
    journal.sent(2, old);
    await expect((await again()).upload(KEY, large(), journal)).rejects.toMatchObject(nothing);
  });

  test('client: a store that names no checksum', async () => {
    const { store } = await writeOnly('client');
    const names = ['x-amz-checksum-crc32'];
    server.faults.add({ match: 'PutObject', fault: { kind: 'strip-headers', names } });
    await expect(store.put(KEY, Buffer.from('small'), {})).rejects.toMatchObject(nothing);
  });
});
