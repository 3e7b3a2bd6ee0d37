/**
 * A rekey must not bring under the vault's protection what was never under it: in the new mode nobody could tell it from the
 * vault's own any more [READ-1].
 */
import type { ObjectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { Conversion, Which } from './conversion.ts';
import { type Demanded, demandedIn, isUnprotected, orUnprotected } from './protected.ts';

/** Of an object's newest version; an older one may be from before an earlier rekey. What is under `to` is not moved at all. */
export const demandedOf = ({ from }: Pick<Conversion, 'from'>, { versionId }: Which): Demanded =>
  versionId === undefined ? demandedIn([from.kind]) : undefined;

const HINT =
  'it was left as it is; to see what it holds: s3vault cat s3://BUCKET/KEY --mode sse-s3; if a file of that name is here, touch it, so that the next sync sends it; then remove the object from the bucket (where it keeps versions, that version), and run the same command again';

/** Runs what reads an object for a rekey. What `refuseUnprotected` throws in it, and what says as much, comes with the way out. */
export async function refusingStrangers<T>(
  demanded: Demanded,
  key: ObjectKey,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await orUnprotected(demanded, key, work);
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || !isUnprotected(thrown)) throw thrown;
    throw new VaultError(thrown.kind, thrown.code, thrown.message, { hint: HINT });
  }
}
