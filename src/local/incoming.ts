/** The disk side of both ways: files that come from the bucket, and files that go. */
import {
  type Stats,
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { OWN_FOLDER, type RelPath, relPath } from '../model/brands.ts';
import type { DraftSubject, GoesOver, InPlace } from '../model/draft.ts';
import type { Entry } from '../model/entry.ts';
import { type Names, plainNames } from '../model/names.ts';
import type { Clock, FileTraits, FolderWriter, IncomingFile } from '../model/ports.ts';
import { DraftFile } from './draft-file.ts';
import { comingName, isNobodyElses } from './draft-name.ts';
import { FolderLists } from './folder-lists.ts';
import { changedHere, clash, incomingError, oneName, stranded } from './incoming-errors.ts';
import { checkInside } from './inside.ts';
import {
  exclusively,
  folderOf,
  giveBack,
  goOver,
  isStill,
  makeLink,
  standing,
  syncFolder,
} from './placing.ts';
import { type LeftDraft, leftDraft, subjectLine } from './resumable.ts';
import { otherSpelling } from './spelling.ts';
import { COMING, DRAFT, GOING, PLACE, sweep, sweepDrafts } from './sweep.ts';
import { isRealFolder, lookAt } from './walk.ts';

const isDraft = (name: string): boolean => name.startsWith(COMING) && name.endsWith(DRAFT);

/** Calls next to a rename are synchronous: nothing of this process comes between a check and what rests on it. */
export function openWriter(
  root: string,
  names = plainNames(Number.MAX_SAFE_INTEGER),
  { now, ticks }: Pick<Clock, 'now'> & Partial<Pick<Clock, 'ticks'>> = { now: () => 0 },
): FolderWriter {
  /** Drafts that are being written. */
  const busy = new Set<string>();
  const lists = new FolderLists(ticks);
  return {
    check: async (path, over, bytes) => checkPlace({ root, lists }, path, over, bytes),
    begin: (subject) => beginDraft({ root, names, now, busy, lists }, subject),
    remove: (entry) => removeEntry({ root, lists }, entry),
    move: (entry, to) => moveEntry({ root, lists }, entry, to),
    setAside: (entry) => setAside({ root, lists }, entry),
    sweep: async () => sweep(root, now(), busy),
    sweepDrafts: (wants) => sweepDrafts(root, now, busy, wants),
  };
}

interface Place {
  readonly root: string;
  readonly lists: FolderLists;
}

interface Writing extends Place {
  readonly names: Names;
  readonly now: () => number;
  readonly busy: Set<string>;
}

/** The vault's folder must be there already: below a root whose disk is gone nothing is made. */
async function placeOf(root: string): Promise<string> {
  const folder = `${root}/${PLACE}`;
  await mkdir(folder, { mode: 0o700 }).catch((thrown: unknown) => {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw incomingError(PLACE, thrown);
  });
  return folder;
}

async function beginDraft(writing: Writing, subject: DraftSubject | undefined): Promise<IncomingFile> {
  const folder = await placeOf(writing.root);
  const at = `${folder}/${comingName()}`;
  const { busy } = writing;
  const failed = (thrown: unknown): Error => incomingError(PLACE, thrown);
  try {
    const line = subject === undefined ? undefined : subjectLine('', subject);
    const left = line === undefined ? undefined : leftFor(folder, line, writing);
    const draft = new DraftFile({ at, line, left, failed, onEnd: () => busy.delete(at) });
    busy.add(at);
    return new FileComing(writing, draft);
  } catch (thrown) {
    throw failed(thrown);
  }
}

function leftFor(folder: string, line: string, { busy, now }: Writing): LeftDraft | undefined {
  for (const name of readdirSync(folder)) {
    if (!isDraft(name) || busy.has(`${folder}/${name}`) || !isNobodyElses(name)) continue;
    const left = leftDraft(`${folder}/${name}`, now());
    if (left?.subject === line) return left;
  }
  return undefined;
}

class FileComing implements IncomingFile {
  readonly #writing: Writing;
  readonly #draft: DraftFile;

  constructor(writing: Writing, draft: DraftFile) {
    this.#writing = writing;
    this.#draft = draft;
  }

  get kept(): number {
    return this.#draft.kept;
  }

  keptBytes(): AsyncIterable<Uint8Array> {
    return this.#draft.keptBytes();
  }

  write(bytes: Uint8Array, at: number): Promise<void> {
    return this.#draft.write(bytes, at);
  }

  async place(
    path: RelPath,
    { kind, mtime, permissions: mode }: FileTraits,
    over?: GoesOver,
  ): Promise<InPlace> {
    try {
      await this.#draft.finish({ mtime, mode });
      if (kind === 'link') this.#becomeLink(mtime);
      const keptAs = intoPlace(this.#writing, this.#draft.at, path, over);
      await this.discard();
      return { entry: this.#placed(path), ...(keptAs === undefined ? {} : { keptAs }) };
    } catch (thrown) {
      throw incomingError(path, thrown);
    }
  }

  #placed(path: RelPath): Entry {
    const placed = lookAt(this.#writing, path, this.#writing.names.keyOf(path));
    if (placed === undefined || placed.kind === 'oddity') throw changedHere(path);
    return placed;
  }

  /** The bytes are a link's target. */
  #becomeLink(mtime: number): void {
    const { at } = this.#draft;
    const target = readFileSync(at);
    unlinkSync(at);
    makeLink(target, at, mtime);
  }

  keep(): Promise<void> {
    return this.#draft.keep();
  }

  discard(): Promise<void> {
    return this.#draft.discard();
  }
}

/** Gives the name under which goes on what stood there. */
function intoPlace(
  place: Place,
  draft: string,
  path: RelPath,
  over: GoesOver | undefined,
): RelPath | undefined {
  const { root } = place;
  checkInside(path);
  if (over !== undefined) checkInside(over.as);
  refuseOtherSpelling(place, path);
  const made = makeFolders(place, path);
  const there = standing(root, path);
  let keptAs: RelPath | undefined;
  if (over === undefined) {
    refuseTaken(path, there);
    exclusively(draft, `${root}/${path}`);
  } else {
    const { entry, as, always } = over;
    if (there === undefined || !isStill(entry, there)) throw changedHere(path);
    const away = `${root}/${PLACE}/${GOING}${randomUUID()}`;
    keptAs = goOver({ root, draft, path, over: entry, away, as, always });
  }
  for (const folder of [...made, folderOf(path)]) syncFolder(root, folder);
  return keptAs;
}

function checkPlace(place: Place, path: RelPath, over: Entry | undefined, bytes: number): void {
  const { root } = place;
  checkInside(path);
  try {
    refuseOtherSpelling(place, path);
    const above = nearestFolder(root, path);
    accessSync(above === '' ? root : `${root}/${above}`, constants.W_OK | constants.X_OK);
    const there = above === folderOf(path) ? standing(root, path) : undefined;
    if (over === undefined) refuseTaken(path, there);
    const { bavail, bsize, blocks } = statfsSync(root);
    // Some systems know nothing of their size.
    if (blocks > 0 && bavail * bsize < bytes) throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
  } catch (thrown) {
    throw incomingError(path, thrown);
  }
}

function refuseTaken(path: RelPath, there: Stats | undefined): void {
  if (there?.isDirectory() === true) throw clash(path, 'a folder stands there');
  if (there !== undefined) throw changedHere(path);
}

/** The deepest folder above a path that is there; nothing but folders may stand above it. */
function nearestFolder(root: string, path: RelPath): string {
  let nearest = '';
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    const part = path.slice(0, at);
    const there = standing(root, part);
    if (there === undefined) break;
    if (!there.isDirectory()) throw clash(path, `${part} is not a folder`);
    nearest = part;
  }
  return nearest;
}

/** Folders that are missing are made; nothing is ever written through a link. Gives the folders whose lists are new. */
function makeFolders({ root, lists }: Place, path: RelPath): readonly string[] {
  const changed: string[] = [];
  const folder = folderOf(path);
  if (folder === '' || isRealFolder(root, folder, lists)) return changed;
  for (let at = folder.indexOf('/'); ; at = folder.indexOf('/', at + 1)) {
    const part = at < 0 ? folder : folder.slice(0, at);
    const there = standing(root, part);
    if (there === undefined) {
      mkdirSync(`${root}/${part}`);
      changed.push(folderOf(part));
    } else if (!there.isDirectory()) {
      throw clash(path, `${part} is not a folder`);
    }
    if (at < 0) return changed;
  }
}

/** Where case or form of a name make no difference, another file or folder may answer to a part of this path. */
function refuseOtherSpelling({ root, lists }: Place, path: RelPath): void {
  const other = otherSpelling(root, path, lists);
  if (other !== undefined) throw oneName(path, other);
}

async function removeEntry(place: Place, entry: Entry): Promise<void> {
  await takeOut(place, entry, (away) => unlinkSync(away));
  inOrder(entry.path, () => removeEmpty(place.root, folderOf(entry.path)));
}

async function moveEntry(place: Place, entry: Entry, to: RelPath): Promise<void> {
  const { root } = place;
  checkInside(to);
  await takeOut(place, entry, (away) => exclusively(away, `${root}/${to}`));
  inOrder(entry.path, () => {
    for (const folder of new Set([folderOf(to), folderOf(entry.path)])) syncFolder(root, folder);
  });
}

/** A folder for each, so that names never meet; made before the file is touched. */
async function setAside(place: Place, entry: Entry): Promise<string> {
  const { root } = place;
  checkInside(entry.path);
  const above = `${OWN_FOLDER}/removed`;
  const folder = `${above}/${randomUUID().slice(0, 8)}`;
  const kept = `${folder}/${entry.path.slice(entry.path.lastIndexOf('/') + 1)}`;
  inOrder(folder, () => {
    for (const made of [above, folder]) makePrivate(`${root}/${made}`);
  });
  try {
    await takeOut(place, entry, (away) => exclusively(away, `${root}/${kept}`));
  } catch (thrown) {
    for (const made of [folder, above]) removeIfEmpty(`${root}/${made}`);
    throw thrown;
  }
  inOrder(entry.path, () => {
    // Its new name is on disk before its old one is not.
    for (const part of [folder, above, OWN_FOLDER]) syncFolder(root, part);
    removeEmpty(root, folderOf(entry.path));
  });
  return kept;
}

function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something is in it: it stays.
  }
}

