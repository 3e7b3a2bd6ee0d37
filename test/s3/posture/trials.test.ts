/** Test writes on the embedded server and on Ceph RGW: what they find out, and that nothing of them stays. */
import { ListObjectVersionsCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Fault } from '../../../src/embedded/faults.ts';
import { type EmbeddedServer, startEmbedded } from '../../../src/embedded/server.ts';
import type { Operation } from '../../../src/embedded/operation.ts';
import { objectKey } from '../../../src/model/brands.ts';
import type { Pace } from '../../../src/model/kms.ts';
import type { Clock } from '../../../src/model/ports.ts';
import { resolveRemote } from '../../../src/s3/connect.ts';
import { type OpenBucket, openBucket } from '../../../src/s3/posture/open-bucket.ts';
import type { TrialPace } from '../../../src/s3/posture/wire-trials.ts';
import { describeRgw, rgw } from '../../rgw.ts';
import type { Endpoint } from '../../e2e/harness.ts';

/** Waits for nothing. */
const clock: Clock = { ...systemClock, sleep: () => Promise.resolve() };
const KEY = objectKey('docs/.s3vault/trial-00000000000a');
const DENIED = { status: 403, code: 'AccessDenied', message: 'no' };
const KMS_KEY = 'vault-key-1';
const SSE_C = { kind: 'sse-c' } as const;
const S3 = { kind: 'sse-s3' } as const;

