/** An object fetched, opened, sealed and sent again, all in passing: for what the store cannot do by itself. */
import { createHash } from 'node:crypto';
import { type Opening, startOpen } from '../crypto/open.ts';
import { type ObjectKey, nameKey, relPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Metadata, ObjectStat, StoredObject, UploadJournal, Waits } from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import { type Conversion, bare } from './conversion.ts';
import { SINGLE_MAX, partSizeFor } from './put.ts';
import type { Wrapping } from './sealing.ts';
import { META_MAC } from './stats.ts';

export interface Resent {
  readonly receipt: Receipt;
  readonly metadata: Metadata;
  readonly bytes: number;
}

const TAG = 16;

/**
 * Large objects stream. Nothing is completed before the old object's tag was found right, so a damaged one never becomes
 * a sound one. Someone else's write in between is found by the ETag.
 */
export async function resend(c: Conversion, key: ObjectKey, options: Waits): Promise<Resent> {
  const stored = await c.from.store.get(key, options);
  const opening = await opened(c, stored, options);
  try {
    const small = stored.stat.size <= SINGLE_MAX + TAG;
    return await (small
      ? resendWhole(c, key, stored, opening, options)
      : resendParts(c, key, stored, opening, options));
  } finally {
    opening?.wipe();
  }
}

async function opened(
  c: Conversion,
  { stat, body }: StoredObject,
  options: Waits,
): Promise<Opening | undefined> {
  const { keyring } = c.from.sealing;
  if (keyring === undefined) return undefined;
  try {
    return await startOpen(keyring, stat.metadata, options);
  } catch (thrown) {
    await body[Symbol.asyncIterator]().return?.();
    throw thrown;
  }
}

async function resendWhole(
  c: Conversion,
  key: ObjectKey,
  { stat, body }: StoredObject,
  opening: Opening | undefined,
  options: Waits,
): Promise<Resent> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  const plaintext = opening === undefined ? whole : opening.whole(whole);
  const wrapping = await c.to.sealing.start(options);
  try {
    const metadata = metadataOf(stat, wrapping, createHash('sha256').update(plaintext).digest());
    const sealed = wrapping.whole(plaintext);
    await c.upload.take(sealed.length, options.signal);
    await unchangedStill(c, key, stat, options);
    const receipt = await c.to.store.put(key, sealed, metadata, { ...options, ...matching(c, stat) });
    return { receipt, metadata, bytes: whole.length };
  } finally {
    wrapping.wipe();
    plaintext.fill(0);
  }
}

async function resendParts(
  c: Conversion,
  key: ObjectKey,
  stored: StoredObject,
  opening: Opening | undefined,
  options: Waits,
): Promise<Resent> {
  const { stat } = stored;
  const plainSize = opening === undefined ? stat.size : stat.size - TAG;
  const size = c.to.sealing.storedSize(plainSize);
  if (plainSize > c.to.sealing.maxPlaintext) {
    await stored.body[Symbol.asyncIterator]().return?.();
    throw tooLarge(key, c);
  }
  const { digest, body } = await digestFirst(c, key, stored, opening, options);
  const wrapping = await c.to.sealing.start(options);
  const partSize = partSizeFor(size);
  const metadata = metadataOf(stat, wrapping, digest);
  const plain = opening === undefined ? body : opening.stream(body);
  try {
    const source = {
      metadata,
      size,
      partSize,
      open: () =>
        paced(
          c,
          wrapping.stream(whenStill(c, key, stat, inParts(plain, partSize), options), partSize),
          options,
        ),
    };
    const receipt = await c.to.store.upload(key, source, journalOf(c, key, stat, partSize, metadata), {
      ...options,
      ...matching(c, stat),
    });
    return { receipt, metadata, bytes: stat.size };
  } finally {
    wrapping.wipe();
  }
}

/**
 * `s3vault-mac` is of the plaintext's SHA-256 and goes out before the first part: the Index remembers the digest, or the
 * object is read once more for it.
 */
