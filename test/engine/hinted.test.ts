/** What a watcher's hints lead to. */
import { beforeEach, describe, expect, test } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import { filesOf } from '../../src/model/plan.ts';
import { EngineMachine, FakeWatcher, type Watching, checkEvents, named, problemsOf } from './machine.ts';

const transient = () => new VaultError('transient', 'http-500', 'the store failed');
let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
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
    expect(problemsOf(engine, 'b')).toMatchObject([{ again: true }]);
    broken = false;
    engine.command({ command: 'retry' });
    await machine.until(() => machine.remote().includes('b'));
    await machine.until(() => engine.snapshot().problems.size === 0);
    await stop();
  });
});

describe('while a large plan is under way', () => {
  const files = 60;
  let life: Watching;
  let goOn: () => void;

  beforeEach(async () => {
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    life = await machine.watch();
    machine.fault = ({ operation }) => (operation === 'put' ? gate : undefined);
    for (let n = 0; n < files; n++) machine.tree.write(`d/${n}`, 'long');
    life.watcher.listener?.hint({ kind: 'under', path: 'd' as never });
    await machine.until(() => life.engine.snapshot().active.size === 4);
  });

  test('hints add to what is counted, and never more is done than planned', async () => {
    const { engine, events } = life;
    const wrong: string[] = [];
    engine.subscribe(() => {
      const { plan, done, active } = engine.snapshot();
      if (done.files + active.size > filesOf(plan) || done.bytes > plan.bytes)
        wrong.push(`${done.files} of ${filesOf(plan)} files, ${done.bytes} of ${plan.bytes} bytes`);
    });
    const plans = () => named(events, 'plan').length;
    for (const path of ['b', 'c', 'e']) {
      const before = plans();
      machine.tree.write(path, 'x');
      life.hint(path);
      await machine.until(() => plans() > before);
    }
    expect(engine.snapshot().plan).toMatchObject({ put: files + 3, bytes: 4 * files + 3 });
    goOn();
    await machine.until(() => life.idles() === 2);
    expect(wrong).toEqual([]);
    expect(engine.snapshot().done).toEqual({ files: files + 3, bytes: 4 * files + 3 });
    // Nothing is under way any more: counting begins anew.
    machine.tree.write('f', 'x');
    life.hint('f');
    await machine.until(() => life.idles() === 3);
    expect(engine.snapshot().plan).toMatchObject({ put: 1, bytes: 1 });
    expect(named(events, 'plan').map(({ adds }) => adds)).toEqual([
      undefined,
      undefined,
      true,
      true,
      true,
      undefined,
    ]);
    await life.stop();
  });

  test('what is called off because the engine ends is no failure', async () => {
    const { engine, events } = life;
    engine.command({ command: 'stop' });
    engine.command({ command: 'stop' });
    goOn();
    expect(await machine.drive(life.ended)).toEqual({ exit: 130 });
    expect(named(events, 'transfer.failed')).toEqual([]);
    expect(named(events, 'transfer.stopped')).toHaveLength(4);
    const { active, failed, failures, problems } = engine.snapshot();
    expect([active.size, failed, failures.length, problems.size]).toEqual([0, 0, 0, 0]);
    checkEvents(events);
  });
});
