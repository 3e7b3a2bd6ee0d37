import { type RelPath, relPath } from '../model/brands.ts';
import type { Hint } from '../model/hint.ts';
import type { Clock } from '../model/ports.ts';

/** A path that never stays still is looked at after this long all the same. */
const LONGEST_WAIT_MS = 30_000;
/** More changed names in one folder than this are one scan of the folder, and more folders one of everything. */
const NAMES_PER_FOLDER = 500;
const HINTS = 20_000;

interface Waiting {
  readonly hint: Hint;
  readonly first: number;
  due: number;
}

/**
 * Merges Hints and lets each settle: a path is handed out once it has had no further Hint for `settleMs`. Many Hints
 * about one path are one; `under` covers `path`.
 */
export class Hints {
  readonly #waiting = new Map<string, Waiting>();
  /** Path hints per folder since the last time that any were handed out. */
  readonly #crowds = new Map<RelPath, number>();
  readonly #clock: Clock;
  readonly #settleMs: number;
  readonly #onReady: () => void;
  #cancelTimer: (() => void) | undefined;
  #timerDue = Number.POSITIVE_INFINITY;

  /** `onReady` is called when `take` has something to give. */
  constructor(clock: Clock, settleMs: number, onReady: () => void) {
    this.#clock = clock;
    this.#settleMs = settleMs;
    this.#onReady = onReady;
  }

  /** Hints that wait or are ready. */
  get size(): number {
    return this.#waiting.size;
  }

  add(hint: Hint, delayMs: number = this.#settleMs): void {
    const now = this.#clock.ticks();
    const known = this.#waiting.get(hint.path);
    const first = known?.first ?? now;
    // A wait for the next try is as long as it is; only settling has an end.
    const due =
      delayMs > this.#settleMs
        ? now + delayMs
        : Math.min(now + delayMs, Math.max(first + LONGEST_WAIT_MS, now));
    const merged = known?.hint.kind === 'under' ? known.hint : hint;
    this.#waiting.set(hint.path, { hint: merged, first, due });
    this.#arm(due);
    if (known === undefined && hint.kind === 'path' && delayMs <= this.#settleMs) this.#crowd(hint.path);
  }

  /** Too many names to look at one by one: their folder, or the root, is scanned instead. */
  #crowd(path: RelPath): void {
    const folder = relPath(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    const count = (this.#crowds.get(folder) ?? 0) + 1;
    this.#crowds.set(folder, count);
    const whole = this.#waiting.size > HINTS ? relPath('') : folder;
    if (count <= NAMES_PER_FOLDER && whole === folder) return;
    const covering = new Set([whole]);
    const soon = this.#clock.ticks() + this.#settleMs;
    for (const [name, { due }] of this.#waiting) {
      if (due <= soon && isBelow(name, covering)) this.#waiting.delete(name);
    }
    this.#crowds.clear();
    this.add({ kind: 'under', path: whole });
  }

  /** All Hints that have settled, without those that an `under` among them covers. */
  take(): readonly Hint[] {
    const now = this.#clock.ticks();
    const ready: Hint[] = [];
    this.#crowds.clear();
    for (const [path, waiting] of this.#waiting) {
      if (waiting.due > now) continue;
      ready.push(waiting.hint);
      this.#waiting.delete(path);
    }
    this.#rearm();
    return withoutCovered(ready);
  }

  /** Forgets all, for the end. */
  clear(): void {
    this.#waiting.clear();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerDue = Number.POSITIVE_INFINITY;
  }

  #arm(due: number): void {
    if (due >= this.#timerDue) return;
    this.#cancelTimer?.();
    this.#timerDue = due;
    this.#cancelTimer = this.#clock.after(Math.max(0, due - this.#clock.ticks()), () => {
      this.#timerDue = Number.POSITIVE_INFINITY;
      if (this.#hasReady()) this.#onReady();
      else this.#rearm();
    });
  }

  #hasReady(): boolean {
    const now = this.#clock.ticks();
    for (const waiting of this.#waiting.values()) if (waiting.due <= now) return true;
    return false;
  }

  #rearm(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting.values()) next = Math.min(next, waiting.due);
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next);
  }
}

function withoutCovered(hints: readonly Hint[]): readonly Hint[] {
  const folders = new Set<string>(hints.filter((hint) => hint.kind === 'under').map((hint) => hint.path));
  if (folders.size === 0) return hints;
  return hints.filter((hint) => !isBelow(hint.path, folders));
}

/** Whether a look at these Hints looks at a path: its own, or that of a folder it lies in. */
export function coveredBy(hints: readonly Hint[]): (path: string) => boolean {
  const paths = new Set<string>(hints.map(({ path }) => path));
  return (path) => paths.has(path) || isBelow(path, paths);
}

function isBelow(path: string, folders: ReadonlySet<string>): boolean {
  if (path !== '' && folders.has('')) return true;
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    if (folders.has(path.slice(0, at))) return true;
  }
  return false;
}
