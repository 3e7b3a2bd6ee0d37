/** What is counted before a request is what a KMS that counts says it was: operation by operation, and for direct calls. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Pace } from '../../src/model/kms.ts';
import type { Kms, ObjectStore } from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';
import { systemClock } from '../../src/clock.ts';
import { resolveRemote } from '../../src/s3/connect.ts';
import { costOf } from '../../src/s3/kms-cost.ts';
import { openBucket } from '../../src/s3/posture/open-bucket.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { throttlingKms } from '../../src/s3/throttling-kms.ts';
import { PART, TestJournal, bytesIn, sourceOf } from '../contract/object-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { moverOn, protectionOf, storeOn } from './rig.ts';

const KMS_KEY = '1234abcd-12ab-34cd-56ef-1234567890ab';
const BUCKET = 'counted';
const KEY = objectKey('folder/file');
const folder = mkdtempSync(join(tmpdir(), 's3vault-throttling-'));
let server: EmbeddedServer;
let place: Parameters<typeof storeOn>[0];
let counted = 0;
let open = 0;

/** What was counted only once it was known to have happened. */
let unforeseen = 0;

const pace: Pace = async (cost, { already = false } = {}) => {
  counted += cost;
  if (already) {
    unforeseen += cost;
    return () => undefined;
  }
  open++;
  return () => {
    open--;
  };
};

beforeAll(async () => {
  server = await startEmbedded({ kmsKeys: [{ id: KMS_KEY }] });
  server.createBucket(BUCKET);
  const caFile = await server.caFile(folder);
  place = { endpoint: server.url, caFile, region: server.region, ...server.credentials };
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  counted = 0;
  server.kms.resetCalls();
});

const parts = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, n) => randomBytes(n < count - 1 ? PART : 100));

/** Each does what its name says, on an object that is there. */
const WORK: { readonly [name: string]: (store: ObjectStore) => Promise<unknown> } = {
  put: (store) => store.put(KEY, randomBytes(100), {}),
  get: async (store) => bytesIn((await store.get(KEY)).body),
  'a range': async (store) => bytesIn((await store.get(KEY, { range: { first: 1, last: 9 } })).body),
  head: (store) => store.head(KEY),
  'an upload of three parts': (store) => store.upload(KEY, sourceOf(parts(3)), new TestJournal()),
  'an upload of one part': (store) => store.upload(KEY, sourceOf(parts(1)), new TestJournal()),
  list: async (store) => {
    for await (const page of store.list('')) expect(page.length).toBeGreaterThan(0);
  },
  remove: (store) => store.remove(KEY),
};

describe.each([true, false])('requests of a store, as Amazon S3: %s', (asAws) => {
  test.each(['sse-kms', 'dsse-kms'] as const)('%s: counted as KMS counts', async (mode) => {
    const store = await storeOn({ ...place, asAws }, BUCKET, protectionOf(mode, keyFor(asAws)), { pace });
    const costs: Record<string, number> = {};
    for (const [name, work] of Object.entries(WORK)) {
      counted = 0;
      server.kms.resetCalls();
      await work(store);
      costs[name] = counted;
      expect([name, counted]).toEqual([name, server.kms.callTimes.length]);
    }
    const of = costOf(mode, false);
    // To begin, for each part, to complete; the answer to that is the proof, so nothing is asked after it.
    expect(costs).toMatchObject({ put: of, get: of, 'a range': of, head: 0, list: 0, remove: 0 });
    expect(costs['an upload of three parts']).toBe((1 + 3 + 1) * of);
    expect(open).toBe(0);
    await store.close();
  });

  test.each([
    ['sse-kms', 'sse-kms'],
    ['sse-kms', 'sse-s3'],
    ['sse-s3', 'dsse-kms'],
  ] as const)('a copy from %s to %s, whole and in parts', async (from, to) => {
    const sides = [from, to].map((mode) => protectionOf(mode, keyFor(asAws))) as [Protection, Protection];
    const store = await storeOn({ ...place, asAws }, BUCKET, sides[0]);
    const mover = await moverOn({ ...place, asAws }, BUCKET, ...sides, {
      pace: { from: pace, to: pace },
      largestCopy: PART,
      partSize: PART,
    });
    for (const size of [1, 3]) {
      await store.upload(KEY, sourceOf(parts(size)), new TestJournal());
      counted = 0;
      server.kms.resetCalls();
      await mover
        .copy(KEY, () => ({ fresh: 'yes' }))
        .catch((thrown: unknown) => {
          expect(thrown).toMatchObject({ code: 'copy-unproved' });
        });
      expect([size, counted]).toEqual([size, server.kms.callTimes.length]);
    }
    await Promise.all([store.close(), mover.close()]);
  });
});

