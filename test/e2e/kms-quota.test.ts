/** The built program under a KMS quota, on an embedded server that throttles as AWS does. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { Machine } from './harness.ts';

const KEY = 'vault-key-1';
const SECOND = 1_000;
let server: EmbeddedServer;
let folder: string;
let machine: Machine;
let count = 0;
let bucket = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-kms-'));
  server = await startEmbedded({ kmsKeys: [{ id: KEY }] });
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => machine.remove());

function newMachine(quota: number): void {
  bucket = `kms-${++count}`;
  server.createBucket(bucket);
  server.kms.quota = quota;
  server.kms.resetCalls();
  const caFile = join(folder, 'ca.pem');
  machine = new Machine({ endpoint: server.url, caFile, ...server.credentials, region: server.region });
}

function files(name: string, many: number): string {
  const root = join(machine.home, name);
  mkdirSync(root);
  for (let n = 0; n < many; n++) writeFileSync(join(root, `f${n}`), `${name} ${n}`);
  return root;
}

const sync = (root: string, name: string, ...args: string[]): string[] => [
  'sync',
  root,
  '--to',
  `s3://${bucket}/${name}`,
  '--mode',
  'sse-kms',
  '--kms-key',
  KEY,
  ...machine.remoteArgs,
  '--once',
  '--json',
  ...args,
];

/** Calls in each second since the first. */
function bySecond(times: readonly number[]): number[] {
  const first = times[0] ?? 0;
  const seconds: number[] = [];
  for (const time of times) {
    const second = Math.floor((time - first) / SECOND);
    seconds[second] = (seconds[second] ?? 0) + 1;
  }
  return seconds;
}

