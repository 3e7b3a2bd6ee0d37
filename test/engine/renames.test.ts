import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Entry } from '../../src/model/entry.ts';
import { Copying, Renames, Sizes } from '../../src/engine/renames.ts';
import { nameKey } from '../../src/model/brands.ts';
import { record } from '../support/facts.ts';
import { EngineMachine, answerTo, named } from './machine.ts';

let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
  machine.rules = { ...machine.rules, removals: true };
  machine.copies = [];
  for (let n = 0; n < 6; n++) machine.tree.write(`f${n}`, `content ${n}`);
  await machine.sync();
  machine.forget();
});

/** Somebody else replaces f1 once this machine has made its next listing, or looked at an object. */
function replacedAfter(operation: 'list' | 'get'): void {
  const stored = machine.bucket.find('docs/f2');
  if (stored === undefined) throw new Error('f2 is not there');
  machine.fault = (step) => {
    if (step.operation === operation && step.when === 'after')
      machine.bucket.add('docs/f1', { id: undefined, stored });
  };
}

test('a renamed file is copied inside the store, then its old object goes', async () => {
  machine.tree.rename('f1', 'd/renamed');
  const run = await machine.sync();
  expect(run.exit).toBe(0);
  expect(machine.copies).toEqual(['docs/d/renamed']);
  expect(machine.count('put')).toBe(0);
  expect(machine.remote()).toEqual(['d/renamed', 'f0', 'f2', 'f3', 'f4', 'f5']);
  expect(machine.inStep()).toEqual([]);
  expect(named(run.events, 'transfer.done').map(({ result }) => result)).toEqual(['copied', 'removed']);
  machine.forget();
  await machine.sync();
  expect(machine.count('put') + machine.count('remove')).toBe(0);
});

test('so is one that is moved while the folder is watched', async () => {
  const watching = await machine.watch();
  machine.tree.rename('f1', 'renamed');
  watching.hint('f1');
  watching.hint('renamed');
  await machine.wait(2_000);
  await machine.until(() => machine.remote().includes('renamed') && !machine.remote().includes('f1'));
  expect(machine.copies).toEqual(['docs/renamed']);
  await watching.stop();
});

test('one that was changed too is sent', async () => {
  machine.tree.rename('f1', 'renamed');
  machine.tree.write('renamed', 'CONTENT 1');
  await machine.sync();
  expect(machine.copies).toEqual([]);
  expect(machine.inStep()).toEqual([]);
});

describe.each(['push', 'both'] as const)('where removals are not let through (%s)', (direction) => {
  beforeEach(async () => {
    machine.direction = direction;
    machine.rules = { ...machine.rules, removals: false };
    await machine.sync();
    machine.forget();
  });

  test('a renamed file is copied too, and its old object stays', async () => {
    machine.tree.rename('f1', 'd/renamed');
    expect((await machine.sync()).exit).toBe(0);
    expect([machine.copies, machine.count('put', 'd/renamed')]).toEqual([['docs/d/renamed'], 0]);
    expect(machine.remote()).toEqual(['d/renamed', 'f0', 'f1', 'f2', 'f3', 'f4', 'f5']);
    expect(machine.inStep()).toEqual([]);
  });

  test('from an object that is no longer the one of its Record nothing is copied', async () => {
    machine.tree.rename('f1', 'renamed');
    replacedAfter('get');
    await machine.sync();
    expect(machine.copies).toEqual([]);
    expect(machine.plaintext('renamed').toString()).toBe('content 1');
  });

  test('one that was changed too is sent', async () => {
    machine.tree.rename('f1', 'renamed');
    machine.tree.write('renamed', 'CONTENT 1');
    await machine.sync();
    expect(machine.copies).toEqual([]);
    expect(machine.inStep()).toEqual([]);
  });
});

test('an old object that somebody else replaced is not copied', async () => {
  machine.direction = 'both';
  machine.tree.rename('f1', 'renamed');
  replacedAfter('list');
  expect((await machine.sync()).exit).toBe(0);
  expect(machine.copies).toEqual([]);
  expect(machine.plaintext('renamed').toString()).toBe('content 1');
  expect(machine.plaintext('f1').toString()).toBe('content 2');
});

test('a store that does not copy gets the file', async () => {
  machine.copies = undefined;
  machine.tree.rename('f1', 'renamed');
  expect((await machine.sync()).exit).toBe(0);
  expect(machine.count('put')).toBe(1);
  expect(machine.inStep()).toEqual([]);
});

test('a folder of more files than removals go without consent is copied, and goes once that is given', async () => {
  for (let n = 0; n < 5; n++) machine.tree.rename(`f${n}`, `d/f${n}`);
  const run = await machine.sync();
  expect(run.exit).toBe(5);
  expect([machine.copies?.length, machine.count('put')]).toEqual([5, 0]);
  machine.forget();
  expect((await machine.sync({ consent: true })).exit).toBe(0);
  expect(machine.remote()).toEqual(['d/f0', 'd/f1', 'd/f2', 'd/f3', 'd/f4', 'f5']);
  expect(machine.count('put')).toBe(0);
});

