import type { NameKey, RelPath } from '../model/brands.ts';
import { EXIT, type VaultError } from '../model/errors.ts';
import type { Shortfall } from '../model/event.ts';
import type { Action } from '../model/plan.ts';
import type { Emitter } from './emitter.ts';

type Others = Required<Pick<Shortfall, 'unprotected' | 'leftOut' | 'declined'>>;

/** Paths whose last try failed and is not repeated by itself, until one succeeds. */
export class Failures {
  readonly #open = new Map<NameKey, { readonly path: RelPath; readonly distrusted: boolean }>();

  readonly #emitter: Pick<Emitter, 'cleared'>;
  /** Those that are being looked at again: what does not fail again is over. */
  readonly #looked = new Set<NameKey>();

  constructor(emitter: Pick<Emitter, 'cleared'>) {
    this.#emitter = emitter;
  }

  add({ key, path }: Action, { kind }: Pick<VaultError, 'kind'>): void {
    this.#looked.delete(key);
    this.#open.set(key, { path, distrusted: kind === 'security' });
  }

  has(key: NameKey): boolean {
    return this.#open.has(key);
  }

  forget(key: NameKey): void {
    this.#open.delete(key);
  }

  /** It was found again and is not tried yet: it is as wrong as before. */
  kept(key: NameKey): void {
    this.#looked.delete(key);
  }

  /** It is over, or does not count any more: nothing tells of it now. */
  dismiss(key: NameKey): void {
    const known = this.#open.get(key);
    this.#open.delete(key);
    if (known !== undefined) this.#emitter.cleared([known.path], 'failed');
  }

  lookingAt(covers: (path: RelPath) => boolean): void {
    for (const [key, { path }] of this.#open) if (covers(path)) this.#looked.add(key);
  }

  /** All that came of the looks is done. */
  settle(): void {
    for (const key of this.#looked) this.dismiss(key);
    this.#looked.clear();
  }

  paths(): readonly RelPath[] {
    return [...this.#open.values()].map(({ path }) => path);
  }

  /**
   * What an idle vault falls short of, with so many files that are not in the bucket, that were left out, and removals that a
   * person did not want; undefined where all is in step.
   */
  short({ unprotected, leftOut, declined }: Others): Shortfall | undefined {
    const failed = this.#open.size;
    if (failed + unprotected + leftOut + declined === 0) return undefined;
    const distrusted = [...this.#open.values()].some((one) => one.distrusted);
    const exit = failed + unprotected + leftOut > 0 ? EXIT.someFailed : EXIT.consent;
    return {
      failed,
      unprotected,
      ...(leftOut === 0 ? {} : { leftOut }),
      ...(declined === 0 ? {} : { declined }),
      exit: distrusted ? EXIT.security : exit,
    };
  }
}
