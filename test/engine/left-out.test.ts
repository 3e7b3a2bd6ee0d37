/** What a person took out of the queue: how long it stays out, and where that shows. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type RelPath, compareUtf8, nameKey } from '../../src/model/brands.ts';
import { LeftOut } from '../../src/engine/left-out.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Action } from '../../src/model/plan.ts';
import { MemoryBucket } from '../../src/s3/memory.ts';
import type { FakeTree } from '../support/fake-tree.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, named, problemsOf, type Watching } from './machine.ts';

const MTIME = 1_600_000_000_000;
const LEFT_OUT = { code: 'left-out' };

/** An engine that watches, paused before anything is sent; what waits is left out as asked, then it goes on. */
async function leaving(
  machine: EngineMachine,
  ...paths: readonly string[]
): Promise<Pick<Watching, 'engine' | 'stop'>> {
  const { engine } = machine.engine({ once: false });
  engine.command({ command: 'pause' });
  const ended = engine.run();
  await machine.until(() => engine.snapshot().queue.waiting > 0);
  for (const path of paths) engine.command({ command: 'skip', path });
  engine.command({ command: 'resume' });
  await machine.until(() => engine.snapshot().state === 'idle');
  const stop = async () => {
    engine.command({ command: 'stop' });
    return machine.drive(ended);
  };
  return { engine, stop };
}

const outOf = (machine: EngineMachine): readonly string[] =>
  machine.index
    .leftOut()
    .all()
    .map(({ path }) => path);

describe('a file that is not to be sent', () => {
  let machine: EngineMachine;

  beforeEach(async () => {
    machine = await EngineMachine.make();
    for (let n = 0; n < 5; n++) machine.tree.write(`f${n}`, `${n}`);
    await (await leaving(machine, 'f3')).stop();
  });

  test('stays out in later runs, and shows there as what it is', async () => {
    const watching = await machine.watch();
    expect(machine.remote()).toEqual(['f0', 'f1', 'f2', 'f4']);
    const { short, plan } = watching.engine.snapshot();
    expect(problemsOf(watching.engine, 'f3')).toMatchObject([LEFT_OUT]);
    expect(short).toEqual({ failed: 0, unprotected: 1, exit: 3 });
    expect(plan.put).toBe(0);
    await watching.stop();
    expect((await machine.sync()).exit).toBe(3);
    expect(machine.remote()).not.toContain('f3');
  });

  test('goes when it has changed, and is forgotten', async () => {
    machine.tree.write('f3', 'more');
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.remote()).toContain('f3');
    expect(outOf(machine)).toEqual([]);
  });

  test.each([
    ['its bytes, with size and time as they were', (tree: FakeTree) => tree.write('f3', 'x', MTIME)],
    ['its permissions', (tree: FakeTree) => tree.chmod('f3', 0o100600)],
  ])('goes when something else of it has changed: %s', async (_, change) => {
    machine.tree.write('f3', '3', MTIME);
    machine.clock.advance(5_000);
    await (await leaving(machine, 'f3')).stop();
    machine.clock.advance(5_000);
    expect((await machine.sync()).exit).toBe(3);
    change(machine.tree);
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
    expect(outOf(machine)).toEqual([]);
  });

  test('goes when it is taken back; trying all again that failed takes nothing back', async () => {
    const watching = await machine.watch();
    const { engine } = watching;
    engine.command({ command: 'retry' });
    engine.command({ command: 'rescan' });
    const before = watching.idles();
    await machine.until(() => watching.idles() >= before);
    expect(outOf(machine)).toEqual(['f3']);
    engine.command({ command: 'retry', paths: ['f3'] });
    await machine.until(() => machine.remote().includes('f3'));
    await machine.until(() => engine.snapshot().short === null);
    expect(engine.snapshot().problems.size).toBe(0);
    expect(outOf(machine)).toEqual([]);
    await watching.stop();
  });

  test('that cannot be read now is counted once', async () => {
    machine.tree.odd.set('f3', 'unreadable');
    const watching = await machine.watch();
    expect(watching.engine.snapshot().short).toEqual({ failed: 0, unprotected: 1, exit: 3 });
    machine.tree.odd.clear();
    watching.engine.command({ command: 'rescan' });
    const before = watching.idles();
    await machine.until(() => watching.idles() > before);
    expect(watching.engine.snapshot().short).toEqual({ failed: 0, unprotected: 1, exit: 3 });
    expect(outOf(machine)).toEqual(['f3']);
    await watching.stop();
  });

  test('is forgotten with the file', async () => {
    machine.tree.remove('f3');
    expect((await machine.sync()).exit).toBe(0);
    expect(outOf(machine)).toEqual([]);
  });

  test('is in no plan that is only shown, and that changes nothing', async () => {
    machine.tree.write('f4', 'changed');
    const shown: Action[] = [];
    const { engine, events } = machine.engine();
    await machine.drive(engine.preview((action) => shown.push(action)));
    expect(shown.map(({ path }) => path)).toEqual(['f4']);
    expect(named(events, 'warning')).toMatchObject([{ ...LEFT_OUT, path: 'f3' }]);
    machine.tree.write('f3', 'changed');
    await machine.drive(machine.engine().engine.preview((action) => shown.push(action)));
    expect(shown.map(({ path }) => path)).toEqual(['f4', 'f3', 'f4']);
    expect(outOf(machine)).toEqual(['f3']);
  });
});