const opened: OpenBucket[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

async function trialsOn(
  place: Endpoint,
  bucket: string,
  time = clock,
  kms?: TrialPace,
): Promise<OpenBucket['trials']> {
  const { endpoint, caFile, region, accessKeyId, secretAccessKey } = place;
  const remote = { bucket, prefix: '', endpoint, region, caBundle: caFile };
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const open = openBucket(await resolveRemote(remote, env), time, kms);
  opened.push(open);
  return open.trials;
}

describe('on the embedded server', () => {
  let server: EmbeddedServer;
  let folder: string;
  let place: Endpoint;
  let buckets = 0;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-trials-'));
    server = await startEmbedded({ kmsKeys: [{ id: KMS_KEY }] });
    const caFile = await server.caFile(folder);
    place = { endpoint: server.url, caFile, region: server.region, ...server.credentials };
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(() => server.faults.clear());

  async function fresh(options: { readonly versioning?: boolean; readonly policy?: object } = {}) {
    const bucket = `trials-${++buckets}`;
    server.createBucket(bucket, options);
    return { bucket, trials: await trialsOn(place, bucket) };
  }
  const left = (bucket: string) => [
    server.versions(bucket, KEY).length,
    server.pendingUploads(bucket).length,
  ];
  const LOST: Fault = { kind: 'reset-after' };

  test.each<Fault>([
    { kind: 'error-500' },
    { kind: 'slow-down' },
    { kind: 'reset-before' },
    LOST,
  ])('a trial is made again where the store fails: $kind', async (fault) => {
    const { bucket, trials } = await fresh({ versioning: true });
    for (const match of ['PutObject', 'DeleteObject', 'UploadPart'] as const)
      server.faults.add({ match, times: 2, fault });
    expect(await trials.put(KEY, SSE_C)).toMatchObject({ outcome: 'accepted' });
    expect(await trials.multipart(KEY, S3)).toMatchObject({ outcome: 'accepted' });
    expect(left(bucket)).toEqual([0, 0]);
  });

  test.each([
    true,
    false,
  ])('what was written and never confirmed is removed [BUCKET-5] (versions: %s)', async (versioning) => {
    const { bucket, trials } = await fresh({ versioning });
    server.faults.add({ match: 'PutObject', fault: LOST });
    expect(await trials.put(KEY, SSE_C)).toMatchObject({ outcome: 'refused', error: { kind: 'transient' } });
    server.faults.add({ match: 'CompleteMultipartUpload', fault: LOST });
    expect(await trials.multipart(KEY, S3)).toMatchObject({ outcome: 'refused' });
    server.faults.add({ match: 'CreateMultipartUpload', fault: LOST });
    expect(await trials.multipart(KEY, S3)).toMatchObject({ outcome: 'refused' });
    expect(left(bucket)).toEqual([0, 0]);
  });

  test('an upload that was begun twice, for its first answer got lost, is ended twice', async () => {
    const { bucket, trials } = await fresh();
    server.faults.add({ match: 'CreateMultipartUpload', times: 1, fault: LOST });
    expect(await trials.multipart(KEY, S3)).toMatchObject({ outcome: 'accepted' });
    expect(left(bucket)).toEqual([0, 0]);
  });

  test('where versions are suspended, no removal stays in its place', async () => {
    const { bucket, trials } = await fresh({ versioning: true });
    const open = opened.at(-1);
    await open?.config.setVersioning('Suspended');
    expect(await trials.put(KEY, S3)).toMatchObject({ outcome: 'accepted' });
    expect(await trials.multipart(KEY, S3)).toMatchObject({ outcome: 'accepted' });
    expect(left(bucket)).toEqual([0, 0]);
  });

  test('what a rule refuses is refused at once, and what can not be removed is said', async () => {
    const deny = (Action: string) => ({ Effect: 'Deny', Principal: '*', Action, Resource: '*' });
    const policy = (action: string) => ({ Version: '2012-10-17', Statement: [deny(action)] });
    const refusing = await fresh({ policy: policy('s3:PutObject') });
    server.requests.reset();
    expect(await refusing.trials.put(KEY, S3)).toMatchObject({ outcome: 'refused', error: { status: 403 } });
    expect(server.requests.recent).toHaveLength(1);
    const keeping = await fresh({ policy: policy('s3:DeleteObject') });
    const without = ['without'] as const;
    expect(await keeping.trials.unremovable(KEY, without)).toMatchObject({ status: 403 });
    expect(await refusing.trials.unremovable(KEY, without)).toBeUndefined();
    expect(await keeping.trials.put(KEY, S3)).toMatchObject({ outcome: 'accepted' });
    const stays = {
      code: 'trial-left',
      message: expect.stringContaining(`${KEY} is left in the bucket`) as string,
    };
    await expect(keeping.trials.put(KEY, S3)).rejects.toMatchObject(stays);
    expect(await keeping.trials.left()).toMatchObject([{ key: KEY, error: stays }]);
    expect(left(keeping.bucket)).toEqual([1, 0]);
    await opened.at(-1)?.config.setPolicy(undefined);
    expect(await keeping.trials.left()).toEqual([]);
    expect(left(keeping.bucket)).toEqual([0, 0]);
  });

  test('in a bucket with versions the right to remove them is asked for, and no mark is made', async () => {
    const { bucket, trials } = await fresh({ versioning: true });
    expect(await trials.unremovable(KEY, ['with'])).toBeUndefined();
    expect(left(bucket)).toEqual([0, 0]);
  });

  /** Fires when the store sees such a request. */
  function calledOffAt(match: Operation): AbortSignal {
    const stop = new AbortController();
    const seen = ({ operation }: { readonly operation: Operation }): boolean => {
      if (operation === match) stop.abort();
      return false;
    };
    server.faults.add({ match: seen, fault: LOST });
    return stop.signal;
  }

  test.each([
    'PutObject',
    'DeleteObject',
  ] as const)('called off at %s, it ends what is under way and removes it', async (operation) => {
    const { bucket, trials } = await fresh({ versioning: true });
    const signal = calledOffAt(operation);
    expect(await trials.put(KEY, SSE_C, { signal })).toMatchObject({ outcome: 'accepted' });
    expect(left(bucket)).toEqual([0, 0]);
    await expect(trials.put(KEY, SSE_C, { signal })).rejects.toMatchObject({ kind: 'cancelled' });
  });

  test.each([
    'CreateMultipartUpload',
    'UploadPart',
    'CompleteMultipartUpload',
  ] as const)('called off at %s, nothing of the upload stays', async (operation) => {
    const { bucket, trials } = await fresh();
    const signal = calledOffAt(operation);
    expect(await trials.multipart(KEY, S3, { signal })).toMatchObject({ outcome: 'accepted' });
    expect(left(bucket)).toEqual([0, 0]);
  });

  test('where a store goes away after a write, that is what ends it, and not the object that may stay', async () => {
    const own = await startEmbedded();
    own.createBucket('away');
    const caFile = await own.caFile(mkdtempSync(join(folder, 'away-')));
    const there = { ...place, endpoint: own.url, caFile, ...own.credentials };
    const trials = await trialsOn(there, 'away');
    let closing: Promise<void> | undefined;
    own.faults.add({
      match: ({ operation }) => {
        if (operation === 'PutObject') closing = own.close();
        return false;
      },
      fault: LOST,
    });
    await expect(trials.put(KEY, S3)).rejects.toMatchObject({ kind: 'offline' });
    await closing;
    expect(await trials.left()).toMatchObject([
      { key: KEY, error: { code: 'trial-left', hint: expect.stringContaining('bucket harden') as string } },
    ]);
  });

  test('each test write counts as what the store asks of KMS for it', async () => {
    const bucket = `trials-${++buckets}`;
    server.createBucket(bucket);
    const said: string[] = [];
    let paid = 0;
    const pace: Pace = async (cost, { keyId } = {}) => {
      paid += cost;
      said.push(keyId ?? '');
      return () => undefined;
    };
    const trials = await trialsOn(place, bucket, clock, { pace, onThrottle: () => said.push('throttled') });
    server.kms.resetCalls();
    const how = { kind: 'sse-kms', keyId: KMS_KEY, context: {} } as const;
    expect(await trials.put(KEY, how)).toMatchObject({ outcome: 'accepted' });
    expect(await trials.multipart(KEY, how)).toMatchObject({ outcome: 'accepted' });
    expect(await trials.put(KEY, { ...how, kind: 'dsse-kms' })).toMatchObject({ outcome: 'accepted' });
    expect(paid).toBe(server.kms.callTimes.length);
    expect(said.filter((key) => !key.endsWith(KMS_KEY))).toEqual([]);
    const before = paid;
    await trials.put(KEY, S3);
    expect(paid).toBe(before);
    server.faults.add({ match: 'PutObject', times: 1, fault: { kind: 'kms-slow-down' } });
    await trials.put(KEY, how);
    expect(said).toContain('throttled');
  });

  test('what earlier runs left is found once it is old enough, in any version, and removed', async () => {
    const { bucket, trials } = await fresh({ versioning: true });
    const later = { ...clock, now: () => systemClock.now() + 16 * 60_000 };
    server.faults.add({ match: 'DeleteObject', fault: { kind: 'status', ...DENIED } });
    server.faults.add({ match: 'AbortMultipartUpload', fault: { kind: 'status', ...DENIED } });
    server.faults.add({ match: 'CompleteMultipartUpload', times: 1, fault: { kind: 'status', ...DENIED } });
    await trials.put(KEY, S3);
    const other = await trialsOn(place, bucket);
    const begun = objectKey('docs/.s3vault/doctor-0123456789ab');
    await other.multipart(begun, S3);
    await (await trialsOn(place, bucket)).put(objectKey('docs/.s3vault/trial-of-mine'), S3);
    server.faults.clear();
    // One whose clock is ahead sees those of a run that goes on elsewhere.
    const ahead = await trialsOn(place, bucket, { ...clock, now: () => systemClock.now() + 14 * 60_000 });
    expect(await ahead.leftovers('docs/')).toEqual({ state: 'set', value: [] });
    const after = await trialsOn(place, bucket, later);
    expect(await after.leftovers('')).toEqual({ state: 'set', value: [] });
    const found = await after.leftovers('docs/');
    const keys = found.state === 'set' ? found.value.map(({ key }) => key) : [];
    expect(new Set(keys)).toEqual(new Set([KEY, begun]));
    for (const key of keys) expect(await after.clear(key)).toBeUndefined();
    expect(left(bucket)).toEqual([0, 0]);
    expect(await after.leftovers('docs/')).toEqual({ state: 'set', value: [] });
  });

  test.each([
    [
      'ListObjectVersions',
      DENIED,
      'denied',
      'old versions could not be listed: s3:ListBucketVersions is needed',
    ],
    [
      'ListMultipartUploads',
      DENIED,
      'denied',
      'unfinished uploads could not be listed: s3:ListBucketMultipartUploads is needed',
    ],
    [
      'ListObjectVersions',
      { status: 501, code: 'NotImplemented', message: 'no' },
      'unsupported',
      'old versions could not be listed: this store has no such listing',
    ],
    ['ListObjectVersions', { ...DENIED, status: 400, code: 'OddRequest' }, 'failed', 'could not be listed: '],
    [
      'ListMultipartUploads',
      { ...DENIED, status: 400, code: 'OddRequest' },
      'failed',
      'could not be listed: ',
    ],
  ] as const)('none is left only where all could be listed: %s %j', async (match, fault, why, reason) => {
    const { trials } = await fresh({ versioning: true });
    server.faults.add({ match, fault: { kind: 'status', ...fault } });
    expect(await trials.leftovers('docs/')).toMatchObject({
      state: 'unknown',
      why,
      reason: expect.stringContaining(reason) as string,
    });
  });

  test('a store that does not answer is not waited for long after the signal', async () => {
    const bucket = `trials-${++buckets}`;
    server.createBucket(bucket, { versioning: true });
    const waited: number[] = [];
    const hasty: Clock = {
      ...clock,
      after: (ms, fn) => {
        waited.push(ms);
        if (waited.length === 1) setImmediate(fn);
        return () => undefined;
      },
    };
    const trials = await trialsOn(place, bucket, hasty);
    const signal = calledOffAt('PutObject');
    server.faults.add({ match: 'PutObject', fault: { kind: 'hang' } });
    await expect(trials.put(KEY, S3, { signal })).rejects.toMatchObject({ code: 'no-answer' });
    expect(waited).toEqual([3_000, 5_000]);
    expect(await trials.left()).toEqual([]);
    expect(left(bucket)).toEqual([0, 0]);
  });
});

describeRgw('test writes', () => {
  test('where versions are suspended, no removal stays in its place', async () => {
    const bucket = await rgw().createBucket('trials', { versioning: true });
    const VersioningConfiguration = { Status: 'Suspended' } as const;
    await rgw().client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
    const trials = await trialsOn(rgw(), bucket);
    expect(await trials.put(KEY, SSE_C)).toMatchObject({ outcome: 'accepted' });
    expect(await trials.multipart(KEY, SSE_C)).toMatchObject({ outcome: 'accepted' });
    const { Versions = [], DeleteMarkers = [] } = await rgw().client.send(
      new ListObjectVersionsCommand({ Bucket: bucket }),
    );
    expect([...Versions, ...DeleteMarkers]).toEqual([]);
  });
});
