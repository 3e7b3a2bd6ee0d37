/**
 * A name that is a file on one machine and a folder on another. The folder has it in the end, everywhere: many files cannot
 * give way to one. The file goes on under another name, as after any conflict.
 */
import { type RelPath, relPath } from '../model/brands.ts';
import type { Entry } from '../model/entry.ts';
import { VaultError } from '../model/errors.ts';
import { type Action, bytesOf } from '../model/plan.ts';
import type { Waits } from '../model/ports.ts';
import type { CollectedPlan } from './collect.ts';
import { freeName } from './conflict-name.ts';
import { difference } from './detect.ts';
import { type World, keyIn, writerOf } from './world.ts';

type Get = Extract<Action, { kind: 'get' }>;

/** Where an object may go: to its own path, for which a file may have been moved, or to another one. */
export interface Way {
  readonly path: RelPath;
  /** A file, the name it had or was to have, and the one it has. */
  readonly clash?: { readonly from: RelPath; readonly to: RelPath };
}

/** Rejects where the place cannot take the object, or not yet: something in its way is to be removed first. */
export async function wayFor(world: World, action: Get, waits: Waits): Promise<Way> {
  const { path, local } = action;
  const check = (): Promise<void> => writerOf(world).check(path, local, bytesOf(action));
  try {
    await check();
    return { path };
  } catch (thrown) {
    if (!(thrown instanceof VaultError && thrown.code === 'name-clash')) throw thrown;
    if (local === undefined && (await isFolderThere(world, action, waits))) {
      const to = await freeName(world, path);
      return { path: to, clash: { from: path, to } };
    }
    const file = await fileAbove(world, path);
    if (file === undefined || (await isToGo(world, file, waits))) throw thrown;
    const to = await freeName(world, file.path);
    await writerOf(world).move(file, to);
    await check();
    return { path, clash: { from: file.path, to } };
  }
}

/** A folder stands here, and the bucket has something in it too: it is no folder whose files are about to be removed. */
async function isFolderThere(world: World, { key, path }: Get, { signal }: Waits): Promise<boolean> {
  if (!(await world.tree.isFolder(path))) return false;
  for await (const page of world.store.list(`${keyIn(world, key)}/`, { signal }))
    if (page.length > 0) return true;
  return false;
}

async function fileAbove(world: World, path: RelPath): Promise<Entry | undefined> {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    const seen = await world.tree.look(relPath(path.slice(0, at)));
    if (seen !== undefined) return seen.kind === 'oddity' ? undefined : seen;
  }
  return undefined;
}

/** Unchanged here and gone there: its removal is planned, or waits for consent. */
async function isToGo(world: World, file: Entry, { signal }: Waits): Promise<boolean> {
  const record = world.index.get(file.key);
  if (record === undefined || difference(file, record) === 'changed') return false;
  return (await world.store.head(keyIn(world, file.key), { signal })) === undefined;
}

/**
 * True where something comes to a name that is free only after one of the removals, or may: what is in the spool is not looked
 * through. Names as a disk takes them that knows no case, for a folder may be renamed from one to the other.
 */
export function clashing(
  removals: readonly Action[],
  { beginning, spooled }: Pick<CollectedPlan, 'beginning' | 'spooled'>,
): boolean {
  const files = new Set<string>();
  const folders = new Map<string, string>();
  for (const { kind, path } of removals) {
    if (kind !== 'remove-local') continue;
    files.add(folded(path));
    for (const folder of foldersOf(path)) folders.set(folded(folder), folder);
  }
  if (files.size === 0) return false;
  if (spooled) return true;
  return beginning.some(({ kind, path }) => {
    if (kind !== 'get') return false;
    if (files.has(folded(path)) || folders.has(folded(path))) return true;
    return [...foldersOf(path)].some((folder) => {
      const there = folders.get(folded(folder));
      return files.has(folded(folder)) || (there !== undefined && there !== folder);
    });
  });
}

const folded = (path: string): string => path.normalize('NFC').toLowerCase();

function* foldersOf(path: string): Iterable<string> {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) yield path.slice(0, at);
}
