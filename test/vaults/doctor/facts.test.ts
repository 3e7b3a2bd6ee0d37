/** What `doctor` asks of KMS counts like a run's, under the same rules. */
import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { Agent } from 'node:https';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { places } from '../../../src/config.ts';
import { type ActiveFault, type FaultSubject } from '../../../src/embedded/faults.ts';
import { type EmbeddedServer, startEmbedded } from '../../../src/embedded/server.ts';
import type { Clock } from '../../../src/model/ports.ts';
import { parseBook } from '../../../src/s3/kms-book.ts';
import { type DoctorFacts, type Patient, gatherFacts } from '../../../src/vaults/doctor/facts.ts';

/** Waits for nothing. */
const clock: Clock = { ...systemClock, sleep: () => Promise.resolve() };
let server: EmbeddedServer;
let home: string;
let caFile: string;
const before = { ...process.env };

/** Somebody else's client. */
const theirs = (): S3Client =>
  new S3Client({
    endpoint: server.url,
    region: server.region,
    credentials: server.credentials,
    forcePathStyle: true,
    requestHandler: { httpsAgent: new Agent({ ca: server.caPem }) },
  });

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 's3vault-facts-'));
  server = await startEmbedded({ kmsKeys: [{ id: 'sealing' }] });
  caFile = await server.caFile(home);
  // The SDK takes these from its own process.
  process.env['AWS_ENDPOINT_URL_KMS'] = server.url;
  process.env['AWS_ACCESS_KEY_ID'] = server.credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = server.credentials.secretAccessKey;
  // Nothing is written into it: what is left of KMS is what doctor asks by itself.
  server.createBucket('locked', { versioning: true });
  await theirs().send(
    new PutObjectLockConfigurationCommand({
      Bucket: 'locked',
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Years: 1 } },
      },
    }),
  );
});
afterAll(async () => {
  process.env = before;
  await server.close();
  rmSync(home, { recursive: true });
});
beforeEach(() => {
  server.faults.clear();
  server.requests.reset();
});

const where = () => places({ S3VAULT_HOME: home });
const patient: Patient = {
  remote: {
    bucket: 'locked',
    prefix: 'docs/',
    get endpoint() {
      return server.url;
    },
    region: 'us-east-1',
    get caBundle() {
      return caFile;
    },
  },
  mode: { kind: 'client', key: { kind: 'kms', keyId: 'sealing', context: {} } },
  rules: { kmsQuota: 500, kmsShare: 20 },
};
const gather = (over: Partial<Patient> = {}, by: Clock = clock): Promise<DoctorFacts> =>
  gatherFacts(
    { ...patient, ...over },
    {
      env: { ...process.env, AWS_CA_BUNDLE: caFile },
      places: where(),
      keys: {},
      keyStore: 'keychain',
      clock: by,
      once: true,
      consent: false,
      acceptSource: false,
      checkRemote: false,
    },
  );

function book() {
  const database = new DatabaseSync(join(where().state, 'kms.sqlite'), { readOnly: true });
  const lines = database.prepare("SELECT book FROM books WHERE scope LIKE '% symmetric'").all();
  database.close();
  expect(lines).toHaveLength(1);
  return parseBook(String(lines[0]?.['book']));
}

test('direct requests are counted, and nothing is written where it could not be removed', async () => {
  const facts = await gather();
  expect(facts.kms).toEqual({ ok: true, value: true });
  expect(facts.untried?.reason).toContain('Object Lock keeps every new object for 1 year');
  expect(server.requests.count('PutObject')).toBe(0);
  expect(book()).toMatchObject({ requests: 2, throttled: 0 });
});

test('where KMS throttles them, all others slow down as well, by the quota and share that are said', async () => {
  const fault = {
    kind: 'status',
    status: 400,
    code: 'ThrottlingException',
    message: 'Rate exceeded',
  } as const;
  const struck = server.faults.add({ match: 'kms:GenerateDataKey', times: 1, fault });
  const facts = await gather();
  expect(struck.hits).toBe(1);
  expect(facts.kms).toEqual({ ok: true, value: true });
  expect(book().throttled).toBe(1);
  // 20 % of 500 are reached again within 200 seconds.
  expect(book().pace?.climb).toBe(100 / 200);
});

describe('a setting whose question hangs', () => {
  /** Patience with settings ends once only those that hang are waited for. */
  function impatient(hanging: number): Clock {
    const waiting = new Set<() => void>();
    const end = (): void => {
      if (hung.hits === hanging && waiting.size === hanging) for (const fire of waiting) fire();
    };
    return {
      ...clock,
      after: (ms, fn) => {
        if (ms !== 4_000) return clock.after(ms, fn);
        waiting.add(fn);
        return () => {
          waiting.delete(fn);
          end();
        };
      },
    };
  }
  let hung: ActiveFault;
  const open = (bucket: string): Partial<Patient> => {
    server.createBucket(bucket, { versioning: true });
    return { remote: { ...patient.remote, bucket }, mode: { kind: 'sse-s3' } };
  };

  test('is unknown after a moment, and all else is tried', async () => {
    hung = server.faults.add({ match: 'GetBucketVersioning', fault: { kind: 'hang' } });
    const facts = await gather(open('slow-versioning'), impatient(1));
    expect(facts).toMatchObject({
      versioning: {
        state: 'unknown',
        why: 'failed',
        reason: 'could not be read: the store did not answer within 4 seconds',
      },
      encryption: { state: 'set' },
      unanswered: ['GetBucketVersioning'],
      probe: { ok: true, value: { write: { ok: true } } },
    });
    expect(server.keys('slow-versioning')).toEqual([]);
  });

  test('nothing is written where it is that of Object Lock, and the way out is not a permission', async () => {
    const match = (one: FaultSubject): boolean => one.query.has('object-lock');
    hung = server.faults.add({ match, fault: { kind: 'hang' } });
    const facts = await gather(open('slow-lock'), impatient(1));
    expect(facts.untried).toMatchObject({
      reason: expect.stringContaining('the store did not answer within 4 seconds') as string,
      hint: expect.stringContaining('what holds GetObjectLockConfiguration back') as string,
    });
    expect(server.requests.count('PutObject')).toBe(0);
  });
});

test('test objects of runs that were killed are found with their versions, others are not', async () => {
  server.createBucket('littered', { versioning: true });
  const client = theirs();
  for (const Key of [
    'docs/.s3vault/doctor-1',
    'docs/.s3vault/trial-2',
    'docs/.s3vault/vault.json',
    'docs/doctor-3',
  ])
    await client.send(new PutObjectCommand({ Bucket: 'littered', Key, Body: 'x' }));
  const found = async (now: number): Promise<readonly string[] | undefined> => {
    const remote = { ...patient.remote, bucket: 'littered' };
    const facts = await gather({ remote, mode: { kind: 'sse-s3' } }, { ...clock, now: () => now });
    for (const { key, versionId } of facts.leftovers ?? [])
      expect(server.versions('littered', key).map((one) => one.versionId)).toEqual([versionId]);
    return facts.leftovers?.map(({ key }) => key);
  };
  // Younger ones may be those of a run that goes on, on a machine whose clock is off.
  expect(await found(Date.now() + 14 * 60_000)).toEqual([]);
  expect(await found(Date.now() + 16 * 60_000)).toEqual(['docs/.s3vault/doctor-1', 'docs/.s3vault/trial-2']);
});
