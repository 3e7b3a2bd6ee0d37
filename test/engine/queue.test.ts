/** What a person sees and changes of what is about to happen: the queue, leaving out, the review of the first Plan. */
import { beforeEach, describe, expect, test } from 'vitest';
import { EngineMachine, named, FakeWatcher, answerTo, problemsOf } from './machine.ts';

let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
  for (let n = 0; n < 10; n++) machine.tree.write(`f${n}`, `${n}`);
});

describe('the queue', () => {
  test('is shown in its order, raised paths first, and empty once all is done', async () => {
    machine.rules = { ...machine.rules, transfers: 1 };
    const { engine } = machine.engine({ once: false });
    engine.command({ command: 'pause' });
    void engine.run();
    await machine.until(() => engine.snapshot().queue.next.length === 10);
    engine.command({ command: 'first', path: 'f7' });
    await machine.wait(600);
    const { waiting, next } = engine.snapshot().queue;
    expect(waiting).toBe(10);
    expect(next.map(({ path }) => path)).toEqual([
      'f7',
      'f0',
      'f1',
      'f2',
      'f3',
      'f4',
      'f5',
      'f6',
      'f8',
      'f9',
    ]);
    expect(next[0]).toEqual({ kind: 'put', path: 'f7', bytes: 1, reason: 'new' });
    engine.command({ command: 'resume' });
    await machine.until(() => engine.snapshot().state === 'idle');
    await machine.wait(600);
    expect(engine.snapshot().queue).toEqual({ waiting: 0, next: [] });
    engine.command({ command: 'stop' });
    await machine.drive(engine.ended);
  });

  test('files that are planned again while they wait are counted once', async () => {
    await machine.sync();
    machine.forget();
    for (let n = 0; n < 10; n++) machine.tree.write(`f${n}`, `${n}!`);
    const { engine, events } = machine.engine({ once: false });
    engine.command({ command: 'pause' });
    void engine.run();
    await machine.until(() => engine.snapshot().queue.next.length === 10);
    machine.tree.write('new', 'x');
    machine.tree.write('f1', 'longer');
    engine.command({ command: 'rescan' });
    await machine.until(() => named(events, 'plan').length === 2);
    // The changed one is sent as it is now, once what waits has come to nothing.
    await machine.until(() => engine.snapshot().plan.put === 11);
    engine.command({ command: 'skip', path: 'f2' });
    expect(engine.snapshot().plan).toMatchObject({ put: 10, bytes: 19 });
    engine.command({ command: 'resume' });
    await machine.until(() => engine.snapshot().state === 'idle');
    const { plan, done } = engine.snapshot();
    expect(done.files).toBe(plan.put);
    expect(machine.count('put', 'f0')).toBe(1);
    engine.command({ command: 'stop' });
    await machine.drive(engine.ended);
  });

  test('what the upload limit holds back is said to wait, until it is sent', async () => {
    machine.rules = { ...machine.rules, transfers: 2, limitUpload: 10 };
    const { events } = await machine.sync();
    const phases = named(events, 'transfer.progress').filter(({ path }) => path === 'f3');
    expect(phases.map(({ phase }) => phase)).toEqual(['queued', 'sending']);
  });

  test('what is left out is not sent, is a problem, and is sent when it changes', async () => {
    const { engine, events } = machine.engine({ once: false });
    engine.command({ command: 'pause' });
    void engine.run();
    await machine.until(() => engine.snapshot().queue.next.length === 10);
    engine.command({ command: 'skip', path: 'f3' });
    engine.command({ command: 'resume' });
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).not.toContain('f3');
    expect(problemsOf(engine, 'f3')).toMatchObject([{ code: 'left-out' }]);
    expect(engine.snapshot().short).toEqual({ failed: 0, unprotected: 1, exit: 3 });
    // A scan finds it again, and it stays out.
    engine.command({ command: 'rescan' });
    await machine.until(() => named(events, 'idle').length === 2);
    expect(machine.remote()).not.toContain('f3');
    machine.tree.write('f3', 'changed');
    engine.command({ command: 'rescan' });
    await machine.until(() => machine.remote().includes('f3'));
    await machine.until(() => problemsOf(engine, 'f3').length === 0);
    engine.command({ command: 'stop' });
    await machine.drive(engine.ended);
  });

  test('what is left out and then removed is no problem any more', async () => {
    const { engine, events } = machine.engine({ once: false });
    engine.command({ command: 'pause' });
    void engine.run();
    await machine.until(() => engine.snapshot().queue.next.length === 10);
    engine.command({ command: 'skip', path: 'f3' });
    engine.command({ command: 'resume' });
    await machine.until(() => engine.snapshot().state === 'idle');
    machine.tree.remove('f3');
    engine.command({ command: 'rescan' });
    await machine.until(() => named(events, 'idle').length === 2);
    expect(engine.snapshot().problems.size).toBe(0);
    expect(engine.snapshot().short).toBeNull();
    engine.command({ command: 'stop' });
    await machine.drive(engine.ended);
  });
});

