/** The two files of a conflict, and how one of them goes. Names are taken as the walk gave them; links are never followed. */
import { lstatSync, linkSync, realpathSync, renameSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RelPath } from '../model/brands.ts';
import type { Conflict, ConflictSide } from '../model/conflicts.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import { outsideFault } from '../model/path-fault.ts';
import { draftName } from './draft-name.ts';
import { checkInside } from './inside.ts';
import { writeError } from './write-errors.ts';

type Pair = Pick<Conflict, 'path' | 'copy' | 'mine' | 'theirs'>;

/** A file or a link, undefined where there is none; a folder of the name is none. */
export function sideAt(root: string, path: RelPath): ConflictSide | undefined {
  if (outsideFault(path) !== undefined) return undefined;
  const stat = lstatSync(join(root, path), { throwIfNoEntry: false });
  if (stat === undefined || !(stat.isFile() || stat.isSymbolicLink())) return undefined;
  return { size: stat.size, mtime: stat.mtimeMs, inode: stat.ino };
}

/**
 * The copy takes the name. What stands there gets a second name first, which goes only once the copy is seen to stand: no
 * moment lacks either, and a crash leaves a file more, never one less. Code `conflict-moved` where a side has changed.
 */
export function takeName(root: string, { path, copy, mine, theirs }: Pair): void {
  for (const name of [path, copy]) checkInside(name);
  try {
    checkFolder(root, path);
    checkSide(root, copy, mine);
    checkSide(root, path, theirs);
    const [from, to] = [join(root, copy), join(root, path)];
    if (theirs === undefined) placeNew(from, to);
    else replace(from, to, path, mine, theirs);
  } catch (thrown) {
    throw thrown instanceof VaultError ? thrown : writeError(path, thrown);
  }
}

/** Never over what has come meanwhile. */
function placeNew(from: string, to: string): void {
  if (secondName(from, to)) unlinkSync(from);
  else renameSync(from, to);
}

function replace(from: string, to: string, path: RelPath, mine: ConflictSide, theirs: ConflictSide): void {
  const aside = join(dirname(to), draftName());
  if (!secondName(to, aside)) {
    renameSync(from, to);
    return;
  }
  try {
    if (!isSide(lstatSync(aside), theirs)) throw moved(path);
    renameSync(from, to);
    if (lstatSync(to).ino !== mine.inode) throw moved(path);
  } catch (thrown) {
    // Under a name that people see: hidden ones are cleaned up one day.
    if (!stands(to)) renameSync(aside, to);
    else if (!stands(from)) renameSync(aside, from);
    else unlinkSync(aside);
    throw thrown;
  }
  unlinkSync(aside);
}

const stands = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined;

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** False where the disk has no second names for a file. */
function secondName(file: string, name: string): boolean {
  try {
    linkSync(file, name);
    return true;
  } catch (thrown) {
    if (NO_LINKS.has((thrown as NodeJS.ErrnoException).code ?? '')) return false;
    throw thrown;
  }
}

/** Removes the copy, if it is what was shown and the other one stands. */
export function dropCopy(root: string, { path, copy, mine, theirs }: Pair): void {
  for (const name of [path, copy]) checkInside(name);
  try {
    checkFolder(root, copy);
    if (theirs === undefined) throw moved(path);
    checkSide(root, path, theirs);
    checkSide(root, copy, mine);
    unlinkSync(join(root, copy));
  } catch (thrown) {
    throw thrown instanceof VaultError ? thrown : writeError(copy, thrown);
  }
}

/** A folder on the way that became a link leads elsewhere. */
function checkFolder(root: string, path: RelPath): void {
  const real = realpathSync(root);
  const folder = dirname(path);
  if (realpathSync(join(real, folder)) !== join(real, folder)) throw moved(path);
}

function checkSide(root: string, path: RelPath, side: ConflictSide | undefined): void {
  const now = sideAt(root, path);
  if (now === undefined ? side !== undefined : side === undefined || !sameSide(now, side)) throw moved(path);
}

const sameSide = (a: ConflictSide, b: ConflictSide): boolean =>
  a.size === b.size && a.mtime === b.mtime && a.inode === b.inode;

const isSide = (stat: { size: number; mtimeMs: number; ino: number }, side: ConflictSide): boolean =>
  stat.size === side.size && stat.mtimeMs === side.mtime && stat.ino === side.inode;

const moved = (path: RelPath): VaultError =>
  new VaultError('changed', 'conflict-moved', `${safeName(path)} has changed since it was shown`, {
    hint: 'nothing was changed here; look at both again and choose',
  });
