/** Renames, found by the bytes: the object is copied inside the store instead of sent again. */
import { timingSafeEqual } from 'node:crypto';
import { asVaultError, VaultError } from '../model/errors.ts';
import type { Entry } from '../model/entry.ts';
import { META_NAME } from '../model/names.ts';
import type { Action } from '../model/plan.ts';
import type { Receipt } from '../model/receipt.ts';
import type { Record } from '../model/record.ts';
import { statMetadata } from './stats.ts';
import { type World, keyIn } from './world.ts';

/**
 * Makes the new file's object of the old one, which must be the one that the Index knows. Undefined where there is none, or
 * where it does not work out for any reason that is no reason to stop: then the file is sent.
 */
export async function copyRenamed(
  world: World,
  { key, local, reason, record }: Extract<Action, { kind: 'put' }>,
  digest: Buffer,
  signal: AbortSignal,
): Promise<Receipt | undefined> {
  const { copier, renames, direction, modeFingerprint, names } = world;
  const old =
    copier === undefined || record !== undefined || reason !== 'new'
      ? undefined
      : oldRecord(world, local, digest);
  if (copier === undefined || old?.modeFingerprint !== modeFingerprint || old.size !== local.size)
    return undefined;
  // Its keyed digest says what it is.
  if (old.kind !== local.kind) return undefined;
  try {
    return await copier.copy(
      keyIn(world, old.key),
      ({ etag, metadata }) => {
        if (etag !== old.etag) throw new VaultError('changed', 'precondition', 'it is another object by now');
        const { [META_NAME]: _, ...others } = metadata;
        return { ...others, ...statMetadata(local), ...names.metadata(local.path) };
      },
      { signal, to: keyIn(world, key), ...(direction === 'push' ? {} : { ifNoneMatch: '*' as const }) },
    );
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (STOPS.has(error.kind)) throw error;
    renames.drop(old.key);
    return undefined;
  }
}

/** What the Index says now of an object that has these bytes. */
function oldRecord({ renames, index }: World, local: Entry, digest: Buffer): Record | undefined {
  for (;;) {
    const key = renames.find(local, digest);
    if (key === undefined) return undefined;
    const record = index.get(key);
    const known = record?.digest;
    if (known?.length === digest.length && timingSafeEqual(known, digest)) return record;
    renames.drop(key);
  }
}

const STOPS: ReadonlySet<string> = new Set(['cancelled', 'offline', 'security', 'internal']);
