/** Pushing a folder, step by step: what is sent, what is not, and what is never believed. */
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import type { MemoryStep } from '../../src/s3/memory.ts';
import { EngineMachine, FakeWatcher, OWN, PREFIX, named } from './machine.ts';

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
    for (let n = 0; n < 21_500; n++)
      machine.tree.files.set(`f${n}`, { content: Buffer.alloc(0), mtime: 1.5, ctime: 1.5, inode: n });
    const { exit } = await machine.sync();
    expect(exit).toBe(0);
    expect(machine.remote()).toHaveLength(21_500);
    expect(machine.index.count().files).toBe(21_500);
  }, 60_000);
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

describe('removals', () => {
  async function full(count: number): Promise<void> {
    for (let n = 0; n < count; n++) machine.tree.write(`f${String(n).padStart(4, '0')}`, `${n}`);
    await machine.sync();
    machine.forget();
  }

  test('are told, not done', async () => {
    await full(10);
    machine.tree.remove('f0001');
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'plan')[0]).toMatchObject({ removeRemote: 0, skip: 1 });
    expect(named(events, 'warning')).toMatchObject([
      { code: 'removal-off', hint: '--delete lets removals through' },
    ]);
    expect(machine.count('remove')).toBe(0);
  });

  test('are done where they are let through', async () => {
    await full(10);
    machine.rules = { ...machine.rules, removals: true };
    machine.tree.remove('f0001');
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'transfer.done')).toMatchObject([
      { path: 'f0001', result: 'removed', direction: 'remove-remote' },
    ]);
    expect(machine.remote()).not.toContain('f0001');
    expect(machine.inStep()).toEqual([]);
  });

  test('too many need consent: exit 5, nothing removed, new files are sent all the same', async () => {
    await full(20);
    machine.rules = { ...machine.rules, removals: true };
    for (let n = 0; n < 6; n++) machine.tree.remove(`f000${n}`);
    machine.tree.write('new', 'x');
    const { exit, events } = await machine.sync();
    expect(exit).toBe(5);
    expect(named(events, 'consent')[0]?.reason).toEqual({ kind: 'many-removals', removals: 6, of: 20 });
    expect(machine.count('remove')).toBe(0);
    expect(machine.remote()).toContain('new');
    expect((await machine.sync({ consent: true })).exit).toBe(0);
    expect(machine.remote()).toHaveLength(15);
  });

  test('a question stays to be seen, whatever else is sent meanwhile [ASK-1]', async () => {
    await full(20);
    machine.rules = { ...machine.rules, removals: true };
    for (let n = 0; n < 10; n++) machine.tree.remove(`f000${n}`);
    machine.tree.write('new', 'x');
    const watcher = new FakeWatcher();
    const { engine } = machine.engine({ once: false }, watcher);
    const ended = engine.run();
    await machine.until(() => machine.remote().includes('new'));
    for (const command of ['pause', 'resume'] as const) engine.command({ command });
    machine.tree.write('newer', 'x');
    watcher.listener?.hint({ kind: 'path', path: 'newer' as never });
    await machine.until(() => machine.remote().includes('newer'));
    expect(engine.snapshot()).toMatchObject({ state: 'needs-you', consent: { removals: 10, of: 20 } });
    engine.command({ command: 'consent', yes: true });
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).toHaveLength(12);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  test.each([true, false])('a person who is asked while watching says %s', async (yes) => {
    await full(20);
    machine.rules = { ...machine.rules, removals: true };
    for (let n = 0; n < 10; n++) machine.tree.remove(`f000${n}`);
    const { engine, events } = machine.engine({ once: false }, new FakeWatcher());
    const ended = engine.run();
    await machine.until(() => engine.snapshot().state === 'needs-you');
    engine.command({ command: 'consent', yes });
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).toHaveLength(yes ? 10 : 20);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
    expect(named(events, 'transfer.done')).toHaveLength(yes ? 10 : 0);
  });
});

