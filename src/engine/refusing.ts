import type { NameKey } from '../model/brands.ts';
import { asVaultError, type VaultError } from '../model/errors.ts';
import type { Index } from '../model/ports.ts';
import { type RefusedRemoval, type Removal, refusedBy } from '../model/refused.ts';

/** Rows written at a time: tens of milliseconds. */
export const SLICE = 2_000;
/** There while a no is being written. */
const UNFINISHED = 'refusing';

export interface RefusingParts {
  readonly index: Pick<Index, 'refused' | 'meta' | 'setMeta'>;
  /** Called where a later slice cannot be written: nothing of what is left is. */
  readonly fail?: (error: VaultError) => void;
}

/**
 * Writes to the Index what a person refused, a million removals too, without holding up all else: one slice at once, so that
 * what cannot be written is no answer, the others one after the other. Where the process dies meanwhile, the next one knows
 * (`doubtful`) and asks about every removal; what is dropped too late was refused too long, which is no harm.
 */
export class Refusing {
  readonly #parts: RefusingParts;
  /** Still to be written; undefined: to be dropped. */
  readonly #due = new Map<NameKey, Removal | undefined>();
  #writing: Promise<void> | undefined;
  #given = false;
  #doubtful = false;

  constructor(parts: RefusingParts) {
    this.#parts = parts;
  }

  /** What earlier runs wrote, page by page. */
  async *open(): AsyncIterable<readonly RefusedRemoval[]> {
    const { index } = this.#parts;
    this.#doubtful = index.meta(UNFINISHED) !== undefined;
    const book = index.refused();
    let page = book.page(undefined, SLICE);
    while (page.length > 0) {
      yield page;
      if (page.length < SLICE) return;
      await turn();
      page = book.page(page.at(-1)?.key, SLICE);
    }
  }

  /** A no was not written to its end: nobody knows what else it was about. */
  get doubtful(): boolean {
    return this.#doubtful;
  }

  /** A person was asked about all there is. */
  trust(): void {
    if (!this.#doubtful) return;
    this.#doubtful = false;
    if (this.#due.size === 0) this.#parts.index.setMeta(UNFINISHED, undefined);
  }

  /** Throws what the Index throws, and then nothing is kept. */
  put(removals: readonly Removal[]): void {
    if (removals.length > SLICE) this.#parts.index.setMeta(UNFINISHED, 'true');
    this.#write(removals.slice(0, SLICE).map((removal) => [removal.key, removal] as const));
    for (const removal of removals.slice(SLICE)) this.#due.set(removal.key, removal);
    this.#goOn();
  }

  remove(keys: readonly NameKey[]): void {
    this.#write(keys.slice(0, SLICE).map((key) => [key, undefined] as const));
    for (const key of keys.slice(SLICE)) this.#due.set(key, undefined);
    this.#goOn();
  }

  clear(): void {
    this.#parts.index.refused().clear();
    this.#due.clear();
  }

  /** Resolves once everything is written; `signal`: what is not by then is left. */
  async settled(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#giveUp();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    await this.#writing;
    signal.removeEventListener('abort', stop);
  }

  #goOn(): void {
    if (this.#due.size > 0) this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#due.size > 0) {
        await turn();
        this.#write(firstOf(this.#due, SLICE));
      }
      if (!this.#given && !this.#doubtful) this.#parts.index.setMeta(UNFINISHED, undefined);
    } catch (thrown) {
      this.#giveUp();
      this.#parts.fail?.(asVaultError(thrown));
    } finally {
      this.#writing = undefined;
    }
  }

  #giveUp(): void {
    this.#given ||= this.#due.size > 0;
    this.#due.clear();
  }

  #write(some: readonly (readonly [NameKey, Removal | undefined])[]): void {
    const book = this.#parts.index.refused();
    book.put(some.flatMap(([, removal]) => (removal === undefined ? [] : [refusedBy(removal)])));
    book.remove(some.flatMap(([key, removal]) => (removal === undefined ? [key] : [])));
    for (const [key] of some) this.#due.delete(key);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function firstOf<K, V>(entries: Iterable<readonly [K, V]>, count: number): readonly (readonly [K, V])[] {
  const first: (readonly [K, V])[] = [];
  for (const entry of entries) if (first.push(entry) >= count) break;
  return first;
}
