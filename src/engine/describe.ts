/** What a vault and the description in its bucket have to say to each other. */
import { VaultError } from '../model/errors.ts';
import type { Clock, Index, ObjectStore, WriteOptions } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import {
  type SideName,
  type StoredDescription,
  type VaultDescription,
  descriptionKey,
  readDescription,
  readStored,
} from './description.ts';
import { acceptingCommand } from './guard.ts';
import { forgetListing, pages } from './rounds.ts';

export const placeOf = ({ remote }: Pick<Vault, 'remote'>): string =>
  `s3://${remote.bucket}/${remote.prefix}`;

export const nameOfSide = ({ mode, key }: SideName): string =>
  key === '' ? `mode ${mode}` : `mode ${mode}, key ${key}`;

export interface Described {
  readonly vault: Vault;
  readonly store: ObjectStore;
  readonly index: Index;
  readonly clock: Clock;
  readonly keyFingerprint: string;
}

/** Looks at the description, where each is followed by a change that finds another one there. */
const LOOKS = 5;
const FIRST_MS = 100;

/**
 * Compares the vault with what the bucket says of itself, and writes the description where there is none. Rejects
 * with exit 2 on another vault's prefix, another mode or another key, with `description-unsettled` (exit 3) where it is another
 * one at each change. A place without a description may have lost its objects, too: it is listed.
 */
export async function meetRemote(
  described: Described,
  acceptSource: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const { clock, vault } = described;
  for (let looks = 1; !(await meet(described, acceptSource, signal)); looks++) {
    if (looks === LOOKS) throw unsettled(vault);
    await clock.sleep(FIRST_MS * 2 ** looks * (0.5 + clock.random() / 2), { signal });
  }
}

/** A machine that changes it does so once or twice; a store whose reads and writes disagree never ends. */
const unsettled = (vault: Vault): VaultError =>
  new VaultError(
    'changed',
    'description-unsettled',
    `${placeOf(vault)}: .s3vault/vault.json was another one by the time it was to be changed, ${LOOKS} times in a row`,
    {
      hint: 'no file was sent or removed; try again in a while; if it stays so and no other machine writes there, what this store says of an object differs from one request to the next: ask whoever runs it',
    },
  );

/** False where the description was changed by somebody else between look and write. */
async function meet(
  described: Described,
  acceptSource: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { vault, store, index, clock, keyFingerprint } = described;
  const { prefix } = vault.remote;
  const stored = await readStored(store, prefix, signal);
  if (stored !== undefined) {
    checkDescription(stored.found, vault, keyFingerprint);
    return settleSharing(described, stored, acceptSource, signal);
  }
  if (vault.direction !== 'push' && index.count().files > 0) {
    if (!acceptSource) await checkBucket(described, signal);
    // What is here is sent as if for the first time: nothing here is taken for removed there.
    for (const page of pages(index)) index.commit(page.map(({ key }) => ({ kind: 'remove', key })));
  }
  forgetListing(index);
  if (vault.direction === 'pull') return true;
  const description: VaultDescription = {
    version: vault.names === undefined ? 1 : 2,
    id: vault.id,
    mode: vault.mode.kind,
    keys: keyFingerprint === '' ? [] : [keyFingerprint],
    created: new Date(clock.now()).toISOString(),
    ...(vault.direction === 'both' ? { shared: true } : {}),
    ...(vault.names === undefined ? {} : { names: vault.names }),
  };
  try {
    // Only where it is known what the store makes of conditions.
    const condition = vault.direction === 'both' ? { ifNoneMatch: '*' as const } : {};
    await describe(store, prefix, description, { signal, ...condition });
  } catch (thrown) {
    // Another machine came here in this very moment: is it the same vault?
    if (thrown instanceof VaultError && thrown.code === 'precondition') return false;
    throw thrown;
  }
  return true;
}

async function describe(
  store: ObjectStore,
  prefix: string,
  description: VaultDescription,
  options: WriteOptions,
): Promise<void> {
  await store.put(descriptionKey(prefix), Buffer.from(`${JSON.stringify(description)}\n`), {}, options);
}

/**
 * Says that the vault is written from several sides, or that it no longer is; refuses to push over the others. False as
 * `redescribe`.
 */
