/** What is gone here: told, braked, done, or the sign of a lost disk. */
import { beforeEach, describe, expect, test } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import { lostSource } from '../../src/engine/guard.ts';
import { EngineMachine, FakeWatcher, named, answerTo } from './machine.ts';

let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
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

  test('that fail are tried again, that were begun by a dead process are done by the next', async () => {
    await full(10);
    machine.rules = { ...machine.rules, removals: true };
    machine.tree.remove('f0001');
    let failures = 2;
    machine.fault = ({ operation, when }) => {
      if (operation === 'remove' && when === 'before' && failures-- > 0)
        throw new VaultError('transient', 'http-500', 'the store failed');
    };
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.remote()).toHaveLength(9);
    machine.tree.remove('f0002');
    await machine.dieAt(({ operation, when }) => operation === 'remove' && when === 'before');
    expect(machine.remote()).toHaveLength(9);
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.remote()).toHaveLength(8);
    expect(machine.inStep()).toEqual([]);
  });

  test.each([true, false])('of a file that a dead process had sent: let through %s', async (removals) => {
    await full(10);
    machine.rules = { ...machine.rules, removals };
    machine.tree.write('new', 'x');
    await machine.dieAt(({ operation, when }) => operation === 'put' && when === 'after');
    expect(machine.remote()).toContain('new');
    machine.tree.remove('new');
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'warning').map(({ code }) => code)).toEqual(removals ? [] : ['removal-off']);
    expect(machine.remote().includes('new')).toBe(!removals);
    expect(machine.index.count().files).toBe(removals ? 10 : 11);
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
    expect(named(events, 'consent')[0]?.reason).toMatchObject({ kind: 'many-removals', removals: 6, of: 20 });
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
    engine.command(answerTo(engine, true));
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).toHaveLength(12);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  /** Watching, with ten of twenty files gone, and a question about that. */
  async function asked(watcher = new FakeWatcher()) {
    await full(20);
    machine.rules = { ...machine.rules, removals: true };
    for (let n = 0; n < 10; n++) machine.tree.remove(`f000${n}`);
    const { engine, events } = machine.engine({ once: false }, watcher);
    const ended = engine.run();
    await machine.until(() => engine.snapshot().state === 'needs-you');
    return { engine, events, ended };
  }

  test('an answer ends no work: in step is said when all of it is done, and an answer to nothing does nothing', async () => {
    const { engine, events, ended } = await asked();
    const states = (): readonly unknown[] => named(events, 'state').map(({ state }) => state);
    const before = states().length;
    const no = answerTo(engine, false);
    engine.command(no);
    // Only the end of what is under way says that all is in step.
    expect(states().slice(before)).toEqual(['working']);
    await machine.until(() => engine.snapshot().state === 'idle');
    // What was not wanted is not in step either: `sync --once` would ask again.
    expect(engine.snapshot().short).toEqual({ failed: 0, unprotected: 0, declined: 10, exit: 5 });
    // And that is told, with what to do.
    const told = () => [...engine.snapshot().problems.values()].map(({ message }) => message);
    expect(told()).toEqual(['10 removals were not done: you said no']);
    const idle = events.length;
    for (const late of [{ command: 'consent', yes: true } as const, { ...no, yes: true }, no])
      expect(() => engine.command(late)).toThrowError(
        expect.objectContaining({ kind: 'usage', message: 'that question is no longer open' }),
      );
    expect(events.length).toBe(idle);
    engine.command({ command: 'rescan' });
    await machine.until(() => engine.snapshot().consent !== null);
    expect(told()).toEqual([]);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  test('a yes to a question that has changed removes nothing; the new one is asked', async () => {
    const watcher = new FakeWatcher();
    const { engine, events, ended } = await asked(watcher);
    const yes = answerTo(engine, true);
    machine.tree.remove('f0010');
    watcher.listener?.hint({ kind: 'path', path: 'f0010' as never });
    await machine.until(() => named(events, 'consent').length === 2);
    expect(() => engine.command(yes)).toThrow('the plan has changed: 11 removals now');
    expect(named(events, 'consent').at(-1)?.reason).toMatchObject({ removals: 11, again: true });
    // What is asked about is counted once, however often it is looked at.
    expect(engine.snapshot().plan.removeRemote).toBe(11);
    await machine.wait(60_000);
    expect(machine.remote()).toHaveLength(20);
    engine.command(answerTo(engine, true));
    await machine.until(() => machine.remote().length === 9);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  test.each([
    true,
    false,
  ])('an answer (yes: %s) without the number of the question, or with another, is none', async (yes) => {
    const { engine, ended } = await asked();
    const { consent } = engine.snapshot();
    const question = consent?.kind === 'many-removals' ? (consent.question ?? 0) : 0;
    for (const other of [{}, { question: question - 1 }, { question: question + 1 }]) {
      expect(() => engine.command({ command: 'consent', yes, ...other })).toThrow('the plan has changed');
      expect(engine.snapshot()).toMatchObject({ state: 'needs-you', consent: { question, again: true } });
    }
    await machine.wait(5_000);
    expect(machine.remote()).toHaveLength(20);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  test('a no that was meant for the question before does not answer the next', async () => {
    const watcher = new FakeWatcher();
    const { engine, events, ended } = await asked(watcher);
    const no = answerTo(engine, false);
    machine.tree.remove('f0010');
    watcher.listener?.hint({ kind: 'path', path: 'f0010' as never });
    await machine.until(() => named(events, 'consent').length === 2);
    expect(() => engine.command(no)).toThrow('the plan has changed: 11 removals now');
    expect(named(events, 'answered')).toEqual([]);
    engine.command(answerTo(engine, false));
    expect(named(events, 'answered')).toMatchObject([{ yes: false }]);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  test('an answer while paused ends the question; what is agreed to is done on going on', async () => {
    const { engine, ended } = await asked();
    engine.command({ command: 'pause' });
    const no = answerTo(engine, true);
    expect(engine.snapshot()).toMatchObject({ state: 'paused', consent: { removals: 10 } });
    engine.command(no);
    await machine.wait(60_000);
    expect(engine.snapshot()).toMatchObject({ state: 'paused', consent: null });
    expect(machine.remote()).toHaveLength(20);
    engine.command({ command: 'resume' });
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).toHaveLength(10);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  test('an answer while offline ends the question, and is carried out once the store answers', async () => {
    const watcher = new FakeWatcher();
    const { engine, events, ended } = await asked(watcher);
    let reachable = false;
    machine.fault = () => {
      if (!reachable) throw new VaultError('offline', 'unreachable', 'no route to the store');
    };
    machine.tree.write('new', 'x');
    watcher.listener?.hint({ kind: 'path', path: 'new' as never });
    await machine.until(() => engine.snapshot().state === 'offline');
    engine.command(answerTo(engine, true));
    const before = named(events, 'state').length;
    await machine.wait(5_000);
    expect(engine.snapshot()).toMatchObject({ state: 'offline', consent: null });
    expect(
      named(events, 'state')
        .slice(before)
        .every(({ state }) => state === 'offline'),
    ).toBe(true);
    reachable = true;
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).toHaveLength(11);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  test.each([true, false])('a person who is asked while watching says %s', async (yes) => {
    const { engine, events, ended } = await asked();
    engine.command(answerTo(engine, yes));
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
    const warning = named(events, 'warning').at(-1);
    expect(warning?.code).toBe(code);
    // The command that works wherever this is read: on a screen, of a daemon, after `sync`.
    if (code === 'root-missing') expect(warning?.hint).toMatch(/mount its disk or bring the folder back/);
    else expect(warning?.hint).toMatch(/if this is what you want: s3vault sync \S+ --accept-source$/);
    expect(machine.count('put') + machine.count('remove')).toBe(0);
    expect(machine.remote()).toHaveLength(5);
  });

  test('of a vault that never came to be, the first command is the way: nothing else knows the bucket', async () => {
    machine = await EngineMachine.make();
    machine.tree.marker = 'another';
    const { events } = await machine.sync();
    expect(named(events, 'warning').at(-1)?.hint).toMatch(
      /run the same command with --accept-source; where the vault is registered: s3vault sync \S+ --acc/,
    );
  });

  test('names a folder so that it can be pasted', () => {
    const lost = { kind: 'lost-source', why: 'marker-missing' } as const;
    const root = "/home/me/My Mother's";
    expect(lostSource({ ...machine.vault, root }, lost).hint).toContain(
      String.raw`s3vault sync '/home/me/My Mother'\''s' --accept-source`,
    );
  });

  test('taken as it is where the user says so', async () => {
    machine.tree.marker = undefined;
    machine.tree.device = 2;
    expect((await machine.sync({ acceptSource: true })).exit).toBe(0);
    expect((await machine.sync()).exit).toBe(0);
  });
});