/** As Amazon S3 the answer has an ARN, and is compared with what was asked for. */
const keyFor = (asAws: boolean): string => (asAws ? server.kms.arnOf(KMS_KEY) : KMS_KEY);

test('with a Bucket Key one request in a hundred is counted, also where only the answers say it is on', async () => {
  const asked = { ...protectionOf('sse-kms', KMS_KEY), bucketKey: true } as Protection;
  const store = await storeOn(place, BUCKET, asked, { pace });
  for (let n = 0; n < 150; n++) await store.put(objectKey(`f${n}`), randomBytes(10), {});
  expect(counted).toBe(2);
  const silent = await storeOn(place, BUCKET, protectionOf('sse-kms', KMS_KEY), { pace });
  counted = 0;
  for (let n = 0; n < 150; n++) await bytesIn((await silent.get(objectKey(`f${n}`))).body);
  expect(counted).toBeLessThanOrEqual(3);
  await Promise.all([store.close(), silent.close()]);
});

describe('objects that nobody said were under KMS', () => {
  const READS = { pace, reads: 'unknown' } as const;
  const plain: Protection = { mode: 'sse-s3' };
  const gets = (store: ObjectStore, from: number, to: number): Promise<unknown> =>
    Promise.all(
      Array.from({ length: to - from }, async (_, n) =>
        bytesIn((await store.get(objectKey(`f${from + n}`))).body),
      ),
    );

  test.each([
    'sse-kms',
    'dsse-kms',
  ] as const)('reading %s: what the first answer says is counted, the rest is waited for', async (mode) => {
    const writer = await storeOn(place, BUCKET, protectionOf(mode, KMS_KEY));
    for (let n = 0; n < 20; n++) await writer.put(objectKey(`f${n}`), randomBytes(10), {});
    const reader = await storeOn({ ...place }, BUCKET, plain, READS);
    counted = 0;
    unforeseen = 0;
    server.kms.resetCalls();
    await gets(reader, 0, 20);
    expect(counted).toBe(server.kms.callTimes.length);
    // One went alone; the others knew what they would cost.
    expect(unforeseen).toBe(costOf(mode, false));
    await Promise.all([writer.close(), reader.close()]);
  });

  test('told beforehand, or by a HEAD, nothing is unforeseen; another mode costs nothing', async () => {
    const writer = await storeOn(place, BUCKET, protectionOf('sse-kms', KMS_KEY));
    const other = await storeOn(place, BUCKET, plain);
    for (let n = 0; n < 4; n++) await writer.put(objectKey(`f${n}`), randomBytes(10), {});
    const told = await storeOn(place, BUCKET, plain, { pace, reads: 'sse-kms' });
    const looks = await storeOn(place, BUCKET, plain, READS);
    await looks.head(objectKey('f0'));
    [counted, unforeseen] = [0, 0];
    server.kms.resetCalls();
    await gets(told, 0, 4);
    await gets(looks, 0, 4);
    expect([counted, unforeseen]).toEqual([server.kms.callTimes.length, 0]);
    for (let n = 0; n < 4; n++) await other.put(objectKey(`f${n}`), randomBytes(10), {});
    await gets(looks, 0, 4);
    counted = 0;
    await gets(looks, 0, 4);
    expect(counted).toBe(0);
    await Promise.all([writer, other, told, looks].map((store) => store.close()));
  });

  test('sealed objects in a bucket that encrypts all by KMS, in one request and in parts', async () => {
    server.createBucket('by-kms');
    const remote = { bucket: 'by-kms', prefix: '', endpoint: server.url, caBundle: place.caFile };
    const env = {
      AWS_ACCESS_KEY_ID: place.accessKeyId,
      AWS_SECRET_ACCESS_KEY: place.secretAccessKey,
      AWS_REGION: place.region,
    };
    const bucket = openBucket(await resolveRemote(remote, env), systemClock);
    await bucket.config.setEncryption({ algorithm: 'aws:kms', kmsKeyId: KMS_KEY, bucketKey: false });
    await bucket.close();
    const store = await storeOn({ ...place, asAws: true }, 'by-kms', protectionOf('client', KMS_KEY), {
      pace,
    });
    [counted, unforeseen] = [0, 0];
    server.kms.resetCalls();
    for (let n = 0; n < 3; n++) await store.put(objectKey(`f${n}`), randomBytes(10), {});
    await gets(store, 0, 3);
    await store.upload(KEY, sourceOf(parts(3)), new TestJournal());
    expect(counted).toBe(server.kms.callTimes.length);
    expect(unforeseen).toBe(1);
    await store.close();
  });
});

