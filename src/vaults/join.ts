/** A folder's first meeting with a bucket that holds a vault already: it becomes one more folder of that vault. */
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { checkNames } from '../engine/describe.ts';
import { readDescription } from '../engine/description.ts';
import { OWN_FOLDER, vaultId } from '../model/brands.ts';
import type { Vault } from '../model/vault.ts';
import { resolveRemote } from '../s3/connect.ts';
import type { Protection } from '../s3/modes.ts';
import { openStore } from '../s3/open-store.ts';
import { openKmsPace, throttling } from './kms-pace.ts';
import { type OpenOptions, vaultState } from './options.ts';
import { protect } from './protect.ts';

/**
 * The vault with the id that the bucket names, where changes are to come from there: marker, Index and description then say
 * the same on every machine. A vault that only pushes keeps an id of its own, so that two folders that push into one prefix
 * are still told apart. Where names are encrypted there, they are for this folder, too. Rejects where the store does not answer.
 */
export async function joined(vault: Vault, options: OpenOptions): Promise<Vault> {
  if (vault.direction === 'push') return vault;
  const clock = options.clock ?? systemClock;
  const resolved = await resolveRemote(vault.remote, options.env);
  const protection = await forReading(vault, resolved, options);
  const pace = await openKmsPace(vault, vault.mode, resolved, options, clock);
  const store = openStore(resolved, protection, {
    clock,
    transfers: 1,
    onThrottle: throttling(pace),
    pace: pace.store,
    reads: vault.mode.kind,
  });
  try {
    const found = await readDescription(store, vault.remote.prefix);
    if (found === undefined) return vault;
    const named = found.names === undefined ? vault : { ...vault, names: found.names };
    checkNames(found, named);
    if (found.id === vault.id) return named;
    const member = { ...named, id: vaultId(found.id) };
    await setAside(member, options);
    return member;
  } finally {
    await pace.close();
    await store.close();
    if (protection.mode === 'sse-c') protection.key.wipe();
  }
}

/** The description is not sealed, so only a mode whose every read takes the key needs it here. */
async function forReading(
  vault: Vault,
  resolved: Awaited<ReturnType<typeof resolveRemote>>,
  options: OpenOptions,
): Promise<Protection> {
  if (vault.mode.kind !== 'sse-c') return { mode: 'sse-s3' };
  return (await protect(vault.mode, vault, resolved, options, options.clock ?? systemClock)).protection;
}

/** What an unregistered folder of the same vault left in this machine's state says nothing of this folder. */
async function setAside(vault: Vault, { places }: OpenOptions): Promise<void> {
  const state = vaultState(places, vault);
  if (!existsSync(state) || existsSync(join(vault.root, OWN_FOLDER, 'vault.json'))) return;
  for (let number = 1; ; number++) {
    const aside = `${state}.old-${number}`;
    if (existsSync(aside)) continue;
    await rename(state, aside);
    return;
  }
}
