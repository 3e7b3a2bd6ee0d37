/** What a store can do for a rekey, tried on objects of no value before anything of the user's is touched. */
import { randomUUID } from 'node:crypto';
import { OWN_FOLDER, type ObjectKey, objectKey } from '../model/brands.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import type { ObjectStore, Waits } from '../model/ports.ts';
import type { Conversion } from './conversion.ts';

export interface Ground {
  /** What is written anew is a version; the older ones stay. */
  readonly versioned: boolean;
  /** The store changes the encryption of objects in place. */
  readonly inPlace: boolean;
}

const TEXT = Buffer.from('s3vault looks whether this store proves a protection\n');

/**
 * One small object goes the whole way first. Rejects as a write under the new protection does, and with `versions-kept` where
 * `allVersions` is wanted and versions cannot be removed.
 */
export async function probe(
  c: Conversion,
  prefix: string,
  allVersions: boolean,
  onNoUpdate: (error: VaultError) => void,
  options: Waits,
): Promise<Ground> {
  const key = (): ObjectKey => objectKey(`${prefix}${OWN_FOLDER}/probe-${randomUUID()}`);
  const tried = key();
  const { versionId } = await c.to.store.put(tried, TEXT, {}, options);
  await remove(c.to.store, tried, versionId, allVersions, options);
  const inPlace = c.mover.updates && (await updates(c, key(), onNoUpdate, options));
  return { versioned: versionId !== undefined, inPlace };
}

async function remove(
  store: ObjectStore,
  key: ObjectKey,
  versionId: string | undefined,
  must: boolean,
  options: Waits,
): Promise<void> {
  if (versionId === undefined) return store.remove(key, options);
  try {
    await store.remove(key, { ...options, versionId });
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.kind !== 'refused' && error.kind !== 'file') throw error;
    await store.remove(key, options);
    if (must)
      throw new VaultError('refused', 'versions-kept', 'the store does not let object versions be removed', {
        cause: error,
        hint: 's3:DeleteObjectVersion is needed, and Object Lock must not keep what is new; without --all-versions the newest are moved',
      });
  }
}

async function updates(
  c: Conversion,
  key: ObjectKey,
  onNoUpdate: (error: VaultError) => void,
  options: Waits,
): Promise<boolean> {
  const { versionId } = await c.from.store.put(key, TEXT, {}, options);
  try {
    await c.mover.update(key, options);
    return true;
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (['cancelled', 'offline', 'transient', 'throttled'].includes(error.kind)) throw error;
    onNoUpdate(
      new VaultError('file', 'update-unsupported', 'the store does not change encryption in place', {
        cause: error,
        hint: 'objects are copied inside the store instead; s3:UpdateObjectEncryption may be missing',
      }),
    );
    return false;
  } finally {
    await remove(c.to.store, key, versionId, false, { signal: undefined }).catch(() => undefined);
  }
}
