import type { NameKey } from '../model/brands.ts';
import type { Entry } from '../model/entry.ts';
import type { Action } from '../model/plan.ts';
import type { Record } from '../model/record.ts';
import type { CollectedPlan } from './collect.ts';

/** Objects known at a time: some 60 MB. Beyond that those offered first are forgotten, and their files are sent. */
const MOST = 2 ** 18;

/**
 * Objects whose files are gone, for as long as they stand in the bucket: found by the digest of their plaintext and by nothing
 * else, the one with the file's inode first. Known by their names: what the Index says of one is asked when it is needed.
 */
export class Renames {
  readonly #most: number;
  /** Oldest first. */
  readonly #offered = new Map<NameKey, { readonly digest: string; readonly inode: number }>();
  readonly #byDigest = new Map<string, Set<NameKey>>();
  readonly #byInode = new Map<number, NameKey>();

  constructor(most = MOST) {
    this.#most = most;
  }

  get size(): number {
    return this.#offered.size;
  }

  offer(records: Iterable<Pick<Record, 'key' | 'digest' | 'inode'>>): void {
    for (const { key, digest: bytes, inode } of records) {
      this.drop(key);
      if (bytes === undefined) continue;
      const digest = text(bytes);
      this.#offered.set(key, { digest, inode });
      this.#byInode.set(inode, key);
      const same = this.#byDigest.get(digest);
      if (same === undefined) this.#byDigest.set(digest, new Set([key]));
      else same.add(key);
      const [first] = this.#offered.size > this.#most ? this.#offered.keys() : [];
      if (first !== undefined) this.drop(first);
    }
  }

  find({ inode }: Pick<Entry, 'inode'>, digest: Uint8Array): NameKey | undefined {
    const same = this.#byDigest.get(text(digest));
    const moved = this.#byInode.get(inode);
    if (moved !== undefined && same?.has(moved) === true) return moved;
    const [first] = same ?? [];
    return first;
  }

  /** It is gone, or did not serve. */
  drop(key: NameKey): void {
    const known = this.#offered.get(key);
    if (known === undefined) return;
    const { digest, inode } = known;
    this.#offered.delete(key);
    if (this.#byInode.get(inode) === key) this.#byInode.delete(inode);
    const same = this.#byDigest.get(digest);
    same?.delete(key);
    if (same?.size === 0) this.#byDigest.delete(digest);
  }

  /** Whatever still counts is offered anew. */
  forget(): void {
    for (const known of [this.#offered, this.#byDigest, this.#byInode]) known.clear();
  }
}

const text = (digest: Uint8Array): string => Buffer.from(digest).toString('latin1');

const SIZES = 2 ** 20;

/** Sizes of files, however many: as much as is needed to say that none was of this size. Takes 128 KiB, once there is one. */
export class Sizes {
  #bits: Uint8Array | undefined;

  add(size: number): void {
    this.#bits ??= new Uint8Array(SIZES / 8);
    const at = place(size);
    this.#bits[at >> 3] = (this.#bits[at >> 3] ?? 0) | (1 << (at & 7));
  }

  /** True for others now and then. */
  mayHave(size: number): boolean {
    const at = place(size);
    return ((this.#bits?.[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }
}

const place = (size: number): number => size % SIZES;

type Removal = Extract<Action, { kind: 'remove-remote' }>;

/** A removal of an object that a new file of the Plan, as large as its file was, may be. */
export const mayBeRenamed =
  ({ newSizes }: Pick<CollectedPlan, 'newSizes'>) =>
  (action: Action): action is Removal =>
    action.kind === 'remove-remote' && action.record.size > 0 && newSizes.mayHave(action.record.size);

type IsRenamed = (action: Action) => boolean;

/** Plans under way that may still copy from what is to be removed: a removal agreed to meanwhile waits for them. */
export class Copying {
  readonly #open = new Set<{ readonly ended: Promise<void>; readonly isRenamed: IsRenamed }>();

  /** `ended` must not reject. */
  until(ended: Promise<void>, isRenamed: IsRenamed): void {
    const one = { ended, isRenamed };
    this.#open.add(one);
    void ended.then(() => this.#open.delete(one));
  }

  /** What may go at once, and what goes after the copies; none that is empty. */
  parts(
    removals: readonly Action[],
  ): readonly { readonly after: Promise<unknown>; readonly some: readonly Action[] }[] {
    const open = [...this.#open];
    const waits = (action: Action): boolean => open.some(({ isRenamed }) => isRenamed(action));
    return [
      { after: Promise.resolve(), some: removals.filter((action) => !waits(action)) },
      { after: Promise.all(open.map(({ ended }) => ended)), some: removals.filter(waits) },
    ].filter(({ some }) => some.length > 0);
  }
}