function inOrder(path: string, work: () => void): void {
  try {
    work();
  } catch (thrown) {
    throw incomingError(path, thrown);
  }
}

/**
 * Moved out of sight first and looked at there: what was written in the last moment is found, and comes back. So does all
 * that `end` fails on. A process that dies in between leaves the file where it was moved to, and `sweep` tells of it.
 */
async function takeOut(place: Place, entry: Entry, end: (away: string) => void): Promise<void> {
  const { root, lists } = place;
  const { path } = entry;
  checkInside(path);
  try {
    await placeOf(root);
    const folder = folderOf(path);
    const there = folder === '' || isRealFolder(root, folder, lists) ? standing(root, path) : undefined;
    if (there === undefined || !isStill(entry, there)) throw changedHere(path);
    refuseOtherSpelling(place, path);
    const away = `${PLACE}/${GOING}${randomUUID()}`;
    renameSync(`${root}/${path}`, `${root}/${away}`);
    try {
      if (!isStill(entry, lstatSync(`${root}/${away}`), { ctime: false })) throw changedHere(path);
      end(`${root}/${away}`);
    } catch (thrown) {
      throw comeBack(root, away, path, thrown);
    }
  } catch (thrown) {
    throw incomingError(path, thrown);
  }
}

/** Gives the error that is to be told. */
function comeBack(root: string, away: string, path: RelPath, thrown: unknown): unknown {
  if (standing(root, away) === undefined) return thrown;
  try {
    const back = giveBack(root, `${root}/${away}`, path, besides(path));
    return back === path ? thrown : changedHere(path, back);
  } catch (again) {
    return stranded(path, away, again);
  }
}

/** A name for what finds its own taken: `note (kept).txt`. */
function besides(path: RelPath): RelPath {
  const dot = path.lastIndexOf('.');
  const end = dot > path.lastIndexOf('/') + 1 ? dot : path.length;
  return relPath(`${path.slice(0, end)} (kept)${path.slice(end)}`);
}

function removeEmpty(root: string, folder: string): void {
  let left = folder;
  try {
    for (; left !== ''; left = folderOf(left)) rmdirSync(`${root}/${left}`);
  } catch {
    // Not empty, or not ours to remove: it stays.
  }
  syncFolder(root, left);
}
