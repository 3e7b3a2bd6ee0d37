import type { FSWatcher } from 'chokidar';
import { relative, sep } from 'node:path';
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

/** How often a subtree that can't be watched is scanned instead. */
const POLL_MS = 30_000;

/**
 * Watches a folder through chokidar and turns what it says into Hints. A folder that can't be watched (no inotify
 * watches left) is scanned every half minute instead, and said so once.
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

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  async start(listener: WatchListener): Promise<void> {
    const { root, poll } = this.#options;
    listener.state('starting');
    const { watch } = await import('chokidar');
    const watcher = watch(root, {
      ignoreInitial: true,
      followSymlinks: false,
      persistent: true,
      ...(poll === true ? { backend: 'polling' as const } : {}),
      ignored: (path, stats) => this.#leavesOut(path, stats?.isDirectory() === true),
    });
    this.#watcher = watcher;
    watcher.on('all', (event, path) => this.#changed(event, path, listener));
    watcher.on('error', (error) => this.failed(error, listener));
    await new Promise<void>((resolve) => watcher.once('ready', resolve));
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
      listener.hint({ kind: 'under', path: rel });
      return;
    }
    listener.hint({ kind: 'path', path: rel });
    // New rules: what they let through or leave out shows only in a scan of the folder they are for.
    if (rel === IGNORE_FILE) listener.hint({ kind: 'under', path: relPath('') });
    else if (rel.endsWith(`/${IGNORE_FILE}`)) {
      listener.hint({ kind: 'under', path: relPath(rel.slice(0, -IGNORE_FILE.length - 1)) });
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
