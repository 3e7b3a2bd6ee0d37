/**
 * How a finished draft becomes the file at its path, for files that come and files that are restored. Every call here is
 * synchronous: nothing of this process comes between a check and what rests on it. Other programs may: what they write in
 * such a moment is found, and never lost.
 */
import {
  type Stats,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  lstatSync,
  lutimesSync,
  openSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import type { RelPath } from '../model/brands.ts';
import { type Entry, sameStamp } from '../model/entry.ts';
import { changedHere } from './incoming-errors.ts';

export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export const standing = (root: string, path: string): Stats | undefined =>
  lstatSync(`${root}/${path}`, { throwIfNoEntry: false });

/** To the last stamp; a rename or a further name of ours changes ctime alone. */
export function isStill(entry: Entry, stat: Stats, { ctime = true } = {}): boolean {
  const { mtimeMs: mtime, ino: inode, mode } = stat;
  const size = entry.kind === 'link' ? entry.size : stat.size;
  const now = { size, mtime, ctime: ctime ? stat.ctimeMs : entry.ctime, inode };
  return sameStamp(entry, now) && mode === entry.mode;
}

export interface GoingOver {
  readonly root: string;
  /** Absolute path of the finished draft, on the disk of its place. */
  readonly draft: string;
  readonly path: RelPath;
  /** What stands there. */
  readonly over: Entry;
  /** Absolute path that is free, for what stands there meanwhile. A process that dies leaves it there. */
  readonly away: string;
  /** A name for what stands there. */
  readonly as: RelPath;
  /** It is given that name whatever happens; else only where it was changed in this very moment. */
  readonly always: boolean;
}

/**
 * Puts a draft in the place of a file, and gives the name under which that one goes on. The file is not replaced but moved
 * away first and looked at there, so that what was saved over it in the last moment is not replaced unseen; the draft then
 * takes the name only if it is free. Rejects with kind `changed` where it is not the same file any more, or where another came
 * into its place: then everything is as it was.
 */
export function goOver({ root, draft, path, over, away, as, always }: GoingOver): RelPath | undefined {
  const [to, kept] = [`${root}/${path}`, `${root}/${as}`];
  // Where disks know no second names it has none before it loses its first.
  const named = always && secondName(to, kept, over);
  let moved: string | undefined;
  try {
    renameSync(to, away);
    moved = away;
    if (!isStill(over, lstatSync(away), { ctime: false })) throw changedHere(path);
    if (always && !named) {
      exclusively(away, kept);
      moved = kept;
    }
    takeName(draft, to, path);
  } catch (thrown) {
    const back = moved === undefined ? path : giveBack(root, moved, path, as);
    if (named) unlinkSync(kept);
    throw back === path ? thrown : changedHere(path, back);
  }
  // What goes is gone from the disk only after what came is there.
  for (const folder of new Set([folderOf(path), ...(always ? [folderOf(as)] : [])])) syncFolder(root, folder);
  if (moved === kept) return as;
  // A program that has the file open writes on where it was moved to.
  const late = !isStill(over, lstatSync(away), { ctime: false });
  if (late && !(named && lstatSync(kept).ino === over.inode)) return freely(root, away, as);
  unlinkSync(away);
  return always ? as : undefined;
}

function takeName(draft: string, to: string, path: RelPath): void {
  try {
    exclusively(draft, to);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') throw changedHere(path);
    throw thrown;
  }
}

/** Back to its name; where another file has that by now, beside it. Gives the name it has. */
export function giveBack(root: string, from: string, path: RelPath, otherwise: RelPath): RelPath {
  try {
    exclusively(from, `${root}/${path}`);
    return path;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    return freely(root, from, otherwise);
  }
}

/** Moves a file to a name, or to the first free one after it. */
function freely(root: string, from: string, to: RelPath): RelPath {
  for (let n = 1; ; n++) {
    const name = n === 1 ? to : numbered(to, n);
    try {
      exclusively(from, `${root}/${name}`);
      return name;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    }
  }
}

/** Before the ending of a name such as `note (conflict …).txt`. */
function numbered(path: RelPath, n: number): RelPath {
  const at = path.lastIndexOf(')');
  return (at < 0 ? `${path} ${n}` : `${path.slice(0, at)} ${n}${path.slice(at)}`) as RelPath;
}

/** Moves a file to a name that must be free; else code EEXIST, and it stays. */
export function exclusively(from: string, to: string): void {
  const isLink = lstatSync(from).isSymbolicLink();
  try {
    // On some systems a further name of a link is one of its target.
    if (isLink) makeLink(readlinkSync(from, 'buffer'), to, lstatSync(from).mtimeMs);
    else linkSync(from, to);
  } catch (thrown) {
    if (!knowsNoLinks(thrown)) throw thrown;
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined)
      throw Object.assign(new Error(`${to} is there`), { code: 'EEXIST' });
    renameSync(from, to);
    return;
  }
  unlinkSync(from);
}

/** False where the disk has no second names for a file. */
function secondName(from: string, to: string, { kind, mtime }: Entry): boolean {
  try {
    if (kind === 'link') makeLink(readlinkSync(from, 'buffer'), to, mtime);
    else linkSync(from, to);
    return true;
  } catch (thrown) {
    if (knowsNoLinks(thrown)) return false;
    throw thrown;
  }
}

/** Windows says that a disk has none by EISDIR. */
const NO_LINKS = new Set(['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EISDIR']);
const knowsNoLinks = (thrown: unknown): boolean => NO_LINKS.has((thrown as NodeJS.ErrnoException).code ?? '');

/** A symbolic link with its own time. */
export function makeLink(target: string | Buffer, at: string, mtime: number): void {
  symlinkSync(target, at);
  setTime(
    mtime,
    (time) => lutimesSync(at, time, time),
    () => timeOf(at),
  );
}

/**
 * Node hands times over as a double, some 240 ns from one to the next: the first one that is not before the microsecond is
 * that microsecond for whoever cuts the rest and for whoever rounds it. `read` gives ns since 1970.
 */
export function setTime(mtime: number, set: (seconds: number) => void, read: () => bigint): void {
  const micros = Math.round(mtime * 1_000);
  const wanted = BigInt(micros) * 1_000n;
  const seconds = micros / 1e6;
  set(seconds);
  if (read() >= wanted) return;
  set(seconds + spacing(seconds));
  // Far in the future they lie wider apart than that.
  if (read() >= wanted + 500n) set(seconds);
}

/** From a double to the next larger one. */
const spacing = (of: number): number => 2 ** (Math.floor(Math.log2(Math.abs(of))) - 52);

/** When a file, or a link itself, was written, in ns since 1970. */
export const timeOf = (path: string): bigint => lstatSync(path, { bigint: true }).mtimeNs;

const NO_SYNC = new Set(['EISDIR', 'EPERM', 'EINVAL', 'EACCES', 'ENOTSUP']);

/** A folder's list on disk. Not every system can do that, and none loses more by it than a moment. */
export function syncFolder(root: string, folder: string): void {
  try {
    const file = openSync(folder === '' ? root : `${root}/${folder}`, constants.O_RDONLY);
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    if (!NO_SYNC.has((thrown as NodeJS.ErrnoException).code ?? '')) throw thrown;
  }
}
