import { type NameKey, type RelPath, compareUtf8, relPath } from '../../src/model/brands.ts';
import type { Entry, Oddity, OddityReason, Seen } from '../../src/model/entry.ts';
import { VaultError } from '../../src/model/errors.ts';
import { type Names, plainNames } from '../../src/model/names.ts';
import type { FileTree, FolderWriter, IncomingFile, SourceState } from '../../src/model/ports.ts';

interface FakeFile {
  content: Buffer;
  mtime: number;
  ctime: number;
  inode: number;
  /** A symbolic link; its content is the target. */
  link?: boolean;
  /** Permissions with type bits; default 0o100644, of a link 0o120777. */
  mode?: number;
}

/** A folder in memory: the FileTree port for engine tests. Files get new times and inodes as a disk would give them. */
export class FakeTree implements FileTree {
  readonly files = new Map<string, FakeFile>();
  readonly ignored = new Set<string>();
  /** What was moved out of the folder. */
  readonly aside = new Map<string, string>();
  /** What stands there and cannot be taken. A path that ends in `/` is a folder: nothing below it is seen. */
  readonly odd = new Map<string, OddityReason>();
  marker: string | undefined;
  device = 1;
  missing = false;
  /** Called when a read begins: the place to change a file under the reader's hands. */
  onRead: (path: string) => void = () => undefined;
  /** Called before a file that came is put into its place. */
  onPlace: (path: string) => void = () => undefined;
  /** What another program writes into a file while one that came goes over it. */
  onGoOver: (path: string) => Buffer | undefined = () => undefined;
  /** How its files are called in the bucket. */
  names: Names = plainNames(1_024);
  readonly #now: () => number;
  #inode = 100;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** As a program that sets the time of what it writes, where one is given. */
  write(path: string, content: string | Buffer, mtime: number = this.#now()): void {
    const inode = this.files.get(path)?.inode ?? ++this.#inode;
    this.files.set(path, { content: Buffer.from(content), mtime, ctime: this.#now(), inode });
  }

  /** A symbolic link. */
  link(path: string, target: string): void {
    this.write(path, target);
    this.#change(path, { link: true });
  }

  /** New times, the same bytes. */
  touch(path: string): void {
    this.#change(path, { mtime: this.#now(), ctime: this.#now() });
  }

  chmod(path: string, mode: number): void {
    this.#change(path, { mode, ctime: this.#now() });
  }

  /** As rename(2): the file keeps its inode and mtime. */
  rename(path: string, to: string): void {
    const file = this.files.get(path);
    if (file === undefined || path === to) return;
    this.files.delete(path);
    this.files.set(to, { ...file, ctime: this.#now() });
  }

  remove(path: string): void {
    this.files.delete(path);
  }

  #change(path: string, over: Partial<FakeFile>): void {
    const file = this.files.get(path);
    if (file !== undefined) this.files.set(path, { ...file, ...over });
  }

  #seen(path: string): Seen | undefined {
    if (this.ignored.has(path)) return undefined;
    const reason = this.odd.get(path);
    if (reason !== undefined) return this.#oddity(path, reason);
    const closed = [...this.odd.keys()].find((folder) => folder.endsWith('/') && path.startsWith(folder));
    if (closed !== undefined) return this.#oddity(path, 'unreadable');
    return this.#entry(path);
  }

  #oddity(path: string, reason: OddityReason): Oddity {
    return { kind: 'oddity', path: relPath(path.replace(/\/$/, '')), key: this.#key(path), reason };
  }

  #entry(path: string): Entry | undefined {
    const file = this.files.get(path);
    if (file === undefined) return undefined;
    const { content, mtime, ctime, inode, link } = file;
    return {
      path: relPath(path),
      key: this.#key(path),
      kind: link === true ? 'link' : 'file',
      size: content.length,
      mtime,
      ctime,
      inode,
      mode: file.mode ?? (link === true ? 0o120777 : 0o100644),
    };
  }

  #key(path: string): NameKey {
    const folder = path.endsWith('/');
    return (this.names.keyOf(folder ? path.slice(0, -1) : path) + (folder ? '/' : '')) as NameKey;
  }

