import { compareUtf8, type NameKey } from '../model/brands.ts';
import type { Entry, Oddity, Seen } from '../model/entry.ts';
import { type Action, EMPTY_TOTALS, type PlanTotals, type RemoteEntry, bytesOf } from '../model/plan.ts';
import type { Record } from '../model/record.ts';
import { difference } from './detect.ts';
import type { PlanRules, Sides } from './sides.ts';
import { decideBoth, decidePull } from './three-way.ts';

/** The brain: decides one key. Pure. Undefined means in step (or not this vault's business). */
export function decide(sides: Sides, rules: PlanRules): Action | undefined {
  const { local, record } = sides;
  if (local?.kind === 'oddity') return skipOddity(local);
  switch (rules.direction) {
    case 'push':
      if (local === undefined) return record === undefined ? undefined : decideGone(record, rules);
      return decidePush(local, sides, rules);
    case 'pull':
      return decidePull({ ...sides, local }, rules);
    case 'both':
      return decideBoth({ ...sides, local }, rules);
    default:
      return rules.direction satisfies never;
  }
}

function skipOddity(oddity: Oddity): Action {
  return {
    kind: 'skip',
    key: oddity.key,
    path: oddity.path,
    reason: oddity.reason,
    ...(oddity.code === undefined ? {} : { code: oddity.code }),
  };
}

function decideGone(record: Record, rules: PlanRules): Action | undefined {
  const { key, path } = record;
  if (rules.ignores(path)) return undefined;
  if (!rules.removals) return { kind: 'skip', key, path, reason: 'removal-off', stays: record };
  return { kind: 'remove-remote', key, path, reason: 'gone-locally', record };
}

function decidePush(local: Entry, sides: Sides, rules: PlanRules): Action | undefined {
  const { record, remote } = sides;
  const { key, path } = local;
  if (local.size > rules.maxSize) return { kind: 'skip', key, path, reason: 'too-large' };
  const base = { kind: 'put', key, path, local } as const;
  if (record === undefined) {
    if (remote !== undefined) return { ...base, reason: 'new', doubt: 'index-lost', remote };
    return { ...base, reason: 'new' };
  }
  if (rules.listed && remote === undefined) return { ...base, record, reason: 'missing-remotely' };
  if (rules.listed && remote !== undefined && remote.etag !== record.etag) {
    return { ...base, record, remote, reason: 'changed-remotely' };
  }
  if (record.modeFingerprint !== rules.modeFingerprint) return { ...base, record, reason: 'other-mode' };
  const differs = difference(local, record);
  if (differs === 'same') return undefined;
  if (differs === 'doubt') return { ...base, record, reason: 'touched', doubt: 'stamp' };
  return { ...base, record, reason: 'changed' };
}

/**
 * Plans a whole tree: merges the three sides, each in the order of keys, and decides key by key with flat memory.
 * Records below a folder that could not be read are left alone: what was not seen is not gone.
 */
export async function* planActions(
  locals: AsyncIterable<readonly Seen[]>,
  remotes: AsyncIterable<readonly RemoteEntry[]> | undefined,
  records: Iterable<readonly Record[]>,
  rules: PlanRules,
): AsyncIterable<Action> {
  let unseen: string | undefined;
  for await (const merged of mergeSides(locals, remotes, records)) {
    const sides = lacksPath(merged, rules) ? await withPath(merged, rules) : merged;
    if (sides.local?.kind === 'oddity' && sides.key.endsWith('/')) unseen = sides.key;
    if (sides.local === undefined && unseen !== undefined && sides.key.startsWith(unseen)) continue;
    const action = decide(sides, rules);
    if (action !== undefined) yield action;
  }
}

/** Only the bucket knows it, and it may come here. */
export const lacksPath = ({ local, record, remote }: Sides, { direction, pathOf }: PlanRules): boolean =>
  pathOf !== undefined &&
  direction !== 'push' &&
  local === undefined &&
  record === undefined &&
  remote !== undefined;

