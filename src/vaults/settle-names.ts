/** Names of a vault that is about to be opened for work. Before it has met its bucket, the key to them is yet to be found. */
import { systemClock } from '../clock.ts';
import { changeConfig } from '../config.ts';
import { freshNamesKey, wrapNamesKey } from '../crypto/names-key.ts';
import { readDescription } from '../engine/description.ts';
import { forgetListing } from '../engine/rounds.ts';
import type { Names, WrappedNamesKey } from '../model/names.ts';
import type { Index } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import { resolveRemote } from '../s3/connect.ts';
import { openStore } from '../s3/open-store.ts';
import { type NamesKeeper, checkKeeper, contextOf, openNames, placeOfNames } from './names.ts';
import type { OpenOptions } from './options.ts';
import type { Protecting } from './protect.ts';

/** A vault with its names, ready. */
export interface WithNames {
  readonly vault: Vault;
  readonly names: Names;
}

/** The key to encrypted names is taken from the bucket or made, where it is not known; a registered vault remembers it. */
export async function namesOfVault(
  vault: Vault,
  { protection, names: keeper }: Pick<Protecting, 'protection' | 'names'>,
  options: OpenOptions,
): Promise<WithNames> {
  const settled = await settle(vault, protection, keeper, options);
  const names = await openNames(placeOfNames(settled), keeper, vault.mode.kind, contextOf(vault));
  return { vault: settled, names };
}

async function settle(
  vault: Vault,
  protection: Protecting['protection'],
  keeper: NamesKeeper | undefined,
  options: OpenOptions,
): Promise<Vault> {
  const wanted = vault.names;
  if (wanted === undefined || wanted.keys.length > 0) return vault;
  checkKeeper(keeper, vault.mode.kind);
  const found = await described(vault, protection, options);
  const known = found?.id === vault.id ? found.names : undefined;
  const names = known ?? { ...wanted, keys: [await makeKey(keeper, vault.id)] };
  await changeConfig(options.places, (now) => ({
    ...now,
    vaults: now.vaults.map((one) =>
      one.id === vault.id && one.names?.keys.length === 0 ? { ...one, names } : one,
    ),
  }));
  return { ...vault, names };
}

async function described(vault: Vault, protection: Protecting['protection'], options: OpenOptions) {
  // A store closes the connections and credentials it was given.
  const own = await resolveRemote(vault.remote, options.env);
  const store = openStore(own, protection, { clock: options.clock ?? systemClock, transfers: 1 });
  try {
    return await readDescription(store, vault.remote.prefix);
  } finally {
    await store.close();
  }
}

async function makeKey(keeper: NamesKeeper, vaultId: string): Promise<WrappedNamesKey> {
  const first = keeper.first(vaultId);
  if (first === undefined) {
    const { key, wrapped } = await freshNamesKey(keeper.keyring, vaultId);
    key.wipe();
    return wrapped;
  }
  try {
    return await wrapNamesKey(keeper.keyring, first, vaultId);
  } finally {
    first.wipe();
  }
}

const META_NAMES = 'names';

/**
 * An Index that was made for other names (the folder was forgotten, and is now sent elsewhere with encrypted ones) knows nothing
 * of these: it begins anew, and what the bucket has is compared as after a lost Index.
 */
export function holdToNames(index: Index, { id }: Names): void {
  const before = index.meta(META_NAMES) ?? 'plain';
  if (before === id) return;
  for (let page = index.page(undefined, 2_000); page.length > 0; page = index.page(undefined, 2_000))
    index.commit(page.map(({ key }) => ({ kind: 'remove', key })));
  for (const { key } of index.journal().all()) index.journal().remove(key);
  for (const { key } of index.intents().all()) index.intents().remove(key);
  forgetListing(index);
  index.setMeta(META_NAMES, id);
}
