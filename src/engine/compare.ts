import { timingSafeEqual } from 'node:crypto';
import { startOpen } from '../crypto/open.ts';
import type { Entry } from '../model/entry.ts';
import { VaultError } from '../model/errors.ts';
import type { Action } from '../model/plan.ts';
import type { ObjectStat } from '../model/ports.ts';
import type { Record } from '../model/record.ts';
import { isOldLink } from './kind.ts';
import { ifProtected } from './protected.ts';
import { META_MAC, statFits } from './stats.ts';
import { type World, keyIn } from './world.ts';

type Put = Extract<Action, { kind: 'put' }>;

/**
 * Settles a doubt before anything is sent. Gives the Record to keep where the object in the bucket provably is this
 * file already: its bytes hash to what the Index remembers (doubt `stamp`), or what the object says of itself fits
 * (doubt `index-lost`). Undefined: send it.
 */
export async function alreadyThere(
  world: World,
  action: Put,
  digest: Buffer,
  signal: AbortSignal,
): Promise<Record | undefined> {
  if (action.doubt === 'stamp') {
    const known = action.record?.digest;
    return known !== undefined && timingSafeEqual(known, digest) ? action.record : undefined;
  }
  if (action.doubt !== 'index-lost') return undefined;
  const key = keyIn(world, action.key);
  const head = () => world.store.head(key, { signal });
  const stat = await ifProtected(world.reader.demanded, key, head);
  // What somebody else put there need not be told from it by size and time.
  if (stat === undefined) return undefined;
  if (!(await objectFits(world, action.local, stat, digest, signal))) return undefined;
  return {
    ...action.local,
    etag: stat.etag,
    ...(stat.versionId === undefined ? {} : { versionId: stat.versionId }),
    storedSize: stat.size,
    modeFingerprint: world.modeFingerprint,
    seenAt: 0,
    digest,
  };
}

/**
 * Size, time and permissions must fit; in `client` mode the keyed digest too, where the key at hand can open. The
 * store itself holds no digest of the plaintext in the other modes, so there the three are the proof. `oldLinks`: what is
 * not bound to be a link is this file all the same, if this is one.
 */
export async function objectFits(
  world: Pick<World, 'sealing'>,
  local: Entry,
  stat: ObjectStat,
  digest: Buffer,
  signal: AbortSignal,
  oldLinks = false,
): Promise<boolean> {
  if (stat.size !== world.sealing.storedSize(local.size)) return false;
  if (!statFits(local, stat.metadata)) return false;
  const { keyring } = world.sealing;
  if (keyring === undefined || !keyring.canOpen) return true;
  const mac = stat.metadata[META_MAC];
  if (mac === undefined) return false;
  try {
    const opening = await startOpen(keyring, stat.metadata, { signal });
    try {
      return opening.macFits(digest, mac, local.kind) || (oldLinks && isOldLink(opening, digest, mac));
    } finally {
      opening.wipe();
    }
  } catch (thrown) {
    // Sealed under another key, or tampered with: what is there is not this file, so it is sent anew.
    if (thrown instanceof VaultError && thrown.kind === 'security') return false;
    throw thrown;
  }
}