test('consent given while the copies are under way removes nothing that they are made of', async () => {
  machine.rules = { ...machine.rules, transfers: 16 };
  for (let n = 0; n < 5; n++) machine.tree.rename(`f${n}`, `d/f${n}`);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  let copying = 0;
  const read = machine.tree.read.bind(machine.tree);
  machine.tree.read = async (entry: Entry) => {
    if (entry.path.startsWith('d/')) {
      copying++;
      await gate;
    }
    return read(entry);
  };
  const { engine } = machine.engine({ once: false });
  const ended = engine.run();
  await machine.until(() => engine.snapshot().consent !== null && copying > 0);
  engine.command(answerTo(engine, true));
  await machine.wait(1_000);
  open();
  await machine.until(() => engine.snapshot().state === 'idle');
  expect([machine.copies?.length, machine.count('put')]).toEqual([5, 0]);
  expect(machine.remote()).toEqual(['d/f0', 'd/f1', 'd/f2', 'd/f3', 'd/f4', 'f5']);
  engine.command({ command: 'stop' });
  await machine.drive(ended);
});

test('a removal that may be copied from waits for the end of the Plan, others do not', () => {
  const [one, other] = ['one', 'other'].map((name) => {
    const known = record(name);
    const { key, path } = known;
    return { kind: 'remove-remote', key, path, reason: 'gone-locally', record: known } as const;
  });
  if (one === undefined || other === undefined) throw new Error('there are two');
  const copying = new Copying();
  copying.until(new Promise(() => undefined), (action) => action === one);
  expect(copying.parts([one, other]).map(({ some }) => some)).toEqual([[other], [one]]);
  expect(copying.parts([])).toEqual([]);
});

test('of two objects with the same bytes the one of the file is taken; one that did not serve leaves the other', () => {
  const digest = Buffer.alloc(32, 1);
  const [one, two] = [record('one', { inode: 1, digest }), record('two', { inode: 2, digest })];
  const renames = new Renames();
  renames.offer([one, two]);
  const find = (inode: number) => renames.find({ inode }, digest);
  expect([find(1), find(2), find(3)]).toEqual(['one', 'two', 'one']);
  renames.drop(one.key);
  expect([find(1), find(3)]).toEqual(['two', 'two']);
  renames.drop(two.key);
  expect(find(2)).toBeUndefined();
});

test('an object is known once, by its name, and no more than so many are', () => {
  const digest = Buffer.alloc(32, 1);
  const renames = new Renames(2);
  for (let n = 0; n < 3; n++) renames.offer([record('one', { inode: n, digest })]);
  expect(renames.size).toBe(1);
  renames.drop(nameKey('one'));
  expect([renames.size, renames.find({ inode: 2 }, digest)]).toEqual([0, undefined]);
  renames.offer(['a', 'b', 'c'].map((name, inode) => record(name, { inode, digest })));
  // Those offered first go.
  expect([renames.size, renames.find({ inode: 0 }, digest)]).toEqual([2, nameKey('b')]);
  renames.forget();
  expect([renames.size, renames.find({ inode: 1 }, digest)]).toEqual([0, undefined]);
});

test('a scan forgets what was offered before and is no longer so', async () => {
  const watching = await machine.watch();
  const forgotten = vi.spyOn(Renames.prototype, 'forget');
  const offered = vi.spyOn(Renames.prototype, 'offer');
  machine.tree.rename('f1', 'renamed');
  watching.engine.command({ command: 'rescan' });
  await machine.until(() => machine.remote().includes('renamed') && !machine.remote().includes('f1'));
  expect(machine.copies).toEqual(['docs/renamed']);
  expect(forgotten.mock.invocationCallOrder[0]).toBeLessThan(offered.mock.invocationCallOrder[0] ?? 0);
  await watching.stop();
});

test('without its digest nothing leads to an object, however much else fits', async () => {
  machine = await EngineMachine.make();
  machine.mode = 'sse-s3';
  machine.rules = { ...machine.rules, removals: true };
  machine.copies = [];
  for (const name of ['f1', 'f2', 'f3', 'f4']) machine.tree.write(name, `content ${name}`);
  await machine.sync();
  const known = machine.index.get(nameKey('f1'));
  if (known === undefined) throw new Error('f1 is not known');
  const { digest: _, ...without } = known;
  machine.index.commit([{ kind: 'put', record: without }]);
  machine.tree.rename('f1', 'renamed');
  // Other bytes; inode, size and time are what they were.
  machine.tree.write('renamed', 'CONTENT f1', known.mtime);
  expect((await machine.sync()).exit).toBe(0);
  expect(machine.copies).toEqual([]);
  expect(machine.inStep()).toEqual([]);
});

test('sizes of a long Plan: none that is there is missed, and few that are not', () => {
  const sizes = new Sizes();
  expect(sizes.mayHave(0)).toBe(false);
  for (let n = 0; n < 50_000; n++) sizes.add(n * 7_919);
  let wrong = 0;
  for (let n = 0; n < 50_000; n++) {
    expect(sizes.mayHave(n * 7_919)).toBe(true);
    if (sizes.mayHave(n * 7_919 + 1)) wrong++;
  }
  expect(wrong).toBeLessThan(5_000);
});
