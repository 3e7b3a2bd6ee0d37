/**
 * One object from one protection to another. What the store can do by itself is left to it; the rest goes through here,
 * streaming, and never touches a disk. Until the new object is proved the old one stands; after it, the new one.
 */
import { createHash } from 'node:crypto';
import { startOpen } from '../crypto/open.ts';
import { rewrap } from '../crypto/rewrap.ts';
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Keyring, Metadata, Mover, ObjectStat, Waits } from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import { type Conversion, type Side, type Which, bare, isSealed, plain } from './conversion.ts';
import { isUnprotected, refuseUnprotected } from './protected.ts';
import { demandedOf, refusingStrangers } from './rekey-strangers.ts';
import { resend } from './resend.ts';

export type How = 'rewrapped' | 'copied' | 'resent' | 'updated' | 'unchanged';

export interface Converted {
  readonly how: How;
  /** The object as it is now; empty where the newest version is a removal. */
  readonly etag: string;
  readonly versionId?: string;
  readonly size: number;
  readonly receipt?: Receipt;
  /** User metadata as it is now. */
  readonly metadata: Metadata;
  /** Bytes that went through this machine. */
  readonly through: number;
}

/** Objects that the store could not copy: after the first one it is not asked again. */
const refusing = new WeakSet<Mover>();

/** Finds out where the object stands, and brings it under `to` where it is not. Errors are VaultErrors about this object. */
export async function convertObject(c: Conversion, key: ObjectKey, options: Waits): Promise<Converted> {
  const there = await already(c, key, options);
  if (there !== undefined) return done('unchanged', there, there.metadata, 0);
  return moveVersion(c, key, options);
}

/**
 * Brings what is under `from` under `to`, asked or not. Of an older version the result is a new, newest one, unless `updated`.
 * Rejects with `not-protected`, nothing touched, where the newest one is not as protected as `from` asks.
 */
export async function moveVersion(c: Conversion, key: ObjectKey, which: Which): Promise<Converted> {
  try {
    return await refusingStrangers(demandedOf(c, which), key, () => move(c, key, which));
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || !isUnprotected(thrown)) throw thrown;
    // Another machine goes on with the same rekey, and was here between the looks.
    const there = await already(c, key, which);
    if (there === undefined) throw thrown;
    return done('unchanged', there, there.metadata, 0);
  }
}

async function move(c: Conversion, key: ObjectKey, which: Which): Promise<Converted> {
  if (c.inPlace()) {
    const updated = await inPlace(c, key, which);
    if (updated !== undefined) return updated;
  }
  if (!refusing.has(c.mover) && sameSide(c)) {
    try {
      return await inStore(c, key, which);
    } catch (thrown) {
      if (!(thrown instanceof VaultError) || thrown.code !== 'copy-unsupported') throw thrown;
      // 400 may be about this object; the others are about the store.
      if (thrown.status !== 400) refusing.add(c.mover);
      c.onNoCopy(thrown);
    }
  }
  const { receipt, metadata, bytes } = await resend(c, key, which);
  return { ...done('resent', receipt, metadata, bytes), receipt };
}

const sameSide = ({ from, to }: Conversion): boolean =>
  (from.sealing.keyring === undefined) === (to.sealing.keyring === undefined);

function done(
  how: How,
  { etag, versionId, size }: { readonly etag: string; readonly versionId?: string; readonly size: number },
  metadata: Metadata,
  through: number,
): Converted {
  return { how, etag, ...(versionId === undefined ? {} : { versionId }), size, metadata, through };
}

/** The object, or one version of it, where it is under `to` already: an earlier run got that far. */
export async function already(
  c: Conversion,
  key: ObjectKey,
  options: Which,
): Promise<ObjectStat | undefined> {
  const { keyring } = c.to.sealing;
  if (keyring === undefined) {
    const stat = await c.mover.moved(key, plain(options));
    return stat !== undefined && !isSealed(stat.metadata) ? stat : undefined;
  }
  // A machine that cannot open what it seals takes what its old key opens for not yet done.
  const opens = keyring.canOpen ? { keyring, yes: true } : { keyring: c.from.sealing.keyring, yes: false };
  const stat = await c.to.store.head(key, plain(options)).catch(refusedRead);
  if (stat === undefined || !isSealed(stat.metadata)) return undefined;
  return (await canOpen(opens.keyring, stat.metadata, options)) === opens.yes ? stat : undefined;
}

