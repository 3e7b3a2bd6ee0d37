/**
 * Two or three machines on one bucket, a history of what their users do, and the specification that any history must meet:
 * in the end all folders and the bucket are equal, and no content is gone but what a user who had it before him overwrote or
 * removed.
 */
import * as fc from 'fast-check';
import { VaultError } from '../../src/model/errors.ts';
import type { Mover, ObjectStore } from '../../src/model/ports.ts';
import { MemoryBucket, type MemoryStep } from '../../src/s3/memory.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, mortal, sealed } from './machine.ts';

/** One of them is too long to be whole where names are sealed. */
const NAMES = ['a', 'b.txt', 'd', 'd/a', `${'é'.repeat(127)}/${'e'.repeat(255)}/café`];

export interface Change {
  readonly client: number;
  readonly do: 'write' | 'remove' | 'rename' | 'touch' | 'chmod';
  readonly name: string;
  readonly to: string;
}

/** One machine's sync: what goes wrong in it, what its user does meanwhile, and how slowly its requests go. */
export interface Sync {
  readonly client: number;
  readonly trouble:
    | { readonly kind: 'fail'; readonly at: number; readonly when: MemoryStep['when']; readonly how: Failure }
    | { readonly kind: 'die'; readonly at: number; readonly when: MemoryStep['when'] }
    | { readonly kind: 'die-writing'; readonly at: number; readonly when: MemoryStep['when'] }
    | undefined;
  readonly meanwhile: { readonly at: number; readonly change: Omit<Change, 'client'> } | undefined;
  readonly delays: readonly number[];
}

type Failure = 'transient' | 'throttled' | 'offline';

export interface Round {
  readonly changes: readonly Change[];
  /** At the same time. */
  readonly syncs: readonly Sync[];
  readonly wait: number;
}

export interface History {
  readonly clients: 2 | 3;
  readonly skews: readonly number[];
  readonly sealedNames: boolean;
  readonly rounds: readonly Round[];
}

const when = fc.constantFrom('before' as const, 'after' as const);

interface Habits {
  readonly names: readonly string[];
  /** How often something is renamed; a write is 6. */
  readonly renames: number;
}

function whatBy({ names, renames }: Habits) {
  const name = fc.constantFrom(...names);
  return {
    do: fc.oneof(
      { weight: 6, arbitrary: fc.constant('write' as const) },
      { weight: 3, arbitrary: fc.constant('remove' as const) },
      { weight: renames, arbitrary: fc.constantFrom('rename' as const, 'touch' as const, 'chmod' as const) },
    ),
    name,
    to: name,
  };
}

function rounds(clients: number, habits: Habits): fc.Arbitrary<Round[]> {
  const what = whatBy(habits);
  const client = fc.nat(clients - 1);
  const sync = fc.record({
    client,
    trouble: fc.option(
      fc.oneof(
        fc.record({
          kind: fc.constant('fail' as const),
          at: fc.nat(12),
          when,
          how: fc.constantFrom('transient' as const, 'throttled' as const, 'offline' as const),
        }),
        fc.record({ kind: fc.constant('die' as const), at: fc.nat(12), when }),
        fc.record({ kind: fc.constant('die-writing' as const), at: fc.nat(6), when }),
      ),
      { nil: undefined, freq: 1 },
    ),
    meanwhile: fc.option(fc.record({ at: fc.nat(8), change: fc.record(what) }), { nil: undefined, freq: 2 }),
    delays: fc.array(fc.nat(6), { maxLength: 12 }),
  });
  return fc.array(
    fc.record({
      changes: fc.array(fc.record({ client, ...what }), { maxLength: 4 }),
      syncs: fc.uniqueArray(sync, { minLength: 1, maxLength: clients, selector: (one) => one.client }),
      wait: fc.nat(100_000),
    }),
    { minLength: 1, maxLength: 6 },
  );
}

const skews = fc.array(fc.constantFrom(0, 3_000, -3_000, 86_400_000, -400_000_000), {
  minLength: 3,
  maxLength: 3,
});

const historiesBy = (habits: Habits): fc.Arbitrary<History> =>
  fc.constantFrom(2 as const, 3 as const).chain((clients) =>
    fc.record({
      clients: fc.constant(clients),
      skews,
      sealedNames: fc.boolean(),
      rounds: rounds(clients, habits),
    }),
  );

export const histories = historiesBy({ names: NAMES, renames: 1 });
/** Of people who rename a lot, and like the same names. */
const renaming = historiesBy({ names: ['a', 'b.txt', 'd/a'], renames: 12 });

