import type { NameKey, RelPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import type { Entry } from '../model/entry.ts';
import type { Action } from '../model/plan.ts';
import type { Emitter } from './emitter.ts';

/**
 * What a person took out of the queue: it stays out until the file changes or is tried again. It is remembered by this
 * run only, and shows as a problem: a file that is not in the bucket must not look as if it were.
 */
export class LeftOut {
  /** `entry`: what was left out; undefined for an Action that has none, or that had not come yet. */
  readonly #keys = new Map<NameKey, { readonly path: RelPath; readonly entry: Entry | undefined }>();
  readonly #emitter: Pick<Emitter, 'emit' | 'cleared'>;

  /** Those that are being looked at again: what no Action comes for is over. */
  readonly #looked = new Set<NameKey>();

  constructor(emitter: Pick<Emitter, 'emit' | 'cleared'>) {
    this.#emitter = emitter;
  }

  add(key: NameKey, path: RelPath, action: Action | undefined): void {
    this.#keys.set(key, { path, entry: entryOf(action) });
    this.#emitter.emit({
      event: 'warning',
      path,
      code: 'left-out',
      message: `${safeName(path)} was left out: you took it out of the queue`,
      hint: 'it is sent when it changes, or when you try it again',
    });
  }

  /** Whether this Action is to be passed over. */
  has(action: Action): boolean {
    const known = this.#keys.get(action.key);
    if (known === undefined) return false;
    this.#looked.delete(action.key);
    const { path, entry } = known;
    const now = entryOf(action);
    if (entry === undefined) {
      this.#keys.set(action.key, { path, entry: now });
      return true;
    }
    const same = now !== undefined && now.size === entry.size && now.mtime === entry.mtime;
    if (!same) this.#keys.delete(action.key);
    return same;
  }

  get count(): number {
    return this.#keys.size;
  }

  keys(): readonly NameKey[] {
    return [...this.#keys.keys()];
  }

  paths(): readonly RelPath[] {
    return [...this.#keys.values()].map(({ path }) => path);
  }

  forget(key: NameKey): void {
    const known = this.#keys.get(key);
    this.#keys.delete(key);
    if (known !== undefined) this.#emitter.cleared([known.path]);
  }

  lookingAt(covers: (path: string) => boolean): void {
    for (const [key, { path }] of this.#keys) if (covers(path)) this.#looked.add(key);
  }

  /** All that came of the looks is done. */
  settle(): void {
    for (const key of this.#looked) this.forget(key);
    this.#looked.clear();
  }
}

const entryOf = (action: Action | undefined): Entry | undefined =>
  action?.kind === 'put' ? action.local : undefined;
