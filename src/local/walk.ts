import { type Dirent, type Stats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { type NameKey, type RelPath, compareUtf8, relPath } from '../model/brands.ts';
import type { Entry, Oddity, OddityReason, Seen } from '../model/entry.ts';
import { VaultError } from '../model/errors.ts';
import type { Names } from '../model/names.ts';
import type { Clock } from '../model/ports.ts';
import type { FolderLists } from './folder-lists.ts';
import { IGNORE_FILE, type IgnoreRules } from './ignore.ts';
import { nameThere } from './spelling.ts';

/** The walk gives way to the event loop after so many milliseconds, so keys, timers and sockets never wait long. */
const SLICE_MS = 8;
const BATCH = 1_000;

export interface WalkOptions {
  readonly root: string;
  readonly rules: IgnoreRules;
  readonly clock: Clock;
  readonly names: Names;
  readonly lists: FolderLists;
  readonly under: RelPath;
  readonly signal: AbortSignal | undefined;
}

interface Named {
  readonly name: string;
  readonly path: string;
  readonly key: NameKey;
  readonly isFolder: boolean;
  /** Another name of this folder has the same NFC form and goes first. */
  readonly clashes: boolean;
}

/**
 * Everything under a folder, depth first, in the order of keys. Synchronous calls in slices: several times faster than
 * promises, and never long enough to be felt. Memory: one listing per level.
 */
export async function* walkFolder(options: WalkOptions): AsyncIterable<readonly Seen[]> {
  const { clock, signal, under, rules } = options;
  const there = under === '' || (!rules.ignores(under, true) && lookForFolder(options, under));
  if (typeof there === 'object') yield [there];
  if (there !== true) return;
  let batch: Seen[] = [];
  let since = clock.ticks();
  for (const seen of walkSync(options, options.under)) {
    if (seen !== undefined) batch.push(seen);
    const late = clock.ticks() - since > SLICE_MS;
    if (batch.length < BATCH && !late) continue;
    if (batch.length > 0) yield batch;
    batch = [];
    if (signal?.aborted === true) throw new VaultError('cancelled', 'cancelled', 'the scan was called off');
    if (!late) continue;
    // The slice goes on over several batches: whoever takes them may never wait for the event loop either.
    await new Promise((resolve) => setImmediate(resolve));
    since = clock.ticks();
  }
  if (batch.length > 0) yield batch;
}

/** True for a folder reached through folders of these very names only: nothing is ever looked at through a link. */
export function isRealFolder(root: string, path: string, lists: FolderLists): boolean {
  for (let at = path.indexOf('/'); ; at = path.indexOf('/', at + 1)) {
    const part = at < 0 ? path : path.slice(0, at);
    const stat = lstatSync(`${root}/${part}`, { throwIfNoEntry: false });
    if (stat?.isDirectory() !== true || nameThere(root, part, stat, lists) !== undefined) return false;
    if (at < 0) return true;
  }
}

/** Whether a folder is there, or what keeps from knowing: below a closed folder nothing is seen, and nothing is gone. */
export function lookForFolder(
  { root, names, lists }: Pick<WalkOptions, 'root' | 'names' | 'lists'>,
  path: string,
): boolean | Oddity {
  try {
    return isRealFolder(root, path, lists);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EIO') return false;
    return oddity(path, `${names.keyOf(path)}/` as NameKey, 'unreadable', code);
  }
}

/** One step per name looked at; undefined where there was nothing to report. */
function* walkSync(options: WalkOptions, folder: string): Generator<Seen | undefined> {
  const entries = listFolder(options, folder);
  if (!Array.isArray(entries)) {
    yield entries;
    return;
  }
  for (const named of yield* inOrder(options, entries, folder)) {
    if (named.clashes) yield oddity(named.path, named.key, 'name-clash');
    else if (named.isFolder) yield* walkSync(options, named.path);
    else yield lookAt(options, relPath(named.path), named.key);
  }
}

/** What stands in a folder, or the reason why it can't be listed (undefined: it is gone). */
function listFolder(options: WalkOptions, folder: string): Dirent[] | Oddity | undefined {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder === '' ? options.root : `${options.root}/${folder}`, {
      withFileTypes: true,
    });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (folder === '') throw rootLost(options.root, code, thrown);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    return oddity(folder, `${options.names.keyOf(folder)}/` as NameKey, 'unreadable', code);
  }
  options.rules.refresh(
    folder,
    entries.some((entry) => entry.name === IGNORE_FILE),
  );
  return entries;
}

