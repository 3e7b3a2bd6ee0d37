import {
  type Stats,
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fsync,
  fsyncSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  write,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { OWN_FOLDER, type RelPath } from '../model/brands.ts';
import type { DraftSubject } from '../model/draft.ts';
import { type Entry, sameStamp } from '../model/entry.ts';
import { type Names, plainNames } from '../model/names.ts';
import type { IncomingFile, FileTraits, FolderWriter } from '../model/ports.ts';
import {
  type LeftDraft,
  type OpenDraft,
  type PartJournal,
  journalOf,
  keptOf,
  keptParts,
  leftDraft,
  removeDraft,
  startDraft,
  subjectLine,
  takeOver,
} from './resumable.ts';
import { otherSpelling } from './spelling.ts';
import { isRealFolder, lookAt } from './walk.ts';
import { changedHere, clash, incomingError, oneName } from './incoming-errors.ts';

/** Drafts and files on their way out: in the vault's own folder, so never scanned, watched or synced. */
const PLACE = `${OWN_FOLDER}/tmp`;
const COMING = 'coming-';
const DRAFT = '.part';
const JOURNAL = journalOf(DRAFT);
const GOING = 'going-';
const isDraft = (name: string): boolean => name.startsWith(COMING) && name.endsWith(DRAFT);
const writeAt = promisify(write);
const flush = promisify(fsync);

/** Calls next to a rename are synchronous: nothing of this process comes between a check and what rests on it. */
export function openWriter(
  root: string,
  names = plainNames(Number.MAX_SAFE_INTEGER),
  now: () => number = () => 0,
): FolderWriter {
  /** Drafts that are being written. */
  const busy = new Set<string>();
  return {
    check: async (path, over, bytes) => checkPlace(root, path, over, bytes),
    begin: (subject) => beginDraft({ root, names, now, busy }, subject),
    remove: async (entry) => removeEntry(root, entry),
    move: async (entry, to) => moveEntry(root, entry, to),
    setAside: (entry) => setAside(root, entry),
    sweep: async () => sweep(root, now()),
  };
}

interface Writing {
  readonly root: string;
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
  const draft = `${folder}/${COMING}${randomUUID()}${DRAFT}`;
  try {
    if (subject === undefined) {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      return new FileComing(writing, draft, { file: openSync(draft, flags, 0o600) });
    }
    const line = subjectLine('', subject);
    const left = leftFor(folder, line, writing);
    const taken = left === undefined ? undefined : takeOver(left, draft);
    if (left !== undefined && taken !== undefined) return new FileComing(writing, draft, taken, left.digests);
    return new FileComing(writing, draft, startDraft(draft, line));
  } catch (thrown) {
    throw incomingError(PLACE, thrown);
  }
}

function leftFor(folder: string, line: string, { busy, now }: Writing): LeftDraft | undefined {
  for (const name of readdirSync(folder)) {
    if (!isDraft(name) || busy.has(`${folder}/${name}`)) continue;
    const left = leftDraft(`${folder}/${name}`, now());
    if (left?.subject === line) return left;
  }
  return undefined;
}

class FileComing implements IncomingFile {
  readonly #root: string;
  readonly #names: Names;
  readonly #busy: Set<string>;
  readonly #draft: string;
  readonly #file: number;
  readonly #journal: PartJournal | undefined;
  readonly #digests: readonly string[];
  #open = true;

  constructor(
    { root, names, busy }: Writing,
    draft: string,
    { file, journal }: Pick<OpenDraft, 'file'> & Partial<OpenDraft>,
    digests: readonly string[] = [],
  ) {
    this.#root = root;
    this.#names = names;
    this.#busy = busy;
    this.#draft = draft;
    this.#file = file;
    this.#journal = journal;
    this.#digests = digests;
    busy.add(draft);
  }

  get kept(): number {
    return keptOf({ digests: this.#digests });
  }

  keptBytes(): AsyncIterable<Uint8Array> {
    return keptParts(this.#draft, this.#digests);
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; )
        done += (await writeAt(this.#file, bytes, done, bytes.length - done, at + done)).bytesWritten;
      this.#journal?.add(bytes);
    } catch (thrown) {
      throw incomingError(PLACE, thrown);
    }
  }

  async place(path: RelPath, facts: FileTraits, over: Entry | undefined, keepAs?: RelPath): Promise<Entry> {
    try {
      if (facts.kind === 'file') {
        fchmodSync(this.#file, facts.permissions & 0o777);
        futimesSync(this.#file, seconds(facts.mtime), seconds(facts.mtime));
      }
      await flush(this.#file);
      this.#close();
      if (facts.kind === 'link') this.#becomeLink(facts);
      intoPlace(this.#root, this.#draft, path, over, keepAs);
      removeDraft(this.#draft);
      return this.#placed(path);
    } catch (thrown) {
      throw incomingError(path, thrown);
    }
  }

  #placed(path: RelPath): Entry {
    const placed = lookAt({ root: this.#root, names: this.#names }, path, this.#names.keyOf(path));
    if (placed === undefined || placed.kind === 'oddity') throw changedHere(path);
    return placed;
  }

  /** The bytes are a link's target. */
  #becomeLink({ mtime }: FileTraits): void {
    const target = readFileSync(this.#draft);
    unlinkSync(this.#draft);
    symlinkSync(target, this.#draft);
    lutimesSync(this.#draft, seconds(mtime), seconds(mtime));
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#file);
    this.#journal?.close();
    this.#busy.delete(this.#draft);
  }

  async keep(): Promise<void> {
    if (!this.#open || this.#journal?.left === undefined) return this.discard();
    this.#close();
  }

  async discard(): Promise<void> {
    this.#close();
    removeDraft(this.#draft);
  }
}

/** Node hands on whole microseconds, cut off: a quarter of one more keeps the right one from becoming the one before. */
const seconds = (mtime: number): number => (Math.round(mtime * 1_000) + 0.25) / 1e6;

function intoPlace(
  root: string,
  draft: string,
  path: RelPath,
  over: Entry | undefined,
  keepAs: RelPath | undefined,
): void {
  refuseOtherSpelling(root, path);
  const made = makeFolders(root, path);
  const there = standing(root, path);
  if (over === undefined) {
    refuseTaken(path, there);
    exclusively(draft, `${root}/${path}`);
  } else {
    if (there === undefined || !isStill(over, there)) throw changedHere(path);
    if (keepAs !== undefined) keep(root, path, keepAs, over);
    renameSync(draft, `${root}/${path}`);
  }
  for (const folder of [...made, folderOf(path)]) syncFolder(root, folder);
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

const standing = (root: string, path: string): Stats | undefined =>
  lstatSync(`${root}/${path}`, { throwIfNoEntry: false });

function checkPlace(root: string, path: RelPath, over: Entry | undefined, bytes: number): void {
  try {
    refuseOtherSpelling(root, path);
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
function makeFolders(root: string, path: RelPath): readonly string[] {
  const changed: string[] = [];
  const folder = folderOf(path);
  if (folder === '' || isRealFolder(root, folder)) return changed;
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
function refuseOtherSpelling(root: string, path: RelPath): void {
  const other = otherSpelling(root, path);
  if (other !== undefined) throw oneName(path, other);
}

/** To the last stamp; a rename or a further name of ours changes ctime alone. */
function isStill(entry: Entry, stat: Stats, { ctime = true } = {}): boolean {
  const { mtimeMs: mtime, ino: inode, mode } = stat;
  const size = entry.kind === 'link' ? entry.size : stat.size;
  const now = { size, mtime, ctime: ctime ? stat.ctimeMs : entry.ctime, inode };
  return sameStamp(entry, now) && mode === entry.mode;
}

/** Moves a file to a name that must be free. */
function exclusively(from: string, to: string): void {
  const isLink = lstatSync(from).isSymbolicLink();
  try {
    // On some systems a further name of a link is one of its target.
    if (isLink) {
      symlinkSync(readlinkSync(from, 'buffer'), to);
      const { mtimeMs } = lstatSync(from);
      lutimesSync(to, seconds(mtimeMs), seconds(mtimeMs));
    } else linkSync(from, to);
  } catch (thrown) {
    if (!knowsNoLinks(thrown)) throw thrown;
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw changedHere(to);
    renameSync(from, to);
    return;
  }
  unlinkSync(from);
}

const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);
const knowsNoLinks = (thrown: unknown): boolean => NO_LINKS.has((thrown as NodeJS.ErrnoException).code ?? '');

/** A second name for what stands there, before its first one is given away: at no moment is it without a name. */
function keep(root: string, path: RelPath, keepAs: RelPath, entry: Entry): void {
  const from = `${root}/${path}`;
  const to = `${root}/${keepAs}`;
  if (entry.kind === 'link') {
    symlinkSync(readlinkSync(from, 'buffer'), to);
    lutimesSync(to, seconds(entry.mtime), seconds(entry.mtime));
  } else linkOrCopy(from, to, entry);
  const there = standing(root, path);
  if (there !== undefined && isStill(entry, there, { ctime: false })) return;
  // It changed in this very moment: nothing is given away, and the second name goes again.
  unlinkSync(to);
  throw changedHere(path);
}

function linkOrCopy(from: string, to: string, { mtime }: Entry): void {
  try {
    linkSync(from, to);
  } catch (thrown) {
    if (!knowsNoLinks(thrown)) throw thrown;
    copyFileSync(from, to, constants.COPYFILE_EXCL);
    const file = openSync(to, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    lutimesSync(to, seconds(mtime), seconds(mtime));
  }
}

/** A folder's list on disk. Not every system can do that, and none loses more by it than a moment. */
function syncFolder(root: string, folder: string): void {
  try {
    const file = openSync(`${root}/${folder}`, constants.O_RDONLY);
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== 'EISDIR' && code !== 'EPERM' && code !== 'EINVAL' && code !== 'EACCES') throw thrown;
  }
}

/**
 * Moved out of sight first and looked at there: what was written in the last moment is found, and comes back. A process
 * that dies in between leaves the file where it was moved to, and `sweep` tells of it.
 */
async function removeEntry(root: string, entry: Entry): Promise<void> {
  await takeOut(root, entry, (away) => unlinkSync(away));
}

function moveEntry(root: string, entry: Entry, to: RelPath): void {
  try {
    const there = standing(root, entry.path);
    if (there === undefined || !isStill(entry, there)) throw changedHere(entry.path);
    exclusively(`${root}/${entry.path}`, `${root}/${to}`);
    syncFolder(root, folderOf(to));
  } catch (thrown) {
    throw incomingError(entry.path, thrown);
  }
}

/** A folder for each, so that names never meet. */
async function setAside(root: string, entry: Entry): Promise<string> {
  const folder = `${OWN_FOLDER}/removed/${randomUUID().slice(0, 8)}`;
  const kept = `${folder}/${entry.path.slice(entry.path.lastIndexOf('/') + 1)}`;
  await takeOut(root, entry, (away) => {
    mkdirSync(`${root}/${folder}`, { recursive: true, mode: 0o700 });
    renameSync(away, `${root}/${kept}`);
    syncFolder(root, folder);
  });
  return kept;
}

async function takeOut(root: string, entry: Entry, end: (away: string) => void): Promise<void> {
  const { path } = entry;
  const from = `${root}/${path}`;
  try {
    const place = await placeOf(root);
    const folder = folderOf(path);
    const there = folder === '' || isRealFolder(root, folder) ? standing(root, path) : undefined;
    if (there === undefined || !isStill(entry, there)) throw changedHere(path);
    refuseOtherSpelling(root, path);
    const away = `${place}/${GOING}${randomUUID()}`;
    renameSync(from, away);
    if (!isStill(entry, lstatSync(away), { ctime: false })) {
      exclusively(away, from);
      throw changedHere(path);
    }
    end(away);
    removeEmpty(root, folder);
  } catch (thrown) {
    throw incomingError(path, thrown);
  }
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

function sweep(root: string, now: number): readonly string[] {
  let names: readonly string[];
  try {
    names = readdirSync(`${root}/${PLACE}`);
  } catch {
    return [];
  }
  for (const name of names) {
    if (!name.startsWith(COMING)) continue;
    const at = `${root}/${PLACE}/${name}`;
    const draft = name.endsWith(JOURNAL) ? at.slice(0, -1) : at;
    if (leftDraft(draft, now) === undefined) removeDraft(draft);
  }
  return names.filter((name) => name.startsWith(GOING)).map((name) => `${PLACE}/${name}`);
}