describe('KMS under quota', () => {
  test('300 files in sse-kms at half of 100 a second: KMS never throttles, and is shown in status', async () => {
    newMachine(100);
    const root = files('docs', 300);
    const ended = await machine.run(sync(root, 'docs', '--kms-quota', '100'));
    expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' });
    expect(server.kms.throttledTimes).toEqual([]);
    const { callTimes } = server.kms;
    // The files and the vault's description, each once.
    expect(callTimes.length).toBe(301);
    // All of them at once would have been three seconds' worth.
    expect(bySecond(callTimes).length).toBeGreaterThanOrEqual(6);
    expect(ended.lines.filter(({ event }) => event === 'throttle')).toEqual([]);
    const status = await machine.run(['status', root]);
    expect(status.stdout).toContain('of 50 req/s (50 % of the quota 100, set with --kms-quota), throttled 0');
    const [json] = (await machine.run(['status', root, '--json'])).lines;
    expect(json).toMatchObject({
      kms: { quota: 100, share: 50, source: 'option', limit: 50, throttled: 0 },
    });
  });

  test('two processes under one quota: together no more, each about half', async () => {
    newMachine(100);
    const names = ['one', 'two'];
    const roots = names.map((name) => files(name, 200));
    const ended = await Promise.all(
      names.map((name, n) =>
        machine.run(sync(roots[n] ?? '', name, '--kms-quota', '100', '--kms-share', '60')),
      ),
    );
    expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ]);
    expect(server.kms.throttledTimes).toEqual([]);
    expect(server.kms.callTimes.length).toBe(402);
    expect(bySecond(server.kms.callTimes).length).toBeGreaterThanOrEqual(6);
  });

  test('a quota that is lower than thought is found out: halved, told with a way out, and everything arrives', async () => {
    newMachine(40);
    const root = files('docs', 200);
    const ended = await machine.run(sync(root, 'docs', '--kms-quota', '4000'));
    expect(ended.code).toBe(0);
    const throttles = ended.lines.filter(({ event }) => event === 'throttle');
    expect(throttles[0]).toMatchObject({ resource: 'kms', quota: 4_000 });
    expect(throttles[0]?.['rate']).toBeLessThanOrEqual(100);
    // The number of transfers is left alone: that is for S3's own limits.
    for (const line of throttles) expect(line['quota']).toBe(4_000);
    expect(throttles[0]?.['hint']).toContain('--bucket-key');
    for (let n = 0; n < 200; n++) expect(server.object(bucket, `docs/f${n}`)).toBeDefined();
    expect((await machine.run(['status', root])).stdout).toMatch(
      /throttled [1-9].*\n {2}turn on --bucket-key/,
    );
  });

  test('direct calls of client mode with a KMS key are kept to it, too', async () => {
    newMachine(40);
    const root = files('docs', 60);
    const args = sync(root, 'docs', '--kms-quota', '40').map((arg) => (arg === 'sse-kms' ? 'client' : arg));
    const env = { AWS_ENDPOINT_URL_KMS: server.url, AWS_CA_BUNDLE: join(folder, 'ca.pem') };
    const ended = await machine.run(args, { env });
    expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' });
    expect(server.kms.throttledTimes).toEqual([]);
    expect(server.kms.callTimes.length).toBe(60);
    expect(bySecond(server.kms.callTimes).length).toBeGreaterThanOrEqual(3);
  });

  test('what KMS throttles of a verify slows it down and is counted', async () => {
    newMachine(1_000);
    const root = files('docs', 3);
    expect((await machine.run(sync(root, 'docs'))).code).toBe(0);
    const fault = server.faults.add({ match: 'GetObject', times: 1, fault: { kind: 'kms-slow-down' } });
    const verified = await machine.run(['verify', root, '--deep', '100', '--json']);
    fault.remove();
    expect({ code: verified.code, stderr: verified.stderr, hits: fault.hits }).toEqual({
      code: 0,
      stderr: '',
      hits: 1,
    });
    expect((await machine.run(['status', root])).stdout).toContain('throttled 1');
  });

  test('a restore on a machine that knows nothing of the vault, a cat and a join are kept to it', async () => {
    newMachine(1_000);
    const root = files('docs', 50);
    expect((await machine.run(sync(root, 'docs'))).code).toBe(0);
    server.kms.quota = 40;
    server.kms.resetCalls();
    const [fresh, args] = [machine, [...machine.remoteArgs, '--kms-quota', '40', '--kms-share', '90']];
    const elsewhere = join(fresh.home, 'elsewhere');
    const env = { S3VAULT_HOME: join(fresh.home, 'another') };
    const place = `s3://${bucket}/docs`;
    const out = ['--from', place, '--out', elsewhere, '--json'];
    const restored = await fresh.run(['restore', ...out, ...args], { env });
    expect({ code: restored.code, stderr: restored.stderr }).toEqual({ code: 0, stderr: '' });
    expect(restored.lines.filter(({ event }) => event === 'throttle')).toEqual([]);
    expect(server.kms.throttledTimes).toEqual([]);
    expect(server.kms.callTimes.length).toBe(51);
    const shown = await fresh.run(['cat', `${place}/f1`, ...args], { env });
    expect({ code: shown.code, stdout: shown.stdout }).toEqual({ code: 0, stdout: 'docs 1' });
    const member = join(fresh.home, 'member');
    mkdirSync(member);
    const both = sync(member, 'docs', '--kms-quota', '40', '--kms-share', '90', '--direction', 'both');
    expect((await fresh.run(both, { env })).code).toBe(0);
    expect(server.kms.throttledTimes).toEqual([]);
    // All of them are in the book of the second machine; a write that was refused by its condition is, too.
    const [json] = (await fresh.run(['status', member, '--json'], { env })).lines;
    const { requests = 0 } = (json?.['kms'] ?? {}) as { readonly requests?: number };
    expect(requests - server.kms.callTimes.length).toBeGreaterThanOrEqual(0);
    expect(requests - server.kms.callTimes.length).toBeLessThanOrEqual(2);
  });

  test('quota, share and Bucket Key can be said anew, are remembered, and refused where they make no sense', async () => {
    newMachine(1_000);
    const root = files('docs', 3);
    expect((await machine.run(sync(root, 'docs'))).code).toBe(0);
    expect((await machine.run(['status', root])).stdout).toContain('(50 % of the quota 10,000, assumed)');
    const again = ['sync', root, '--once', '--kms-quota', '200', '--kms-share', '25%', '--bucket-key'];
    expect((await machine.run(again)).code).toBe(0);
    const config = JSON.parse(
      readFileSync(join(machine.home, 's3vault', 'config', 'config.json'), 'utf8'),
    ) as { vaults: unknown[] };
    expect(config.vaults[0]).toMatchObject({
      mode: { bucketKey: true },
      rules: { kmsQuota: 200, kmsShare: 25 },
    });
    expect((await machine.run(['sync', root, '--once'])).code).toBe(0);
    expect((await machine.run(['status', root])).stdout).toContain('of 50 req/s (25 % of the quota 200');
    for (const [option, value, said] of [
      ['--kms-quota', '0', 'whole number of requests a second'],
      ['--kms-share', '120', 'percentage from 1 to 100'],
    ] as const) {
      const refused = await machine.run(['sync', root, '--once', option, value]);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(said);
    }
  });
});
