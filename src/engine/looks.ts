import type { NameKey, RelPath } from '../model/brands.ts';
import type { Clock } from '../model/ports.ts';

interface Look {
  readonly path: RelPath;
  /** In ticks: not worth a request before. */
  readonly due: number;
}

/**
 * Keys whose object is to be looked at before their path is planned again: a condition failed, a fetch came to nothing, an
 * answer got lost. Only for directions in which changes come from the bucket too. A look counts once the Plan that it was
 * made for is there: one that was broken off is made again.
 */
export class Looks {
  readonly #clock: Pick<Clock, 'ticks'>;
  readonly #open = new Map<NameKey, Look>();
  /** Made for a Plan that is not there yet. */
  readonly #made = new Map<NameKey, Look>();

  constructor(clock: Pick<Clock, 'ticks'>) {
    this.#clock = clock;
  }

  ask(key: NameKey, path: RelPath, delayMs = 0): void {
    this.#open.set(key, { path, due: this.#clock.ticks() + delayMs });
  }

  asked(key: NameKey): boolean {
    return this.#open.has(key);
  }

  get some(): boolean {
    return this.#open.size > 0;
  }

  /** Those of a folder and below it whose time has come. */
  under(folder: RelPath): readonly RelPath[] {
    const now = this.#clock.ticks();
    return [...this.#open.values()]
      .filter(({ path, due }) => due <= now && (path === folder || path.startsWith(`${folder}/`)))
      .map(({ path }) => path);
  }

  /** Those that a listing which begins now does instead: whose time has come; all where no Hint `leadsThere`. */
  listed(leadsThere: boolean): readonly NameKey[] {
    const now = this.#clock.ticks();
    return [...this.#open].filter(([, { due }]) => !leadsThere || due <= now).map(([key]) => key);
  }

  /** The object was looked at, for the Plan that is being made. */
  made(key: NameKey): void {
    const look = this.#open.get(key);
    if (look === undefined) return;
    this.#open.delete(key);
    this.#made.set(key, look);
  }

  /** Whether the Plan that is being made has it already, with its object. */
  isMade(key: NameKey): boolean {
    return this.#made.has(key);
  }

  /** A Plan is made from the beginning: what was looked at for one that never came to be is looked at again. */
  begin(): void {
    for (const [key, look] of this.#made) if (!this.#open.has(key)) this.#open.set(key, look);
    this.#made.clear();
  }

  /** The Plan is there. */
  planned(): void {
    this.#made.clear();
  }

  /** Everything was listed. */
  done(keys: readonly NameKey[]): void {
    for (const key of keys) this.#open.delete(key);
  }
}
