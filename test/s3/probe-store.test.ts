/** What `doctor` writes into a bucket is removed again, whatever fails on the way, and what stays is said. */
import { ListObjectVersionsCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type EmbeddedServer, type Fault, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey } from '../../src/model/brands.ts';
import type { VaultError } from '../../src/model/errors.ts';
import type { Clock } from '../../src/model/ports.ts';
import { resolveRemote } from '../../src/s3/connect.ts';
import { openBucket } from '../../src/s3/posture/open-bucket.ts';
import { type StoreProbe, probeStore } from '../../src/s3/probe-store.ts';
import type { Endpoint } from '../e2e/harness.ts';
import { describeRgw, rgw } from '../rgw.ts';

/** Waits for nothing. */
const clock: Clock = { ...systemClock, sleep: () => Promise.resolve() };
const KEY = objectKey('docs/.s3vault/doctor-1');
const DENIED: Fault = { kind: 'status', status: 403, code: 'AccessDenied', message: 'no, said the test' };

async function probe(
  place: Endpoint,
  bucket: string,
  versioned: boolean,
  onThrottle: (error: VaultError) => void = () => undefined,
  {
    signal,
    after = (ms, fn) => clock.after(ms, fn),
  }: { readonly signal?: AbortSignal; readonly after?: (ms: number, fn: () => void) => () => void } = {},
): Promise<StoreProbe> {
  const { endpoint, caFile, region, accessKeyId, secretAccessKey } = place;
  const remote = { bucket, prefix: 'docs/', endpoint, region, caBundle: caFile };
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const resolved = await resolveRemote(remote, env);
  try {
    const plan = {
      key: KEY,
      how: { kind: 'plain' },
      clock: { ...clock, after },
      versioned,
      onThrottle,
    } as const;
    return await probeStore(resolved, plan, { signal });
  } finally {
    await resolved.close();
  }
}

