/** What the screen can do with a vault beside watching its engine: the tree, conflicts, posture, keys. */
import { systemClock } from '../clock.ts';
import { type Places, readConfig } from '../config.ts';
import type { KeyDesk } from '../model/key-desk.ts';
import type { KeyStoreKind } from '../model/keyref.ts';
import type { Vault } from '../model/vault.ts';
import { vaultConflicts } from '../vaults/conflicts.ts';
import { openBrowser } from './browser.ts';
import { Desk } from './key-desk.ts';
import { placeOfVault } from './place.ts';
import { postureDesk } from './posture.ts';
import type { ScreenFacts } from './screen.ts';
import { type SyncFlags, openOptions } from './sync.ts';

export interface Desks {
  of(vault: Vault): Pick<ScreenFacts, 'browser' | 'conflicts' | 'posture'>;
  readonly keyDesk: () => Promise<KeyDesk>;
}

/** `flags`: as this run was started, for the places of keys. Nothing is opened before it is asked for. */
export function desksOf(where: Places, flags: SyncFlags, keyStore: KeyStoreKind | undefined): Desks {
  const { env } = process;
  return {
    of: (vault) => ({
      browser: openBrowser(
        async () => placeOfVault(await asRegistered(vault, where), [], flags),
        async () => openOptions(flags, where, await readConfig(where)),
        vault.root,
      ),
      conflicts: vaultConflicts(vault, where),
      posture: postureDesk(vault, env),
    }),
    keyDesk: async () => {
      const kind = flags.keyStore ?? keyStore ?? (await readConfig(where)).keyStore ?? 'keychain';
      return new Desk({ kind, flags, where, env, clock: systemClock });
    },
  };
}

/** As it is now: its mode may have changed since the screen was opened. */
async function asRegistered(vault: Vault, where: Places): Promise<Vault> {
  return (await readConfig(where)).vaults.find(({ id }) => id === vault.id) ?? vault;
}
