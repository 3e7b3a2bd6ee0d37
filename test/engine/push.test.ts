/** Pushing a folder, step by step: what is sent, what is not, and what is never believed. */
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import type { MemoryStep } from '../../src/s3/memory.ts';
import { EngineMachine, OWN, PREFIX, named } from './machine.ts';

const MIB = 2 ** 20;
let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
});

const sent = () => machine.count('put') + machine.count('part');
const failing =
  (
    operation: MemoryStep['operation'],
    times: number,
    error: () => VaultError,
    when: MemoryStep['when'] = 'before',
  ) =>
  (step: MemoryStep): void => {
    if (step.operation !== operation || step.when !== when || step.key.includes('.s3vault') || times <= 0)
      return;
    times--;
    throw error();
  };
const transient = () => new VaultError('transient', 'http-500', 'the store failed');
const offline = () => new VaultError('offline', 'unreachable', 'the store does not answer');
const throttled = () => new VaultError('throttled', 'slow-down', 'too much', { resource: 's3' });
const refused = () =>
  new VaultError('refused', 'expired-token', 'the credentials expired', { hint: 'log in again' });

describe('what is sent', () => {
  test('everything, at first; then nothing, and no request per file', async () => {
    for (let n = 0; n < 40; n++) machine.tree.write(`d${n % 3}/f${n}`, `file ${n}`);
    machine.tree.write('empty', '');
    const first = await machine.sync();
    expect(first.exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
    expect(machine.remote()).toHaveLength(41);
    expect(named(first.events, 'summary')[0]).toMatchObject({ files: 41, failed: 0, skipped: 0 });
    machine.forget();
    const second = await machine.sync();
    expect(second.exit).toBe(0);
    expect(named(second.events, 'transfer.start')).toEqual([]);
    expect(machine.steps.length).toBeLessThanOrEqual(3);
  });

  test('the description of the vault comes before the first object [ORD-3]', async () => {
    machine.tree.write('a', 'a');
    await machine.sync();
    expect(machine.steps.filter(({ operation }) => operation === 'put').map(({ key }) => key)).toEqual([
      OWN,
      `${PREFIX}a`,
    ]);
  });

  test('a changed file, and only that', async () => {
    machine.tree.write('a', 'one');
    machine.tree.write('b', 'two');
    await machine.sync();
    machine.forget();
    machine.tree.write('a', 'uno');
    await machine.sync();
    expect(machine.count('put', 'a')).toBe(1);
    expect(machine.count('put', 'b')).toBe(0);
    expect(machine.plaintext('a').toString()).toBe('uno');
  });

  test('the same size within the clock grain: hashed, not believed', async () => {
    machine.tree.write('a', 'one');
    const file = machine.tree.files.get('a');
    if (file === undefined) throw new Error('no file');
    // Written just now: a later write could carry the same times.
    file.mtime = machine.clock.now() + 5_000;
    file.ctime = file.mtime;
    await machine.sync();
    file.content = Buffer.from('uno');
    await machine.sync();
    expect(machine.plaintext('a').toString()).toBe('uno');
    machine.forget();
    const still = await machine.sync();
    expect(sent()).toBe(0);
    expect(named(still.events, 'transfer.done').every(({ result }) => result === 'unchanged')).toBe(true);
  });

  test('nothing twice under one data key: every write has a key of its own', async () => {
    machine.tree.write('a', 'x'.repeat(100));
    await machine.sync();
    machine.tree.write('a', 'y'.repeat(100));
    await machine.sync();
    machine.tree.write('a', 'x'.repeat(100));
    await machine.sync();
    expect(machine.messages).toBe(3);
  });

  test('more files than a plan holds in memory', async () => {
    for (let n = 0; n < 2_500; n++)
      machine.tree.files.set(`f${n}`, { content: Buffer.alloc(0), mtime: 1.5, ctime: 1.5, inode: n });
    const { exit } = await machine.sync({ inMemory: 900 });
    expect(exit).toBe(0);
    expect(machine.remote()).toHaveLength(2_500);
    expect(machine.index.count().files).toBe(2_500);
  });
});

describe('what changes under the hands', () => {
  test('a file that changes while it is read is not done, and sent once it is still [READ-1]', async () => {
    machine.tree.write('a', 'before');
    let changes = 2;
    machine.tree.onRead = (path) => {
      if (changes-- > 0) machine.tree.write(path, `after ${changes}`);
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    const failed = named(events, 'transfer.failed');
    expect(failed.map(({ error, again }) => [error.code, again])).toEqual([
      ['changed-while-reading', true],
      ['changed-while-reading', true],
    ]);
    expect(machine.inStep()).toEqual([]);
  });

  test('one that never is still fails in the end, and the rest is safe', async () => {
    machine.tree.write('a', 'x');
    machine.tree.write('b', 'y');
    machine.tree.onRead = (path) => path === 'a' && machine.tree.write('a', `${Math.random()}`);
    const { exit, events } = await machine.sync();
    expect(exit).toBe(3);
    expect(named(events, 'transfer.failed').at(-1)).toMatchObject({ path: 'a', again: false });
    expect(machine.remote()).toEqual(['b']);
    expect(machine.index.count().files).toBe(1);
  });

  test('one that vanishes before it is read is no failure', async () => {
    machine.tree.write('a', 'x');
    machine.tree.write('b', 'y');
    machine.tree.onRead = (path) => path === 'a' && machine.tree.remove('a');
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.remote()).toEqual(['b']);
  });
});

describe('a lost Index', () => {
  test('is rebuilt from the bucket, nothing unchanged is sent again', async () => {
    for (let n = 0; n < 8; n++) machine.tree.write(`f${n}`, `content ${n}`);
    machine.tree.write('big', randomBytes(9 * MIB));
    await machine.sync();
    const fresh = await EngineMachine.make();
    machine.index = fresh.index;
    machine.tree.write('f3', 'changed!!');
    machine.forget();
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(machine.count('put')).toBe(1);
    expect(machine.count('part')).toBe(0);
    expect(named(events, 'transfer.done').filter(({ result }) => result === 'unchanged')).toHaveLength(8);
    expect(machine.inStep()).toEqual([]);
    machine.forget();
    await machine.sync();
    expect(machine.count('head') + sent()).toBe(0);
  });

  test('an object of the same size and time that is not this file is found out by its MAC', async () => {
    machine.tree.write('a', 'mine');
    await machine.sync();
    machine.index = (await EngineMachine.make()).index;
    const file = machine.tree.files.get('a');
    if (file !== undefined) file.content = Buffer.from('fake');
    await machine.sync();
    expect(machine.plaintext('a').toString()).toBe('fake');
  });
});

describe('a bucket that others touch', () => {
  beforeEach(async () => {
    machine.tree.write('a', 'a');
    machine.tree.write('b', 'b');
    await machine.sync();
    machine.forget();
  });

  test('what is gone or other there is found with --check-remote and sent again', async () => {
    machine.bucket.remove(`${PREFIX}a`, undefined);
    await machine.sync();
    expect(machine.remote()).toEqual(['b']);
    expect((await machine.sync({ checkRemote: true })).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
  });

  test('a vault moved to another bucket trusts nothing of the old one', async () => {
    for (const key of machine.bucket.keys()) machine.bucket.remove(key, undefined);
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.remote()).toEqual(['a', 'b']);
    expect(machine.inStep()).toEqual([]);
  });

  test.each([
    [{ mode: 'sse-c' }, 'other-mode', 2],
    [{ id: 'another' }, 'other-vault', 2],
    [{ keys: ['ffffffffffffffff'] }, 'other-key', 6],
    [{ version: 2 }, 'description-newer', 2],
  ])('a description that says %j is refused', async (over, code, exit) => {
    const stored = machine.bucket.find(`${PREFIX}.s3vault/vault.json`);
    const description = JSON.parse(Buffer.from(stored?.body ?? []).toString()) as object;
    await machine
      .store()
      .put(
        `${PREFIX}.s3vault/vault.json` as never,
        Buffer.from(JSON.stringify({ ...description, ...over })),
        {},
      );
    machine.tree.write('c', 'c');
    machine.forget();
    const run = await machine.sync();
    expect(run.exit).toBe(exit);
    expect(named(run.events, 'warning').at(-1)?.code).toBe(code);
    expect(sent()).toBe(0);
  });
});

describe('trouble with the store', () => {
  beforeEach(() => {
    for (let n = 0; n < 12; n++) machine.tree.write(`f${n}`, `${n}`);
  });

  test('what fails now and then is tried again', async () => {
    machine.fault = failing('put', 5, transient);
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'transfer.failed')).toHaveLength(5);
    expect(named(events, 'transfer.done').filter(({ attempts }) => attempts === 2).length).toBeGreaterThan(0);
    expect(machine.inStep()).toEqual([]);
  });

  test('what always fails does not block the rest: exit 3', async () => {
    machine.fault = ({ operation, key }) => {
      if (operation === 'put' && key.endsWith('/f3')) throw transient();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(3);
    expect(machine.remote()).toHaveLength(11);
    expect(named(events, 'summary')[0]).toMatchObject({ files: 11, failed: 1 });
  });

  test('an answer that got lost costs a repeated upload, no more', async () => {
    machine.fault = failing('put', 3, transient, 'after');
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
    expect(machine.count('put')).toBe(12 + 3 + 1);
  });

  test('throttling lowers the pace, and is told', async () => {
    machine.fault = failing('put', 4, throttled);
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'throttle')[0]).toMatchObject({ resource: 's3', rate: 2 });
    expect(machine.inStep()).toEqual([]);
  });

  test('what KMS asks for slows no transfers where KMS is paced elsewhere', async () => {
    const kms = () => new VaultError('throttled', 'kms-throttled', 'too much', { resource: 'kms' });
    for (const paced of [true, false]) {
      machine.kmsPaced = paced;
      machine.tree.write(`paced-${paced}`, 'x');
      machine.fault = failing('put', 1, kms);
      const { exit, events } = await machine.sync();
      expect(exit).toBe(0);
      expect(named(events, 'throttle').length > 0).toBe(!paced);
    }
    expect(machine.inStep()).toEqual([]);
  });

  test('offline is a state: it waits, comes back and finishes', async () => {
    machine.fault = failing('put', 3, offline);
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'state').map(({ state }) => state)).toContain('offline');
    expect(machine.inStep()).toEqual([]);
  });

  test('offline for good ends a single run with exit 4, nothing lost', async () => {
    machine.fault = ({ operation }) => {
      if (operation !== 'list') throw offline();
    };
    const { exit } = await machine.sync();
    expect(exit).toBe(4);
    machine.fault = () => undefined;
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
  });

  test('credentials that expired stop everything with one clear message: exit 4', async () => {
    machine.fault = ({ operation, key }) => {
      if (operation === 'put' && !key.includes('.s3vault')) throw refused();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(4);
    expect(named(events, 'warning').filter(({ code }) => code === 'expired-token')).toHaveLength(1);
    expect(machine.count('put')).toBeLessThanOrEqual(1 + 4);
  });

  test('a write without proof is removed again, never recorded: exit 6', async () => {
    await machine.sync();
    machine.tree.write('g', 'new');
    machine.fault = failing('put', 1, () => new VaultError('security', 'proof-missing', 'no proof'), 'after');
    const { exit, events } = await machine.sync();
    expect(exit).toBe(6);
    expect(named(events, 'transfer.done')).toEqual([]);
    expect(machine.index.get('g' as never)).toBeUndefined();
  });
});
