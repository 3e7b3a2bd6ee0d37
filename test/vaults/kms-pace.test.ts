/** Which KMS quota a vault is under, on a server that is taken for AWS. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { places } from '../../src/config.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { vaultId } from '../../src/model/brands.ts';
import type { Event, EventBody } from '../../src/model/event.ts';
import type { Vault } from '../../src/model/vault.ts';
import { resolveRemote } from '../../src/s3/connect.ts';
import { type KmsPace, openKmsPace, vaultKms } from '../../src/vaults/kms-pace.ts';
import { ManualClock } from '../support/manual-clock.ts';

const ID = '1234abcd-12ab-34cd-56ef-1234567890ab';
const HSM = '9234abcd-12ab-34cd-56ef-1234567890ab';
let server: EmbeddedServer;
let home: string;
let caFile: string;
let opened: { close(): unknown }[] = [];
const before = { ...process.env };

beforeAll(async () => {
  server = await startEmbedded({
    kmsKeys: [
      { id: ID, alias: 'photos' },
      { id: HSM, customKeyStore: 'cks-1' },
      { id: 'hidden', denied: ['kms:DescribeKey'] },
    ],
  });
  // The SDK takes these from its own process: it must not go out to AWS.
  process.env['AWS_ENDPOINT_URL_SERVICE_QUOTAS'] = server.url;
  process.env['AWS_ENDPOINT_URL_KMS'] = server.url;
  process.env['AWS_ACCESS_KEY_ID'] = server.credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = server.credentials.secretAccessKey;
});
afterAll(async () => {
  process.env = before;
  await server.close();
});
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 's3vault-pace-'));
  caFile = await server.caFile(home);
  server.requests.reset();
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  rmSync(home, { recursive: true });
});

let vaults = 0;
const vaultWith = (keyId: string, rules: Partial<Vault['rules']> = {}, region = 'us-east-1'): Vault => ({
  id: vaultId(`00000000-0000-4000-8000-${String(++vaults).padStart(12, '0')}`),
  root: '/docs',
  remote: { bucket: 'any-bucket', prefix: '', endpoint: server.url, region, caBundle: caFile },
  mode: { kind: 'sse-kms', keyId, context: {} },
  direction: 'push',
  rules: { removals: false, include: [], exclude: [], ...rules },
});

const clock = new ManualClock();
const where = () => places({ S3VAULT_HOME: home });

async function open(vault: Vault, isAws = true): Promise<KmsPace> {
  const env = { ...process.env, AWS_CA_BUNDLE: caFile };
  const resolved = { ...(await resolveRemote(vault.remote, env)), isAws };
  const pace = await openKmsPace(vault, vault.mode, resolved, { env, places: where() }, clock);
  if (pace === undefined) throw new Error('no pace');
  opened.push(pace, resolved);
  return pace;
}

const gaugeOf = async (vault: Vault) => (await vaultKms(vault, where(), clock))?.gauge;

test("an ordinary key: the account's quota, as published until Service Quotas says more; asked about once", async () => {
  const [one, two] = [vaultWith(ID), vaultWith(ID)];
  await (await open(one)).take(3);
  await (await open(two)).take(4);
  // What one vault asked for counts for the other.
  const wanted = { quota: 100_000, source: 'region-table', share: 50, limit: 50_000, requests: 7 };
  expect(await gaugeOf(one)).toMatchObject(wanted);
  expect(await gaugeOf(two)).toMatchObject(wanted);
  expect(server.requests.count('kms:DescribeKey')).toBe(1);
});

test('alias and id are one account; what is said goes before what is published', async () => {
  const [one, two] = [vaultWith('alias/photos'), vaultWith(ID, { kmsQuota: 5_500, kmsShare: 20 })];
  await (await open(one)).take(1);
  await (await open(two)).take(1);
  expect(await gaugeOf(one)).toMatchObject({ quota: 5_500, source: 'option', share: 20, requests: 2 });
});

test('a custom key store has a quota of its own', async () => {
  const [one, two] = [vaultWith(HSM), vaultWith(ID)];
  await (await open(one)).take(1);
  await (await open(two)).take(1);
  expect(await gaugeOf(one)).toMatchObject({ quota: 1_800, limit: 900, requests: 1 });
  expect(await gaugeOf(two)).toMatchObject({ quota: 100_000, requests: 1 });
});

test('without permission to ask about the key it is taken for an ordinary one; other stores are guessed at', async () => {
  const [hidden, elsewhere] = [vaultWith('hidden'), vaultWith(ID)];
  await open(hidden);
  expect(await gaugeOf(hidden)).toMatchObject({ quota: 100_000, source: 'region-table' });
  await open(elsewhere, false);
  expect(await gaugeOf(elsewhere)).toMatchObject({ quota: 10_000, source: 'assumed' });
});

test('modes without KMS have no pace, and a vault that never ran has no numbers', async () => {
  const vault = vaultWith(ID);
  expect(await vaultKms(vault, where(), clock)).toBeUndefined();
  const resolved = await resolveRemote(vault.remote, process.env);
  opened.push(resolved);
  const options = { env: process.env, places: where() };
  expect(await openKmsPace(vault, { kind: 'sse-s3' }, resolved, options, clock)).toBeUndefined();
  expect(await vaultKms({ ...vault, mode: { kind: 'sse-s3' } }, where(), clock)).toBeUndefined();
});

test('tells numbers that changed, once a second, and throttling with the way out', async () => {
  const vault = vaultWith(ID, { kmsQuota: 100 });
  const pace = await open(vault);
  const told: EventBody[] = [];
  pace.tellTo((body) => told.push(body));
  await pace.take(5);
  clock.advance(1_000);
  clock.advance(5_000);
  const kms = told.filter((body): body is Extract<Event, { event: 'kms' }> => body.event === 'kms');
  expect(kms.map(({ rate, requests }) => [rate, requests])).toEqual([
    [0, 0],
    [5, 5],
    [0, 5],
  ]);
  pace.throttled();
  pace.throttled();
  const throttles = told.filter(({ event }) => event === 'throttle');
  expect(throttles).toHaveLength(1);
  expect(throttles[0]).toMatchObject({
    resource: 'kms',
    quota: 100,
    hint: expect.stringContaining('L-6E3AF000'),
  });
  expect((await vaultKms(vault, where(), clock))?.hint).toContain('--desired-value 200 --region us-east-1');
});
