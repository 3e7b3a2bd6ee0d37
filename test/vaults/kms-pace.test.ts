/** Which KMS quota a vault is under, on a server that is taken for AWS. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { places } from '../../src/config.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { vaultId } from '../../src/model/brands.ts';
import type { Event, EventBody } from '../../src/model/event.ts';
import type { Vault } from '../../src/model/vault.ts';
import { type ResolvedRemote, resolveRemote } from '../../src/s3/connect.ts';
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

async function open(
  vault: Vault,
  isAws = true,
  credentials?: ResolvedRemote['credentials'],
  more: NodeJS.ProcessEnv = {},
): Promise<KmsPace> {
  const env = { ...process.env, AWS_CA_BUNDLE: caFile, ...more };
  const found = await resolveRemote(vault.remote, env);
  const resolved = { ...found, isAws, credentials: credentials ?? found.credentials };
  const pace = await openKmsPace(vault, vault.mode, resolved, { env, places: where() }, clock);
  opened.push(pace, resolved);
  return pace;
}

/** Which quota the vault counts against now. */
function scopeIn({ id }: Vault): string {
  const database = new DatabaseSync(join(where().state, 'kms.sqlite'), { readOnly: true });
  const line = database.prepare('SELECT book FROM books WHERE scope = ?').get(`vault ${id}`);
  database.close();
  return String(line?.['book']);
}

const gaugeOf = async (vault: Vault) => (await vaultKms(vault, where(), clock))?.gauge;

test("an ordinary key: the account's quota, as published until Service Quotas says more; asked about once", async () => {
  const [one, two] = [vaultWith(ID), vaultWith(ID)];
  await (await open(one)).store(3);
  await (await open(two)).store(4);
  // What one vault asked for counts for the other.
  const wanted = { quota: 100_000, source: 'region-table', share: 50, limit: 50_000, requests: 7 };
  expect(await gaugeOf(one)).toMatchObject(wanted);
  expect(await gaugeOf(two)).toMatchObject(wanted);
  expect(server.requests.count('kms:DescribeKey')).toBe(1);
});

test('alias and id are one account; each vault is shown by the quota and share that it keeps to', async () => {
  const [one, two] = [vaultWith('alias/photos'), vaultWith(ID, { kmsQuota: 5_500, kmsShare: 20 })];
  await (await open(one)).store(1);
  const pace = await open(two);
  await pace.store(1);
  const ofOne = { quota: 100_000, source: 'region-table', share: 50, limit: 50_000, requests: 2 };
  const ofTwo = { quota: 5_500, source: 'option', share: 20, limit: 1_100, requests: 2 };
  expect([await gaugeOf(one), await gaugeOf(two)]).toMatchObject([ofOne, ofTwo]);
  const told: EventBody[] = [];
  await open(one);
  pace.tellTo((body) => told.push(body));
  expect(told).toMatchObject([{ event: 'kms', ...ofTwo }]);
});

test('a custom key store has a quota of its own', async () => {
  const [one, two] = [vaultWith(HSM), vaultWith(ID)];
  await (await open(one)).store(1);
  await (await open(two)).store(1);
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

test('modes without KMS count nothing until the store says that it asked KMS, then that too', async () => {
  const vault = vaultWith(ID);
  expect(await vaultKms(vault, where(), clock)).toBeUndefined();
  const plain = { ...vault, mode: { kind: 'sse-s3' } } as const;
  const pace = await open(plain);
  expect([pace.counts, pace.throttled('store')]).toEqual([false, false]);
  expect(await vaultKms(vault, where(), clock)).toBeUndefined();
  await pace.store(2, { keyId: server.kms.arnOf(ID), already: true });
  await pace.store(1, { keyId: server.kms.arnOf(ID) });
  expect([pace.counts, pace.throttled('store')]).toEqual([true, true]);
  // Another vault of the account sees it.
  const other = vaultWith(ID);
  await open(other);
  expect(await gaugeOf(other)).toMatchObject({ rate: 3, requests: 3, throttled: 1 });
  expect(await vaultKms(plain, where(), clock)).toBeUndefined();
});

test('credentials of one account share its quota, also without a word about the key', async () => {
  const hidden = vaultWith('hidden');
  const ids = ['RTX3GSDSQAABCDEF', 'RTX3GSDSQAQQQQQQ'].map((id) => `ASIA${id}`).concat('made-up', 'another');
  const places: string[] = [];
  for (const accessKeyId of ids) {
    const get = async () => ({ accessKeyId, secretAccessKey: 's' });
    await open(hidden, true, { get, refresh: async () => false });
    places.push(scopeIn(hidden));
  }
  expect(places[0]).toBe('aws 111122223333 us-east-1 symmetric');
  expect(places[1]).toBe(places[0]);
  // Nobody says whose they are: they are taken for one account's.
  expect(places[2]).not.toBe(places[0]);
  expect(places[3]).toBe(places[2]);
});

test('where configured endpoints are to be ignored, direct calls are those of AWS', async () => {
  const vault = {
    ...vaultWith(ID),
    mode: { kind: 'client', key: { kind: 'kms', keyId: ID, context: {} } },
  } as const;
  await open(vault, true);
  expect(scopeIn(vault)).not.toMatch(/^aws /);
  await open(vault, true, undefined, { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' });
  expect(scopeIn(vault)).toMatch(/^aws /);
});

test('tells numbers that changed, once a second, and throttling with the way out', async () => {
  const vault = vaultWith(ID, { kmsQuota: 100 });
  const pace = await open(vault);
  const told: EventBody[] = [];
  pace.tellTo((body) => told.push(body));
  await pace.store(5);
  clock.advance(1_000);
  clock.advance(5_000);
  const kms = told.filter((body): body is Extract<Event, { event: 'kms' }> => body.event === 'kms');
  expect(kms.map(({ rate, requests }) => [rate, requests])).toEqual([
    [0, 0],
    [5, 5],
    [0, 5],
  ]);
  expect(pace.throttled('store')).toBe(true);
  pace.throttled('store');
  const throttles = told.filter(({ event }) => event === 'throttle');
  expect(throttles).toHaveLength(1);
  expect(throttles[0]).toMatchObject({
    resource: 'kms',
    quota: 100,
    hint: expect.stringContaining('L-6E3AF000'),
  });
  expect((await vaultKms(vault, where(), clock))?.hint).toMatch(/get-service-quota .* --region us-east-1/);
});
