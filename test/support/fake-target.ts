import { createHash } from 'node:crypto';
import { type RelPath, nameKey, relPath } from '../../src/model/brands.ts';
import type { DraftSubject } from '../../src/model/draft.ts';
import type { Entry } from '../../src/model/entry.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Draft, FileFacts, FileTarget, PlaceOptions, Placed, Standing } from '../../src/model/target.ts';
import { nameFault } from '../../src/local/names.ts';

export interface FakeFile {
  readonly content: Buffer;
  readonly kind: 'file' | 'link';
  readonly mtime: number;
  readonly mode: number | undefined;
}

/** A folder in memory that gets files: the FileTarget port for engine tests. `fault` throws to make a step fail. */
export class FakeTarget implements FileTarget {
  readonly files = new Map<string, FakeFile>();
  readonly folders = new Set<string>();
  fault: (step: 'open' | 'begin' | 'write' | 'place' | 'settle', path: string) => void = () => undefined;
  /** What interrupted drafts hold, by what they are for. */
  readonly left = new Map<string, Buffer>();
  /** Begun and neither placed nor discarded. */
  drafts = 0;
  settled = 0;
  #inode = 1;

  async open(): Promise<void> {
    this.fault('open', '');
  }

  refuses(path: string): string | undefined {
    return nameFault(path, 'linux');
  }

  async look(path: RelPath): Promise<Standing | undefined> {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
      this.#mustBeFolder(path.slice(0, at));
    const file = this.files.get(path);
    if (file !== undefined) return this.#entry(path, file);
    return this.#isFolder(path) ? { kind: 'folder' } : undefined;
  }

  #isFolder(path: string): boolean {
    return this.folders.has(path) || [...this.files.keys()].some((other) => other.startsWith(`${path}/`));
  }

  #mustBeFolder(path: string): void {
    if (this.files.has(path)) throw new VaultError('file', 'name-clash', `${path} is not a folder here`);
  }

  #entry(path: string, { content, kind, mtime, mode = 0o644 }: FakeFile): Entry {
    const bits = kind === 'link' ? 0o120777 : 0o100000 | mode;
    const stamp = { size: content.length, mtime, ctime: mtime, inode: this.#inode++ };
    return { path: relPath(path), key: nameKey(path), kind, mode: bits, ...stamp };
  }

  async digest(entry: Entry): Promise<Buffer> {
    return createHash('sha256')
      .update(this.files.get(entry.path)?.content ?? '')
      .digest();
  }

  async begin(path: RelPath, subject?: DraftSubject): Promise<Draft> {
    await this.look(path);
    this.fault('begin', path);
    const line = subject === undefined ? undefined : JSON.stringify([path, subject]);
    const left = line === undefined ? undefined : this.left.get(line);
    if (line !== undefined) this.left.delete(line);
    const kept = left ?? Buffer.alloc(0);
    const pieces: Buffer[] = [kept];
    let open = true;
    const end = async (): Promise<void> => {
      if (open) this.drafts--;
      open = false;
    };
    this.drafts++;
    return {
      kept: kept.length,
      keptBytes: async function* bytes() {
        yield kept;
      },
      keep: async () => {
        if (open && line !== undefined) this.left.set(line, Buffer.concat(pieces));
        await end();
      },
      write: async (bytes, at) => {
        this.fault('write', path);
        if (at !== pieces.reduce((sum, piece) => sum + piece.length, 0))
          throw new Error('a hole in the file');
        pieces.push(Buffer.from(bytes));
      },
      place: async (facts, options) => {
        try {
          this.fault('place', path);
          return this.#place(path, { content: Buffer.concat(pieces), kind: 'file', ...facts }, options);
        } finally {
          await end();
        }
      },
      discard: end,
    };
  }

  async link(path: RelPath, to: string, facts: FileFacts, options: PlaceOptions): Promise<Placed> {
    await this.look(path);
    return this.#place(path, { content: Buffer.from(to), kind: 'link', ...facts }, options);
  }

  async amend({ path }: Entry, facts: FileFacts): Promise<void> {
    const file = this.files.get(path);
    if (file !== undefined) this.files.set(path, { ...file, ...facts });
  }

  #place(path: string, file: FakeFile, { keepOld }: PlaceOptions): Placed {
    if (this.#isFolder(path))
      throw new VaultError('file', 'name-clash', `a folder stands where ${path} belongs`);
    const old = this.files.get(path);
    if (old !== undefined && !keepOld)
      throw new VaultError('file', 'target-exists', `${path} is there already`);
    this.files.set(path, file);
    if (old === undefined) return {};
    const aside = relPath(`${path} (before restore)`);
    this.files.set(aside, old);
    return { aside };
  }

  async settle(): Promise<void> {
    this.fault('settle', '');
    this.settled++;
  }
}
