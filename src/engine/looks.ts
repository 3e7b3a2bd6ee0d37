import type { NameKey } from '../model/brands.ts';

/**
 * Keys whose object is to be looked at before their path is planned again: a condition failed, a fetch came to nothing, an
 * answer got lost. Only for directions in which changes come from the bucket too.
 */
export class Looks {
  readonly #keys = new Set<NameKey>();

  ask(key: NameKey): void {
    this.#keys.add(key);
  }

  asked(key: NameKey): boolean {
    return this.#keys.has(key);
  }

  done(key: NameKey): void {
    this.#keys.delete(key);
  }
}
