/** A process that runs for weeks learns what becomes of its quota, and of its key. */
import { type Server, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { places } from '../../src/config.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { makeCertificate } from '../../src/embedded/tls.ts';
import { vaultId } from '../../src/model/brands.ts';
import type { Vault } from '../../src/model/vault.ts';
import { resolveRemote } from '../../src/s3/connect.ts';
import { type KmsPace, openKmsPace, vaultKms } from '../../src/vaults/kms-pace.ts';
import { ManualClock } from '../support/manual-clock.ts';

const MINUTES = 60_000;
const LONG = { timeout: 20_000 };
const before = { ...process.env };
let server: EmbeddedServer;
let quotas: Server;
/** What Service Quotas says; undefined: it refuses. */
let value: number | undefined;
let asked = 0;
/** How long its answer takes: ms. */
let late = 0;
let home: string;
let clock: ManualClock;
let opened: { close(): unknown }[] = [];

beforeAll(async () => {
  const tls = await makeCertificate();
  server = await startEmbedded({
    tls,
    kmsKeys: [
      { id: 'first', alias: 'photos' },
      { id: 'second', customKeyStore: 'cks-1' },
    ],
  });
  quotas = createServer(tls, (request, response) => {
    request.resume();
    if (late > 0) clock.advance(late);
    if (String(request.headers['x-amz-target']).endsWith('.GetServiceQuota')) asked++;
    response.writeHead(value === undefined ? 400 : 200, { 'content-type': 'application/x-amz-json-1.1' });
    const refusal = { __type: 'AccessDeniedException', message: 'not allowed' };
    response.end(JSON.stringify(value === undefined ? refusal : { Quota: { Value: value } }));
  });
  await new Promise<void>((done) => quotas.listen(0, 'localhost', done));
  const url = `https://localhost:${(quotas.address() as AddressInfo).port}`;
  process.env['AWS_ENDPOINT_URL_SERVICE_QUOTAS'] = url;
  process.env['AWS_ENDPOINT_URL_KMS'] = server.url;
  process.env['AWS_ACCESS_KEY_ID'] = server.credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = server.credentials.secretAccessKey;
});
afterAll(async () => {
  process.env = before;
  quotas.closeAllConnections();
  await Promise.all([server.close(), new Promise((done) => quotas.close(done))]);
});
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 's3vault-review-'));
  clock = new ManualClock();
  value = 20_000;
  asked = 0;
  late = 0;
  server.requests.reset();
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  rmSync(home, { recursive: true });
});

let vaults = 0;
async function open(rules: Partial<Vault['rules']> = {}): Promise<{ pace: KmsPace; vault: Vault }> {
  const caBundle = await server.caFile(home);
  const vault: Vault = {
    id: vaultId(`00000000-0000-4000-8000-${String(++vaults).padStart(12, '0')}`),
    root: '/docs',
    remote: { bucket: 'any-bucket', prefix: '', endpoint: server.url, region: 'us-east-1', caBundle },
    mode: { kind: 'sse-kms', keyId: 'alias/photos', context: {} },
    direction: 'push',
    rules: { removals: false, include: [], exclude: [], ...rules },
  };
  const env = { ...process.env, AWS_CA_BUNDLE: caBundle };
  const resolved = { ...(await resolveRemote(vault.remote, env)), isAws: true };
  const where = places({ S3VAULT_HOME: home });
  const pace = await openKmsPace(vault, vault.mode, resolved, { env, places: where }, clock);
  opened.push(pace, resolved);
  return { pace, vault };
}
const gauge = async (vault: Vault) => (await vaultKms(vault, places({ S3VAULT_HOME: home }), clock))?.gauge;
const told = (vault: Vault, seen: object) =>
  vi.waitFor(async () => expect(await gauge(vault)).toMatchObject(seen), LONG);

test('a quota that was raised is learned within a quarter of an hour of use, and nothing is asked while it rests', async () => {
  const { pace, vault } = await open();
  await told(vault, { quota: 20_000, source: 'service-quotas', limit: 10_000 });
  value = 60_000;
  clock.advance(14 * MINUTES);
  await pace.store(1);
  expect(asked).toBe(1);
  clock.advance(2 * MINUTES);
  expect(asked).toBe(1);
  await pace.store(1);
  await told(vault, { quota: 60_000, limit: 30_000 });
  expect(asked).toBe(2);
});

test('under steady load, and by answers that take their time, it is learned as soon', async () => {
  late = 1_000;
  const { pace, vault } = await open();
  await told(vault, { quota: 20_000, source: 'service-quotas' });
  value = 60_000;
  // A second has gone by: just past the quarter of an hour since it was asked, and not since it was noted.
  clock.advance(15 * MINUTES - 500);
  await pace.store(1);
  // A look that began too early is let come to its end, which would put off the next one.
  for (let turns = 0; turns < 30; turns++) await gauge(vault);
  clock.advance(6_000);
  await pace.store(1);
  await told(vault, { quota: 60_000 });
});

test('where KMS throttles, it is asked at once, and then not more than once a minute', async () => {
  const { pace, vault } = await open();
  await told(vault, { quota: 20_000 });
  value = 500;
  clock.advance(2 * MINUTES);
  for (let times = 0; times < 5; times++) pace.throttled('store');
  await told(vault, { quota: 500 });
  expect(asked).toBe(2);
  clock.advance(MINUTES / 2);
  pace.throttled('store');
  clock.advance(MINUTES);
  pace.throttled('store');
  await vi.waitFor(() => expect(asked).toBe(3), LONG);
});

test('a number that was given is kept to, and nobody asked; a refusal leaves what was known', async () => {
  const given = await open({ kmsQuota: 700 });
  clock.advance(20 * MINUTES);
  await given.pace.store(1);
  given.pace.throttled('store');
  expect(await gauge(given.vault)).toMatchObject({ quota: 700, source: 'option' });
  expect(asked).toBe(0);
  const { pace, vault } = await open();
  await told(vault, { quota: 20_000 });
  value = undefined;
  clock.advance(20 * MINUTES);
  await pace.store(1);
  await vi.waitFor(() => expect(asked).toBe(2), LONG);
  expect(await gauge(vault)).toMatchObject({ quota: 20_000, source: 'service-quotas' });
});

test('an alias that was set on a key in a custom key store counts against that one from then on', async () => {
  const { pace, vault } = await open();
  await pace.store(3);
  server.kms.set({ id: 'first' });
  server.kms.set({ id: 'second', alias: 'photos', customKeyStore: 'cks-1' });
  clock.advance(16 * MINUTES);
  await pace.store(4);
  await vi.waitFor(async () => {
    const taken = pace.store(5);
    clock.advance(10);
    await taken;
    expect(await gauge(vault)).toMatchObject({ quota: 1_800 });
  }, LONG);
  // Nothing of what the other one was asked for.
  expect(((await gauge(vault))?.requests ?? 1) % 5).toBe(0);
  // What throttles now is that one, and the other is left in peace.
  pace.throttled('store');
  expect(await gauge(vault)).toMatchObject({ quota: 1_800, throttled: 1 });
});
