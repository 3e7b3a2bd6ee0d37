import { beforeEach, expect, test } from 'vitest';
import { EngineMachine, named } from './machine.ts';

let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
  machine.rules = { ...machine.rules, removals: true };
  machine.copies = [];
  for (let n = 0; n < 6; n++) machine.tree.write(`f${n}`, `content ${n}`);
  await machine.sync();
  machine.forget();
});

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

test('an old object that somebody else replaced is not copied', async () => {
  machine.direction = 'both';
  machine.tree.rename('f1', 'renamed');
  const stored = machine.bucket.find('docs/f2');
  if (stored === undefined) throw new Error('f2 is not there');
  machine.fault = (step) => {
    // After the listing.
    if (step.operation === 'list' && step.when === 'after')
      machine.bucket.add('docs/f1', { id: undefined, stored });
  };
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
