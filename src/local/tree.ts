import { MAX_KEY_BYTES, nameKey, relPath } from '../model/brands.ts';
import type { Clock, FileTree } from '../model/ports.ts';
import { IGNORE_FILE, IgnoreRules } from './ignore.ts';
import { readEntry, streamEntry } from './read.ts';
import { readSource, writeMarker } from './source.ts';
import { lookAt, lookForFolder, walkFolder } from './walk.ts';

export interface TreeOptions {
  /** Absolute path of the vault's root. */
  readonly root: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly clock: Clock;
  /** Longest key in bytes, the prefix taken off. */
  readonly maxKeyBytes?: number;
}

/** The disk side of one vault. */
export function openTree(options: TreeOptions): FileTree {
  const { root, clock } = options;
  const maxKeyBytes = options.maxKeyBytes ?? MAX_KEY_BYTES;
  const rules = new IgnoreRules(options);
  return {
    walk: ({ under = relPath(''), signal } = {}) =>
      walkFolder({ root, rules, clock, maxKeyBytes, under, signal }),
    look: async (path) => {
      if (path === IGNORE_FILE || path.endsWith(`/${IGNORE_FILE}`)) {
        rules.refresh(path.slice(0, Math.max(0, path.length - IGNORE_FILE.length - 1)), true);
      }
      const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
      if (rules.ignores(path)) return undefined;
      const above = parent === '' || lookForFolder(root, parent);
      if (typeof above === 'object') return { ...above, path, key: nameKey(path) };
      if (!above) return undefined;
      return lookAt({ root, maxKeyBytes }, path, nameKey(path));
    },
    isFolder: async (path) => path !== '' && !rules.ignores(path, true) && lookForFolder(root, path) === true,
    ignores: (path) => rules.ignores(path),
    read: (entry, waits) => readEntry(root, entry, waits),
    stream: (entry, chunkSize, waits) => streamEntry(root, entry, chunkSize, waits),
    source: () => readSource(root),
    mark: (id) => writeMarker(root, id, clock.now()),
  };
}
