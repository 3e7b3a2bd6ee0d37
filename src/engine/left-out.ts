import type { NameKey, RelPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { type LeftOutFile, type LeftOutKind, isLeftOut, leftOutBy } from '../model/left-out.ts';
import type { Action } from '../model/plan.ts';
import type { Index } from '../model/ports.ts';
import type { Emitter } from './emitter.ts';

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

  /** Whether this Action is to be passed over. One for a file or an object that has changed ends the leaving out. */
  has(action: Action): boolean {
    if (!this.#files.has(action.key)) return false;
    this.#looked.delete(action.key);
    const same = this.covers(action);
    if (!same) this.forget(action.key);
    return same;
  }

  /** The same, and nothing comes of it. */
  covers(action: Action): boolean {
    const said = this.#files.get(action.key);
    return said !== undefined && isLeftOut(action, said);
  }

  get count(): number {
    return this.#files.size;
  }

  /** Files that are not in the bucket, or not as they are here. */
  get unsent(): number {
    let unsent = 0;
    for (const { kind } of this.#files.values()) if (kind === 'put') unsent++;
    return unsent;
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
    this.#emitter.cleared([known.path]);
  }

  lookingAt(covers: (path: RelPath, kind: LeftOutKind) => boolean): void {
    for (const [key, { path, kind }] of this.#files) if (covers(path, kind)) this.#looked.add(key);
  }

  /** All that came of the looks is done. */
  settle(): void {
    for (const key of this.#looked) this.forget(key);
    this.#looked.clear();
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