async function settleSharing(
  described: Described,
  stored: StoredDescription,
  acceptSource: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { vault } = described;
  const { prefix, bucket } = vault.remote;
  const { found } = stored;
  if (vault.direction === 'both' && found.shared !== true)
    return redescribe(described, { ...found, shared: true }, stored, signal);
  if (vault.direction !== 'push' || found.shared !== true) return true;
  if (!acceptSource) {
    throw new VaultError('usage', 'shared-vault', `s3://${bucket}/${prefix} is kept in step both ways`, {
      hint: 'use --direction both here too; if no other machine writes there any more, add --accept-source to s3vault sync',
    });
  }
  const { shared: _shared, ...alone } = found;
  return redescribe(described, alone, stored, signal);
}

/** False where it is another one by now: a key more, say, or that a rekey has begun. */
async function redescribe(
  { vault, store }: Described,
  description: VaultDescription,
  { etag }: StoredDescription,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { prefix } = vault.remote;
  try {
    await describe(store, prefix, description, { signal, ifMatch: etag });
  } catch (thrown) {
    const code = thrown instanceof VaultError ? thrown.code : '';
    if (code === 'precondition') return false;
    if (code !== 'conditions-refused' && code !== 'not-implemented') throw thrown;
    // A store where nothing is changed on condition: all the more must the others know that they are not alone.
    await describe(store, prefix, description, { signal });
  }
  return true;
}

/**
 * The counterpart of the lost-source guard: a bucket that lost its description, or holds another vault's, is not taken for one
 * whose files were removed [DEL-6]. Rejects with kind `consent`; changes nothing.
 */
export async function checkBucket(
  { vault, store }: Pick<Described, 'vault' | 'store'>,
  signal?: AbortSignal,
): Promise<void> {
  const { bucket, prefix } = vault.remote;
  if ((await readDescription(store, prefix, signal))?.id === vault.id) return;
  throw new VaultError(
    'consent',
    'lost-remote',
    `s3://${bucket}/${prefix} is no longer this vault: its description is gone`,
    {
      hint: `nothing was removed here; is it the right bucket? to fill it again: ${acceptingCommand(vault)}`,
    },
  );
}

/** Rejects where the bucket says another vault, mode or key, or that a rekey has begun. */
export function checkDescription(found: VaultDescription, vault: Vault, keyFingerprint: string): void {
  const place = placeOf(vault);
  if (found.movingTo !== undefined && found.id === vault.id) {
    throw new VaultError(
      'usage',
      'rekey-begun',
      `${place} is on its way to ${nameOfSide(found.movingTo)}, by another machine`,
      { hint: 'let the rekey end there first, or go on with it here: s3vault rekey DIR' },
    );
  }
  if (found.mode !== vault.mode.kind) {
    throw new VaultError(
      'usage',
      'other-mode',
      `${place} holds a vault in mode ${found.mode}, not ${vault.mode.kind}`,
      {
        hint: `use --mode ${found.mode}, or another prefix`,
      },
    );
  }
  if (found.id !== vault.id) {
    throw new VaultError('usage', 'other-vault', `${place} already holds the vault of another folder`, {
      hint:
        vault.direction === 'push'
          ? 'use another prefix; two folders that push into one prefix would overwrite each other'
          : 'use another prefix; a folder joins a vault when it is synced for the first time, so to join this one: s3vault forget the folder, remove its .s3vault, and sync it anew',
    });
  }
  checkNames(found, vault);
  if (keyFingerprint !== '' && !found.keys.includes(keyFingerprint)) {
    throw new VaultError(
      'security',
      'other-key',
      `${place} is kept under key ${found.keys.join(', ')}, not ${keyFingerprint}`,
      {
        hint: 'choose the right key with --key, or import it with: s3vault keys import',
      },
    );
  }
}

/** Names are encrypted from the first object on, or never. */
export function checkNames(
  found: Pick<VaultDescription, 'names'>,
  vault: Pick<Vault, 'remote' | 'names'>,
): void {
  if ((found.names === undefined) === (vault.names === undefined)) return;
  const place = placeOf(vault);
  throw found.names === undefined
    ? new VaultError('usage', 'plain-names', `${place} holds a vault with plain names`, {
        hint: 'leave --encrypt-names out, or use another prefix: names are encrypted from the first object on, or never',
      })
    : new VaultError('usage', 'encrypted-names', `${place} holds a vault with encrypted names`, {
        hint: 'add --encrypt-names, or use another prefix',
      });
}