test('what does not wait cannot be left out: that is said, and nothing is kept for later', async () => {
  const machine = await EngineMachine.make();
  machine.tree.write('f', '1');
  const watching = await machine.watch();
  const { engine } = watching;
  const refused = (): unknown => {
    try {
      engine.command({ command: 'skip', path: 'f' });
      return undefined;
    } catch (thrown) {
      return thrown;
    }
  };
  expect(refused()).toBeInstanceOf(VaultError);
  expect(refused()).toMatchObject({ kind: 'usage', code: 'not-waiting' });
  machine.tree.write('f', '22');
  engine.command({ command: 'rescan' });
  await machine.until(() => machine.bucket.find('docs/f')?.stat.size === 2 + 16);
  expect(outOf(machine)).toEqual([]);
  await watching.stop();
});

describe('an object that is not to be fetched', () => {
  let desk: EngineMachine;
  let laptop: EngineMachine;
  const here = (path: string): string | undefined => laptop.tree.files.get(path)?.content.toString();

  beforeEach(async () => {
    const shared = { clock: new ManualClock(), bucket: new MemoryBucket() };
    desk = await EngineMachine.with({ ...shared, host: 'desk' });
    laptop = await EngineMachine.with({ ...shared, host: 'laptop' });
    for (const one of [desk, laptop]) one.direction = 'both';
    for (const name of ['a', 'b', 'c']) desk.tree.write(name, name);
    await desk.sync();
  });

  test.each([
    'both',
    'pull',
  ] as const)('stays out over looks at either side, and in later runs (%s)', async (direction) => {
    laptop.direction = direction;
    const first = await leaving(laptop, 'b');
    expect(first.engine.snapshot().short).toEqual({ failed: 0, unprotected: 0, leftOut: 1, exit: 3 });
    await first.stop();
    const watching = await laptop.watch();
    const { engine, watcher } = watching;
    watching.hint('b');
    watcher.listener?.hint({ kind: 'under', path: '' as never });
    await laptop.wait(300_000);
    expect(here('b')).toBeUndefined();
    expect(problemsOf(engine, 'b')).toMatchObject([LEFT_OUT]);
    expect(outOf(laptop)).toEqual(['b']);
    await watching.stop();
    expect((await laptop.sync()).exit).toBe(3);
    expect(here('b')).toBeUndefined();
  });

  test('is fetched when another one stands there', async () => {
    await (await leaving(laptop, 'b')).stop();
    desk.tree.write('b', 'another');
    await desk.sync();
    expect((await laptop.sync()).exit).toBe(0);
    expect(here('b')).toBe('another');
    expect(outOf(laptop)).toEqual([]);
  });

  test('a file that is sent over it ends it once it is sent, and no sooner', async () => {
    await laptop.sync();
    desk.tree.write('b', 'theirs');
    await desk.sync();
    await (await leaving(laptop, 'b')).stop();
    laptop.direction = 'push';
    laptop.fault = ({ operation, key, when }) => {
      if (operation === 'put' && key === 'docs/b' && when === 'before')
        throw new VaultError('file', 'no-luck', 'not this time');
    };
    const over = { acceptSource: true, checkRemote: true };
    expect((await laptop.sync(over)).exit).toBe(3);
    expect(outOf(laptop)).toEqual(['b']);
    laptop.fault = () => undefined;
    expect((await laptop.sync(over)).exit).toBe(0);
    expect(laptop.plaintext('b').toString()).toBe('b');
    expect(outOf(laptop)).toEqual([]);
  });

  test('is fetched when it is taken back', async () => {
    const watching = await leaving(laptop, 'b');
    const { engine } = watching;
    engine.command({ command: 'retry', paths: ['b'] });
    await laptop.until(() => here('b') === 'b');
    await watching.stop();
    expect(outOf(laptop)).toEqual([]);
  });

  test('its change here and there is a matter of its own', async () => {
    await laptop.sync();
    desk.tree.write('b', 'theirs');
    await desk.sync();
    await (await leaving(laptop, 'b')).stop();
    expect(here('b')).toBe('b');
    laptop.tree.write('b', 'mine, longer');
    await laptop.sync();
    expect(here('b')).toBe('theirs');
    expect([...laptop.tree.files.keys()].filter((path) => path.startsWith('b'))).toHaveLength(2);
    expect(laptop.index.leftOut().all()).toEqual([]);
  });
});