export async function withPath(sides: Sides, { pathOf }: PlanRules): Promise<Sides> {
  if (sides.remote === undefined || pathOf === undefined) return sides;
  return { ...sides, path: await pathOf(sides.remote) };
}

/** Merges three sorted streams of batches into one stream of Sides. */
export async function* mergeSides(
  locals: AsyncIterable<readonly Seen[]>,
  remotes: AsyncIterable<readonly RemoteEntry[]> | undefined,
  records: Iterable<readonly Record[]>,
): AsyncIterable<Sides> {
  const a = new Side<Seen>(locals[Symbol.asyncIterator]());
  const b = new Side<RemoteEntry>(remotes?.[Symbol.asyncIterator]());
  const c = new Side<Record>(records[Symbol.iterator]());
  try {
    for (;;) {
      // Batches are refilled rarely: asking first avoids a turn of the event loop per key.
      if (a.dry) await a.fill();
      if (b.dry) await b.fill();
      if (c.dry) await c.fill();
      const key = least(least(a.head?.key, b.head?.key), c.head?.key);
      if (key === undefined) return;
      yield { key, local: a.take(key), remote: b.take(key), record: c.take(key) };
    }
  } finally {
    await a.end();
    await b.end();
    await c.end();
  }
}

function least(a: NameKey | undefined, b: NameKey | undefined): NameKey | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return compareUtf8(a, b) <= 0 ? a : b;
}

type Batches<T> = AsyncIterator<readonly T[]> | Iterator<readonly T[]>;

/** One sorted stream of batches, looked at one element at a time. */
class Side<T extends { readonly key: NameKey }> {
  readonly #source: Batches<T> | undefined;
  #batch: readonly T[] = [];
  #at = 0;
  #ended: boolean;

  constructor(source: Batches<T> | undefined) {
    this.#source = source;
    this.#ended = source === undefined;
  }

  get head(): T | undefined {
    return this.#batch[this.#at];
  }

  /** True where `fill` must be awaited before `head` says anything. */
  get dry(): boolean {
    return this.#at >= this.#batch.length && !this.#ended;
  }

  async fill(): Promise<void> {
    while (this.dry && this.#source !== undefined) {
      const next = await this.#source.next();
      if (next.done === true) this.#ended = true;
      else {
        this.#batch = next.value;
        this.#at = 0;
      }
    }
  }

  take(key: NameKey): T | undefined {
    const head = this.head;
    if (head?.key !== key) return undefined;
    this.#at++;
    return head;
  }

  async end(): Promise<void> {
    if (!this.#ended) await this.#source?.return?.();
    this.#ended = true;
  }
}

/** Adds one Action to the totals; `bytes` counts what is moved. */
export function addToTotals(totals: PlanTotals, action: Action): PlanTotals {
  const moved = bytesOf(action);
  const bytes = totals.bytes + moved;
  switch (action.kind) {
    case 'put':
      return { ...totals, put: totals.put + 1, bytes, putBytes: totals.putBytes + moved };
    case 'get':
      return { ...totals, get: totals.get + 1, bytes, getBytes: totals.getBytes + moved };
    case 'remove-remote':
      return { ...totals, removeRemote: totals.removeRemote + 1 };
    case 'remove-local':
      return { ...totals, removeLocal: totals.removeLocal + 1 };
    case 'conflict':
      return { ...totals, conflict: totals.conflict + 1, bytes };
    case 'skip':
      return { ...totals, skip: totals.skip + 1 };
    case 'forget':
      return totals;
    default:
      return action satisfies never;
  }
}

export function totalsOf(actions: Iterable<Action>): PlanTotals {
  let totals = EMPTY_TOTALS;
  for (const action of actions) totals = addToTotals(totals, action);
  return totals;
}

/** Share and number of removals above which a person must agree (`product.md`, Sync rules). */
export const BRAKE_SHARE = 0.25;
export const BRAKE_FILES = 1_000;

/** True where so many removals at once need consent. `known` counts the Records before the Plan. */
export function braked(removals: number, known: number): boolean {
  return removals > BRAKE_FILES || (removals > 0 && removals > known * BRAKE_SHARE);
}
