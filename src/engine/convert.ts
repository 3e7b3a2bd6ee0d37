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
import { type Conversion, bare, isSealed } from './conversion.ts';
import { resend } from './resend.ts';

export type How = 'rewrapped' | 'copied' | 'resent' | 'unchanged';

export interface Converted {
  readonly how: How;
  /** The object as it is now. */
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
  if (!refusing.has(c.mover) && sameSide(c)) {
    try {
      return await inStore(c, key, options);
    } catch (thrown) {
      if (!(thrown instanceof VaultError) || thrown.code !== 'copy-unsupported') throw thrown;
      refusing.add(c.mover);
      c.onNoCopy(thrown);
    }
  }
  const { receipt, metadata, bytes } = await resend(c, key, options);
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

/** The object where it is under `to` already: an earlier run got that far. */
async function already(c: Conversion, key: ObjectKey, options: Waits): Promise<ObjectStat | undefined> {
  const { keyring } = c.to.sealing;
  if (keyring === undefined) {
    const stat = await c.mover.moved(key, options);
    return stat !== undefined && !isSealed(stat.metadata) ? stat : undefined;
  }
  // A machine that cannot open what it seals takes what its old key opens for not yet done.
  const opens = keyring.canOpen ? { keyring, yes: true } : { keyring: c.from.sealing.keyring, yes: false };
  const stat = await c.to.store.head(key, options).catch(refusedRead);
  if (stat === undefined || !isSealed(stat.metadata)) return undefined;
  return (await canOpen(opens.keyring, stat.metadata, options)) === opens.yes ? stat : undefined;
}

/** A plain HEAD of what another customer key protects is refused. */
function refusedRead(thrown: unknown): undefined {
  if (thrown instanceof VaultError && (thrown.status === 400 || thrown.status === 403)) return undefined;
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

async function inStore(c: Conversion, key: ObjectKey, options: Waits): Promise<Converted> {
  const [old, next] = [c.from.sealing.keyring, c.to.sealing.keyring];
  let metadata: Metadata = {};
  const rewrite = async (stat: ObjectStat): Promise<Metadata> => {
    const envelope =
      old === undefined || next === undefined ? {} : await rewrap(old, next, stat.metadata, options);
    metadata = { ...(next === undefined ? stat.metadata : bare(stat.metadata)), ...envelope };
    return metadata;
  };
  try {
    const receipt = await c.mover.copy(key, rewrite, options);
    return { ...done(next === undefined ? 'copied' : 'rewrapped', receipt, metadata, 0), receipt };
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || thrown.code !== 'copy-unproved' || next === undefined)
      throw thrown;
    const { receipt, bytes } = await readBack(c, next, key, options);
    return { ...done('rewrapped', receipt, metadata, bytes), receipt };
  }
}

/**
 * The store said nothing that shows the copy to be the same bytes: they are fetched once, and the tag over all of them is
 * the proof.
 */
async function readBack(
  c: Conversion,
  keyring: Keyring,
  key: ObjectKey,
  options: Waits,
): Promise<{ receipt: Receipt; bytes: number }> {
  const { stat, body } = await c.to.store.get(key, options);
  const opening = await startOpen(keyring, stat.metadata, options);
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
