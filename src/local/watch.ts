import type { FSWatcher } from 'chokidar';
import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { type RelPath, relPath } from '../model/brands.ts';
import type { Clock, WatchListener, Watcher } from '../model/ports.ts';
import { IGNORE_FILE } from './ignore.ts';

export interface WatchOptions {
  readonly root: string;
  /** What the ignore rules leave out is not watched. */
  ignores(path: RelPath, isFolder?: boolean): boolean;
  readonly clock: Clock;
  /** Look at times instead of waiting for events: network, FUSE and WSL mounts give none. */
  readonly poll?: boolean;
}

/** Folders handed to chokidar together, and the pause after them: what it needs for one batch is free before the next. */
const FOLDERS = 10;
const FOLDERS_MS = 5;

/** How often a subtree that can't be watched is scanned instead. */
const POLL_MS = 30_000;

/**
 * Watches a folder through chokidar and turns what it says into Hints. A folder that can't be watched (no inotify
 * watches left) is scanned every half minute instead, and said so once.
 *
 * On Linux chokidar is given the folders one by one, without their files: left to read a tree of 100,000 files itself it
 * takes 250 MB. What it then reports of a file is the raw event of its folder, which is all a Hint needs.
 */
export function openWatcher(options: WatchOptions): Watcher {
  return new FolderWatcher(options);
}

