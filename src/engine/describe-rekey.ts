/** What the bucket says of a rekey: so that no other machine writes meanwhile, or goes on with the old key afterwards. */
import { VaultError } from '../model/errors.ts';
import type { Clock, ObjectStore } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import type { Side } from './conversion.ts';
import { checkNames, nameOfSide, placeOf } from './describe.ts';
import { type SideName, type VaultDescription, descriptionKey, readDescription } from './description.ts';

export interface DescribedRekey {
  readonly vault: Vault;
  readonly from: Pick<Side, 'kind' | 'key' | 'store'>;
  readonly to: Pick<Side, 'kind' | 'key' | 'store'>;
  readonly clock: Clock;
}

const nameOf = ({ kind, key }: Pick<Side, 'kind' | 'key'>): SideName => ({ mode: kind, key });

/**
 * Rejects (exit 2, or 6 for another key) where the bucket holds another vault, or one that is neither under the old protection
 * nor on its way from it to the new one: another machine has moved it meanwhile, and what is here is out of date. True where it
 * is on its way: then no machine syncs before the end.
 */
export async function meetRekey(described: DescribedRekey, signal?: AbortSignal): Promise<boolean> {
  const { vault, from, to } = described;
  const found = await eitherDescription(from.store, to.store, vault.remote.prefix, signal);
  if (found === undefined) return false;
  const place = placeOf(vault);
  if (found.id !== vault.id)
    throw new VaultError('usage', 'other-vault', `${place} holds the vault of another folder`, {
      hint: 'rekey that folder instead; s3vault vaults lists those of this machine',
    });
  checkNames(found, vault);
  const { movingTo } = found;
  if (movingTo !== undefined && !isSide(movingTo, to))
    throw new VaultError('usage', 'other-rekey', `${place} is on its way to ${nameOfSide(movingTo)}`, {
      hint: 'let that rekey end first, on the machine where it was begun',
    });
  const there = { mode: found.mode, key: found.keys[0] ?? '' };
  const ended = movingTo === undefined && isSide(there, to);
  if (ended || (found.mode === from.kind && (from.key === '' || found.keys.includes(from.key))))
    return movingTo !== undefined;
  throw new VaultError(
    found.mode === from.kind ? 'security' : 'usage',
    found.mode === from.kind ? 'other-key' : 'other-mode',
    `${place} is kept in ${nameOfSide(there)} by now, not in ${nameOfSide(nameOf(from))}`,
    {
      hint: 'another machine has moved it; bring that key here with s3vault keys import, and forget and register the folder anew',
    },
  );
}

const isSide = ({ mode, key }: SideName, side: Pick<Side, 'kind' | 'key'>): boolean =>
  mode === side.kind && key === side.key;

/**
 * Says in the bucket that a rekey was begun, and both keys are needed, or that it has ended. Another machine that comes
 * with the old mode or key is turned away from then on.
 */
export async function describeRekey(
  { vault, from, to, clock }: DescribedRekey,
  state: 'begun' | 'ended',
  signal?: AbortSignal,
): Promise<void> {
  const { prefix } = vault.remote;
  const known = await eitherDescription(from.store, to.store, prefix, signal);
  const begun = state === 'begun';
  const side = begun ? from : to;
  const description: VaultDescription = {
    version: vault.names === undefined ? 1 : 2,
    id: vault.id,
    mode: side.kind,
    keys: [...new Set(begun ? [from.key, to.key] : [to.key])].filter((key) => key !== ''),
    created: known?.created ?? new Date(clock.now()).toISOString(),
    ...(begun ? { movingTo: nameOf(to) } : {}),
    ...(known?.shared === true ? { shared: true } : {}),
    ...(vault.names === undefined ? {} : { names: vault.names }),
  };
  const text = Buffer.from(`${JSON.stringify(description)}\n`);
  await side.store.put(descriptionKey(prefix), text, {}, { signal });
}

/** It lies under one of the two protections, whichever came last. */
async function eitherDescription(
  from: ObjectStore,
  to: ObjectStore,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<VaultDescription | undefined> {
  try {
    return await readDescription(from, prefix, signal);
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || !isOtherKey(thrown)) throw thrown;
  }
  try {
    return await readDescription(to, prefix, signal);
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || !isOtherKey(thrown)) throw thrown;
    throw new VaultError('security', 'other-key', 'the vault is kept under another key or mode by now', {
      cause: thrown,
      hint: 'another machine has moved it; bring that key here with: s3vault keys import',
    });
  }
}

const isOtherKey = ({ status, code }: VaultError): boolean =>
  status === 400 || status === 403 || code === 'wrong-key' || code === 'other-mode';