describe('a lost source', () => {
  beforeEach(async () => {
    for (let n = 0; n < 5; n++) machine.tree.write(`f${n}`, `${n}`);
    machine.rules = { ...machine.rules, removals: true };
    await machine.sync();
    machine.forget();
  });

  const lost: readonly (readonly [string, string, () => void])[] = [
    ['no folder', 'root-missing', () => (machine.tree.missing = true)],
    ['no marker', 'marker-missing', () => (machine.tree.marker = undefined)],
    ["another vault's marker", 'marker-foreign', () => (machine.tree.marker = 'another')],
    ['another device', 'other-device', () => (machine.tree.device = 2)],
    ['an empty root that was full', 'empty-root', () => machine.tree.files.clear()],
  ];

  test.each(lost)('%s: exit 5 and nothing is sent or removed', async (_name, code, lose) => {
    lose();
    const { exit, events } = await machine.sync({ consent: true });
    expect(exit).toBe(5);
    expect(named(events, 'warning').at(-1)?.code).toBe(code);
    expect(machine.count('put') + machine.count('remove')).toBe(0);
    expect(machine.remote()).toHaveLength(5);
  });

  test('taken as it is where the user says so', async () => {
    machine.tree.marker = undefined;
    machine.tree.device = 2;
    expect((await machine.sync({ acceptSource: true })).exit).toBe(0);
    expect((await machine.sync()).exit).toBe(0);
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

describe('large files', () => {
  const content = randomBytes(27 * MIB);

  /** Dies at a part, as a killed process does: nothing is finished, the Index stays as it is. */
  const dieAtPart = (part: number): Promise<void> =>
    machine.dieAt((step) => step.operation === 'part' && step.part === part);

  beforeEach(() => machine.tree.write('big', content));

  test('an interrupted upload goes on with the missing parts only', async () => {
    await dieAtPart(3);
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.count('create')).toBe(0);
    expect(machine.steps.filter(({ operation }) => operation === 'part').map(({ part }) => part)).toEqual([
      3, 4,
    ]);
    expect(machine.plaintext('big').equals(content)).toBe(true);
    expect(machine.messages).toBe(1);
    expect(machine.bucket.pending.size).toBe(0);
  });

  test('changed meanwhile, it is called off and begun anew under a fresh data key', async () => {
    await dieAtPart(3);
    const other = Buffer.from(content);
    other[0] = (other[0] ?? 0) ^ 1;
    machine.tree.write('big', other);
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.count('abort')).toBe(1);
    expect(machine.count('create')).toBe(1);
    expect(machine.plaintext('big').equals(other)).toBe(true);
    expect(machine.messages).toBe(2);
  });

  test('changed with all its stamps kept, it is found out before a byte is sent under the old key', async () => {
    await dieAtPart(3);
    const file = machine.tree.files.get('big');
    const other = Buffer.from(content);
    other[20 * MIB] = (other[20 * MIB] ?? 0) ^ 1;
    if (file !== undefined) file.content = other;
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.plaintext('big').equals(other)).toBe(true);
    expect(machine.messages).toBe(2);
  });

  test('changed between its two readings with all its stamps kept: no object comes of it', async () => {
    let readings = 0;
    machine.tree.onRead = () => {
      const file = machine.tree.files.get('big');
      if (++readings === 2 && file !== undefined) file.content[0] = (content[0] ?? 0) ^ 1;
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'transfer.failed')[0]?.error.code).toBe('changed-while-reading');
    expect(machine.inStep()).toEqual([]);
    // The MAC is that of the bytes: a rebuilt Index believes it.
    machine.index = (await EngineMachine.make()).index;
    machine.forget();
    await machine.sync();
    expect(sent()).toBe(0);
  });

  test('an upload that the store has forgotten is begun anew', async () => {
    await dieAtPart(2);
    machine.bucket.pending.clear();
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.plaintext('big').equals(content)).toBe(true);
  });

  test('one whose file is gone is called off', async () => {
    await dieAtPart(2);
    machine.tree.remove('big');
    machine.tree.write('other', 'x');
    await machine.sync();
    expect(machine.bucket.pending.size).toBe(0);
  });

  test('one whose file is small now is called off', async () => {
    await dieAtPart(2);
    machine.tree.write('big', 'small');
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.bucket.pending.size).toBe(0);
    expect(machine.index.journal().all()).toEqual([]);
  });

  test('an upload of ours that is days old goes on all the same', async () => {
    await dieAtPart(3);
    machine.clock.advance(3 * 86_400_000);
    machine.tree.write('small', 'x');
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.count('abort') + machine.count('create')).toBe(0);
    expect(machine.plaintext('big').equals(content)).toBe(true);
  });

  test("a day's old upload of nobody is called off, a young one and one elsewhere are not", async () => {
    machine.tree.remove('big');
    machine.tree.write('a', 'x');
    const now = machine.clock.now();
    const pending = (key: string, initiated: number) => ({
      key: key as never,
      initiated,
      metadata: {},
      parts: new Map(),
    });
    machine.bucket.pending.set('old', pending(`${PREFIX}lost`, now - 90_000_000));
    machine.bucket.pending.set('young', pending(`${PREFIX}other-machine`, now - 1_000_000));
    machine.bucket.pending.set('elsewhere', pending('another/vault', now - 90_000_000));
    await machine.sync();
    expect([...machine.bucket.pending.keys()]).toEqual(['young', 'elsewhere']);
  });
});