/** The Watcher of `openWatcher`; of itself only for tests of what a system refuses. */
export class FolderWatcher implements Watcher {
  readonly #options: WatchOptions;
  #watcher: FSWatcher | undefined;
  /** Folders that are scanned instead of watched. */
  readonly #unwatched = new Set<RelPath>();
  readonly #warned = new Set<string>();
  #cancelPoll: (() => void) | undefined;
  #closed = false;
  /** Watched folders, where they are given one by one. */
  readonly #folders = new Set<string>();
  readonly #oneByOne: boolean;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#oneByOne = process.platform === 'linux' && options.poll !== true;
  }

  async start(listener: WatchListener): Promise<void> {
    const { root, poll } = this.#options;
    listener.state('starting');
    const { watch } = await import('chokidar');
    const watcher = watch(this.#oneByOne ? [] : root, {
      ignoreInitial: true,
      followSymlinks: false,
      persistent: true,
      ...(poll === true ? { backend: 'polling' as const } : {}),
      ...(this.#oneByOne ? { depth: 0 } : {}),
      ignored: (path, stats) =>
        (this.#oneByOne && stats !== undefined && !stats.isDirectory()) ||
        this.#leavesOut(path, stats?.isDirectory() === true),
    });
    this.#watcher = watcher;
    watcher.on('all', (event, path) => this.#changed(event, path, listener));
    watcher.on('error', (error) => this.failed(error, listener));
    const ready = new Promise<void>((resolve) => watcher.once('ready', resolve));
    if (this.#oneByOne) {
      watcher.on('raw', (_event, name, details) => this.#raw(name, details, listener));
      await this.#addFolders('', listener);
    }
    await ready;
    if (this.#unwatched.size === 0) listener.state(poll === true ? 'polling' : 'watching');
  }

  #leavesOut(path: string, isFolder: boolean): boolean {
    const rel = this.#relative(path);
    return rel !== undefined && rel !== '' && this.#options.ignores(rel, isFolder);
  }

  /** Undefined for what lies outside the root. */
  #relative(path: string): RelPath | undefined {
    const rel = relative(this.#options.root, path);
    if (rel === '..' || rel.startsWith(`..${sep}`)) return undefined;
    return relPath(sep === '/' ? rel : rel.replaceAll(sep, '/'));
  }

  #changed(event: string, path: string, listener: WatchListener): void {
    const rel = this.#relative(path);
    if (rel === undefined) return;
    if (event === 'addDir' || event === 'unlinkDir') {
      if (this.#oneByOne && !this.#tend(event, rel, listener)) return;
      listener.hint({ kind: 'under', path: rel });
      return;
    }
    listener.hint({ kind: 'path', path: rel });
    // New rules: what they let through or leave out shows only in a scan of the folder they are for.
    if (rel !== IGNORE_FILE && !rel.endsWith(`/${IGNORE_FILE}`)) return;
    const folder = relPath(rel.slice(0, Math.max(0, rel.length - IGNORE_FILE.length - 1)));
    listener.hint({ kind: 'under', path: folder });
    if (this.#oneByOne) {
      void this.#addFolders(folder, listener).catch((thrown: unknown) => this.failed(thrown, listener));
    }
  }

  /** A name in a watched folder, as the system told it. */
  #raw(name: unknown, details: unknown, listener: WatchListener): void {
    const { watchedPath } = details as { readonly watchedPath?: string };
    if (watchedPath === undefined || typeof name !== 'string') return;
    const path = join(watchedPath, name);
    if (!this.#leavesOut(path, false)) this.#changed('change', path, listener);
  }

  /** Keeps the list of folders; false for one that is no news. */
  #tend(event: string, folder: RelPath, listener: WatchListener): boolean {
    if (event === 'unlinkDir') {
      for (const other of this.#folders) {
        if (other === folder || other.startsWith(`${folder}/`)) this.#folders.delete(other);
      }
      return true;
    }
    if (this.#folders.has(folder)) return false;
    void this.#addFolders(folder, listener).catch((thrown: unknown) => this.failed(thrown, listener));
    return true;
  }

  /** Hands a folder and all below it to chokidar, and hints at what came into them meanwhile. */
  async #addFolders(top: string, listener: WatchListener): Promise<void> {
    const { root, clock } = this.#options;
    const waiting = [top];
    let batch: string[] = [];
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      if (this.#closed) return;
      if (!this.#folders.has(folder)) batch.push(join(root, folder));
      this.#folders.add(folder);
      waiting.push(...this.#subfolders(folder));
      if (batch.length < FOLDERS && waiting.length > 0) continue;
      if (batch.length > 0) this.#watcher?.add(batch);
      batch = [];
      await clock.sleep(FOLDERS_MS);
    }
    // A file written before its folder was watched made no event.
    if (top !== '') listener.hint({ kind: 'under', path: relPath(top) });
  }

  #subfolders(folder: string): string[] {
    try {
      return readdirSync(join(this.#options.root, folder), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => (folder === '' ? entry.name : `${folder}/${entry.name}`))
        .filter((path) => !this.#options.ignores(relPath(path), true));
    } catch {
      // Gone, or not to be read: the scan says so.
      return [];
    }
  }

  /** What chokidar reports as an error. */
  failed(thrown: unknown, listener: WatchListener): void {
    if (this.#closed) return;
    const { code, path } = thrown as NodeJS.ErrnoException;
    const rel = path === undefined ? undefined : this.#relative(path);
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      // Gone while it was being looked at: no trouble, but worth a look.
      listener.hint({ kind: 'under', path: rel ?? relPath('') });
      return;
    }
    this.#warn(code ?? 'unknown', thrown, listener);
    this.#unwatched.add(rel ?? relPath(''));
    listener.state('degraded');
    listener.hint({ kind: 'under', path: rel ?? relPath('') });
    this.#pollLater(listener);
  }

  /** One warning per kind of trouble: chokidar reports every folder by itself. */
  #warn(code: string, thrown: unknown, listener: WatchListener): void {
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    const [message, hint] = TROUBLES[code] ?? [
      `watching failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      'the folder is scanned every half minute instead',
    ];
    listener.warning(`watch-${code.toLowerCase()}`, message, hint);
  }

  #pollLater(listener: WatchListener): void {
    this.#cancelPoll ??= this.#options.clock.after(POLL_MS, () => {
      this.#cancelPoll = undefined;
      if (this.#closed) return;
      for (const path of this.#unwatched) listener.hint({ kind: 'under', path });
      this.#pollLater(listener);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelPoll?.();
    await this.#watcher?.close();
  }
}

const TROUBLES: { readonly [code: string]: readonly [string, string] } = {
  ENOSPC: [
    'the system allows no more inotify watches; folders beyond the limit are scanned every half minute instead',
    'raise the limit: sudo sysctl fs.inotify.max_user_watches=524288, and keep it in /etc/sysctl.d',
  ],
  EMFILE: [
    'the system allows no more inotify instances or open files; what is left is scanned every half minute instead',
    'raise the limit: sudo sysctl fs.inotify.max_user_instances=1024, or ulimit -n',
  ],
  EACCES: [
    'some folders may not be watched: permission denied; they are scanned every half minute instead',
    'check the permissions of the folders, or leave them out in .s3vaultignore',
  ],
};
