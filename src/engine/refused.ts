import type { NameKey, RelPath } from '../model/brands.ts';
import type { FileTree } from '../model/ports.ts';
import { type RefusedRemoval, type Removal, isRefused, isRemoval } from '../model/refused.ts';
import type { Action } from '../model/plan.ts';
import type { Vault } from '../model/vault.ts';
import { Refusing, type RefusingParts } from './refusing.ts';

/** Where they are kept, and the rules that removals come by. */
export interface RefusedParts extends RefusingParts {
  readonly vault: Pick<Vault, 'direction' | 'rules'>;
  readonly tree: Pick<FileTree, 'ignores'>;
}

/**
 * Removals that a person said no to: none of them is done before they say yes, however it comes up again, also in later runs,
 * for they stand in the Index. One is over when its file is there again; one that these rules would not do anyhow sleeps.
 */
export class Refused {
  readonly #parts: RefusedParts;
  /** As it was found last; only as it was said where no look has found it in this run. */
  readonly #files = new Map<NameKey, Removal | RefusedRemoval>();
  readonly #asleep = new Set<NameKey>();
  readonly #written: Refusing;

  constructor(parts: RefusedParts) {
    this.#parts = parts;
    this.#written = new Refusing(parts);
  }

  /** Those of earlier runs. */
  async open(): Promise<void> {
    for await (const page of this.#written.open()) for (const said of page) this.#files.set(said.key, said);
  }

  /** See `Refusing`: no removal is done unasked. */
  get doubtful(): boolean {
    return this.#written.doubtful;
  }

  /** A person was asked about all there is. */
  trust(): void {
    this.#written.trust();
  }

  /** See `Refusing.settled`. */
  settled(signal: AbortSignal): Promise<void> {
    return this.#written.settled(signal);
  }

  /** Those that would be done now, but for the no. */
  get count(): number {
    return this.#files.size - this.#asleep.size;
  }

  /** Those that sleep, too. */
  get size(): number {
    return this.#files.size;
  }

  get(key: NameKey): Removal | RefusedRemoval | undefined {
    return this.#files.get(key);
  }

  /** Of one kind, or all. */
  *keys(kind?: Removal['kind']): Iterable<NameKey> {
    for (const [key, said] of this.#files) if (kind === undefined || said.kind === kind) yield key;
  }

  /** The very removal that was refused. */
  has(action: Action): boolean {
    const said = this.#files.get(action.key);
    return said !== undefined && isRemoval(action) && isRefused(action, said);
  }

  /** It is there to be done, still. */
  found(removal: Removal): void {
    this.#files.set(removal.key, removal);
    this.#asleep.delete(removal.key);
  }

  /** Those that looks of this run have found. */
  *standing(): Iterable<Removal> {
    for (const said of this.#files.values()) if ('record' in said && !this.#asleep.has(said.key)) yield said;
  }

  add(removals: readonly Removal[]): void {
    this.#written.put(removals);
    for (const removal of removals) this.found(removal);
  }

  /** A person agreed to them, or the files are back. */
  forget(keys: Iterable<NameKey>): void {
    const known = [...new Set(keys)].filter((key) => this.#files.has(key));
    if (known.length === 0) return;
    if (known.length === this.#files.size) this.#written.clear();
    else this.#written.remove(known);
    for (const key of known) {
      this.#files.delete(key);
      this.#asleep.delete(key);
    }
  }

  /** A look did not find these. Nothing is over that it would not have found anyhow. */
  missed(keys: Iterable<NameKey>): void {
    const over: NameKey[] = [];
    for (const key of keys) {
      const said = this.#files.get(key);
      if (said === undefined) continue;
      if (this.#comes(said)) over.push(key);
      else this.#asleep.add(key);
    }
    this.forget(over);
  }

  #comes({ kind, path }: { readonly kind: Removal['kind']; readonly path: RelPath }): boolean {
    const { vault, tree } = this.#parts;
    const other = kind === 'remove-remote' ? 'pull' : 'push';
    return vault.rules.removals && vault.direction !== other && !tree.ignores(path);
  }
}