describe('watching', () => {
  async function watching() {
    const watcher = new FakeWatcher();
    machine.tree.write('a', 'a');
    const { engine, events } = machine.engine({ once: false }, watcher);
    const ended = engine.run();
    const idles = () => named(events, 'idle').length;
    await machine.until(() => idles() === 1);
    const stop = async () => {
      engine.command({ command: 'stop' });
      return machine.drive(ended);
    };
    return { watcher, engine, events, idles, stop };
  }

  test('a hinted file is sent once it is still, and idle is said each time', async () => {
    const { watcher, events, idles, stop } = await watching();
    machine.tree.write('b', 'first');
    watcher.listener?.hint({ kind: 'path', path: 'b' as never });
    watcher.listener?.hint({ kind: 'path', path: 'b' as never });
    await machine.until(() => idles() === 2);
    expect(machine.count('put', 'b')).toBe(1);
    expect(named(events, 'transfer.done').map(({ path }) => path)).toEqual(['a', 'b']);
    expect((await stop()).exit).toBe(130);
    expect(watcher.closed).toBe(true);
  });

  test('a hint about a folder leads to all in it; one about nothing to nothing', async () => {
    const { watcher, idles, stop } = await watching();
    machine.tree.write('d/x', '1');
    machine.tree.write('d/e/y', '2');
    watcher.listener?.hint({ kind: 'under', path: 'd' as never });
    watcher.listener?.hint({ kind: 'path', path: 'never was' as never });
    await machine.until(() => idles() === 2);
    expect(machine.remote()).toEqual(['a', 'd/e/y', 'd/x']);
    await stop();
  });

  test('what no hint told of is found by the scan of every hour', async () => {
    const { stop } = await watching();
    machine.tree.write('silent', 'x');
    machine.clock.advance(40 * 60_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(machine.remote()).toEqual(['a']);
    machine.clock.advance(30 * 60_000);
    await machine.until(() => machine.remote().length === 2);
    await stop();
  });

  test('paused nothing is sent; going on, it is', async () => {
    const { watcher, engine, idles, stop } = await watching();
    engine.command({ command: 'pause' });
    machine.tree.write('b', 'b');
    watcher.listener?.hint({ kind: 'path', path: 'b' as never });
    for (let n = 0; n < 200; n++) {
      machine.clock.advance(20);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(machine.remote()).toEqual(['a']);
    expect(engine.snapshot().state).toBe('paused');
    engine.command({ command: 'resume' });
    await machine.until(() => idles() === 2);
    expect(machine.remote()).toEqual(['a', 'b']);
    await stop();
  });

  test('what failed is tried again when a person asks, and later by itself', async () => {
    const { watcher, engine, events, stop } = await watching();
    let broken = true;
    machine.fault = ({ operation }) => {
      if (operation === 'put' && broken) throw transient();
    };
    machine.tree.write('b', 'b');
    watcher.listener?.hint({ kind: 'path', path: 'b' as never });
    await machine.until(() => named(events, 'transfer.failed').length === 1);
    expect(engine.snapshot().problems.get('b')).toMatchObject({ again: true });
    broken = false;
    engine.command({ command: 'retry' });
    await machine.until(() => machine.remote().includes('b'));
    await machine.until(() => engine.snapshot().problems.size === 0);
    await stop();
  });

  test('the second stop does not wait', async () => {
    const { watcher, engine, stop } = await watching();
    let hanging = false;
    machine.fault = async ({ operation }) => {
      if (operation !== 'put') return;
      hanging = true;
      await new Promise<void>(() => undefined);
    };
    machine.tree.write('b', 'b');
    watcher.listener?.hint({ kind: 'path', path: 'b' as never });
    await machine.until(() => hanging);
    engine.command({ command: 'stop' });
    // The store in memory hangs for good; the real one ends with the signal.
    void stop;
    expect(engine.snapshot().exit).toBeNull();
  });
});