/** A plain HEAD of what another customer key protects is refused. */
export function refusedRead(thrown: unknown): undefined {
  if (thrown instanceof VaultError && (thrown.status === 400 || thrown.status === 403)) return undefined;
  if (thrown instanceof VaultError && thrown.code === 'other-mode') return undefined;
  throw thrown;
}

async function canOpen(keyring: Keyring | undefined, metadata: Metadata, options: Waits): Promise<boolean> {
  if (keyring === undefined) return false;
  try {
    (await startOpen(keyring, metadata, options)).wipe();
    return true;
  } catch (thrown) {
    if (thrown instanceof VaultError && thrown.kind === 'security') return false;
    throw thrown;
  }
}

/** Rejects where an object is not under this protection, as opening it would. */
export async function opensWith(
  side: Side,
  key: ObjectKey,
  metadata: Metadata,
  options: Waits,
): Promise<void> {
  const { keyring } = side.sealing;
  if (keyring === undefined) {
    if (!isSealed(metadata)) return;
    throw new VaultError('file', 'other-mode', `${safeName(key)} is sealed, and not by mode ${side.kind}`, {
      hint: 'it was written in another mode, perhaps by another program',
    });
  }
  (await startOpen(keyring, metadata, options)).wipe();
}

/** Undefined where the store does not do it with this very object (an Object Lock, say): then it is copied. */
async function inPlace(c: Conversion, key: ObjectKey, which: Which): Promise<Converted | undefined> {
  const before = await c.from.store.head(key, plain(which));
  if (before !== undefined) refuseUnprotected(demandedOf(c, which), before);
  try {
    const receipt = await c.mover.update(key, plain(which));
    return { ...done('updated', receipt, before?.metadata ?? {}, 0), receipt };
  } catch (thrown) {
    if (thrown instanceof VaultError && (thrown.kind === 'refused' || thrown.code === 'update-unsupported'))
      return undefined;
    throw thrown;
  }
}

async function inStore(c: Conversion, key: ObjectKey, which: Which): Promise<Converted> {
  const [old, next] = [c.from.sealing.keyring, c.to.sealing.keyring];
  let before: Metadata = {};
  let metadata: Metadata = {};
  const rewrite = async (stat: ObjectStat): Promise<Metadata> => {
    refuseUnprotected(demandedOf(c, which), stat);
    before = stat.metadata;
    const envelope =
      old === undefined || next === undefined ? {} : await rewrap(old, next, stat.metadata, which);
    metadata = { ...(next === undefined ? stat.metadata : bare(stat.metadata)), ...envelope, ...which.mark };
    return metadata;
  };
  try {
    const receipt = await c.mover.copy(key, rewrite, plain(which));
    return { ...done(next === undefined ? 'copied' : 'rewrapped', receipt, metadata, 0), receipt };
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || thrown.code !== 'copy-unproved' || old === undefined) throw thrown;
    const { receipt, bytes } = await readBack(c, old, before, key, which);
    return { ...done('rewrapped', receipt, metadata, bytes), receipt };
  }
}

/**
 * The store said nothing that shows the copy to be the same bytes: they are fetched once, and the tag over all of them is
 * the proof. The data key is the same, and the old envelope opens also where the new one cannot be opened here.
 */
async function readBack(
  c: Conversion,
  keyring: Keyring,
  envelope: Metadata,
  key: ObjectKey,
  { signal }: Waits,
): Promise<{ receipt: Receipt; bytes: number }> {
  const { stat, body } = await c.to.store.get(key, { signal });
  const opening = await startOpen(keyring, envelope, { signal });
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      hash.update(chunk);
      yield chunk;
    }
  };
  try {
    for await (const piece of opening.stream(hashed())) piece.fill(0);
  } finally {
    opening.wipe();
  }
  if (c.to.kind !== 'client') throw new VaultError('internal', 'internal', `${safeName(key)} is not sealed`);
  const checksum = { algorithm: 'sha256', value: hash.digest('base64') } as const;
  const { etag, size, versionId } = stat;
  const proof = { mode: 'client', format: 'V3', key: c.to.key, checksum } as const;
  return {
    receipt: { key, etag, ...(versionId === undefined ? {} : { versionId }), size, proof },
    bytes: size,
  };
}