async function digestFirst(
  c: Conversion,
  key: ObjectKey,
  stored: StoredObject,
  opening: Opening | undefined,
  options: Waits,
): Promise<{ digest: Uint8Array; body: AsyncIterable<Uint8Array> }> {
  const { stat, body } = stored;
  if (c.to.sealing.keyring === undefined) return { digest: new Uint8Array(), body };
  const record = c.index.get(nameKey(c.nameOf(key)));
  if (record?.etag === stat.etag && record.digest !== undefined) return { digest: record.digest, body };
  const hash = createHash('sha256');
  for await (const piece of opening === undefined ? body : opening.stream(body)) hash.update(piece);
  const again = await c.from.store.get(key, { ...options, ifMatch: stat.etag });
  return { digest: hash.digest(), body: again.body };
}

/** Everything but the envelope stays; the keyed digest is made anew where there is a key to make it with. */
function metadataOf(stat: ObjectStat, wrapping: Wrapping, digest: Uint8Array): Metadata {
  const { [META_MAC]: _, ...rest } = bare(stat.metadata);
  const mac = digest.length === 0 ? undefined : wrapping.mac(digest);
  return { ...rest, ...wrapping.metadata, ...(mac === undefined ? {} : { [META_MAC]: mac }) };
}

/** A condition needs a look at the object on stores that don't know them, and that look may need the other key. */
function matching(c: Conversion, stat: ObjectStat): { readonly ifMatch?: string } {
  return c.from.kind === 'sse-c' || c.to.kind === 'sse-c' ? {} : { ifMatch: stat.etag };
}

async function unchangedStill(
  c: Conversion,
  key: ObjectKey,
  stat: ObjectStat,
  options: Waits,
): Promise<void> {
  const now = await c.from.store.head(key, options);
  if (now?.etag === stat.etag) return;
  throw new VaultError('changed', 'precondition', `${safeName(key)} was written by somebody else meanwhile`);
}

/** The last part is let out only if the object is still the one that was read. */
async function* whenStill(
  c: Conversion,
  key: ObjectKey,
  stat: ObjectStat,
  parts: AsyncIterable<Buffer>,
  options: Waits,
): AsyncIterable<Buffer> {
  let held: Buffer | undefined;
  for await (const part of parts) {
    if (held !== undefined) yield held;
    held = part;
  }
  await unchangedStill(c, key, stat, options);
  if (held !== undefined) yield held;
}

/** Chunks of any length as parts of `size` bytes, the last one shorter. */
async function* inParts(chunks: AsyncIterable<Uint8Array>, size: number): AsyncIterable<Buffer> {
  let part = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const some = chunk.subarray(at, at + size - filled);
      part.set(some, filled);
      filled += some.length;
      at += some.length;
      if (filled < size) continue;
      yield part;
      part = Buffer.allocUnsafeSlow(size);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

async function* paced(
  c: Conversion,
  parts: AsyncIterable<Uint8Array>,
  { signal }: Waits,
): AsyncIterable<Uint8Array> {
  for await (const part of parts) {
    await c.upload.take(part.length, signal);
    yield part;
  }
}

/** Journaled like any upload of ours, so that what a killed run leaves unfinished is found and aborted. */
function journalOf(
  c: Conversion,
  key: ObjectKey,
  stat: ObjectStat,
  partSize: number,
  metadata: Metadata,
): UploadJournal {
  const name = c.nameOf(key);
  return c.index.journal().create({
    key: nameKey(name),
    path: relPath(name),
    size: stat.size,
    mtime: 0,
    ctime: 0,
    inode: 0,
    partSize,
    modeFingerprint: `rekey ${c.to.fingerprint}`,
    digest: '',
    metadata,
  });
}

function tooLarge(key: ObjectKey, { to }: Conversion): VaultError {
  return new VaultError('file', 'too-large', `${safeName(key)} is larger than mode ${to.kind} can seal`, {
    hint: `the limit is ${to.sealing.maxPlaintext} bytes; keep it in another mode, under another prefix`,
  });
}
