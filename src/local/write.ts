/**
 * The disk side of a restore. What decides whether a path is safe, and what then uses it, happens in one turn of the event
 * loop with synchronous calls: no other transfer of ours can put a link in between.
 */
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { type RelPath, nameKey, relPath } from '../model/brands.ts';
import type { Entry } from '../model/entry.ts';
import type { Clock } from '../model/ports.ts';
import type { Draft, FileFacts, FileTarget, PlaceOptions, Placed, Standing } from '../model/target.ts';
import type { DraftSubject } from '../model/draft.ts';
import { draftName, isDraftJournal, isLeftBehind } from './draft-name.ts';
import { FolderLists } from './folder-lists.ts';
import { DraftFile } from './draft-file.ts';
import { checkInside } from './inside.ts';
import { nameFault } from './names.ts';
import { exclusively, folderOf, goOver, makeLink, setTime, standing, timeOf } from './placing.ts';
import { streamEntry } from './read.ts';
import { type LeftDraft, leftDraft, readSubject, removeDraft, subjectLine } from './resumable.ts';
import { nameThere } from './spelling.ts';
import {
  exists,
  folderInTheWay,
  noFolder,
  noFolderAbove,
  oddInTheWay,
  sameName,
  writeError,
} from './write-errors.ts';

export interface TargetOptions {
  /** Absolute path of the folder. */
  readonly root: string;
  /** Without `ticks` no folder's names are kept. */
  readonly clock: Pick<Clock, 'now'> & Partial<Pick<Clock, 'ticks'>>;
  readonly platform?: NodeJS.Platform;
}

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const HASH_CHUNK = 2 ** 20;
const TRIES = 5;

export const openTarget = (options: TargetOptions): FileTarget => new Target(options);

