/** What commands say, and how they end, where something is not there or not as it was thought: by the built program. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { type Ended, Machine } from './harness.ts';

let server: EmbeddedServer;
let folder: string;
let machine: Machine;
let bucket: string;
let count = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-said-'));
  server = await startEmbedded();
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
});
beforeEach(() => {
  machine = newMachine();
  bucket = `said-${++count}`;
  server.createBucket(bucket, { versioning: false });
});
afterEach(() => machine.remove());
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const newMachine = (): Machine =>
  new Machine({
    endpoint: server.url,
    caFile: join(folder, 'ca.pem'),
    ...server.credentials,
    region: server.region,
  });

const to = (): string[] => ['--to', `s3://${bucket}/docs`, ...machine.remoteArgs];
const sync = (...args: string[]): Promise<Ended> => machine.run(['sync', machine.root, '--once', ...args]);
const register = (...args: string[]): Promise<Ended> => sync(...to(), '--mode', 'sse-s3', ...args);
const from = (prefix = 'docs'): string[] => ['--from', `s3://${bucket}/${prefix}`, ...machine.remoteArgs];
const at = (path: string): string => join(machine.root, path);

describe('--at in a bucket that keeps no versions', () => {
  test('ls and restore say that there may have been more, and end with 3; one file that is there is known', async () => {
    machine.write('a', 'a');
    machine.write('d/b', 'b');
    expect((await register()).code).toBe(0);
    const ls = await machine.run(['ls', '-r', machine.root, '--at', '0s']);
    expect(ls.stdout).toBe('a\nd/b\n');
    expect(ls.stderr).toContain('the bucket keeps no versions: what was overwritten or removed since');
    expect(ls.code).toBe(3);
    const json = await machine.run(['ls', '-r', '--json', machine.root, '--at', '0s']);
    expect(json.lines.map(({ event }) => event)).toEqual(['object', 'object', 'warning', 'summary']);
    expect(json.lines.at(-1)).toMatchObject({ files: 2, exit: 3 });
    const restore = await machine.run(['restore', machine.root, '--out', at('../out'), '--at', '0s']);
    expect(restore.stderr).toContain('the bucket keeps no versions');
    expect(restore.code).toBe(3);
    for (const args of [
      ['ls', at('a')],
      ['cat', at('a')],
      ['restore', at('a'), '--out', at('../one')],
    ]) {
      const one = await machine.run([...args, '--at', '0s']);
      expect([one.code, one.stderr], args.join(' ')).toEqual([0, '']);
    }
  }, 120_000);

  test('what was overwritten since is said to be gone, not never to have been', async () => {
    machine.write('a', 'a');
    expect((await register()).code).toBe(0);
    for (const args of [
      ['cat', at('a')],
      ['ls', at('a')],
      ['restore', at('a'), '--out', at('../out')],
    ]) {
      const { code, stderr } = await machine.run([...args, '--at', '1d']);
      expect(stderr, args.join(' ')).toContain('nothing is left of a at that time');
      expect(stderr, args.join(' ')).toContain('keeps no versions');
      expect(code, args.join(' ')).toBe(3);
    }
    const whole = await machine.run(['restore', machine.root, '--out', at('../out'), '--at', '1d']);
    expect(whole.stderr).toContain('nothing is left of that time');
    expect(whole.stderr).not.toContain('there was nothing');
    expect(whole.code).toBe(3);
  }, 120_000);
});

test('cat of a file before it was there, or in a version that is none: no folder, and exit 3', async () => {
  server.createBucket(`${bucket}-v`, { versioning: true });
  bucket = `${bucket}-v`;
  machine.write('d/a.txt', 'a');
  expect((await register()).code).toBe(0);
  const before = await machine.run(['cat', at('d/a.txt'), '--at', '1d']);
  expect(before.stderr).toContain('there was nothing at d/a.txt at that time');
  expect(before.code).toBe(3);
  const version = await machine.run(['cat', at('d/a.txt'), '--version', 'nope']);
  expect(version.stderr).toContain('there is no version nope at d/a.txt');
  expect(version.code).toBe(3);
  const isFolder = await machine.run(['cat', at('d')]);
  expect(isFolder.stderr).toContain('d is a folder');
  expect(isFolder.code).toBe(2);
}, 120_000);

test('ls says what it found before what it did not find', async () => {
  machine.write('a', 'a');
  expect((await register()).code).toBe(0);
  const { code, stdout, stderr } = await machine.run(['ls', at('a'), at('nope')]);
  expect(stdout).toBe('a\n');
  expect(stderr).toContain('there is nothing at nope');
  expect(code).toBe(3);
}, 60_000);

test('a mistyped prefix is no empty vault', async () => {
  expect((await register()).code).toBe(0);
  const elsewhere = newMachine();
  try {
    const empty = await elsewhere.run(['ls', ...from()]);
    expect([empty.code, empty.stdout, empty.stderr]).toEqual([0, '', '']);
    for (const args of [['ls'], ['cat', 'a'], ['versions', 'a'], ['restore', '--out', at('../out')]]) {
      const { code, stdout, stderr } = await elsewhere.run([...args, ...from('dosc')]);
      expect(stderr, args[0]).toContain(`there is no vault at s3://${bucket}/dosc/, nor anything else`);
      expect(stdout.replace(/^plan: .*\n|^0 files.*\n/gm, ''), args[0]).toBe('');
      expect(code, args[0]).toBe(3);
    }
  } finally {
    elsewhere.remove();
  }
}, 120_000);

test("another machine's sse-c vault: the keys that are here are named first", async () => {
  machine.write('a', 'a');
  await machine.importKey('laptop');
  const store = ['--key-store', 'file'];
  expect((await sync(...to(), '--mode', 'sse-c', '--key', 'laptop', ...store)).code).toBe(0);
  const elsewhere = newMachine();
  try {
    const out = ['--out', at('../out')];
    writeFileSync(elsewhere.passphraseFile, 'of nothing', { mode: 0o600 });
    const without = await elsewhere.run(['restore', ...from(), ...out, ...store]);
    expect(without.stderr).toContain('needs a key\n  bring it back with: s3vault keys recover NAME');
    expect(without.code).toBe(2);
    await elsewhere.importKey('desk');
    const one = await elsewhere.run(['restore', ...from(), ...out, ...store]);
    expect(one.stderr).toContain(
      'needs its key, and does not say which one that is\n  name it with --key desk;',
    );
    expect(one.code).toBe(2);
  } finally {
    elsewhere.remove();
  }
}, 120_000);

test("another machine's plan is for a folder that is no vault here, and that is what is said", async () => {
  machine.write('a', 'a');
  expect((await register()).code).toBe(0);
  const elsewhere = newMachine();
  try {
    machine.write('b', 'b');
    const plan = join(machine.home, 'plan.json');
    expect((await machine.run(['sync', machine.root, '--plan', plan])).code).toBe(0);
    const theirs = ['sync', elsewhere.root, '--once', ...to(), '--mode', 'sse-s3', '--direction', 'both'];
    expect((await elsewhere.run(theirs)).code).toBe(0);
    const { code, stderr } = await elsewhere.run(['apply', plan]);
    expect(stderr).toContain(`the plan is for ${machine.root}, which is no vault of this machine`);
    expect(stderr).toContain(`s3vault sync ${elsewhere.root} --plan FILE`);
    expect(code).toBe(2);
    const copy = join(elsewhere.home, 'plan.json');
    writeFileSync(copy, readFileSync(plan));
    const bare = newMachine();
    rmSync(machine.root, { recursive: true });
    const nowhere = await bare.run(['apply', copy]);
    bare.remove();
    expect(nowhere.stderr).toContain(`the plan is for ${machine.root}, and there is no such folder here`);
    expect(nowhere.code).toBe(2);
  } finally {
    elsewhere.remove();
  }
}, 120_000);

test('restore into a file: another --out is needed, exit 2', async () => {
  machine.write('a', 'a');
  expect((await register()).code).toBe(0);
  const { code, stderr } = await machine.run(['restore', machine.root, '--out', at('a')]);
  expect(stderr).toContain(`${at('a')} is a file, not a folder\n  choose another --out`);
  expect(code).toBe(2);
  expect(readFileSync(at('a'), 'utf8')).toBe('a');
}, 60_000);

test('an unreachable store: commands that end promise nothing', async () => {
  machine.write('a', 'a');
  expect((await register()).code).toBe(0);
  const gone = ['--endpoint', 'https://127.0.0.1:1'];
  for (const args of [
    ['ls', machine.root],
    ['bucket', 'audit', bucket],
  ]) {
    const { code, stderr } = await machine.run([...args, ...gone]);
    expect(stderr, args[0]).toContain('check the network and the endpoint');
    expect(stderr, args[0]).not.toContain('by itself');
    expect(code, args[0]).toBe(4);
  }
}, 120_000);
