import type { NameKey, RelPath } from '../model/brands.ts';
import { EXIT, type VaultError } from '../model/errors.ts';
import type { Shortfall } from '../model/event.ts';
import type { Action } from '../model/plan.ts';

/** Paths whose last try failed and is not repeated by itself, until one succeeds. */
export class Failures {
  readonly #open = new Map<NameKey, { readonly path: RelPath; readonly distrusted: boolean }>();

  add({ key, path }: Action, { kind }: Pick<VaultError, 'kind'>): void {
    this.#open.set(key, { path, distrusted: kind === 'security' });
  }

  forget(key: NameKey): void {
    this.#open.delete(key);
  }

  paths(): readonly RelPath[] {
    return [...this.#open.values()].map(({ path }) => path);
  }

  /** What an idle vault falls short of, with so many files that are not in the bucket; undefined where all is in step. */
  short(unprotected: number): Shortfall | undefined {
    const failed = this.#open.size;
    if (failed + unprotected === 0) return undefined;
    const distrusted = [...this.#open.values()].some((one) => one.distrusted);
    return { failed, unprotected, exit: distrusted ? EXIT.security : EXIT.someFailed };
  }
}
