/** What the bucket's listing tells, and how long that is remembered: nothing found missing is ever forgotten. */
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import type { MemoryStep } from '../../src/s3/memory.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { EngineMachine, PREFIX, named } from './machine.ts';

let machine: EngineMachine;
const transient = () => new VaultError('transient', 'http-500', 'the store failed');
const writes = () => machine.count('put') + machine.count('part');
const puttingOf = (path: string) => (step: MemoryStep) =>
  step.operation === 'put' && step.when === 'before' && step.key === PREFIX + path;

beforeEach(async () => {
  machine = await EngineMachine.make();
  for (const name of ['a', 'b', 'c']) machine.tree.write(name, `${name} and more`);
});

describe('an object that vanished or changed in the bucket', () => {
  const spoil: readonly (readonly [string, () => void])[] = [
    ['vanished', () => machine.bucket.remove(`${PREFIX}b`, undefined)],
    [
      'was overwritten',
      () => {
        const stored = machine.bucket.find(`${PREFIX}a`);
        if (stored === undefined) throw new Error('no object');
        machine.bucket.add(`${PREFIX}b`, { id: undefined, stored });
      },
    ],
  ];

  test.each(spoil)('%s: is sent again', async (_what, spoiled) => {
    await machine.sync();
    spoiled();
    expect((await machine.sync({ checkRemote: true })).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
  });

  test.each(spoil)('%s: is sent again though the first try fails', async (_what, spoiled) => {
    await machine.sync();
    spoiled();
    let tries = 0;
    machine.fault = (step) => {
      if (puttingOf('b')(step) && ++tries === 1) throw transient();
    };
    expect((await machine.sync({ checkRemote: true })).exit).toBe(0);
    expect(tries).toBe(2);
    expect(machine.inStep()).toEqual([]);
  });

  test.each(spoil)('%s: is sent by the next run where this one could not', async (_what, spoiled) => {
    await machine.sync();
    spoiled();
    machine.fault = (step) => {
      if (puttingOf('b')(step)) throw transient();
    };
    expect((await machine.sync({ checkRemote: true })).exit).toBe(3);
    machine.fault = () => undefined;
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
  });

  test.each(spoil)('%s: is sent by the next run where this one died', async (_what, spoiled) => {
    await machine.sync();
    spoiled();
    await machine.dieAt(puttingOf('b'), { checkRemote: true });
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
  });

  test('without --check-remote it is found after a day', async () => {
    await machine.sync();
    machine.bucket.remove(`${PREFIX}b`, undefined);
    machine.clock.advance(86_400_000);
    await machine.sync();
    expect(machine.inStep()).toEqual([]);
  });

  test('what others put under the prefix is left alone, with removals too', async () => {
    await machine.sync();
    const stored = machine.bucket.find(`${PREFIX}a`);
    if (stored === undefined) throw new Error('no object');
    machine.bucket.add(`${PREFIX}foreign`, { id: undefined, stored });
    machine.rules = { ...machine.rules, removals: true };
    expect((await machine.sync({ checkRemote: true, consent: true })).exit).toBe(0);
    expect(machine.remote()).toEqual(['a', 'b', 'c', 'foreign']);
  });
});

describe('a lost Index', () => {
  test.each(['client', 'sse-s3'] as const)('mode %s: nothing unchanged is sent again', async (mode) => {
    machine.mode = mode;
    machine.tree.write('big', randomBytes(9 * 2 ** 20));
    await machine.sync();
    machine.index = await memoryIndex();
    machine.tree.write('b', 'another content');
    machine.tree.touch('c');
    machine.forget();
    expect((await machine.sync()).exit).toBe(0);
    // The time is part of what an object says of its file: a touched one is sent, too.
    expect(writes()).toBe(2);
    expect(machine.inStep()).toEqual([]);
    expect(machine.index.count().files).toBe(4);
  });

  test('a rebuild that was interrupted goes on as one', async () => {
    await machine.sync();
    machine.index = await memoryIndex();
    machine.rules = { ...machine.rules, transfers: 1 };
    const looks = (step: MemoryStep) => step.operation === 'head' && step.key === `${PREFIX}c`;
    machine.fault = async (step) => {
      // Time for the Records of the first two.
      if (looks(step)) await machine.clock.sleep(1_000);
    };
    await machine.dieAt((step) => looks(step) && step.when === 'after');
    machine.fault = () => undefined;
    expect(machine.index.count().files).toBe(2);
    await machine.sync();
    expect(writes()).toBe(0);
    expect(machine.index.count().files).toBe(3);
  });

  test('a HEAD that fails now and then costs no upload', async () => {
    await machine.sync();
    machine.index = await memoryIndex();
    machine.forget();
    let failures = 2;
    machine.fault = ({ operation, when }) => {
      if (operation === 'head' && when === 'before' && failures-- > 0) throw transient();
    };
    expect((await machine.sync()).exit).toBe(0);
    expect(writes()).toBe(0);
  });

  test('objects that were sealed under another key are sent anew, never believed', async () => {
    await machine.sync();
    machine.index = await memoryIndex();
    const stored = machine.bucket.find(`${PREFIX}b`);
    if (stored === undefined) throw new Error('no object');
    const metadata = { ...stored.stat.metadata, 'x-amz-3': Buffer.alloc(60, 1).toString('base64') };
    machine.bucket.add(`${PREFIX}b`, {
      id: undefined,
      stored: { ...stored, stat: { ...stored.stat, metadata } },
    });
    machine.forget();
    expect((await machine.sync()).exit).toBe(0);
    expect(writes()).toBe(1);
    expect(machine.inStep()).toEqual([]);
  });
});

describe('a Record of another Mode', () => {
  test('is not in step: the file is sent under the Mode of today', async () => {
    machine.mode = 'sse-s3';
    await machine.sync();
    // The description is gone, so that nothing else tells of the old Mode.
    machine.bucket.remove(`${PREFIX}.s3vault/vault.json`, undefined);
    machine.mode = 'client';
    machine.forget();
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(writes()).toBe(3 + 1);
    expect(named(events, 'transfer.done').map(({ proof }) => proof?.mode)).toEqual([
      'client',
      'client',
      'client',
    ]);
    expect(machine.inStep()).toEqual([]);
  });
});
