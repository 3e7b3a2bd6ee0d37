/** KMS and Service Quotas that do not answer, refuse, or answer one time and not the next. */
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { places } from '../../src/config.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { type ResolvedRemote, resolveRemote } from '../../src/s3/connect.ts';
import { appliedIn, rememberSaid } from '../../src/s3/kms-limiter.ts';
import { shortly } from '../../src/vaults/kms-asking.ts';
import { groupOf, quotaInUse, quotaOf } from '../../src/vaults/kms-group.ts';
import { resolveKmsKey } from '../../src/vaults/protect.ts';
import { MemoryLedger } from '../support/memory-ledger.ts';
import { ManualClock } from '../support/manual-clock.ts';

const ID = '1234abcd-12ab-34cd-56ef-1234567890ab';
const HSM = '9234abcd-12ab-34cd-56ef-1234567890ab';
const MINUTES = 60_000;
const before = { ...process.env };
let server: EmbeddedServer;
let silent: Server;
let calls: Socket[] = [];
let home: string;
let caFile: string;
let resolved: ResolvedRemote;
let clock: ManualClock;
let ledger: MemoryLedger;

beforeAll(async () => {
  server = await startEmbedded({
    kmsKeys: [
      { id: ID, alias: 'photos' },
      { id: HSM, alias: 'own', customKeyStore: 'cks-1' },
    ],
  });
  silent = createServer((socket) => void calls.push(socket.on('error', () => undefined)));
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
});
afterAll(async () => {
  await server.close();
  await new Promise((done) => silent.close(done));
});
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 's3vault-asking-'));
  caFile = await server.caFile(home);
  clock = new ManualClock();
  ledger = new MemoryLedger();
  process.env['AWS_ACCESS_KEY_ID'] = server.credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = server.credentials.secretAccessKey;
  answering(true);
  const remote = {
    bucket: 'any-bucket',
    prefix: '',
    region: 'us-east-1',
    endpoint: server.url,
    caBundle: caFile,
  };
  resolved = { ...(await resolveRemote(remote, process.env)), isAws: true };
  server.requests.reset();
});
afterEach(async () => {
  for (const socket of calls.splice(0)) socket.destroy();
  await resolved.close();
  process.env = { ...before };
  rmSync(home, { recursive: true });
});