test('modes that use no KMS wait for nothing; a request that is called off while it waits is not sent', async () => {
  const never: Pace = (_cost, { signal } = {}) =>
    new Promise((_, reject) =>
      signal?.addEventListener('abort', () => reject(new VaultError('cancelled', 'cancelled', 'called off'))),
    );
  for (const mode of ['client', 'sse-s3', 'sse-c'] as const) {
    const store = await storeOn(place, BUCKET, protectionOf(mode, KMS_KEY), { pace: never });
    await store.put(objectKey(mode), randomBytes(10), {});
    await store.close();
  }
  const store = await storeOn(place, BUCKET, protectionOf('sse-kms', KMS_KEY), { pace: never });
  server.requests.reset();
  const controller = new AbortController();
  const waiting = store.put(KEY, randomBytes(10), {}, { signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
  expect(server.requests.count('PutObject')).toBe(0);
  await store.close();
});

test('each try is counted, and what it waited for is given back when it fails', async () => {
  const store = await storeOn(place, BUCKET, protectionOf('sse-kms', KMS_KEY), { pace, attempts: 2 });
  server.faults.add({ match: 'PutObject', times: 1, fault: { kind: 'error-500' } });
  await store.put(KEY, randomBytes(10), {});
  expect({ counted, open }).toEqual({ counted: 2, open: 0 });
  await store.close();
});

describe('direct calls of KMS', () => {
  const kms = (fail: () => void = () => undefined): Kms => ({
    generateDataKey: async () => {
      fail();
      return { dataKey: new Secret(Buffer.alloc(32)), wrapped: Buffer.alloc(3) };
    },
    encrypt: async () => Buffer.alloc(3),
    decrypt: async () => new Secret(Buffer.alloc(32)),
    describe: async () => 'arn',
  });

  test('cost one each; DescribeKey has a quota of its own', async () => {
    const paced = throttlingKms(kms(), pace, new ManualClock());
    await paced.generateDataKey('k', {});
    await paced.encrypt('k', new Secret(Buffer.alloc(32)), {});
    await paced.decrypt('k', Buffer.alloc(3), {});
    await paced.describe('k');
    expect({ counted, open }).toEqual({ counted: 3, open: 0 });
  });

  test('are tried again when throttled, and told', async () => {
    const clock = new ManualClock();
    let tries = 0;
    let told = 0;
    const busy = kms(() => {
      if (++tries < 3) throw new VaultError('throttled', 'kms-throttled', 'too much', { resource: 'kms' });
    });
    const call = throttlingKms(busy, pace, clock, { onThrottle: () => told++ }).generateDataKey('k', {});
    await clock.run(10_000);
    await call;
    expect({ tries, told, counted, open }).toEqual({ tries: 3, told: 2, counted: 3, open: 0 });
  });
});
