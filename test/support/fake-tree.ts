import { type RelPath, compareUtf8, nameKey, relPath } from '../../src/model/brands.ts';
import type { Entry, Seen } from '../../src/model/entry.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { FileTree, SourceState } from '../../src/model/ports.ts';

interface FakeFile {
  content: Buffer;
  mtime: number;
  ctime: number;
  inode: number;
}

/** A folder in memory: the FileTree port for engine tests. Files get new times and inodes as a disk would give them. */
export class FakeTree implements FileTree {
  readonly files = new Map<string, FakeFile>();
  readonly ignored = new Set<string>();
  marker: string | undefined;
  device = 1;
  missing = false;
  /** Called when a read begins: the place to change a file under the reader's hands. */
  onRead: (path: string) => void = () => undefined;
  readonly #now: () => number;
  #inode = 100;

  constructor(now: () => number) {
    this.#now = now;
  }

  write(path: string, content: string | Buffer): void {
    const now = this.#now();
    const inode = this.files.get(path)?.inode ?? ++this.#inode;
    this.files.set(path, { content: Buffer.from(content), mtime: now, ctime: now, inode });
  }

  remove(path: string): void {
    this.files.delete(path);
  }

  #entry(path: string): Entry | undefined {
    const file = this.files.get(path);
    if (file === undefined || this.ignored.has(path)) return undefined;
    const { content, mtime, ctime, inode } = file;
    return {
      path: relPath(path),
      key: nameKey(path),
      kind: 'file',
      size: content.length,
      mtime,
      ctime,
      inode,
      mode: 0o100644,
    };
  }

  async *walk(options: { under?: RelPath } = {}): AsyncIterable<readonly Seen[]> {
    const under = options.under ?? '';
    const paths = [...this.files.keys()].filter(
      (path) => under === '' || path === under || path.startsWith(`${under}/`),
    );
    for (const path of paths.sort(compareUtf8)) {
      const entry = this.#entry(path);
      if (entry !== undefined) yield [entry];
    }
  }

  async look(path: RelPath): Promise<Seen | undefined> {
    return this.#entry(path);
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
    const same = file !== undefined && file.mtime === entry.mtime && file.inode === entry.inode;
    if (!same)
      throw new VaultError('changed', 'changed-while-reading', `${entry.path} changed while it was read`);
    return file;
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
