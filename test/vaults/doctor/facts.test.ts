/** What `doctor` asks of KMS counts like a run's, under the same rules. */
import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { Agent } from 'node:https';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { places } from '../../../src/config.ts';
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
  const { credentials, region } = server;
  const client = new S3Client({
    endpoint: server.url,
    region,
    credentials,
    forcePathStyle: true,
    requestHandler: { httpsAgent: new Agent({ ca: server.caPem }) },
  });
  await client.send(
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
const gather = (): Promise<DoctorFacts> =>
  gatherFacts(patient, {
    env: { ...process.env, AWS_CA_BUNDLE: caFile },
    places: where(),
    keys: {},
    keyStore: 'keychain',
    clock,
    once: true,
    consent: false,
    acceptSource: false,
    checkRemote: false,
  });

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
