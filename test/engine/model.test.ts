/**
 * Whatever happens to the folder, whatever the store does, wherever the process dies: after one undisturbed run every file
 * is in the bucket with its bytes, nothing else is, and no Record was ever written whose object was not there.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { nameKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Index } from '../../src/model/ports.ts';
import type { MemoryStep } from '../../src/s3/memory.ts';
import { EngineMachine, PREFIX } from './machine.ts';

const NAMES = ['a', 'b', 'd/a', 'd/b', 'd/e/a', 'caf\u00e9', 'x\ny', 'd-b', 'big'];
const BIG = 9 * 2 ** 20;

type Disturbance =
  | {
      readonly kind: 'fail';
      readonly at: number;
      readonly how: 'transient' | 'throttled' | 'offline';
      readonly when: MemoryStep['when'];
    }
  /** From this step on nothing answers any more: the process is gone. */
  | { readonly kind: 'die'; readonly at: number; readonly when: MemoryStep['when'] };

type Change =
  | { readonly do: 'write'; readonly name: string; readonly content: number }
  | { readonly do: 'remove'; readonly name: string }
  | { readonly do: 'rename'; readonly name: string; readonly to: string }
  | { readonly do: 'touch'; readonly name: string };

const name = fc.constantFrom(...NAMES);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), name, content: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), name, to: name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('touch' as const), name }) },
);
const when = fc.constantFrom('before' as const, 'after' as const);
const disturbance: fc.Arbitrary<Disturbance | undefined> = fc.option(
  fc.oneof(
    fc.record({
      kind: fc.constant('fail' as const),
      at: fc.nat(12),
      how: fc.constantFrom('transient' as const, 'throttled' as const, 'offline' as const),
      when,
    }),
    fc.record({ kind: fc.constant('die' as const), at: fc.nat(14), when }),
  ),
  { nil: undefined },
);
const rounds = fc.array(fc.record({ changes: fc.array(change, { maxLength: 6 }), disturbance }), {
  minLength: 1,
  maxLength: 4,
});

function apply(machine: EngineMachine, one: Change): void {
  const { tree, clock } = machine;
  clock.advance(1_000);
  switch (one.do) {
    case 'write':
      tree.write(one.name, one.name === 'big' ? Buffer.alloc(BIG, one.content) : `${one.content}`);
      return;
    case 'remove':
      tree.remove(one.name);
      return;
    case 'rename': {
      const file = tree.files.get(one.name);
      if (file === undefined || one.name === one.to) return;
      tree.files.delete(one.name);
      tree.files.set(one.to, { ...file, ctime: clock.now() });
      return;
    }
    case 'touch': {
      const file = tree.files.get(one.name);
      if (file !== undefined) tree.files.set(one.name, { ...file, mtime: clock.now(), ctime: clock.now() });
      return;
    }
    default:
      one satisfies never;
  }
}

/** An Index that looks, at every commit, whether what it is told is true; deaf to a process that is gone. */
function suspicious(machine: EngineMachine, index: Index, isDead: () => boolean): Index {
  return new Proxy(index, {
    get: (target, property, receiver) => {
      if (property !== 'commit') return Reflect.get(target, property, receiver) as unknown;
      return (changes: Parameters<Index['commit']>[0]) => {
        if (isDead()) return;
        for (const one of changes) {
          if (one.kind !== 'put') continue;
          const stored = machine.bucket.find(PREFIX + one.record.key);
          if (stored?.stat.etag !== one.record.etag)
            throw new Error(`a Record of ${one.record.key} without its object`);
        }
        index.commit(changes);
      };
    },
  });
}

async function run(machine: EngineMachine, index: Index, disturbed: Disturbance | undefined): Promise<void> {
  const kinds = { transient: 'http-500', throttled: 'slow-down', offline: 'unreachable' } as const;
  let step = 0;
  let dead = false;
  machine.index = suspicious(machine, index, () => dead);
  machine.fault = (seen) => {
    if (dead) return new Promise<void>(() => undefined);
    if (disturbed === undefined || seen.when !== disturbed.when || step++ !== disturbed.at) return undefined;
    if (disturbed.kind === 'fail') throw new VaultError(disturbed.how, kinds[disturbed.how], 'scripted');
    dead = true;
    return new Promise<void>(() => undefined);
  };
  machine.clock.advance(10_000);
  const { engine } = machine.engine({ consent: true, acceptSource: true });
  let over = false;
  void engine.run().then(() => (over = true));
  await machine.until(() => over || dead);
  // What the dead process had still to do never happens: its clock and store stand still for good.
  machine.fault = () => undefined;
}

test('any changes, faults and deaths [ORD-1] [ORD-4]', async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (all) => {
      const machine = await EngineMachine.make();
      const index = machine.index;
      machine.rules = { ...machine.rules, removals: true };
      for (const { changes, disturbance: disturbed } of all) {
        for (const one of changes) apply(machine, one);
        await run(machine, index, disturbed);
      }
      machine.index = suspicious(machine, index, () => false);
      machine.clock.advance(10_000);
      const { exit } = await machine.sync({ consent: true, acceptSource: true });
      expect(exit).toBe(0);
      expect(machine.inStep()).toEqual([]);
      expect(machine.remote().toSorted()).toEqual(
        [...machine.tree.files.keys()].map((path) => nameKey(path)).toSorted(),
      );
      expect(index.count().files).toBe(machine.tree.files.size);
      expect(machine.bucket.pending.size).toBe(0);
      machine.forget();
      await machine.sync();
      expect(machine.count('put') + machine.count('part') + machine.count('head')).toBe(0);
      index.close();
    }),
    { numRuns: Number(process.env['S3VAULT_MODEL_RUNS'] ?? 120) },
  );
}, 600_000);