class Target implements FileTarget {
  readonly #root: string;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #platform: NodeJS.Platform;
  readonly #lists: FolderLists;
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
    this.#lists = new FolderLists(clock.ticks?.bind(clock));
  }

  async open(): Promise<void> {
    const probe = draftName();
    try {
      makeFolder(this.#root);
      closeSync(openSync(this.#at(probe), FLAGS, 0o600));
      unlinkSync(this.#at(probe));
      this.#meet('');
    } catch (thrown) {
      const file = fileAt(this.#root);
      throw file === undefined ? writeError(this.#root, thrown) : noFolder(file, thrown);
    }
  }

  refuses(path: string): string | undefined {
    return nameFault(path, this.#platform);
  }

  async look(path: RelPath): Promise<Standing | undefined> {
    checkInside(path);
    try {
      return this.#parents(path, false) ? this.#standing(path) : undefined;
    } catch (thrown) {
      throw writeError(path, thrown);
    }
  }

  #standing(path: RelPath): Standing | undefined {
    const stat = lstatSync(this.#at(path), { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const other = nameThere(this.#root, path, stat, this.#lists);
    if (other !== undefined) return { kind: 'clash', name: other };
    if (stat.isDirectory()) return { kind: 'folder' };
    const { mtimeMs: mtime, ctimeMs: ctime, ino: inode, mode } = stat;
    const seen = { path, key: nameKey(path), mtime, ctime, inode, mode };
    if (stat.isFile()) return { ...seen, kind: 'file', size: stat.size };
    if (!stat.isSymbolicLink()) return { kind: 'other' };
    return { ...seen, kind: 'link', size: readlinkSync(this.#at(path), 'buffer').length };
  }

  async digest(entry: Entry, options = {}): Promise<Buffer> {
    checkInside(entry.path);
    const hash = createHash('sha256');
    if (entry.kind === 'link') return hash.update(readlinkSync(this.#at(entry.path), 'buffer')).digest();
    for await (const chunk of streamEntry(this.#root, entry, HASH_CHUNK, options)) hash.update(chunk);
    return hash.digest();
  }

  async begin(path: RelPath, subject?: DraftSubject): Promise<Draft> {
    const failed = (thrown: unknown): Error => writeError(path, thrown);
    try {
      this.#check(path);
      const at = this.#beside(path);
      const line = subject === undefined ? undefined : subjectLine(path, subject);
      const left = line === undefined ? undefined : this.#left.get(line);
      if (line !== undefined) this.#dropOthers(path, line);
      const onEnd = (kept?: LeftDraft): void => {
        if (kept !== undefined) this.#left.set(kept.subject, kept);
      };
      const draft = new DraftFile({ at, line, left, failed, onEnd });
      return {
        kept: draft.kept,
        keptBytes: () => draft.keptBytes(),
        write: (bytes, offset) => draft.write(bytes, offset),
        keep: () => draft.keep(),
        discard: () => draft.discard(),
        place: async (facts, options) => {
          try {
            await draft.finish(facts);
            return this.#place(path, at, options);
          } catch (thrown) {
            throw failed(thrown);
          } finally {
            await draft.discard();
          }
        },
      };
    } catch (thrown) {
      throw failed(thrown);
    }
  }

  /** What was left of another object for this path, or in another format: nobody goes on with that. */
  #dropOthers(path: RelPath, line: string): void {
    this.#left.delete(line);
    for (const [other, { draft }] of this.#left) {
      if (readSubject(other)?.path !== path) continue;
      this.#left.delete(other);
      removeDraft(draft);
    }
  }

  async link(path: RelPath, to: string, { mtime }: FileFacts, options: PlaceOptions): Promise<Placed> {
    let temporary: string | undefined;
    try {
      this.#check(path);
      temporary = this.#beside(path);
      makeLink(to, temporary, mtime);
      return this.#place(path, temporary, options);
    } catch (thrown) {
      if (temporary !== undefined) remove(temporary);
      throw writeError(path, thrown);
    }
  }

  async amend({ path, kind, inode }: Entry, { mtime, mode }: FileFacts): Promise<void> {
    checkInside(path);
    try {
      this.#parents(path, false);
      const at = this.#at(path);
      if (lstatSync(at).ino !== inode) throw exists(path);
      if (kind === 'file' && mode !== undefined) chmodSync(at, mode & 0o777);
      setTime(
        mtime,
        (time) => lutimesSync(at, time, time),
        () => timeOf(at),
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
  #place(path: RelPath, temporary: string, options: PlaceOptions, tries = TRIES): Placed {
    this.#parents(path, true);
    const there = this.#standing(path);
    if (there?.kind === 'folder') throw folderInTheWay(path);
    if (there?.kind === 'other') throw oddInTheWay(path);
    if (there?.kind === 'clash') throw sameName(path, { part: path, there: there.name });
    this.#unsettled.add(folderOf(path));
    try {
      if (there === undefined) {
        exclusively(temporary, this.#at(path));
        return {};
      }
      if (options.keepOld) return { aside: this.#goOver(path, temporary, there) };
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code !== 'EEXIST' && code !== 'changed-here') throw thrown;
      // Another program was quicker: with consent what it wrote is kept, too.
      if (options.keepOld && tries > 1) return this.#place(path, temporary, options, tries - 1);
    }
    throw exists(path);
  }

  #goOver(path: RelPath, draft: string, over: Entry): RelPath {
    const time = new Date(this.#clock.now()).toISOString().slice(0, 19).replaceAll(':', '.');
    const free = (from: number): readonly [RelPath, number] => {
      for (let n = from; ; n++) {
        const name = asideName(path, n === 1 ? time : `${time} ${n}`);
        if (standing(this.#root, name) === undefined) return [name, n];
      }
    };
    const [as, n] = free(1);
    // A name that people see: hidden ones are cleared away one day.
    const [away] = free(n + 1);
    return goOver({ root: this.#root, draft, path, over, away: this.#at(away), as, always: true }) ?? as;
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
      const other = nameThere(this.#root, folder, stat, this.#lists);
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

/** What is there of a path, where that is no folder. */
function fileAt(path: string): string | undefined {
  for (let at = path; ; at = dirname(at)) {
    try {
      const stat = statSync(at, { throwIfNoEntry: false });
      if (stat !== undefined) return stat.isDirectory() ? undefined : at;
    } catch (thrown) {
      // Below a file there is nothing.
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOTDIR') return undefined;
    }
    if (dirname(at) === at) return undefined;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is found again by its name.
  }
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
