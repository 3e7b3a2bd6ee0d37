/** A folder of a place as a listing shows it: its files and folders, page by page, with memory for one page. */
import { OWN_FOLDER, type ObjectKey } from '../model/brands.ts';
import type { ModeKind } from '../model/mode.ts';
import type { ListedObject, Waits } from '../model/ports.ts';
import { hasEnvelope, plainSize } from './fetching.ts';
import { listedAt } from './listed-at.ts';
import { keyOfPath, shownName } from './naming.ts';
import { marksFolder } from './remote-names.ts';
import { type ListedPlace, type Selected, selectOne, versionsByKey } from './selecting.ts';

export type Shown =
  | { readonly kind: 'folder'; readonly name: string; readonly foreign?: true }
  | (Selected & { readonly kind: 'object'; readonly bytes: number });

export interface Level extends ListedPlace {
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
  const found = flat ? selectOne(level, level.at, name, options) : oneLevel(level, name, options);
  let last: string | undefined;
  for await (const selected of withoutInstructions(level, found, options)) {
    const cut = level.recursive ? -1 : selected.name.indexOf('/', folder.length);
    if (cut < 0 || !selected.name.startsWith(folder)) {
      yield { ...selected, kind: 'object', bytes: plainSize(level.mode, selected.size) };
      continue;
    }
    const below = selected.name.slice(0, cut + 1);
    if (below !== last) yield folderOf(selected, below);
    last = below;
  }
}

const folderOf = ({ foreign }: Selected, name: string): Extract<Shown, { kind: 'folder' }> => ({
  kind: 'folder',
  name,
  ...(foreign === undefined ? {} : { foreign }),
});

/** Where a page ends inside a folder, the listing goes on behind that folder: a million files in it cost one request. */
async function* oneLevel(level: Level, name: string, options: Waits): AsyncIterable<Selected> {
  if (name !== '') yield* exactly(level, name, options);
  const top = name === '' ? level.prefix : `${keyOfPath(level, name)}/`;
  let startAfter: string | undefined;
  for (;;) {
    let behind: string | undefined;
    for await (const page of level.store.list(
      top,
      startAfter === undefined ? options : { ...options, startAfter },
    )) {
      for (const object of page) if (isShown(level, object)) yield await asSelected(level, object, options);
      behind = folderIn(page.at(-1)?.key ?? '', top);
      if (behind !== undefined) break;
    }
    if (behind === undefined) return;
    startAfter = behind + LAST;
  }
}

async function* exactly(level: Level, name: string, options: Waits): AsyncIterable<Selected> {
  const object = await listedAt(level.store, keyOfPath(level, name), options);
  if (object !== undefined && isShown(level, object)) yield await asSelected(level, object, options);
}

/** A file of which only versions are left, or one that is there. */
export type Kept = Selected & { readonly kind: 'object'; readonly bytes: number; readonly removed: boolean };

/** What stands in a folder or once stood there and can be brought back. All versions below are gone through. */
export async function* showKept(
  level: Omit<Level, 'recursive' | 'at'>,
  name: string,
  options: Waits = {},
): AsyncIterable<Extract<Shown, { kind: 'folder' }> | Kept> {
  const folder = name === '' ? '' : `${name}/`;
  let last: string | undefined;
  for await (const kept of withoutInstructions(level, keptUnder(level, folder, options), options)) {
    const cut = kept.name.indexOf('/', folder.length);
    if (cut < 0) {
      yield kept;
      continue;
    }
    const below = kept.name.slice(0, cut + 1);
    if (below !== last) yield folderOf(kept, below);
    last = below;
  }
}

async function* keptUnder(
  level: Omit<Level, 'recursive' | 'at'>,
  folder: string,
  options: Waits,
): AsyncIterable<Kept> {
  const top = folder === '' ? level.prefix : `${keyOfPath(level, folder.slice(0, -1))}/`;
  for await (const versions of versionsByKey(level.store, top, options)) {
    const [newest] = versions;
    const content = versions.find(({ marker }) => !marker);
    if (newest === undefined || content === undefined || !isShown(level, content)) continue;
    const bytes = plainSize(level.mode, content.size);
    const found = { ...(await asSelected(level, content, options)), modified: newest.modified };
    yield { ...found, kind: 'object', bytes, removed: newest.marker };
  }
}

const folderIn = (key: string, top: string): string | undefined => {
  const cut = key.indexOf('/', top.length);
  return cut < 0 ? undefined : key.slice(0, cut + 1);
};

const isShown = ({ prefix }: Pick<Level, 'prefix'>, object: ListedObject): boolean =>
  !object.key.startsWith(`${prefix}${OWN_FOLDER}/`) && !marksFolder(object);

const asSelected = async (
  level: ListedPlace,
  object: ListedObject & { readonly versionId?: string },
  options: Waits,
): Promise<Selected> => ({ ...object, ...(await shownName(level, object, options)) });

/** An instruction file belongs to the object before it and is none itself; a file may have such a name, too. */
async function* withoutInstructions<T extends Selected>(
  { store, mode }: Pick<Level, 'store' | 'mode'>,
  all: AsyncIterable<T>,
  options: Waits,
): AsyncIterable<T> {
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
