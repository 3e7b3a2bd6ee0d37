/**
 * The disk side of a restore. What decides whether a path is safe, and what then uses it, happens in one turn of the event
 * loop with synchronous calls: no other transfer of ours can put a link in between.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  write,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { type RelPath, nameKey, relPath } from '../model/brands.ts';
import type { Entry } from '../model/entry.ts';
import type { Clock } from '../model/ports.ts';
import type { Draft, FileFacts, FileTarget, PlaceOptions, Placed, Standing } from '../model/target.ts';
import type { DraftSubject } from '../model/draft.ts';
import { draftName, isDraftJournal, isLeftBehind } from './draft-name.ts';
import { nameFault } from './names.ts';
import { streamEntry } from './read.ts';
import { nameThere } from './spelling.ts';
import {
  type LeftDraft,
  type OpenDraft,
  keptOf,
  keptParts,
  leftDraft,
  removeDraft,
  startDraft,
  subjectLine,
  takeOver,
} from './resumable.ts';
import { exists, folderInTheWay, noFolderAbove, oddInTheWay, sameName, writeError } from './write-errors.ts';

export interface TargetOptions {
  /** Absolute path of the folder. */
  readonly root: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly platform?: NodeJS.Platform;
}

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const HASH_CHUNK = 2 ** 20;
const writeAt = promisify(write);
const flush = promisify(fsync);

export const openTarget = (options: TargetOptions): FileTarget => new Target(options);

class Target implements FileTarget {
  readonly #root: string;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #platform: NodeJS.Platform;
  /** Folders that were met in this run. */
  readonly #met = new Set<string>();
  /** Drafts that can be gone on with, by what they are for. */
  readonly #left = new Map<string, LeftDraft>();
  /** Folders with names that a power cut could still undo. */
  readonly #unsettled = new Set<string>();

  constructor({ root, clock, platform = process.platform }: TargetOptions) {
    this.#root = root;
    this.#clock = clock;
    this.#platform = platform;
  }

