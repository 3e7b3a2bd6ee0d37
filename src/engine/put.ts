import { createHash } from 'node:crypto';
import type { NameKey, ObjectKey } from '../model/brands.ts';
import type { Entry } from '../model/entry.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import type { Action } from '../model/plan.ts';
import type { Metadata, UploadJournal, UploadSubject, WriteOptions } from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import type { Record } from '../model/record.ts';
import type { TransferPhase } from '../model/transfer.ts';
import { alreadyThere } from './compare.ts';
import { copyRenamed } from './copy-renamed.ts';
import type { Wrapping } from './sealing.ts';
import { released } from './memory.ts';
import { META_MAC, statMetadata } from './stats.ts';
import { type World, keyIn } from './world.ts';

/** Files up to this size go in one request; larger ones in parts. */
export const SINGLE_MAX = 8 * 2 ** 20;
const PART_MIN = 8 * 2 ** 20;
const PART_STEP = 2 ** 20;
const MAX_PARTS = 10_000;
const HASH_CHUNK = 2 ** 20;

export interface PutOptions {
  readonly signal: AbortSignal;
  /** `sent` counts plaintext bytes acknowledged. */
  readonly onPhase: (phase: TransferPhase, sent: number) => void;
}

/** How a put ended: what to remember, and the Receipt unless nothing needed sending. */
export interface PutEnd {
  readonly record: Record;
  readonly receipt: Receipt | undefined;
  /** The object was made of another one inside the store. */
  readonly copied?: true;
}

type Put = Extract<Action, { kind: 'put' }>;

/** Part size for an object of `size` bytes as stored: at least 8 MiB, whole MiB, at most 10,000 parts. */
export function partSizeFor(size: number): number {
  return Math.max(PART_MIN, Math.ceil(size / MAX_PARTS / PART_STEP) * PART_STEP);
}

/** open → seal → put → verify: brings one file into the bucket and gives what the Index must remember. */
export async function putFile(world: World, action: Put, options: PutOptions): Promise<PutEnd> {
  const seenAt = world.clock.now();
  try {
    return await (action.local.size <= SINGLE_MAX
      ? putWhole(world, action, seenAt, options)
      : putParts(world, action, seenAt, options));
  } catch (thrown) {
    throw asMovedOn(thrown, action, world.direction);
  }
}

/** What the object must still be: with several writers nothing goes over what it is not based on [BOTH-1]. */
function conditionOf(
  { direction }: World,
  { record, reason }: Put,
): Pick<WriteOptions, 'ifMatch' | 'ifNoneMatch'> {
  if (direction === 'push') return {};
  if (record === undefined || reason === 'missing-remotely') return { ifNoneMatch: '*' };
  return { ifMatch: record.etag };
}

/** AWS says of an object that should be this one and is gone that it is missing. */
function asMovedOn(thrown: unknown, { path }: Put, direction: World['direction']): unknown {
  const missing = thrown instanceof VaultError && thrown.code === 'object-missing';
  if (direction === 'push' || !missing) return thrown;
  return new VaultError('changed', 'precondition', `${path} is no longer in the store`, {
    hint: `somebody else removed it; ${RUN_AGAIN}`,
    cause: thrown,
  });
}

async function putWhole(world: World, action: Put, seenAt: number, options: PutOptions): Promise<PutEnd> {
  const { local } = action;
  const plaintext = await world.tree.read(local, options);
  const digest = createHash('sha256').update(plaintext).digest();
  // A larger file stood here before, and its upload was interrupted.
  if (world.index.journal().find(action.key) !== undefined)
    await dropUpload(world, action.key, options.signal);
  const kept = await alreadyThere(world, action, digest, options.signal);
  if (kept !== undefined)
    return { record: { ...kept, ...stampOf(local, seenAt), digest }, receipt: undefined };
  const copy = await copyRenamed(world, action, digest, options.signal);
  if (copy !== undefined)
    return { record: recordOf(world, action, copy, digest, seenAt), receipt: copy, copied: true };
  const wrapping = await world.sealing.start(options);
  try {
    const body = wrapping.whole(plaintext);
    await world.upload.take(body.length, options.signal, () => options.onPhase('queued', 0));
    options.onPhase('sending', 0);
    const receipt = await world.store.put(
      keyIn(world, action.key),
      body,
      metadataOf(world, local, wrapping, digest),
      { signal: options.signal, ...conditionOf(world, action) },
    );
    return { record: recordOf(world, action, receipt, digest, seenAt), receipt };
  } finally {
    wrapping.wipe();
  }
}

