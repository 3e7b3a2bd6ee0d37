/**
 * Whatever happens to the folder and the bucket, whatever the store does, wherever the process dies: after undisturbed runs
 * every file is in the bucket with its bytes, nothing else is, and no Record was ever written whose object was not there.
 */
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { nameKey, relPath } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Index, IndexChange } from '../../src/model/ports.ts';
import type { MemoryStep } from '../../src/s3/memory.ts';
import { EngineMachine, FakeWatcher, PREFIX, checkEvents, checkTransfers, mortal, named } from './machine.ts';

const NAMES = ['a', 'b', 'd/a', 'd/b', 'd/e/a', 'caf\u00e9', 'x\ny', 'd-b', 'big'];
const BIG = 9 * 2 ** 20;

/** What goes wrong at the n-th step of the store, or the n-th write of the Index. */
type Disturbance =
  | {
      readonly kind: 'fail';
      readonly at: number;
      readonly how: 'transient' | 'throttled' | 'offline' | 'security' | 'refused';
      readonly when: MemoryStep['when'];
    }
  /** From this step on nothing answers any more: the process is gone. */
  | { readonly kind: 'die'; readonly at: number; readonly when: MemoryStep['when'] }
  | { readonly kind: 'die-writing'; readonly at: number; readonly when: MemoryStep['when'] };

type Change =
  | { readonly do: 'write'; readonly name: string; readonly content: number }
  | { readonly do: 'rename'; readonly name: string; readonly to: string }
  | {
      readonly do: 'remove' | 'touch' | 'truncate' | 'chmod' | 'link' | 'copy-back' | 'lose-object';
      readonly name: string;
    };