/** Nothing below was seen, which must never be taken for nothing being there. */
const rootLost = (root: string, code: string | undefined, cause: unknown): VaultError =>
  new VaultError('consent', 'root-unreadable', `the folder ${root} cannot be listed (${code ?? 'unknown'})`, {
    cause,
    hint: 'nothing was removed; is its disk mounted, and may you read it',
  });

/**
 * A folder's names in the order of their keys, without what the ignore rules leave out. Sealing a name takes its time: one step
 * for each.
 */
function* inOrder(
  { names, rules }: WalkOptions,
  entries: readonly Dirent[],
  folder: string,
): Generator<undefined, readonly Named[]> {
  const base = folder === '' ? '' : `${folder}/`;
  const keyBase = folder === '' ? '' : `${names.keyOf(folder)}/`;
  const all: (Named & { readonly order: string })[] = [];
  for (const entry of entries) {
    yield undefined;
    const { name } = entry;
    const isFolder = entry.isDirectory();
    if (rules.leavesOut(base + name, isFolder)) continue;
    const key = (keyBase + names.segment(keyBase, name.normalize('NFC'))) as NameKey;
    all.push({ name, path: base + name, key, isFolder, clashes: false, order: isFolder ? `${key}/` : key });
  }
  // The spelling that is NFC already goes first among names with one key.
  all.sort((a, b) => compareUtf8(a.order, b.order) || isOther(a.name) - isOther(b.name));
  const taken = new Set<string>();
  return all.map((named) => {
    const clashes = taken.has(named.key);
    taken.add(named.key);
    return { ...named, clashes };
  });
}

const isOther = (name: string): number => Number(name !== name.normalize('NFC'));

/** As `lookAt`, for a name that no listing has given: the disk may find something else under it. */
export function lookFor(
  options: Pick<WalkOptions, 'root' | 'names' | 'lists'>,
  path: RelPath,
  key: NameKey,
): Seen | undefined {
  const seen = lookAt(options, path, key);
  if (seen === undefined || seen.kind === 'oddity') return seen;
  const stat = lstatSync(`${options.root}/${path}`, { throwIfNoEntry: false });
  return stat === undefined || nameThere(options.root, path, stat, options.lists) === undefined
    ? seen
    : undefined;
}

/** What stands at a path now; undefined where nothing does, or a folder. */
export function lookAt(
  options: Pick<WalkOptions, 'root' | 'names'>,
  path: RelPath,
  key: NameKey,
): Seen | undefined {
  const full = `${options.root}/${path}`;
  let stat: Stats;
  try {
    stat = lstatSync(full);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' && path.includes('\ufffd')) return oddity(path, key, 'not-utf8');
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    return oddity(path, key, 'unreadable', code);
  }
  const odd = oddKind(stat);
  if (odd !== undefined) return oddity(path, key, odd);
  if (stat.isDirectory()) return undefined;
  if (!options.names.fits(key, path)) return oddity(path, key, 'key-too-long');
  return entryOf(stat, full, path, key);
}

function entryOf(stat: Stats, full: string, path: RelPath, key: NameKey): Entry | Oddity {
  const { mtimeMs: mtime, ctimeMs: ctime, ino: inode, mode } = stat;
  if (!stat.isSymbolicLink()) return { path, key, kind: 'file', size: stat.size, mtime, ctime, inode, mode };
  try {
    const size = readlinkSync(full, 'buffer').length;
    return { path, key, kind: 'link', size, mtime, ctime, inode, mode };
  } catch (thrown) {
    return oddity(path, key, 'unreadable', (thrown as NodeJS.ErrnoException).code);
  }
}

function oddKind(stat: Stats): OddityReason | undefined {
  if (stat.isSocket()) return 'socket';
  if (stat.isFIFO()) return 'fifo';
  return stat.isCharacterDevice() || stat.isBlockDevice() ? 'device' : undefined;
}

function oddity(path: string, key: NameKey, reason: OddityReason, code?: string): Oddity {
  return { kind: 'oddity', path: relPath(path), key, reason, ...(code === undefined ? {} : { code }) };
}
