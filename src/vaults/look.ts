/** What can be asked of a vault without holding it. */
import type { Places } from '../config.ts';
import { systemClock } from '../clock.ts';
import { tryOpen } from '../engine/try-open.ts';
import type { Vault } from '../model/vault.ts';
import { resolveRemote } from '../s3/connect.ts';
import { openStore } from '../s3/open-store.ts';
import { readIndex } from '../state/open-index.ts';
import { openKmsPace, throttling } from './kms-pace.ts';
import { type OpenOptions, vaultState } from './options.ts';
import { protect } from './protect.ts';

export interface VaultStatus {
  readonly files: number;
  /** Plaintext bytes. */
  readonly bytes: number;
  /** Multipart uploads that will go on. */
  readonly unfinished: number;
  /** What a person took out of the queue, by path. */
  readonly leftOut: readonly string[];
  /** Removals that a person said no to. */
  readonly declined: number;
}

/** What the Index of a vault knows, without holding the vault. */
export async function vaultStatus(vault: Vault, places: Places): Promise<VaultStatus> {
  const index = await readIndex({ folder: vaultState(places, vault) });
  if (index === undefined) return { files: 0, bytes: 0, unfinished: 0, leftOut: [], declined: 0 };
  try {
    const leftOut = index
      .leftOut()
      .all()
      .map(({ path }) => path);
    const unfinished = index.journal().all().length;
    return { ...index.count(), unfinished, leftOut, declined: index.refused().count() };
  } finally {
    index.close();
  }
}

/** Fetches one object of a vault and opens it; gives its path, undefined where the vault has none. Changes nothing. */
export async function tryVault(vault: Vault, options: OpenOptions): Promise<string | undefined> {
  const clock = options.clock ?? systemClock;
  const index = await readIndex({ folder: vaultState(options.places, vault) });
  if (index === undefined) return undefined;
  try {
    const resolved = await resolveRemote(vault.remote, options.env);
    const pace = await openKmsPace(vault, vault.mode, resolved, options, clock);
    const { protection, sealing, wipe } = await protect(vault.mode, vault, resolved, options, clock, pace);
    const onThrottle = throttling(pace);
    const store = openStore(resolved, protection, {
      clock,
      transfers: 1,
      attempts: 3,
      onThrottle,
      pace: pace.store,
    });
    try {
      return await tryOpen({ store, sealing }, index, vault.remote.prefix);
    } finally {
      await pace.close();
      await store.close();
      wipe();
    }
  } finally {
    index.close();
  }
}
