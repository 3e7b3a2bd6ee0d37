import type { NameKey, RelPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { type LeftOutFile, type LeftOutKind, isLeftOut, leftOutBy } from '../model/left-out.ts';
import type { Action } from '../model/plan.ts';
import type { FileTree, Index } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import type { Emitter } from './emitter.ts';

/** The rules of a look, which say what it can end. */
interface LookedBy {
  readonly vault: Pick<Vault, 'direction'>;
  readonly tree: Pick<FileTree, 'ignores'>;
}

/**
 * What a person took out of the queue: it stays out until the file or its object changes, or they take it back; also in
 * later runs, for it stands in the Index. It shows as a problem: what is not in step must not look as if it were.
 */
export class LeftOut {
  readonly #files = new Map<NameKey, LeftOutFile>();
  readonly #index: Pick<Index, 'leftOut'>;
  readonly #emitter: Pick<Emitter, 'emit' | 'cleared'>;
  /** Those that are being looked at again: what no Action comes for is over. */
  readonly #looked = new Set<NameKey>();
  /** Those that were skipped: that shows instead, and is told over. */
  readonly #shadowed = new Set<NameKey>();

  constructor(index: Pick<Index, 'leftOut'>, emitter: Pick<Emitter, 'emit' | 'cleared'>) {
    this.#index = index;
    this.#emitter = emitter;
  }

  /** Those of earlier runs. */
  open(): void {
    for (const file of this.#index.leftOut().all()) {
      this.#files.set(file.key, file);
      this.#tell(file);
    }
  }

  /** False where the Action does nothing that could be left out. */
  add(action: Action): boolean {
    const file = leftOutBy(action);
    if (file === undefined) return false;
    this.#index.leftOut().put(file);
    this.#files.set(file.key, file);
    this.#tell(file);
    return true;
  }

  /**
   * Whether this Action is to be passed over. One for a file or an object that has changed ends the leaving out; one that will
   * change the object does so once it is done (`done`).
   */
  has(action: Action): boolean {
    if (action.kind === 'skip') {
      this.#skipped(action);
      return false;
    }
    const said = this.#files.get(action.key);
    if (said === undefined) return false;
    this.#looked.delete(action.key);
    if (isLeftOut(action, said)) return true;
    if (writes(said) || !writes(action)) this.forget(action.key);
    return false;
  }

  /** What was said of the object is over: it is another one now, or gone. */
  done(action: Action): void {
    if (writes(action)) this.forget(action.key);
  }

  /** The same, and nothing comes of it. */
  covers(action: Action): boolean {
    const said = this.#files.get(action.key);
    return said !== undefined && isLeftOut(action, said);
  }

  knows(key: NameKey): boolean {
    return this.#files.has(key);
  }

  get count(): number {
    return this.#files.size;
  }

  /** Files that are not in the bucket, or not as they are here, and all others; without those that are counted elsewhere. */
  counts(elsewhere: (file: LeftOutFile) => boolean): { readonly unsent: number; readonly others: number } {
    let [unsent, others] = [0, 0];
    for (const file of this.#files.values()) {
      if (elsewhere(file)) continue;
      if (file.kind === 'put') unsent++;
      else others++;
    }
    return { unsent, others };
  }

  keys(): readonly NameKey[] {
    return [...this.#files.keys()];
  }

  /** Taken back, or over. */
  forget(key: NameKey): void {
    const known = this.#files.get(key);
    if (known === undefined) return;
    this.#index.leftOut().remove(key);
    this.#files.delete(key);
    this.#looked.delete(key);
    this.#emitter.cleared([known.path], 'left-out');
  }

  lookingAt(covers: (path: RelPath, kind: LeftOutKind) => boolean): void {
    for (const [key, { path, kind }] of this.#files) if (covers(path, kind)) this.#looked.add(key);
  }

  /** All that came of the looks is done. Nothing is over that these rules would not have done anyhow. */
  settle({ vault, tree }: LookedBy): void {
    for (const key of this.#looked) {
      const file = this.#files.get(key);
      if (file === undefined || tree.ignores(file.path)) continue;
      if (vault.direction !== 'push' || file.kind === 'put' || file.kind === 'remove-remote')
        this.forget(key);
    }
    this.#looked.clear();
    for (const key of this.#shadowed) {
      const file = this.#files.get(key);
      if (file !== undefined) this.#tell(file);
    }
    this.#shadowed.clear();
  }

  /** What cannot or may not be done now says nothing of what was left out, nor of what is below a folder that was not seen. */
  #skipped({ key, path, reason }: Extract<Action, { kind: 'skip' }>): void {
    const said = this.#files.get(key);
    // Only of a file that is gone; there is nothing to send.
    if (said?.kind === 'put' && reason === 'removal-off') return;
    if (said !== undefined) this.#kept(key);
    if (reason !== 'unreadable' || this.#looked.size === 0) return;
    for (const looked of this.#looked) {
      const below = path === '' || this.#files.get(looked)?.path.startsWith(`${path}/`) === true;
      if (below) this.#looked.delete(looked);
    }
  }

  /** The reason of a skip shows in its place, until the next look is done. */
  #kept(key: NameKey): void {
    this.#looked.delete(key);
    this.#shadowed.add(key);
  }

  #tell({ path, kind }: LeftOutFile): void {
    const { what, until } = WORDS[kind];
    this.#emitter.emit({
      event: 'warning',
      path,
      code: 'left-out',
      message: `${safeName(path)} was left out: ${what}`,
      hint: `it stays so until ${until} changes, or you take it back: u on it among the problems of the screen`,
    });
  }
}

/** It changes the object. */
const writes = ({ kind }: Pick<Action, 'kind'>): boolean => kind === 'put' || kind === 'remove-remote';

/** What a person took out of the queue is in no Plan. */
export async function* without(
  actions: AsyncIterable<Action>,
  isOut: (action: Action) => boolean,
): AsyncIterable<Action> {
  for await (const action of actions) if (!isOut(action)) yield action;
}

const WORDS: { readonly [K in LeftOutKind]: { readonly what: string; readonly until: string } } = {
  put: { what: 'you said that it is not to be sent', until: 'the file' },
  get: { what: 'you said that it is not to be fetched', until: 'the object' },
  conflict: { what: 'you said that its two sides are not to be compared', until: 'one of them' },
  'remove-remote': {
    what: 'you said that it is not to be removed in the bucket',
    until: 'something about it',
  },
  'remove-local': { what: 'you said that it is not to be removed here', until: 'something about it' },
};