async function putParts(world: World, action: Put, seenAt: number, options: PutOptions): Promise<PutEnd> {
  const { local } = action;
  const digest = await hashFile(world, local, options.signal);
  const kept = await alreadyThere(world, action, digest, options.signal);
  if (kept !== undefined) {
    // Another content was under way, and the file is again what it was.
    await dropUpload(world, action.key, options.signal);
    return { record: { ...kept, ...stampOf(local, seenAt), digest }, receipt: undefined };
  }
  const copy = await copyRenamed(world, action, digest, options.signal);
  if (copy !== undefined)
    return { record: recordOf(world, action, copy, digest, seenAt), receipt: copy, copied: true };
  const size = world.sealing.storedSize(local.size);
  const { wrapping, metadata, journal, partSize } = await beginOrGoOn(world, action, digest, size, options);
  try {
    const source = {
      metadata,
      size,
      partSize,
      open: (signal: AbortSignal | undefined) =>
        paced(world, wrapping.stream(verified(world, local, partSize, digest, signal), partSize), signal),
    };
    options.onPhase('sending', 0);
    const receipt = await world.store.upload(keyIn(world, action.key), source, journal, {
      signal: options.signal,
      ...conditionOf(world, action),
      onSent: (sent) => options.onPhase('sending', Math.min(sent, local.size)),
    });
    return { record: recordOf(world, action, receipt, digest, seenAt), receipt };
  } catch (thrown) {
    if (thrown instanceof VaultError && (thrown.kind === 'changed' || thrown.kind === 'security')) {
      // Where this fails the journal stays, and a later try or the sweep calls the upload off.
      await dropUpload(world, action.key, options.signal).catch(() => undefined);
    }
    throw thrown;
  } finally {
    wrapping.wipe();
  }
}

interface Begun {
  readonly wrapping: Wrapping;
  readonly metadata: Metadata;
  readonly journal: UploadJournal;
  readonly partSize: number;
}

/**
 * Goes on with an interrupted upload when the file is provably the one it was begun for (size, mtime, ctime, inode,
 * digest) and the data key can be unwrapped; else aborts it and begins with a fresh data key.
 */
async function beginOrGoOn(
  world: World,
  action: Put,
  digest: Buffer,
  size: number,
  options: PutOptions,
): Promise<Begun> {
  const wanted = subjectOf(world, action, digest, size);
  const found = world.index.journal().find(action.key);
  if (found !== undefined && found.uploadId !== undefined && sameSubject(found.subject, wanted)) {
    const wrapping = await world.sealing.resume(found.subject.metadata, options);
    if (wrapping !== undefined) {
      return { wrapping, metadata: found.subject.metadata, journal: found, partSize: wanted.partSize };
    }
  }
  if (found !== undefined) await dropUpload(world, action.key, options.signal);
  const wrapping = await world.sealing.start(options);
  const metadata = metadataOf(world, action.local, wrapping, digest);
  const journal = world.index.journal().create({ ...wanted, metadata });
  return { wrapping, metadata, journal, partSize: wanted.partSize };
}

function subjectOf(world: World, action: Put, digest: Buffer, size: number): Omit<UploadSubject, 'metadata'> {
  const { mtime, ctime, inode } = action.local;
  return {
    key: action.key,
    path: action.path,
    size: action.local.size,
    mtime,
    ctime,
    inode,
    partSize: partSizeFor(size),
    modeFingerprint: world.modeFingerprint,
    digest: digest.toString('base64'),
  };
}