describe('the review of the first plan', () => {
  test('nothing is done before it is agreed to; later plans go by themselves', async () => {
    const { engine } = machine.engine({ once: false, review: true });
    void engine.run();
    await machine.until(() => engine.snapshot().state === 'needs-you');
    await machine.wait(60_000);
    expect(machine.remote()).toEqual([]);
    const { consent } = engine.snapshot();
    expect(consent).toMatchObject({ kind: 'plan-review', totals: { put: 10, bytes: 10 } });
    expect(consent?.kind === 'plan-review' && consent.first).toHaveLength(10);
    engine.command(answerTo(engine, true));
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).toHaveLength(10);
    machine.tree.write('later', 'x');
    engine.command({ command: 'rescan' });
    await machine.until(() => machine.remote().includes('later'));
    engine.command({ command: 'stop' });
    await machine.drive(engine.ended);
  });

  test('what changes while it is looked at waits, and does not take its place', async () => {
    const watcher = new FakeWatcher();
    const { engine, events } = machine.engine({ once: false, review: true }, watcher);
    void engine.run();
    await machine.until(() => engine.snapshot().state === 'needs-you');
    const yes = answerTo(engine, true);
    machine.tree.write('later', 'x');
    watcher.listener?.hint({ kind: 'path', path: 'later' as never });
    await machine.wait(60_000);
    expect(named(events, 'consent')).toHaveLength(1);
    engine.command(yes);
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).toHaveLength(11);
    engine.command({ command: 'stop' });
    await machine.drive(engine.ended);
  });

  test('refused: paused, nothing is called in step; going on asks again', async () => {
    const { engine, events } = machine.engine({ once: false, review: true });
    void engine.run();
    await machine.until(() => engine.snapshot().state === 'needs-you');
    engine.command(answerTo(engine, false));
    await machine.wait(60_000);
    expect(engine.snapshot()).toMatchObject({ state: 'paused', consent: null });
    expect(() => engine.command({ command: 'rescan' })).toThrow('the first plan was refused');
    expect(named(events, 'idle')).toEqual([]);
    expect(machine.remote()).toEqual([]);
    engine.command({ command: 'resume' });
    await machine.until(() => engine.snapshot().state === 'needs-you');
    engine.command(answerTo(engine, true));
    await machine.until(() => engine.snapshot().state === 'idle');
    expect(machine.remote()).toHaveLength(10);
    engine.command({ command: 'stop' });
    await machine.drive(engine.ended);
  });

  test('a rescan while it is looked at asks with the new plan', async () => {
    const { engine } = machine.engine({ once: false, review: true });
    void engine.run();
    await machine.until(() => engine.snapshot().state === 'needs-you');
    machine.tree.write('more', 'x');
    engine.command({ command: 'rescan' });
    await machine.until(() => {
      const { consent } = engine.snapshot();
      return consent?.kind === 'plan-review' && consent.totals.put === 11;
    });
    expect(machine.remote()).toEqual([]);
    engine.command({ command: 'stop' });
    const { exit } = await machine.drive(engine.ended);
    expect(exit).toBe(130);
  });

  test.each([
    true,
    false,
  ])('an answer (yes: %s) to another question than that of this plan is none, nor is a late one', async (yes) => {
    const { engine, events } = machine.engine({ once: false, review: true });
    const ended = engine.run();
    await machine.until(() => engine.snapshot().consent !== null);
    const right = answerTo(engine, yes);
    expect(() => engine.command({ command: 'consent', yes })).toThrow(
      'the plan has changed: another plan now',
    );
    expect(engine.snapshot()).toMatchObject({
      state: 'needs-you',
      consent: { kind: 'plan-review', again: true },
    });
    expect(named(events, 'answered')).toEqual([]);
    engine.command(right);
    expect(named(events, 'answered')).toMatchObject([{ yes }]);
    expect(() => engine.command(right)).toThrow('that question is no longer open');
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });
});