const name = fc.constantFrom(...NAMES);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), name, content: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), name, to: name }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'remove' as const,
        'remove' as const,
        'touch' as const,
        'truncate' as const,
        'chmod' as const,
        'link' as const,
        'copy-back' as const,
        'lose-object' as const,
      ),
      name,
    }),
  },
);
const when = fc.constantFrom('before' as const, 'after' as const);
const disturbance: fc.Arbitrary<Disturbance | undefined> = fc.option(
  fc.oneof(
    fc.record({
      kind: fc.constant('fail' as const),
      at: fc.nat(14),
      how: fc.constantFrom(
        'transient' as const,
        'throttled' as const,
        'offline' as const,
        'security' as const,
        'refused' as const,
      ),
      when,
    }),
    fc.record({ kind: fc.constant('die' as const), at: fc.nat(16), when }),
    fc.record({ kind: fc.constant('die-writing' as const), at: fc.nat(12), when }),
  ),
  { nil: undefined, freq: 4 },
);
const rounds = fc.array(
  fc.record({
    changes: fc.array(change, { maxLength: 6 }),
    disturbance,
    /** The engine watches while the changes are made, and hears of them. */
    live: fc.boolean(),
    checkRemote: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

/** Makes one change; gives the paths that a watcher would name. */
function apply(machine: EngineMachine, one: Change): readonly string[] {
  const { tree, clock } = machine;
  clock.advance(1_000);
  switch (one.do) {
    case 'write':
      tree.write(one.name, one.name === 'big' ? Buffer.alloc(BIG, one.content) : `${one.content}`);
      break;
    case 'rename':
      tree.rename(one.name, one.to);
      return [one.name, one.to];
    case 'remove':
      tree.remove(one.name);
      break;
    case 'touch':
      tree.touch(one.name);
      break;
    case 'truncate':
      if (tree.files.has(one.name)) tree.write(one.name, '');
      break;
    case 'chmod':
      tree.chmod(one.name, 0o100600);
      break;
    case 'link':
      if (one.name !== 'big') tree.link(one.name, '../elsewhere');
      break;
    case 'copy-back': {
      // The same bytes and times under a new inode, as `cp -p` gives them.
      const file = tree.files.get(one.name);
      if (file !== undefined)
        tree.files.set(one.name, { ...file, inode: file.inode + 1_000, ctime: clock.now() });
      break;
    }
    case 'lose-object':
      machine.bucket.remove(`${PREFIX}${one.name}`, undefined);
      return [];
    default:
      one satisfies never;
  }
  return [one.name];
}

/** Holds a Record to its object at the moment it is written. */
function checkRecords(
  machine: EngineMachine,
  lost: ReadonlySet<string>,
  changes: readonly IndexChange[],
): void {
  for (const one of changes) {
    // Without a fingerprint it says of itself that it is not in step.
    if (one.kind !== 'put' || one.record.modeFingerprint === '' || lost.has(one.record.key)) continue;
    const { key, etag, digest } = one.record;
    const stored = machine.bucket.find(PREFIX + key);
    const bytes = stored?.stat.etag === etag ? machine.plaintext(key) : undefined;
    const same =
      bytes !== undefined &&
      digest !== undefined &&
      createHash('sha256').update(bytes).digest().equals(digest);
    if (!same) machine.violations.push(`a Record of ${key} without its object`);
  }
}

const CODES = {
  transient: 'http-500',
  throttled: 'slow-down',
  offline: 'unreachable',
  security: 'proof-missing',
  refused: 'access-denied',
} as const;

type Round = typeof rounds extends fc.Arbitrary<(infer One)[]> ? One : never;

async function run(machine: EngineMachine, index: Index, round: Round, lost: Set<string>): Promise<void> {
  const { disturbance: disturbed } = round;
  let step = 0;
  let write = 0;
  let dead = false;
  const hits = (moment: MemoryStep['when'], count: () => number): boolean =>
    disturbed !== undefined && moment === disturbed.when && count() === disturbed.at;
  machine.index = mortal(
    index,
    () => dead,
    (moment, changes) => {
      if (moment === 'before' && changes !== undefined) checkRecords(machine, lost, changes);
      if (disturbed?.kind === 'die-writing' && hits(moment, () => write++)) dead = true;
      return !dead;
    },
  );
  const fault = (seen: MemoryStep): void | Promise<void> => {
    if (dead) return new Promise<void>(() => undefined);
    if (disturbed === undefined || disturbed.kind === 'die-writing') return undefined;
    if (!hits(seen.when, () => step++)) return undefined;
    if (disturbed.kind === 'fail') throw new VaultError(disturbed.how, CODES[disturbed.how], 'scripted');
    dead = true;
    return new Promise<void>(() => undefined);
  };
  const make = (one: Change): readonly string[] => {
    if (one.do === 'lose-object') lost.add(one.name);
    return apply(machine, one);
  };
  if (!round.live) for (const one of round.changes) make(one);
  machine.clock.advance(10_000);
  const watcher = round.live ? new FakeWatcher() : undefined;
  const { checkRemote } = round;
  const { engine, events } = machine.engine(
    { once: !round.live, consent: true, acceptSource: true, checkRemote },
    watcher,
    fault,
  );
  let over = false;
  void engine.run().then(() => (over = true));
  const idleOrOver = (idles: number) => () => over || dead || named(events, 'idle').length >= idles;
  if (round.live) {
    await machine.until(idleOrOver(1));
    for (const one of round.changes) {
      const paths = make(one);
      if (dead) continue;
      for (const path of paths) watcher?.listener?.hint({ kind: 'path', path: relPath(path) });
      if (one.do === 'write' && one.content % 3 === 0) await machine.wait(500);
    }
    await machine.wait(1_000);
    if (!over && !dead) await machine.until(() => over || dead || engine.snapshot().state === 'idle');
    if (disturbed === undefined && lost.size === 0) expect(machine.inStep()).toEqual([]);
    engine.command({ command: 'stop' });
  }
  await machine.until(() => over || dead);
  if (dead) checkTransfers(events);
  else checkEvents(events);
  machine.index = index;
}

test('any changes, faults and deaths [ORD-1] [ORD-4]', async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (all) => {
      const machine = await EngineMachine.make();
      const { index } = machine;
      const lost = new Set<string>();
      machine.rules = { ...machine.rules, removals: true };
      for (const round of all) await run(machine, index, round, lost);
      lost.clear();
      const last = { changes: [], disturbance: undefined, live: false, checkRemote: true };
      await run(machine, index, last, lost);
      expect(machine.inStep()).toEqual([]);
      expect(machine.remote().toSorted()).toEqual(
        [...machine.tree.files.keys()].map((path) => nameKey(path)).toSorted(),
      );
      expect(index.count().files).toBe(machine.tree.files.size);
      expect(index.journal().all()).toEqual([]);
      machine.forget();
      expect((await machine.sync({ acceptSource: true })).exit).toBe(0);
      expect(machine.count('put') + machine.count('part') + machine.count('head')).toBe(0);
      // What a death left between Create and its journal entry, and no look at that key has found since, is called off once
      // it has been still for a week [SWEEP-1].
      machine.clock.advance(8 * 86_400_000);
      await machine.sync({ acceptSource: true });
      expect(machine.bucket.pending.size).toBe(0);
      machine.checkWrites();
      index.close();
    }),
    { numRuns: Number(process.env['S3VAULT_MODEL_RUNS'] ?? 200) },
  );
}, 600_000);
