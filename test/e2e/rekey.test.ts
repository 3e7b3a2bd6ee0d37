/** `rekey` by the built program on the embedded server: every pair of modes, interrupted, dry, and refused. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey } from '../../src/model/brands.ts';
import { Secret } from '../../src/model/secret.ts';
import { bytesIn } from '../contract/object-store.ts';
import { storeOn } from '../s3/rig.ts';
import { openIndependently } from '../support/independent-open.ts';
import { Machine } from './harness.ts';

const MIB = 2 ** 20;
const ARN = (id: string): string => `arn:aws:kms:us-east-1:000000000000:key/${id}`;
const KMS = ['1234abcd-12ab-34cd-56ef-1234567890ab', '2234abcd-12ab-34cd-56ef-1234567890ab'] as const;

describe('rekey', () => {
  let server: EmbeddedServer;
  let folder: string;
  let machine: Machine;
  let bucket = 'rekey-0';
  let count = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-rekey-'));
    server = await startEmbedded({ kmsKeys: KMS.map((id) => ({ id })) });
    writeFileSync(join(folder, 'ca.pem'), server.caPem);
  });
  afterEach(() => machine.remove());
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const keys = { one: randomBytes(32), two: randomBytes(32) };

  function newMachine(): void {
    machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    bucket = `rekey-${++count}`;
    server.createBucket(bucket);
    for (const [name, key] of Object.entries(keys))
      writeFileSync(join(machine.home, `${name}.b64`), key.toString('base64'), { mode: 0o600 });
  }

  const store = (): string[] => [
    '--key-store',
    'command',
    '--key-command',
    `cat ${join(machine.home, '{name}.b64')}`,
  ];
  const sync = (...more: string[]): string[] => [
    'sync',
    machine.root,
    '--once',
    '--json',
    ...machine.remoteArgs,
    ...more,
  ];
  const rekey = (...more: string[]): string[] => [
    'rekey',
    machine.root,
    '--yes',
    '--json',
    ...store(),
    ...more,
  ];
  const register = (...more: string[]): string[] => sync('--to', `s3://${bucket}/docs`, ...store(), ...more);

  function writeFiles(): void {
    machine.write('empty', '');
    machine.write('one', 'x');
    machine.write('odd\nname 🏔/ü', 'odd');
    machine.write('large', randomBytes(17 * MIB + 3));
  }

  const PATHS = ['empty', 'one', 'odd\nname 🏔/ü', 'large'];

  type Held = { readonly sealed: Buffer } | { readonly customer: Buffer } | 'store';

  async function bodyOf(path: string, held: Held): Promise<Buffer> {
    const stored = server.object(bucket, `docs/${path}`);
    const body = Buffer.from(stored?.body ?? []);
    if (held === 'store') return body;
    if ('sealed' in held) return openIndependently(held.sealed, stored?.metadata ?? {}, body);
    expect(stored?.encryption).toBe('customer');
    const reader = await storeOn(machine.endpoint, bucket, { mode: 'sse-c', key: new Secret(held.customer) });
    try {
      return await bytesIn((await reader.get(objectKey(`docs/${path}`))).body);
    } finally {
      await reader.close();
    }
  }

  async function expectUnder(held: Held): Promise<void> {
    for (const path of PATHS) {
      const plain = await bodyOf(path, held);
      expect(plain.equals(readFileSync(join(machine.root, path))), path).toBe(true);
      const stored = server.object(bucket, `docs/${path}`);
      expect(stored?.metadata['s3vault-mtime'], path).toMatch(/^\d+\.\d{6}$/);
    }
  }

  const results = (lines: readonly { readonly [field: string]: unknown }[]): unknown[] =>
    lines.filter(({ event }) => event === 'transfer.done').map(({ result }) => result);

  async function inStep(): Promise<void> {
    const again = await machine.run(sync('--check-remote'));
    expect(again.code, again.stderr).toBe(0);
    expect(again.lines.find(({ event }) => event === 'plan')).toMatchObject({ put: 0, skip: 0 });
  }

  test('client to another key: only the wrapping changes, no body is sent, a sync finds all in step', async () => {
    newMachine();
    writeFiles();
    expect((await machine.run(register('--key', 'one'))).code).toBe(0);
    await expectUnder({ sealed: keys.one });
    const before = server.object(bucket, 'docs/large')?.body;
    const dry = await machine.run(['rekey', machine.root, '--key', 'two', '--dry-run']);
    expect(dry.stdout).toMatch(/4 objects, 17\.8 MB as stored: only the wrapping of the data keys changes/);
    const sent = server.requests.total;
    const ended = await machine.run(rekey('--key', 'two'));
    expect(ended.code, ended.stderr).toBe(0);
    expect(results(ended.lines)).toEqual(Array.from({ length: 4 }, () => 'rewrapped'));
    expect(server.requests.total).toBeGreaterThan(sent);
    await expectUnder({ sealed: keys.two });
    expect(
      Buffer.compare(Buffer.from(server.object(bucket, 'docs/large')?.body ?? []), Buffer.from(before ?? [])),
    ).toBe(0);
    await inStep();
    const same = await machine.run(rekey('--key', 'two'));
    expect([same.code, same.stderr]).toEqual([2, expect.stringContaining('already')]);
  });

  const CASES: readonly { from: string[]; to: string[]; how: string; held: Held }[] = [
    {
      from: ['--key', 'one'],
      to: ['--to-mode', 'sse-c', '--key', 'two'],
      how: 'resent',
      held: { customer: keys.two },
    },
    {
      from: ['--mode', 'sse-c', '--key', 'one'],
      to: ['--to-mode', 'client', '--key', 'two'],
      how: 'resent',
      held: { sealed: keys.two },
    },
    {
      from: ['--mode', 'sse-c', '--key', 'one'],
      to: ['--key', 'two'],
      how: 'copied',
      held: { customer: keys.two },
    },
    {
      from: ['--mode', 'sse-kms', '--kms-key', KMS[0]],
      to: ['--kms-key', KMS[1]],
      how: 'copied',
      held: 'store',
    },
    {
      from: ['--mode', 'sse-s3'],
      to: ['--to-mode', 'dsse-kms', '--kms-key', KMS[1]],
      how: 'copied',
      held: 'store',
    },
    {
      from: ['--mode', 'sse-kms', '--kms-key', KMS[0]],
      to: ['--to-mode', 'client', '--key', 'one'],
      how: 'resent',
      held: { sealed: keys.one },
    },
  ];

  /** All of them with the long tests; else one that is copied, two that are sent again. */
  const some =
    process.env['S3VAULT_TEST_LONG'] === '1' ? CASES : CASES.filter((_, at) => [0, 2, 5].includes(at));

  test.each(some)('$from to $to: $how', async ({ from, to, how, held }) => {
    newMachine();
    writeFiles();
    const first = await machine.run(register(...from));
    expect(first.code, first.stderr).toBe(0);
    const ended = await machine.run(rekey(...to));
    expect(ended.code, ended.stderr).toBe(0);
    expect(new Set(results(ended.lines))).toEqual(new Set([how]));
    await expectUnder(held);
    await inStep();
  });

  test.each([
    ['copied', ['--mode', 'sse-c', '--key', 'one'], ['--key', 'two']],
    ['resent', ['--mode', 'sse-kms', '--kms-key', KMS[0]], ['--to-mode', 'client', '--key', 'one']],
    ['in place', ['--mode', 'sse-kms', '--kms-key', ARN(KMS[0])], ['--kms-key', ARN(KMS[1])]],
  ] as const)('%s: what a stranger put there is not, and stays as it is [READ-1]', async (_, from, to) => {
    newMachine();
    for (const name of ['ours', 'replaced']) machine.write(name, `of ${name}`);
    const first = await machine.run(register(...from));
    expect(first.code, first.stderr).toBe(0);
    const stranger = await storeOn(machine.endpoint, bucket, { mode: 'sse-s3' });
    for (const name of ['planted', 'replaced'])
      await stranger.put(objectKey(`docs/${name}`), Buffer.from('evil'), { 's3vault-mtime': '1577880000.1' });
    const before = ['planted', 'replaced'].map((name) => server.object(bucket, `docs/${name}`));
    const ended = await machine.run(rekey(...to));
    expect(ended.code, ended.stderr).toBe(6);
    const failed = ended.lines.filter(({ event }) => event === 'transfer.failed');
    // Both are looked at at a time: either may be the first.
    expect(
      new Set(failed.map(({ path, error }) => [path, (error as { code: string }).code].join(' '))),
    ).toEqual(new Set(['planted not-protected', 'replaced not-protected']));
    expect(results(ended.lines)).toHaveLength(1);
    expect(['planted', 'replaced'].map((name) => server.object(bucket, `docs/${name}`))).toEqual(before);
    // As the hint says.
    machine.write('replaced', 'of replaced');
    for (const name of ['planted', 'replaced']) await stranger.remove(objectKey(`docs/${name}`));
    await stranger.close();
    const again = await machine.run(['rekey', machine.root, '--yes', ...store()]);
    expect(again.code, again.stderr).toBe(0);
    await machine.run(sync());
    const back = await machine.run(['cat', join(machine.root, 'replaced'), ...store()]);
    expect(back).toMatchObject({ code: 0, stdout: 'of replaced' });
  });

  test('a store that does not copy: they go through here, and that is said once', async () => {
    newMachine();
    writeFiles();
    expect((await machine.run(register('--mode', 'sse-c', '--key', 'one'))).code).toBe(0);
    const fault = server.faults.add({
      match: 'CopyObject',
      fault: {
        kind: 'status',
        status: 501,
        code: 'NotImplemented',
        message: 'A header you provided implies functionality that is not implemented.',
      },
    });
    const ended = await machine.run([...rekey('--key', 'two'), '--log-level', 'debug']);
    fault.remove();
    expect(ended.code, ended.stderr).toBe(0);
    expect(new Set(results(ended.lines))).toEqual(new Set(['resent']));
    const said = ended.lines.filter(({ event, code }) => event === 'warning' && code === 'copy-unsupported');
    expect(said).toHaveLength(1);
    await expectUnder({ customer: keys.two });
    await inStep();
  });

  test('killed again and again, every object stays readable by one of the two keys, and it goes on', async () => {
    newMachine();
    for (let n = 0; n < 60; n++) machine.write(`f${n}`, `content ${n}`);
    expect((await machine.run(register('--key', 'one'))).code).toBe(0);
    for (let kill = 0; kill < 5; kill++) {
      const running = machine.start(rekey('--key', 'two', '--log-level', 'error'));
      await running.line((line) => line.event === 'transfer.done').catch(() => undefined);
      running.kill('SIGKILL');
      await running.ended;
      for (let n = 0; n < 60; n++) {
        const stored = server.object(bucket, `docs/f${n}`);
        const open = (key: Buffer): string =>
          openIndependently(key, stored?.metadata ?? {}, Buffer.from(stored?.body ?? [])).toString();
        let text: string;
        try {
          text = open(keys.one);
        } catch {
          text = open(keys.two);
        }
        expect(text).toBe(`content ${n}`);
      }
      const refused = await machine.run(sync());
      if (refused.code !== 0) expect(refused.stderr).toMatch(/on its way to mode client with key two/);
    }
    const left = await machine.run(['rekey', machine.root, '--yes', ...store()]);
    expect([0, 2]).toContain(left.code);
    for (let n = 0; n < 60; n++) {
      const stored = server.object(bucket, `docs/f${n}`);
      expect(
        openIndependently(keys.two, stored?.metadata ?? {}, Buffer.from(stored?.body ?? [])).toString(),
      ).toBe(`content ${n}`);
    }
    await inStep();
  });

  test('a store that does not prove the new mode is found out before anything is touched', async () => {
    newMachine();
    writeFiles();
    expect((await machine.run(register('--key', 'one'))).code).toBe(0);
    const fault = server.faults.add({
      match: 'PutObject',
      fault: { kind: 'strip-headers', names: ['x-amz-server-side-encryption'] },
    });
    const ended = await machine.run(rekey('--to-mode', 'sse-s3'));
    fault.remove();
    expect(ended.code).toBe(6);
    await expectUnder({ sealed: keys.one });
    await inStep();
  });
});
