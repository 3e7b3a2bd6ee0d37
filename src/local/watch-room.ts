/** Whether the system has room to watch a folder: Linux gives each user a number of inotify watches, one per folder. */
import { type FSWatcher, watch } from 'node:fs';
import { readFile, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface WatchRoom {
  /** Folders below the root, the root included; `more` where counting was ended early. */
  readonly folders: number;
  readonly more: boolean;
  /** Watches a user may have, and those in use as far as can be seen; undefined where the system has no such limit. */
  readonly limit?: number;
  readonly used?: number;
  /** System error of an attempt to watch the root: `ENOSPC`, `EMFILE`. */
  readonly refused?: string;
}

/** The second one is that of a container. */
const LIMITS = ['/proc/sys/fs/inotify/max_user_watches', '/proc/sys/user/max_inotify_watches'];
/** Counting goes on no longer than this, and no further. */
const MOST_FOLDERS = 200_000;

export async function watchRoom(root: string, ignores: (path: string) => boolean): Promise<WatchRoom> {
  const refused = tryWatch(root);
  const [counted, limit, used] = await Promise.all([
    countFolders(root, ignores),
    readLimit(),
    watchesInUse(),
  ]);
  return {
    ...counted,
    ...(limit === undefined ? {} : { limit }),
    ...(limit === undefined || used === undefined ? {} : { used }),
    ...(refused === undefined ? {} : { refused }),
  };
}

function tryWatch(root: string): string | undefined {
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(root, { persistent: false }, () => undefined);
    watcher.on('error', () => undefined);
    return undefined;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code ?? 'unknown';
  } finally {
    watcher?.close();
  }
}

/** Links are not followed, as in a scan. */
async function countFolders(
  root: string,
  ignores: (path: string) => boolean,
): Promise<{ readonly folders: number; readonly more: boolean }> {
  const waiting = [''];
  let folders = 0;
  while (waiting.length > 0) {
    if (folders >= MOST_FOLDERS) return { folders, more: true };
    const folder = waiting.pop() ?? '';
    folders++;
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !ignores(path)) waiting.push(path);
    }
  }
  return { folders, more: false };
}

async function readLimit(): Promise<number | undefined> {
  const texts = await Promise.all(LIMITS.map((file) => readFile(file, 'utf8').catch(() => '')));
  const limits = texts.filter((text) => /^\d+\s*$/.test(text)).map(Number);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** Watches of this user's processes: the limit is each user's own. */
async function watchesInUse(): Promise<number | undefined> {
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  if (processes.length === 0) return undefined;
  const counts = await Promise.all(processes.map(watchesOf));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function watchesOf(pid: string): Promise<number> {
  const owner = await stat(`/proc/${pid}`).catch(() => undefined);
  if (owner?.uid !== process.getuid?.()) return 0;
  const handles = await readdir(`/proc/${pid}/fd`).catch(() => []);
  let watches = 0;
  for (const handle of handles) {
    const target = await readlink(`/proc/${pid}/fd/${handle}`).catch(() => '');
    if (!target.includes('inotify')) continue;
    const info = await readFile(`/proc/${pid}/fdinfo/${handle}`, 'utf8').catch(() => '');
    watches += info.split('\n').filter((line) => line.startsWith('inotify ')).length;
  }
  return watches;
}