test('a removal that is not to be done stays undone until the file is back', async () => {
  const machine = await EngineMachine.make();
  machine.rules = { ...machine.rules, removals: true };
  for (let n = 0; n < 5; n++) machine.tree.write(`f${n}`, `${n}`);
  await machine.sync();
  machine.tree.remove('f2');
  await (await leaving(machine, 'f2')).stop();
  expect((await machine.sync()).exit).toBe(3);
  expect(machine.remote()).toContain('f2');
  expect(machine.index.leftOut().all()).toMatchObject([{ key: nameKey('f2'), kind: 'remove-remote' }]);
  machine.tree.write('f2', 'again');
  expect((await machine.sync()).exit).toBe(0);
  expect(outOf(machine)).toEqual([]);
});

describe('what is left out stays so over looks that are not about it', () => {
  test.each(['push', 'both'] as const)('a removal, over a run without removals (%s)', async (direction) => {
    const machine = await EngineMachine.make();
    machine.direction = direction;
    const removals = (on: boolean): void => {
      machine.rules = { ...machine.rules, removals: on };
    };
    removals(true);
    for (let n = 0; n < 5; n++) machine.tree.write(`f${n}`, `${n}`);
    await machine.sync();
    machine.tree.remove('f2');
    await (await leaving(machine, 'f2')).stop();
    removals(false);
    await machine.sync();
    expect(outOf(machine)).toEqual(['f2']);
    removals(true);
    await machine.sync();
    expect(machine.remote()).toContain('f2');
  });

  test.each(['d/f', 'd/'])('a file, while %s cannot be read', async (unreadable) => {
    const machine = await EngineMachine.make();
    for (const path of ['a', 'd/e', 'd/f']) machine.tree.write(path, path);
    await (await leaving(machine, 'd/f')).stop();
    const walk = machine.tree.walk.bind(machine.tree);
    const hidden = (key: string): boolean => key.startsWith(unreadable);
    const path = unreadable.replace(/\/$/u, '') as RelPath;
    const oddity = { kind: 'oddity', path, key: nameKey(unreadable), reason: 'unreadable' } as const;
    machine.tree.walk = async function* (options) {
      for await (const batch of walk(options)) {
        const seen = batch.filter(({ key }) => !hidden(key));
        yield [...seen, oddity].toSorted((a, b) => compareUtf8(a.key, b.key));
      }
    };
    await machine.sync();
    expect(outOf(machine)).toEqual(['d/f']);
    machine.tree.walk = walk;
    expect((await machine.sync()).exit).toBe(3);
    expect(machine.remote()).toEqual(['a', 'd/e']);
  });

  test('an object not to be fetched, over a run that only sends', () => {
    const key = nameKey('b');
    const all = [{ key, path: 'b' as RelPath, kind: 'get', etag: 'e' }] as const;
    const removed: string[] = [];
    const book = { all: () => all, put: () => undefined, remove: (one: string) => void removed.push(one) };
    const leftOut = new LeftOut({ leftOut: () => book }, { emit: () => undefined, cleared: () => undefined });
    leftOut.open();
    const over = (direction: 'push' | 'both', ignored: boolean): readonly string[] => {
      leftOut.lookingAt(() => true);
      leftOut.settle({ vault: { direction }, tree: { ignores: () => ignored } });
      return removed;
    };
    expect(over('push', false)).toEqual([]);
    expect(over('both', true)).toEqual([]);
    expect(over('both', false)).toEqual(['b']);
  });
});