describe('on the embedded server', () => {
  let server: EmbeddedServer;
  let folder: string;
  let place: Endpoint;
  let bucket = '';
  let buckets = 0;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-probe-'));
    server = await startEmbedded();
    place = {
      endpoint: server.url,
      caFile: await server.caFile(folder),
      region: server.region,
      ...server.credentials,
    };
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(() => server.faults.clear());
  function fresh(options: Parameters<EmbeddedServer['createBucket']>[1]): void {
    bucket = `probe-${++buckets}`;
    server.createBucket(bucket, options);
    server.requests.reset();
  }
  const denying = (...Action: readonly string[]) => ({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Deny', Principal: '*', Action, Resource: '*' }],
  });
  const left = () => server.versions(bucket, KEY).length;

  test.each([true, false])('nothing stays (versions: %s)', async (versioning) => {
    fresh({ versioning });
    const found = await probe(place, bucket, versioning);
    expect(found).toMatchObject({ write: { ok: true }, read: { ok: true }, copy: { ok: true } });
    expect(found.left).toBeUndefined();
    expect(left()).toBe(0);
  });

  test('nor where versions are suspended, no mark either', async () => {
    fresh({ versioning: true });
    const remote = {
      bucket,
      prefix: '',
      endpoint: server.url,
      region: server.region,
      caBundle: place.caFile,
    };
    const env = {
      AWS_ACCESS_KEY_ID: place.accessKeyId,
      AWS_SECRET_ACCESS_KEY: place.secretAccessKey,
    };
    const opened = openBucket(await resolveRemote(remote, env), clock);
    await opened.config.setVersioning('Suspended');
    await opened.close();
    expect((await probe(place, bucket, true)).left).toBeUndefined();
    expect(left()).toBe(0);
  });

  test('one version that can not be removed does not keep the others, and it is named', async () => {
    fresh({ versioning: true });
    let first: string | undefined;
    server.faults.add({
      match: ({ operation, query }) => {
        if (operation !== 'DeleteObject' || left() === 0) return false;
        first ??= server.versions(bucket, KEY)[0]?.versionId;
        return query.get('versionId') === first;
      },
      fault: DENIED,
    });
    const found = await probe(place, bucket, true);
    expect(server.versions(bucket, KEY).map(({ versionId }) => versionId)).toEqual([first]);
    expect(found.left).toMatchObject({
      code: 'trial-left',
      message: expect.stringMatching(`${KEY} stays in the bucket: .*no, said the test`) as string,
      hint: expect.stringContaining('s3:DeleteObjectVersion') as string,
    });
  });

  test('all of them are counted', async () => {
    fresh({ versioning: true });
    server.faults.add({
      match: ({ operation }) => operation === 'DeleteObject' && left() > 0,
      fault: DENIED,
    });
    const found = await probe(place, bucket, true);
    expect(left()).toBeGreaterThan(1);
    expect(found.left?.message).toContain(`${left()} versions of the test object ${KEY} stay`);
  });

  test('what was written and never confirmed is found, though it may not be read', async () => {
    fresh({ versioning: true, policy: denying('s3:GetObject', 's3:GetObjectVersion') });
    server.faults.add({ match: 'PutObject', fault: { kind: 'reset-after' } });
    const found = await probe(place, bucket, true);
    expect(found.write).toMatchObject({ ok: false, error: { kind: 'transient' } });
    expect(server.requests.count('PutObject')).toBeGreaterThan(0);
    expect(found.left).toBeUndefined();
    expect(left()).toBe(0);
  });

  test('where neither listing nor reading is allowed, it may be there still', async () => {
    fresh({ versioning: true, policy: denying('s3:GetObject', 's3:ListBucketVersions') });
    server.faults.add({ match: 'PutObject', fault: { kind: 'reset-after' } });
    const found = await probe(place, bucket, true);
    expect(left()).toBeGreaterThan(0);
    expect(found.left?.message).toContain(`${KEY} may stay in the bucket`);
  });

  test('a store that fails once is sound, and its throttling is told', async () => {
    fresh({ versioning: true });
    for (const [match, kind] of [
      ['PutObject', 'kms-slow-down'],
      ['GetObject', 'error-500'],
    ] as const)
      server.faults.add({ match, times: 1, fault: { kind } });
    const told: VaultError[] = [];
    const found = await probe(place, bucket, true, (error) => told.push(error));
    expect(found).toMatchObject({ write: { ok: true }, read: { ok: true } });
    expect(told.map(({ resource }) => resource)).toEqual(['kms']);
    expect(left()).toBe(0);
  });

  test('what a store does is not told from its failures', async () => {
    fresh({ versioning: true });
    server.faults.add({
      match: ({ headers }) => headers['x-amz-server-side-encryption'] === 'AES256',
      fault: { kind: 'error-500' },
    });
    expect((await probe(place, bucket, true)).sse).toEqual({ plain: 'proved', 'sse-c': 'proved' });
    expect(left()).toBe(0);
  });

  test('a removal that fails once is made again', async () => {
    fresh({ versioning: true });
    for (const kind of ['error-500', 'reset-before', 'slow-down'] as const)
      server.faults.add({
        match: ({ operation }) => operation === 'DeleteObject' && left() > 0,
        times: 1,
        fault: { kind },
      });
    expect((await probe(place, bucket, true)).left).toBeUndefined();
    expect(left()).toBe(0);
  });

  describe('called off', () => {
    /** Fires when a request of this kind arrives, for the `nth` time. */
    const firingAt = (operation: string, nth = 1): AbortController => {
      const control = new AbortController();
      let seen = 0;
      server.faults.add({
        match: ({ operation: seeing, headers }) => {
          // The first removals are questions: whether it could be, and whether conditions of it are kept.
          const counts = seeing !== 'DeleteObject' || (left() > 0 && headers['if-match'] === undefined);
          if (seeing === operation && counts && ++seen === nth) control.abort();
          return false;
        },
        fault: DENIED,
      });
      return control;
    };
    /** Timers that go off when told. */
    function timers(): {
      readonly after: (ms: number, fn: () => void) => () => void;
      readonly fire: (ms: number) => void;
    } {
      const waiting = new Map<number, () => void>();
      const after = (ms: number, fn: () => void) => {
        waiting.set(ms, fn);
        return () => waiting.delete(ms);
      };
      return { after, fire: (ms: number) => waiting.get(ms)?.() };
    }
    const cancelled = { kind: 'cancelled', code: 'cancelled', exit: 130 };

    test.each([
      ['PutObject', 1],
      ['GetObject', 1],
      ['PutObject', 3],
      ['CopyObject', 1],
      ['DeleteObject', 1],
    ] as const)('at %s number %d nothing stays', async (operation, nth) => {
      fresh({ versioning: true });
      const { signal } = firingAt(operation, nth);
      const probing = probe(place, bucket, true, undefined, { signal });
      // While it cleans up all is known already.
      if (operation === 'DeleteObject') expect(await probing).toMatchObject({ write: { ok: true } });
      else await expect(probing).rejects.toMatchObject(cancelled);
      expect(signal.aborted).toBe(true);
      expect(left()).toBe(0);
      if (operation === 'PutObject') expect(server.requests.count('PutObject')).toBe(nth);
    });

    test('a write that hangs is not waited for long, and looked for', async () => {
      fresh({ versioning: true });
      const control = firingAt('PutObject');
      server.faults.add({ match: 'PutObject', fault: { kind: 'hang' } });
      const { after, fire } = timers();
      const { signal } = control;
      const probing = probe(place, bucket, true, undefined, { signal, after });
      signal.addEventListener('abort', () => setImmediate(() => fire(2_000)));
      await expect(probing).rejects.toMatchObject(cancelled);
      expect(server.requests.count('ListObjectVersions')).toBe(1);
      expect(left()).toBe(0);
    });

    test('a removal that hangs is not waited for long, and what stays is named', async () => {
      fresh({ versioning: true });
      const { signal } = firingAt('GetObject');
      const { after, fire } = timers();
      server.faults.add({
        match: ({ operation }) => {
          const hangs = operation === 'DeleteObject' && left() > 0;
          if (hangs) setImmediate(() => fire(5_000));
          return hangs;
        },
        fault: { kind: 'hang' },
      });
      await expect(probe(place, bucket, true, undefined, { signal, after })).rejects.toMatchObject({
        kind: 'cancelled',
        code: 'trial-left',
        exit: 130,
        message: expect.stringMatching(
          `${KEY} stays in the bucket: the store did not answer in time`,
        ) as string,
        hint: expect.stringContaining('remove it by hand') as string,
      });
      expect(left()).toBe(1);
    });
  });

  test('a store that refuses every If-Match, also the one that fits, is told from one that keeps them', async () => {
    fresh({ versioning: true });
    server.faults.add({
      match: ({ headers }) => headers['if-match'] !== undefined,
      fault: { kind: 'status', status: 412, code: 'PreconditionFailed', message: 'no' },
    });
    expect(await probe(place, bucket, true)).toMatchObject({
      conditions: { value: 'kept' },
      unmet: true,
      bareEtags: false,
    });
    expect(left()).toBe(0);
  });

  test('a store that fails in the middle of its conditions tells nothing of them, and nothing stays', async () => {
    fresh({ versioning: true });
    server.faults.add({
      match: ({ headers }) => /^"?[^0"]/.test(headers['if-match'] ?? ''),
      fault: { kind: 'error-500' },
    });
    expect(await probe(place, bucket, true)).toMatchObject({
      conditions: { value: 'kept' },
      bareEtags: false,
      copy: { ok: true },
    });
    expect(left()).toBe(0);
  });

  test.each([
    true,
    false,
  ])('nothing is written that could not be removed (versions: %s)', async (versioning) => {
    fresh({ versioning });
    server.faults.add({ match: 'DeleteObject', fault: DENIED });
    await expect(probe(place, bucket, versioning)).rejects.toMatchObject({
      code: 'trial-unremovable',
      message: expect.stringContaining('no, said the test') as string,
    });
    expect(server.requests.count('PutObject')).toBe(0);
    expect(left()).toBe(0);
  });
});

describeRgw('on', () => {
  test.each(['none', 'Enabled', 'Suspended'] as const)('nothing stays (versions: %s)', async (versions) => {
    const bucket = await rgw().createBucket('probe', { versioning: versions !== 'none' });
    if (versions === 'Suspended')
      await rgw().client.send(
        new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Suspended' } }),
      );
    const found = await probe(rgw(), bucket, versions !== 'none');
    expect(found).toMatchObject({ write: { ok: true }, read: { ok: true } });
    expect(found.left).toBeUndefined();
    const there = await rgw().client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    expect([...(there.Versions ?? []), ...(there.DeleteMarkers ?? [])]).toEqual([]);
  });
});
