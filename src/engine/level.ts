/** A folder of a place as a listing shows it: its files and folders, page by page, with memory for one page. */
import { OWN_FOLDER, type ObjectKey } from '../model/brands.ts';
import type { ModeKind } from '../model/mode.ts';
import type { ListedObject, ObjectStore, Waits } from '../model/ports.ts';
import { hasEnvelope, plainSize } from './fetching.ts';
import { type Selected, selectOne } from './selecting.ts';

export type Shown =
  | { readonly kind: 'folder'; readonly name: string }
  | (Selected & { readonly kind: 'object'; readonly bytes: number });

export interface Level {
  readonly store: ObjectStore;
  readonly prefix: string;
  readonly mode: ModeKind;
  /** All below, not folder by folder. */
  readonly recursive: boolean;
  readonly at?: number | undefined;
}

const INSTRUCTION_FILE = '.instruction';
/** Behind every key that begins with a folder's. */
const LAST = '\u{10ffff}';

/** What stands at a name and below it. */
export async function* showLevel(level: Level, name: string, options: Waits = {}): AsyncIterable<Shown> {
  const folder = name === '' ? '' : `${name}/`;
  const flat = level.recursive || level.at !== undefined;
  const found = flat ? selectOne(level.store, level, name, options) : oneLevel(level, name, options);
  let last: string | undefined;
  for await (const selected of withoutInstructions(level, found, options)) {
    const cut = level.recursive ? -1 : selected.name.indexOf('/', folder.length);
    if (cut < 0 || !selected.name.startsWith(folder)) {
      yield { ...selected, kind: 'object', bytes: plainSize(level.mode, selected.size) };
      continue;
    }
    const below = selected.name.slice(0, cut + 1);
    if (below !== last) yield { kind: 'folder', name: below };
    last = below;
  }
}

/** Where a page ends inside a folder, the listing goes on behind that folder: a million files in it cost one request. */
async function* oneLevel(level: Level, name: string, options: Waits): AsyncIterable<Selected> {
  if (name !== '') yield* exactly(level, name, options);
  const top = name === '' ? level.prefix : `${level.prefix}${name}/`;
  let startAfter: string | undefined;
  for (;;) {
    let behind: string | undefined;
    for await (const page of level.store.list(
      top,
      startAfter === undefined ? options : { ...options, startAfter },
    )) {
      for (const object of page) if (isShown(level, object)) yield asSelected(level, object);
      behind = folderIn(page.at(-1)?.key ?? '', top);
      if (behind !== undefined) break;
    }
    if (behind === undefined) return;
    startAfter = behind + LAST;
  }
}

async function* exactly(level: Level, name: string, options: Waits): AsyncIterable<Selected> {
  for await (const page of level.store.list(level.prefix + name, options)) {
    const [first] = page;
    if (first?.key === level.prefix + name && isShown(level, first)) yield asSelected(level, first);
    return;
  }
}

const folderIn = (key: string, top: string): string | undefined => {
  const cut = key.indexOf('/', top.length);
  return cut < 0 ? undefined : key.slice(0, cut + 1);
};

const isShown = ({ prefix }: Level, { key, size }: ListedObject): boolean =>
  !key.startsWith(`${prefix}${OWN_FOLDER}/`) && !(key.endsWith('/') && size === 0);

const asSelected = ({ prefix }: Level, object: ListedObject): Selected => ({
  ...object,
  name: object.key.slice(prefix.length),
});

/** An instruction file belongs to the object before it and is none itself; a file may have such a name, too. */
async function* withoutInstructions(
  { store, mode }: Level,
  all: AsyncIterable<Selected>,
  options: Waits,
): AsyncIterable<Selected> {
  /** Keys that the current one begins with. */
  let open: ObjectKey[] = [];
  for await (const selected of all) {
    const { key } = selected;
    open = open.filter((other) => key.startsWith(other));
    const base = key.slice(0, -INSTRUCTION_FILE.length);
    const suspect =
      mode === 'client' && key.endsWith(INSTRUCTION_FILE) && open.some((other) => other === base);
    open.push(key);
    if (suspect && !hasEnvelope((await store.head(key, options))?.metadata ?? {})) continue;
    yield selected;
  }
}
