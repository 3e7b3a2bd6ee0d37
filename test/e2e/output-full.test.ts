/** A disk without room behind standard output, behind standard error, and behind the log of a daemon: by the built program. */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { MAIN, Machine, Started } from './harness.ts';

const FULL = '/dev/full';

describe('a full disk behind what is printed', () => {
  let server: EmbeddedServer;
  let folder: string;
  let machine: Machine;
  let count = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-full-'));
    server = await startEmbedded();
    writeFileSync(join(folder, 'ca.pem'), server.caPem);
  });
  beforeEach(() => {
    machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    server.createBucket(`full-${++count}`, { versioning: false });
  });
  afterEach(() => machine.remove());
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Standard output is full; with `both` standard error is, too. */
  async function full(args: readonly string[], both = false) {
    const fd = openSync(FULL, 'w');
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: machine.env(),
      cwd: machine.home,
      stdio: ['ignore', fd, both ? fd : 'pipe'],
    });
    closeSync(fd);
    return new Started(child).ended;
  }
  const sync = (): string[] => [
    'sync',
    machine.root,
    '--to',
    `s3://full-${count}/docs`,
    '--mode',
    'sse-s3',
    ...machine.remoteArgs,
    '--once',
  ];

  test.each([
    ['lines'],
    ['--json'],
    ['--log-level', 'trace'] as const,
  ])('a sync goes on: %s', async (...how) => {
    for (let n = 0; n < 40; n++) machine.write(`f${n}`, `${n}`);
    const flags = how[0] === 'lines' ? [] : how;
    const ended = await full([...sync(), ...flags]);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
    expect(ended.stderr.match(/what is printed cannot be written: no space left/g)).toHaveLength(1);
    expect(ended.code).toBe(0);
    const status = await machine.run(['status', machine.root, '--json']);
    expect(status.lines[0]).toMatchObject({ files: 40 });
    const again = await machine.run(['sync', machine.root, '--once', '--check-remote']);
    expect([again.code, again.stdout]).toEqual([0, expect.not.stringContaining('to send')]);
  });

  test('so it does where nothing can be said at all', async () => {
    machine.write('a', 'a');
    const ended = await full([...sync(), '--log-level', 'trace'], true);
    expect([ended.code, ended.signal]).toEqual([0, null]);
    const again = await machine.run(['ls', machine.root]);
    expect(again.stdout).toBe('a\n');
  });

  test('a command that only prints says so, and ends with 3', async () => {
    machine.write('a', 'a');
    expect((await machine.run(sync())).code).toBe(0);
    for (const args of [
      ['cat', join(machine.root, 'a')],
      ['ls', machine.root],
      ['ls', '--json', machine.root],
      ['versions', join(machine.root, 'a')],
      ['status'],
      ['vaults'],
      ['verify', machine.root],
      ['sync', machine.root, '--dry-run'],
      ['bucket', 'policy', `full-${count}`, ...machine.remoteArgs],
      ['--help'],
      ['--version'],
    ]) {
      const ended = await full(args);
      expect(ended.stderr, args.join(' ')).toContain('standard output cannot be written');
      expect(ended.stderr, args.join(' ')).not.toMatch(/^\s+at |node:/m);
      expect(ended.code, args.join(' ')).toBe(3);
    }
    expect((await full(['cat', join(machine.root, 'a')], true)).code).toBe(3);
  }, 180_000);

  test('a reader that goes away is no failure', async () => {
    machine.write('a', 'a');
    expect((await machine.run(sync())).code).toBe(0);
    const started = machine.start(['ls', machine.root]);
    started.child.stdout?.destroy();
    const ended = await started.ended;
    expect([ended.code, ended.stderr]).toEqual([0, '']);
  });

  test('a daemon goes on without its log', async () => {
    machine.write('a', 'a');
    expect((await machine.run(sync())).code).toBe(0);
    const daemon = full(['daemon', 'run', '--log-level', 'trace'], true);
    let running = false;
    void daemon.then(() => {
      running = false;
    });
    for (let tries = 0; !running && tries < 100; tries++)
      running = (await machine.run(['daemon', 'status'])).code === 0;
    machine.write('b', 'b');
    const through = await machine.run(['sync', machine.root, '--once']);
    expect(through.stderr).toContain('holds this vault and does the sync');
    expect(through.code).toBe(0);
    expect((await machine.run(['ls', machine.root])).stdout).toBe('a\nb\n');
    expect((await machine.run(['daemon', 'stop'])).code).toBe(0);
    expect((await daemon).code).toBe(0);
    expect(readFileSync(join(machine.root, 'b'), 'utf8')).toBe('b');
  }, 120_000);
});