function sameSubject(a: UploadSubject, b: Omit<UploadSubject, 'metadata'>): boolean {
  return (
    a.key === b.key &&
    a.size === b.size &&
    a.mtime === b.mtime &&
    a.ctime === b.ctime &&
    a.inode === b.inode &&
    a.partSize === b.partSize &&
    a.modeFingerprint === b.modeFingerprint &&
    a.digest === b.digest
  );
}

/**
 * Aborts an unfinished upload of ours and forgets its journal. A journal without an upload id may belong to an upload
 * whose id never arrived (the process died while it was being created): then what is unfinished under that very key
 * is aborted, unless it may be another machine's. No part was ever sent to ours: it costs nothing until it is swept.
 */
export async function dropUpload(
  world: Pick<World, 'index' | 'store' | 'prefix' | 'direction'>,
  key: NameKey,
  signal?: AbortSignal,
): Promise<void> {
  const journals = world.index.journal();
  const journal = journals.find(key);
  if (journal === undefined) return;
  const { uploadId } = journal;
  if (uploadId !== undefined) await world.store.abortUpload(keyIn(world, key), uploadId, { signal });
  else if (world.direction === 'push') await dropNameless(world, keyIn(world, key), signal);
  journals.remove(key);
}

/** A store that forbids listing uploads is left in peace: it forgets them by its own rules. */
async function dropNameless(
  { store }: Pick<World, 'store'>,
  key: ObjectKey,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    for await (const upload of store.uploads(key, { signal })) {
      if (upload.key === key) await store.abortUpload(key, upload.uploadId, { signal });
    }
  } catch (thrown) {
    if (!(thrown instanceof VaultError && thrown.kind === 'refused')) throw thrown;
  }
}

async function hashFile(world: World, local: Entry, signal: AbortSignal): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of released(world.tree.stream(local, HASH_CHUNK, { signal }))) hash.update(chunk);
  return hash.digest();
}

/**
 * The file's bytes, refused at the last chunk if they are not those that were hashed: the last part is never sealed
 * over a file that changed between the two readings.
 */
async function* verified(
  world: World,
  local: Entry,
  chunkSize: number,
  digest: Buffer,
  signal: AbortSignal | undefined,
): AsyncIterable<Buffer> {
  const hash = createHash('sha256');
  let left = local.size;
  for await (const chunk of world.tree.stream(local, chunkSize, { signal })) {
    hash.update(chunk);
    left -= chunk.length;
    if (left === 0 && !hash.digest().equals(digest)) {
      throw new VaultError('changed', 'changed-while-reading', `${local.path} changed while it was read`, {
        hint: `${RUN_AGAIN} once it is still`,
      });
    }
    yield chunk;
  }
}

async function* paced(
  world: World,
  parts: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  for await (const part of parts) {
    await world.upload.take(part.length, signal);
    yield part;
  }
}

function metadataOf({ names }: World, local: Entry, wrapping: Wrapping, digest: Buffer): Metadata {
  const mac = wrapping.mac(digest, local.kind);
  const own = { ...statMetadata(local), ...names.metadata(local.path) };
  return { ...wrapping.metadata, ...own, ...(mac === undefined ? {} : { [META_MAC]: mac }) };
}

function stampOf(local: Entry, seenAt: number): Entry & { readonly seenAt: number } {
  return { ...local, seenAt };
}

function recordOf(world: World, action: Put, receipt: Receipt, digest: Buffer, seenAt: number): Record {
  return {
    ...action.local,
    digest,
    etag: receipt.etag,
    ...(receipt.versionId === undefined ? {} : { versionId: receipt.versionId }),
    storedSize: receipt.size,
    modeFingerprint: world.modeFingerprint,
    seenAt,
  };
}
