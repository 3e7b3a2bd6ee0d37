import type { Entry } from '../model/entry.ts';
import type { Action } from '../model/plan.ts';
import type { Record } from '../model/record.ts';
import type { CollectedPlan } from './collect.ts';

/**
 * Objects whose files are gone, for as long as they stand in the bucket: found by the digest of their plaintext and by nothing
 * else, the one with the file's inode first.
 */
export class Renames {
  readonly #byDigest = new Map<string, Set<Record>>();
  readonly #byInode = new Map<number, Record>();

  offer(records: Iterable<Record>): void {
    for (const record of records) {
      if (record.digest === undefined) continue;
      this.#byInode.set(record.inode, record);
      const digest = text(record.digest);
      const same = this.#byDigest.get(digest);
      if (same === undefined) this.#byDigest.set(digest, new Set([record]));
      else same.add(record);
    }
  }

  find(local: Entry, digest: Uint8Array): Record | undefined {
    const moved = this.#byInode.get(local.inode);
    const same = this.#byDigest.get(text(digest));
    if (moved !== undefined && same?.has(moved) === true) return moved;
    const [first] = same ?? [];
    return first;
  }

  /** It is gone, or did not serve. */
  drop(record: Record): void {
    if (this.#byInode.get(record.inode) === record) this.#byInode.delete(record.inode);
    if (record.digest === undefined) return;
    const digest = text(record.digest);
    const same = this.#byDigest.get(digest);
    same?.delete(record);
    if (same?.size === 0) this.#byDigest.delete(digest);
  }
}

const text = (digest: Uint8Array): string => Buffer.from(digest).toString('base64');

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
