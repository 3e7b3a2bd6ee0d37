/** get → open → verify → draft: brings one object to this machine, not yet into its place. */
import { createHash } from 'node:crypto';
import { type Opening, startOpen } from '../crypto/open.ts';
import type { NameKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { IncomingFile, FileTraits, ObjectStat, StoredObject, Waits } from '../model/ports.ts';
import { factsOf } from './facts.ts';
import { META_MAC } from './stats.ts';
import { type World, keyIn, writerOf } from './world.ts';

export interface FetchOptions extends Waits {
  /** `arrived` counts plaintext bytes. */
  readonly onArrived: (arrived: number) => void;
}

/** An object's plaintext, whole and proved, in a draft that the caller must place or discard. */
export interface Fetched {
  readonly draft: IncomingFile;
  readonly stat: ObjectStat;
  readonly facts: FileTraits;
  /** SHA-256 of the plaintext. */
  readonly digest: Buffer;
  readonly size: number;
}

/**
 * Fetches the object as it is now; undefined where `wants` does not want that one. Rejects with kind `changed` where it is
 * gone, `security` where it can't be opened: then nothing of it stays.
 */
export async function fetchObject(
  world: World,
  key: NameKey,
  options: FetchOptions,
  wants: (stat: ObjectStat) => boolean = () => true,
): Promise<Fetched | undefined> {
  const stored = await newest(world, key, options);
  if (!wants(stored.stat)) {
    await stored.body[Symbol.asyncIterator]().return?.();
    return undefined;
  }
  const draft = await writerOf(world).begin();
  try {
    const { digest, size } = await fill(world, draft, stored, options);
    return { draft, stat: stored.stat, facts: traitsOf(stored.stat), digest, size };
  } catch (thrown) {
    await draft.discard();
    throw thrown;
  }
}

async function newest(world: World, key: NameKey, { signal }: Waits): Promise<StoredObject> {
  try {
    return await world.store.get(keyIn(world, key), { signal });
  } catch (thrown) {
    if (!(thrown instanceof VaultError && thrown.code === 'object-missing')) throw thrown;
    throw new VaultError('changed', 'object-missing', `${safeName(key)} is no longer in the store`, {
      hint: 'it is looked at again',
    });
  }
}

async function fill(
  world: World,
  draft: IncomingFile,
  { stat, body }: StoredObject,
  { signal, onArrived }: FetchOptions,
): Promise<{ readonly digest: Buffer; readonly size: number }> {
  const { keyring } = world.sealing;
  const opening = keyring === undefined ? undefined : await startOpen(keyring, stat.metadata, { signal });
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of opening === undefined ? body : opening.stream(body)) {
      await world.download.take(chunk.length, signal);
      hash.update(chunk);
      await draft.write(chunk);
      size += chunk.length;
      onArrived(size);
    }
    const digest = hash.digest();
    refuseOtherMac(stat, opening, digest);
    return { digest, size };
  } finally {
    opening?.wipe();
  }
}

/** The keyed digest is no secret's proof beyond the tag's, but one that contradicts it means meddling. */
function refuseOtherMac({ key, metadata }: ObjectStat, opening: Opening | undefined, digest: Buffer): void {
  const mac = metadata[META_MAC];
  if (opening === undefined || opening.format !== 'V3' || mac === undefined) return;
  if (opening.macFits(digest, mac)) return;
  throw new VaultError('security', 'mac-differs', `${safeName(key)} is not what its digest says`, {
    hint: 'somebody changed it in the bucket; nothing was written here',
  });
}

/** A file that nothing is said of is readable for its owner; nobody gets set-user-id bits from a bucket. */
const PLAIN = 0o644;

function traitsOf(stat: ObjectStat): FileTraits {
  const { kind, mode = PLAIN, mtime } = factsOf(stat);
  return { kind, permissions: mode, mtime };
}
