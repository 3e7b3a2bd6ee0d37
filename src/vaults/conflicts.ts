/** Conflicts of a vault: copies that its Index knows, as they stand in the folder now. The vault need not be held. */
import { systemClock } from '../clock.ts';
import type { Places } from '../config.ts';
import { dropCopy, sideAt, takeName } from '../local/conflict-files.ts';
import { type NameKey, type RelPath, relPath } from '../model/brands.ts';
import { type Conflict, type ConflictDesk, readConflictName } from '../model/conflicts.ts';
import type { Clock } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import { readIndex } from '../state/open-index.ts';
import { keepBoth, keptBoth } from './kept-both.ts';
import { vaultState } from './options.ts';

/** Records read in one go: others wait that long. */
const PAGE = 2_000;

export function vaultConflicts(
  vault: Pick<Vault, 'id' | 'root'>,
  places: Places,
  clock: Clock = systemClock,
): ConflictDesk {
  const { root } = vault;
  const folder = vaultState(places, vault);
  return {
    list: async ({ signal } = {}) => {
      const index = await readIndex({ folder });
      if (index === undefined) return [];
      const conflicts: Conflict[] = [];
      const settled = await keptBoth(folder);
      try {
        let after: NameKey | undefined;
        for (;;) {
          const records = index.page(after, PAGE);
          for (const { path } of records) {
            const conflict = settled.has(path) ? undefined : conflictAt(root, path);
            if (conflict !== undefined) conflicts.push(conflict);
          }
          after = records.at(-1)?.key;
          if (after === undefined || records.length < PAGE) return conflicts;
          await clock.sleep(0, { signal });
        }
      } finally {
        index.close();
      }
    },
    keepMine: async (conflict) => takeName(root, conflict),
    keepTheirs: async (conflict) => dropCopy(root, conflict),
    keepBoth: async ({ copy }) =>
      keepBoth(folder, copy, (other) => sideAt(root, relPath(other)) !== undefined),
  };
}

/** Undefined where the path is no copy's, or the copy is gone already. */
function conflictAt(root: string, copy: RelPath): Conflict | undefined {
  const named = readConflictName(copy);
  if (named === undefined) return undefined;
  const mine = sideAt(root, copy);
  return mine === undefined ? undefined : { ...named, copy, mine, theirs: sideAt(root, named.path) };
}