  async *walk(options: { under?: RelPath } = {}): AsyncIterable<readonly Seen[]> {
    const under = options.under ?? '';
    const closed = [...this.odd.keys()].filter((path) => path.endsWith('/'));
    const paths = [...new Set([...this.files.keys(), ...this.odd.keys()])].filter(
      (path) =>
        (under === '' || path === under || path.startsWith(`${under}/`)) &&
        !closed.some((folder) => path !== folder && path.startsWith(folder)),
    );
    for (const path of paths.sort((a, b) => compareUtf8(this.#key(a), this.#key(b)))) {
      const seen = this.#seen(path);
      if (seen !== undefined) yield [seen];
    }
  }

  async look(path: RelPath): Promise<Seen | undefined> {
    return this.#seen(path);
  }

  async isFolder(path: RelPath): Promise<boolean> {
    return [...this.files.keys()].some((other) => other.startsWith(`${path}/`));
  }

  ignores(path: RelPath): boolean {
    return this.ignored.has(path);
  }

  async read(entry: Entry): Promise<Buffer> {
    const before = this.#check(entry);
    const content = Buffer.from(before.content);
    this.onRead(entry.path);
    this.#check(entry);
    return content;
  }

  async *stream(entry: Entry, chunkSize: number): AsyncIterable<Buffer> {
    const { content } = this.#check(entry);
    this.onRead(entry.path);
    for (let at = 0; at < content.length; at += chunkSize) {
      this.#check(entry);
      yield Buffer.from(content.subarray(at, at + chunkSize));
    }
    this.#check(entry);
  }

  #check(entry: Entry): FakeFile {
    const file = this.files.get(entry.path);
    const same =
      file !== undefined &&
      file.mtime === entry.mtime &&
      file.ctime === entry.ctime &&
      file.inode === entry.inode &&
      file.content.length === entry.size;
    if (!same)
      throw new VaultError('changed', 'changed-while-reading', `${entry.path} changed while it was read`);
    return file;
  }

  /** The FolderWriter port. */
  get writer(): FolderWriter {
    return {
      check: async (path, over) => {
        if (over === undefined) this.#refuseTaken(path);
        else this.#refuseClash(path);
      },
      begin: async () => this.#incoming(),
      remove: async (entry) => {
        this.#check(entry);
        this.remove(entry.path);
      },
      move: async (entry, to) => {
        this.#check(entry);
        if (this.files.has(to)) throw new VaultError('changed', 'changed-here', `${to} is there`);
        this.rename(entry.path, to);
      },
      setAside: async (entry) => {
        const { content } = this.#check(entry);
        this.remove(entry.path);
        this.aside.set(entry.path, content.toString());
        return `.s3vault/removed/1/${entry.path}`;
      },
      sweep: async () => [],
      sweepDrafts: async () => undefined,
    };
  }

  #refuseClash(path: string): void {
    const above = path.split('/').map((_, at, all) => all.slice(0, at).join('/'));
    const folder = [...this.files.keys()].some((other) => other.startsWith(`${path}/`));
    if (folder || above.some((part) => this.files.has(part)))
      throw new VaultError('file', 'name-clash', `${path} cannot be written here`);
  }

  #refuseTaken(path: string): void {
    this.#refuseClash(path);
    if (this.files.has(path))
      throw new VaultError('changed', 'changed-here', `${path} changed here meanwhile`);
  }

  #incoming(): IncomingFile {
    const chunks: Buffer[] = [];
    return {
      kept: 0,
      keptBytes: async function* none() {
        // A fake keeps nothing for later.
      },
      keep: async () => undefined,
      write: async (chunk) => void chunks.push(Buffer.from(chunk)),
      place: async (path, { kind, permissions, mtime }, over) => {
        this.onPlace(path);
        this.#refuseClash(path);
        const there = this.files.get(path);
        if (over === undefined ? there !== undefined : there === undefined)
          throw new VaultError('changed', 'changed-here', `${path} changed here meanwhile`);
        if (over !== undefined) this.#check(over.entry);
        const late = there === undefined ? undefined : this.onGoOver(path);
        const kept = over !== undefined && there !== undefined && (over.always || late !== undefined);
        if (kept) this.files.set(over.as, { ...there, content: late ?? there.content, ctime: this.#now() });
        this.files.set(path, {
          content: Buffer.concat(chunks),
          mtime,
          ctime: this.#now(),
          inode: ++this.#inode,
          link: kind === 'link',
          mode: kind === 'link' ? 0o120777 : 0o100000 | permissions,
        });
        const entry = this.#entry(path);
        if (entry === undefined) throw new Error('it was just placed');
        return { entry, ...(kept ? { keptAs: over.as } : {}) };
      },
      discard: async () => undefined,
    };
  }

  async source(): Promise<SourceState> {
    return this.missing
      ? { state: 'missing' }
      : { state: 'here', device: this.device, markedAs: this.marker };
  }

  async mark(id: string): Promise<void> {
    this.marker = id;
  }
}