  async open(): Promise<void> {
    const probe = draftName();
    try {
      makeFolder(this.#root);
      closeSync(openSync(this.#at(probe), FLAGS, 0o600));
      unlinkSync(this.#at(probe));
      this.#meet('');
    } catch (thrown) {
      throw writeError(this.#root, thrown);
    }
  }

  refuses(path: string): string | undefined {
    return nameFault(path, this.#platform);
  }

  async look(path: RelPath): Promise<Standing | undefined> {
    try {
      return this.#parents(path, false) ? this.#standing(path) : undefined;
    } catch (thrown) {
      throw writeError(path, thrown);
    }
  }

  #standing(path: RelPath): Standing | undefined {
    const stat = lstatSync(this.#at(path), { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const other = nameThere(this.#root, path, stat);
    if (other !== undefined) return { kind: 'clash', name: other };
    if (stat.isDirectory()) return { kind: 'folder' };
    const { mtimeMs: mtime, ctimeMs: ctime, ino: inode, mode } = stat;
    const seen = { path, key: nameKey(path), mtime, ctime, inode, mode };
    if (stat.isFile()) return { ...seen, kind: 'file', size: stat.size };
    if (!stat.isSymbolicLink()) return { kind: 'other' };
    return { ...seen, kind: 'link', size: readlinkSync(this.#at(path), 'buffer').length };
  }

  async digest(entry: Entry, options = {}): Promise<Buffer> {
    const hash = createHash('sha256');
    if (entry.kind === 'link') return hash.update(readlinkSync(this.#at(entry.path), 'buffer')).digest();
    for await (const chunk of streamEntry(this.#root, entry, HASH_CHUNK, options)) hash.update(chunk);
    return hash.digest();
  }

  async begin(path: RelPath, subject?: DraftSubject): Promise<Draft> {
    try {
      this.#check(path);
      const temporary = this.#beside(path);
      if (subject === undefined)
        return this.#draft(path, temporary, { file: openSync(temporary, FLAGS, 0o600) });
      const line = subjectLine(path, subject);
      const left = this.#left.get(line);
      this.#left.delete(line);
      const taken = left === undefined ? undefined : takeOver(left, temporary);
      if (left !== undefined && taken !== undefined) return this.#draft(path, temporary, taken, left.digests);
      return this.#draft(path, temporary, startDraft(temporary, line));
    } catch (thrown) {
      throw writeError(path, thrown);
    }
  }

  #draft(
    path: RelPath,
    temporary: string,
    { file, journal }: Pick<OpenDraft, 'file'> & Partial<OpenDraft>,
    digests: readonly string[] = [],
  ): Draft {
    let open = true;
    const close = (): void => {
      if (open) closeSync(file);
      journal?.close();
      open = false;
    };
    const discard = async (): Promise<void> => {
      if (!open) return;
      close();
      removeDraft(temporary);
    };
    return {
      kept: keptOf({ digests }),
      keptBytes: () => keptParts(temporary, digests),
      keep: async () => {
        const left = journal?.left;
        if (!open || left === undefined) return discard();
        close();
        this.#left.set(left.subject, left);
      },
      write: async (bytes, at) => {
        try {
          for (let done = 0; done < bytes.length; ) {
            const { bytesWritten } = await writeAt(file, bytes, done, bytes.length - done, at + done);
            done += bytesWritten;
          }
          journal?.add(bytes);
        } catch (thrown) {
          throw writeError(path, thrown);
        }
      },
      place: async ({ mtime, mode }, options) => {
        try {
          fchmodSync(file, mode === undefined ? 0o666 & ~process.umask() : mode & 0o777);
          setTime(
            mtime,
            (time) => futimesSync(file, time, time),
            () => fstatSync(file).mtimeMs,
          );
          await flush(file);
          const placed = this.#place(path, temporary, options);
          close();
          if (journal !== undefined) removeDraft(temporary);
          return placed;
        } catch (thrown) {
          throw writeError(path, thrown);
        } finally {
          await discard();
        }
      },
      discard,
    };
  }

  async link(path: RelPath, to: string, { mtime }: FileFacts, options: PlaceOptions): Promise<Placed> {
    let temporary: string | undefined;
    try {
      this.#check(path);
      temporary = this.#beside(path);
      symlinkSync(to, temporary);
      const made = temporary;
      setTime(
        mtime,
        (time) => lutimesSync(made, time, time),
        () => lstatSync(made).mtimeMs,
      );
      return this.#place(path, temporary, options);
    } catch (thrown) {
      if (temporary !== undefined) remove(temporary);
      throw writeError(path, thrown);
    }
  }

  async amend({ path, kind, inode }: Entry, { mtime, mode }: FileFacts): Promise<void> {
    try {
      this.#parents(path, false);
      const at = this.#at(path);
      if (lstatSync(at).ino !== inode) throw exists(path);
      if (kind === 'file' && mode !== undefined) chmodSync(at, mode & 0o777);
      setTime(
        mtime,
        (time) => lutimesSync(at, time, time),
        () => lstatSync(at).mtimeMs,
      );
    } catch (thrown) {
      throw writeError(path, thrown);
    }
  }

  #check(path: RelPath): void {
    const fault = this.refuses(path);
    if (fault !== undefined) throw new Error(`this name ${fault}`);
    this.#parents(path, true);
  }

  /** From the temporary name to its own. Looks again: other programs may have been here meanwhile. */
  #place(path: RelPath, temporary: string, { keepOld }: PlaceOptions): Placed {
    this.#parents(path, true);
    const standing = this.#standing(path);
    if (standing?.kind === 'folder') throw folderInTheWay(path);
    if (standing?.kind === 'other') throw oddInTheWay(path);
    if (standing?.kind === 'clash') throw sameName(path, { part: path, there: standing.name });
    this.#unsettled.add(folderOf(path));
    if (standing === undefined) {
      this.#appear(path, temporary);
      return {};
    }
    if (!keepOld) throw exists(path);
    const aside = this.#keep(path);
    renameSync(temporary, this.#at(path));
    return { aside };
  }

  /** A hard link does not replace what another program put there in this very moment; a rename would. */
  #appear(path: RelPath, temporary: string): void {
    try {
      linkSync(temporary, this.#at(path));
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'EEXIST') throw exists(path);
      // Not every disk has hard links.
      renameSync(temporary, this.#at(path));
      return;
    }
    unlinkSync(temporary);
  }

  /** The file gets a second name, then loses its first: at no moment is it without one. */
  #keep(path: RelPath): RelPath {
    const time = new Date(this.#clock.now()).toISOString().slice(0, 19).replaceAll(':', '.');
    for (let n = 1; ; n++) {
      const aside = asideName(path, n === 1 ? time : `${time} ${n}`);
      try {
        linkSync(this.#at(path), this.#at(aside));
        return aside;
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException;
        if (code === 'EEXIST') continue;
        if (lstatSync(this.#at(aside), { throwIfNoEntry: false }) !== undefined) continue;
        renameSync(this.#at(path), this.#at(aside));
        return aside;
      }
    }
  }

  /** Every folder above a path must be a folder, and no link to one. `make`: what is missing is made. */
  #parents(path: RelPath, make: boolean): boolean {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      const stat = lstatSync(this.#at(folder), { throwIfNoEntry: false });
      if (stat === undefined) {
        if (!make) return false;
        mkdirSync(this.#at(folder));
        this.#unsettled.add(folderOf(folder)).add(folder);
        this.#met.add(folder);
        continue;
      }
      const other = nameThere(this.#root, folder, stat);
      if (other !== undefined) throw sameName(path, { part: folder, there: other });
      if (!stat.isDirectory()) throw noFolderAbove(path, folder);
    }
    return true;
  }

  #beside(path: RelPath): string {
    const folder = folderOf(path);
    this.#meet(folder);
    return this.#at(folder === '' ? draftName() : `${folder}/${draftName()}`);
  }

  /** What an interrupted run left in a folder goes when the folder is met for the first time, but what can be gone on with. */
  #meet(folder: string): void {
    if (this.#met.has(folder)) return;
    this.#met.add(folder);
    const names = readdirSync(this.#at(folder)).filter(isLeftBehind);
    // Of a journal only where its draft is gone.
    for (const name of names) {
      const draft = isDraftJournal(name) ? name.slice(0, -1) : name;
      if (draft === name || !names.includes(draft))
        this.#meetDraft(this.#at(folder === '' ? draft : `${folder}/${draft}`));
    }
  }

  #meetDraft(draft: string): void {
    const left = leftDraft(draft, this.#clock.now());
    if (left === undefined || this.#left.has(left.subject)) removeDraft(draft);
    else this.#left.set(left.subject, left);
  }

  async settle(): Promise<void> {
    const folders = [...this.#unsettled];
    this.#unsettled.clear();
    // Windows does not let a folder be opened, and needs no such thing.
    if (this.#platform === 'win32') return;
    for (const folder of folders) {
      try {
        const handle = await open(this.#at(folder), 'r');
        try {
          await handle.sync();
        } finally {
          await handle.close();
        }
      } catch (thrown) {
        throw writeError(folder, thrown);
      }
    }
  }

  #at(path: string): string {
    return path === '' ? this.#root : `${this.#root}/${path}`;
  }
}

/** Node's own recursion never ends where a folder cannot be made, as in /proc. */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  try {
    mkdirSync(path);
  } catch (thrown) {
    const above = dirname(path);
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    if (!missing || above === path || statSync(above, { throwIfNoEntry: false }) !== undefined) throw thrown;
    makeFolder(above);
    mkdirSync(path);
  }
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is found again by its name.
  }
}

/** Some systems cut what is finer than they store: a little more then keeps the right microsecond. */
function setTime(mtime: number, set: (seconds: number) => void, read: () => number): void {
  const micros = Math.round(mtime * 1_000);
  set(micros / 1e6);
  if (Math.round(read() * 1_000) !== micros) set((micros + 0.4) / 1e6);
}

const MAX_NAME = 255;

/** `name (before restore TIME).ext`, the stem cut where it would be too long. */
function asideName(path: RelPath, time: string): RelPath {
  const at = path.lastIndexOf('/') + 1;
  const name = path.slice(at);
  const dot = name.lastIndexOf('.');
  const [stem, ending] =
    dot > 0 && name.length - dot <= 16 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  const tail = ` (before restore ${time})${ending}`;
  let cut = stem;
  while (Buffer.byteLength(cut + tail) > MAX_NAME) cut = cut.slice(0, -1).toWellFormed();
  return relPath(path.slice(0, at) + cut + tail);
}