/** Of people who all write the same files. */
const crowded = historiesBy({ names: ['a', 'b.txt'], renames: 1 });

/** Conditions that a planted bug leaves out. The model must find each of them. */
export const BUGS = ['put ifMatch', 'put ifNoneMatch', 'remove ifMatch', 'copy ifNoneMatch'] as const;
export type Bug = (typeof BUGS)[number];

/** Histories in which it shows. */
export const historiesFor = (bug: Bug): fc.Arbitrary<History> =>
  bug.startsWith('copy') ? renaming : bug === 'put ifMatch' ? crowded : histories;

/** A store, or what copies in it, whose requests go out without one of their conditions. */
const withBug =
  (bug: Bug) =>
  <T extends ObjectStore | Mover>(part: T): T => {
    const [operation, condition = ''] = bug.split(' ');
    return new Proxy(part, {
      get: (target, property) => {
        const value = Reflect.get(target, property) as unknown;
        if (typeof value !== 'function') return value;
        const call = (value as (...args: unknown[]) => unknown).bind(target);
        if (property !== operation) return call;
        return (...args: unknown[]) =>
          call(...args.slice(0, -1), { ...(args.at(-1) as object), [condition]: undefined });
      },
    });
  };

export class Fleet {
  readonly #machines: readonly EngineMachine[];
  readonly #clock: ManualClock;
  /** Every content a user ever wrote, and whether a user who had it before him did away with it. */
  readonly #contents = new Map<string, 'alive' | 'superseded'>();
  #written = 0;

  private constructor(machines: readonly EngineMachine[], clock: ManualClock) {
    this.#machines = machines;
    this.#clock = clock;
  }

  static async make({ clients, skews: wrong, sealedNames }: History, bug: Bug | undefined): Promise<Fleet> {
    const clock = new ManualClock();
    const bucket = new MemoryBucket();
    const machines: EngineMachine[] = [];
    for (let n = 0; n < clients; n++) {
      const machine = await EngineMachine.with({ clock, bucket, host: `m${n}`, skew: wrong[n] ?? 0 });
      if (sealedNames) machine.names = sealed();
      machine.direction = 'both';
      machine.rules = { ...machine.rules, removals: true };
      if (bug !== undefined) {
        machine.wrap = withBug(bug);
        machine.wrapCopier = withBug(bug);
      }
      machine.copies = [];
      machines.push(machine);
    }
    return new Fleet(machines, clock);
  }

  close(): void {
    for (const { index } of this.#machines) index.close();
  }

  #machine(client: number): EngineMachine {
    const machine = this.#machines[client];
    if (machine === undefined) throw new Error(`no client ${client}`);
    return machine;
  }

  apply(change: Change): void {
    const { tree } = this.#machine(change.client);
    switch (change.do) {
      case 'write': {
        for (const path of [change.name, ...inTheWay(tree.files, change.name)]) {
          this.#supersede(change.client, path);
          tree.remove(path);
        }
        const content = `content ${++this.#written} of ${change.client}`;
        this.#contents.set(content, 'alive');
        tree.write(change.name, content);
        return;
      }
      case 'remove':
        this.#supersede(change.client, change.name);
        tree.remove(change.name);
        return;
      case 'rename':
        if (!tree.files.has(change.name) || change.name === change.to) return;
        if (inTheWay(tree.files, change.to).length > 0) return;
        this.#supersede(change.client, change.to);
        tree.rename(change.name, change.to);
        return;
      case 'touch':
        tree.touch(change.name);
        return;
      case 'chmod':
        tree.chmod(change.name, 0o100600);
        return;
      default:
        change.do satisfies never;
    }
  }