function answering(answers: boolean): void {
  const url = answers ? server.url : `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  process.env['AWS_ENDPOINT_URL_KMS'] = url;
  process.env['AWS_ENDPOINT_URL_SERVICE_QUOTAS'] = url;
}

const way = (rules = {}) => ({
  place: { remote: { bucket: 'any-bucket', prefix: '', caBundle: caFile }, rules },
  resolved,
  options: { env: process.env, places: places({ S3VAULT_HOME: home }) },
  clock,
});
const scopeOf = async (keyId: string): Promise<string> =>
  (await groupOf(ledger, keyId, 'store', way())).scope;
const LONG = { timeout: 20_000 };
/** So many questions are under way. */
const asked = (count: number) => vi.waitFor(() => expect(clock.waiting).toBe(count), LONG);
const asksMade = () => server.requests.count('kms:DescribeKey');

test('nothing is waited for for more than two seconds, nor asked again for some minutes', async () => {
  answering(false);
  const first = scopeOf(ID);
  await asked(1);
  await vi.waitFor(() => expect(calls).toHaveLength(1), LONG);
  clock.advance(1_999);
  expect(await Promise.race([first, new Promise((done) => setImmediate(done, 'waits'))])).toBe('waits');
  clock.advance(1);
  expect(await first).toBe('aws any-account us-east-1 symmetric');
  clock.advance(9 * MINUTES);
  expect(await scopeOf(ID)).toBe('aws any-account us-east-1 symmetric');
  expect(calls).toHaveLength(1);
  clock.advance(2 * MINUTES);
  answering(true);
  expect(await scopeOf(ID)).toMatch(/^aws \d{12} us-east-1 symmetric$/);
});

test('key and quota are given up together, so that a doctor is done in time', async () => {
  answering(false);
  const found = quotaInUse({ kind: 'sse-kms', keyId: ID, context: {} }, way({ kmsShare: 30 }));
  await asked(2);
  clock.advance(2_000);
  expect(await found).toEqual({ quota: 100_000, source: 'region-table', share: 30 });
});

test('a doctor asks again what failed a moment ago, and not at all where the quota was said', async () => {
  const mode = { kind: 'sse-kms', keyId: ID, context: {} } as const;
  answering(false);
  const failing = quotaInUse(mode, way());
  await asked(2);
  clock.advance(2_000);
  await failing;
  answering(true);
  await quotaInUse(mode, way());
  expect(asksMade()).toBe(1);
  answering(false);
  // With this clock an unanswered question would never end.
  expect(await quotaInUse(mode, way({ kmsQuota: 9 }))).toEqual({ quota: 9, source: 'option', share: 50 });
});

test('who has to know the key behind an alias in time hears who does not answer', async () => {
  answering(false);
  const { place, options } = way();
  const named = shortly('KMS', clock, {}, (short) =>
    resolveKmsKey('alias/photos', place, resolved, options, short),
  );
  const ended = expect(named).rejects.toMatchObject({
    kind: 'offline',
    message: 'KMS did not answer within 2 seconds',
    hint: expect.stringContaining('VPC') as string,
  });
  await asked(1);
  clock.advance(2_000);
  await ended;
});

test('a key stays in its group when KMS does not say any more which that is', async () => {
  const [photos, own] = [await scopeOf('alias/photos'), await scopeOf('alias/own')];
  expect(own).toMatch(/ cks-1$/);
  clock.advance(2 * 24 * 60 * MINUTES);
  answering(false);
  for (const [keyId, scope] of [
    ['alias/photos', photos],
    ['alias/own', own],
  ] as const) {
    const again = scopeOf(keyId);
    await asked(1);
    clock.advance(2_000);
    expect(await again).toBe(scope);
    // Not even asked.
    expect(await scopeOf(keyId)).toBe(scope);
  }
});

test('an alias that was never described counts with the keys of the same credentials', async () => {
  const key = await scopeOf(server.kms.arnOf(ID));
  expect(key).toMatch(/^aws \d{12} /);
  expect(await scopeOf('alias/unheard-of')).toBe(key);
});

test('each account has aliases of its own, and its own key facts', async () => {
  const by = (accessKeyId: string) => ({
    ...way(),
    resolved: {
      ...resolved,
      credentials: { get: async () => ({ ...server.credentials, accessKeyId }), refresh: async () => false },
    },
  });
  // The account stands in the id (these two are of one, the third is of another).
  for (const id of ['RTX3GSDSQAABCDEF', 'RTX3GSDSQAQQQQQQ', 'QTX3GSDSQAABCDEF'])
    await groupOf(ledger, 'alias/photos', 'store', by(`ASIA${id}`));
  const lines = [...ledger.books.keys()].filter((line) => line.startsWith('key '));
  expect(lines).toEqual([
    'key us-east-1 111122223333 alias/photos',
    expect.stringMatching(/^key us-east-1 (?!111122223333)\d{12} alias\/photos$/),
  ]);
  // A key by its ARN is the same for all.
  const arn = server.kms.arnOf(ID);
  for (const id of ['RTX3GSDSQAABCDEF', 'QTX3GSDSQAABCDEF'])
    await groupOf(ledger, arn, 'store', by(`ASIA${id}`));
  expect([...ledger.books.keys()].filter((line) => line.includes('arn:'))).toEqual([`key us-east-1 ${arn}`]);
});

test('an alias may be set on another key: it is asked about again soon, a key once a day', async () => {
  await scopeOf('alias/own');
  await scopeOf(HSM);
  expect(asksMade()).toBe(2);
  clock.advance(14 * MINUTES);
  await scopeOf('alias/own');
  expect(asksMade()).toBe(2);
  clock.advance(2 * MINUTES);
  await scopeOf('alias/own');
  await scopeOf(HSM);
  expect(asksMade()).toBe(3);
});

test('a quota that Service Quotas said once holds until it says another one', () => {
  const group = {
    scope: 's',
    quota: { quota: 100_000, source: 'region-table' },
    hasServiceQuota: true,
  } as const;
  const at = (ms: number) => quotaOf(ledger, group, {}, ms);
  expect(at(0)).toMatchObject({ quota: { quota: 100_000 }, ask: true });
  rememberSaid(ledger, 's', { quota: 5_500, source: 'service-quotas' }, 0);
  expect(at(14 * MINUTES)).toMatchObject({ quota: { quota: 5_500 }, ask: false });
  const later = 16 * MINUTES;
  expect(at(later)).toMatchObject({ quota: { quota: 5_500, source: 'service-quotas' }, ask: true });
  rememberSaid(ledger, 's', undefined, later);
  expect(at(later + 9 * MINUTES)).toMatchObject({ quota: { quota: 5_500 }, ask: false });
  expect(at(later + 11 * MINUTES)).toMatchObject({ ask: true });
  rememberSaid(ledger, 's', { quota: 10_000, source: 'service-quotas' }, later);
  expect(appliedIn(ledger, 's', later)).toEqual({
    applied: { quota: 10_000, source: 'service-quotas' },
    ask: false,
  });
});
