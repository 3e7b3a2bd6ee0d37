import { compareUtf8 } from '../model/brands.ts';

/**
 * The keys of a bucket in UTF-8 byte order, sorted only when somebody lists. Removed keys stay until there are many:
 * whoever walks the order looks each key up anyway.
 */
export class SortedKeys {
  #sorted: string[] = [];
  #fresh: string[] = [];
  #removed = 0;

  /** A key that was not there. */
  add(key: string): void {
    this.#fresh.push(key);
  }

  /** Some key is gone. */
  remove(): void {
    this.#removed++;
  }

  /** In order, without repeats. `has` tells which are still there, for the clearing out. */
  inOrder(has: (key: string) => boolean): readonly string[] {
    if (this.#removed > 1_000 && this.#removed > this.#sorted.length / 2) {
      this.#sorted = this.#sorted.filter(has);
      this.#removed = 0;
    }
    if (this.#fresh.length > 0) {
      this.#sorted = merge(this.#sorted, this.#fresh.sort(compareUtf8));
      this.#fresh = [];
    }
    return this.#sorted;
  }
}

function merge(a: readonly string[], b: readonly string[]): string[] {
  const merged: string[] = [];
  let i = 0;
  let j = 0;
  let last: string | undefined;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    const takeLeft = right === undefined || (left !== undefined && compareUtf8(left, right) <= 0);
    const next = takeLeft ? left : right;
    if (takeLeft) i++;
    else j++;
    if (next !== undefined && next !== last) merged.push(next);
    last = next;
  }
  return merged;
}

/** First index whose key is not before `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  return firstWhere(keys, 0, (candidate) => compareUtf8(candidate, key) >= 0);
}

/** First index from `from` on where `holds` is true; it must stay true from there on. */
export function firstWhere(keys: readonly string[], from: number, holds: (key: string) => boolean): number {
  let low = from;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(keys[middle] ?? '')) high = middle;
    else low = middle + 1;
  }
  return low;
}
