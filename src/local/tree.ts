import { MAX_KEY_BYTES, relPath } from '../model/brands.ts';
import { type Names, plainNames } from '../model/names.ts';
import { outsideFault } from '../model/path-fault.ts';
import type { Clock, FileTree } from '../model/ports.ts';
import { FolderLists } from './folder-lists.ts';
import { IGNORE_FILE, IgnoreRules } from './ignore.ts';
import { readEntry, streamEntry } from './read.ts';
import { readSource, writeMarker } from './source.ts';
import { lookFor, lookForFolder, walkFolder } from './walk.ts';

export interface TreeOptions {
  /** Absolute path of the vault's root. */
  readonly root: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly clock: Clock;
  /** Default: plain names as long as S3 takes them. */
  readonly names?: Names;
}

/** The disk side of one vault. */
export function openTree(options: TreeOptions): FileTree {
  const { root, clock } = options;
  const names = options.names ?? plainNames(MAX_KEY_BYTES);
  const rules = new IgnoreRules(options);
  const lists = new FolderLists(() => clock.ticks());
  return {
    walk: ({ under = relPath(''), signal } = {}) =>
      walkFolder({ root, rules, clock, names, lists, under, signal }),
    look: async (path) => {
      if (outsideFault(path) !== undefined) return undefined;
      if (path === IGNORE_FILE || path.endsWith(`/${IGNORE_FILE}`)) {
        rules.refresh(path.slice(0, Math.max(0, path.length - IGNORE_FILE.length - 1)), true);
      }
      const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
      if (rules.ignores(path)) return undefined;
      const above = parent === '' || lookForFolder({ root, names, lists }, parent);
      if (typeof above === 'object') return { ...above, path, key: names.keyOf(path) };
      if (!above) return undefined;
      return lookFor({ root, names, lists }, path, names.keyOf(path));
    },
    isFolder: async (path) =>
      path !== '' && !rules.ignores(path, true) && lookForFolder({ root, names, lists }, path) === true,
    ignores: (path) => rules.ignores(path),
    read: (entry, waits) => readEntry(root, entry, waits),
    stream: (entry, chunkSize, waits) => streamEntry(root, entry, chunkSize, waits),
    source: () => readSource(root),
    mark: (id) => writeMarker(root, id, clock.now()),
  };
}