  /** The user has it before him and does away with it. */
  #supersede(client: number, path: string): void {
    const file = this.#machine(client).tree.files.get(path);
    if (file !== undefined) this.#contents.set(file.content.toString(), 'superseded');
  }

  async run({ changes, syncs, wait }: Round): Promise<void> {
    for (const change of changes) this.apply(change);
    this.#clock.advance(10_000 + wait);
    const running = syncs.map((sync) => this.#start(sync));
    await this.#machine(0).until(() => running.every((isOver) => isOver()));
  }

  /** Starts one machine's sync; gives whether it is over, one way or the other. */
  #start({ client, trouble, meanwhile, delays }: Sync): () => boolean {
    const machine = this.#machine(client);
    const { index } = machine;
    let [steps, writes, requests] = [0, 0, 0];
    let dead = false;
    const hang = () => new Promise<never>(() => undefined);
    machine.index = mortal(
      index,
      () => dead,
      (moment) => {
        if (trouble?.kind === 'die-writing' && moment === trouble.when && writes++ === trouble.at)
          dead = true;
        return !dead;
      },
    );
    machine.writer = (writer) => ({
      check: (...all) => writer.check(...all),
      begin: async () => {
        const draft = await writer.begin();
        return { ...draft, place: async (...all) => (dead ? hang() : draft.place(...all)) };
      },
      remove: async (entry) => (dead ? hang() : writer.remove(entry)),
      move: async (entry, to) => (dead ? hang() : writer.move(entry, to)),
      setAside: async (entry) => (dead ? hang() : writer.setAside(entry)),
      sweep: () => writer.sweep(),
      sweepDrafts: (wants) => writer.sweepDrafts(wants),
    });
    const { engine } = machine.engine({ consent: true, acceptSource: true }, undefined, async (step) => {
      if (dead) return hang();
      if (step.when === 'before') {
        if (meanwhile !== undefined && requests === meanwhile.at) this.apply({ client, ...meanwhile.change });
        for (let turns = delays[requests++ % Math.max(1, delays.length)] ?? 0; turns > 0; turns--)
          await new Promise((resolve) => setImmediate(resolve));
      }
      if (trouble === undefined || trouble.kind === 'die-writing' || step.when !== trouble.when)
        return undefined;
      if (steps++ !== trouble.at) return undefined;
      if (trouble.kind === 'fail') throw new VaultError(trouble.how, 'scripted', 'scripted');
      dead = true;
      return hang();
    });
    machine.index = index;
    let over = false;
    void engine.run().then(() => {
      over = true;
    });
    return () => over || dead;
  }

  /** Undisturbed syncs, one after the other, until nothing changes any more. */
  async settle(): Promise<void> {
    for (let n = 0; n < 2 * this.#machines.length + 2; n++) {
      const client = n % this.#machines.length;
      await this.run({
        changes: [],
        syncs: [{ client, trouble: undefined, meanwhile: undefined, delays: [] }],
        wait: 60_000,
      });
    }
  }

  /** What the specification does not allow. */
  violations(): string[] {
    const found = this.#machines.flatMap(({ violations }) => violations);
    const trees = this.#machines.map(({ tree }) =>
      [...tree.files].map(([path, { content }]) => `${path}: ${content.toString()}`).toSorted(),
    );
    const [first = []] = trees;
    for (const [n, tree] of trees.entries()) {
      if (tree.join('\n') !== first.join('\n'))
        found.push(`folder ${n} differs:\n${tree.join('\n')}\n-- from --\n${first.join('\n')}`);
    }
    const { tree } = this.#machine(0);
    const names = [...tree.files.keys()].map((path) => path.normalize('NFC')).toSorted();
    const remote = this.#machine(0).remote().toSorted();
    if (remote.join('\n') !== names.join('\n')) found.push(`the bucket holds ${remote.join(', ')}`);
    found.push(...this.#machines.flatMap((machine) => machine.inStep()));
    const kept = new Set([...tree.files.values()].map(({ content }) => content.toString()));
    for (const [content, state] of this.#contents) {
      if (state === 'alive' && !kept.has(content)) found.push(`lost: ${content}`);
    }
    return found;
  }

  /** Transfers of one more sync of each, of which there should be none. */
  async restless(): Promise<string[]> {
    for (const machine of this.#machines) machine.forget();
    await this.settle();
    return this.#machines.flatMap(({ steps }) =>
      steps
        .filter(
          ({ operation, key }) => operation === 'put' || (operation === 'get' && !key.includes('.s3vault')),
        )
        .map(({ operation, key }) => `${operation} ${key}`),
    );
  }
}

/** A folder becomes a file, a file a folder: what a user removes for that. */
const inTheWay = (files: ReadonlyMap<string, unknown>, path: string): readonly string[] =>
  [...files.keys()].filter((other) => path.startsWith(`${other}/`) || other.startsWith(`${path}/`));

/** Runs a history and gives what it breaks. */
export async function live(history: History, bug?: Bug): Promise<string[]> {
  const fleet = await Fleet.make(history, bug);
  try {
    for (const round of history.rounds) await fleet.run(round);
    await fleet.settle();
    const found = fleet.violations();
    return found.length > 0 ? found : await fleet.restless();
  } finally {
    fleet.close();
  }
}
