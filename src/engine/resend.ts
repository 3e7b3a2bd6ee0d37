/** An object fetched, opened, sealed and sent again, all in passing: for what the store cannot do by itself. */
import { createHash } from 'node:crypto';
import { type Opening, startOpen } from '../crypto/open.ts';
import { type ObjectKey, nameKey, relPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import type { Kind } from '../model/entry.ts';
import { VaultError } from '../model/errors.ts';
import type {
  Metadata,
  ObjectStat,
  StoredObject,
  UploadJournal,
  Waits,
  WriteOptions,
} from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import { type Conversion, type Which, bare, plain } from './conversion.ts';
import type { RateLimit } from './budget.ts';
import { factsOf } from './facts.ts';
import { isProtected, refuseUnprotected } from './protected.ts';
import { SINGLE_MAX, partSizeFor } from './put.ts';
import { demandedOf } from './rekey-strangers.ts';
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
export async function resend(c: Conversion, key: ObjectKey, options: Which): Promise<Resent> {
  const kept = await c.mover.kept(key, plain(options));
  const stored = await fetched(c, key, options);
  const opening = await opened(c, stored, options);
  try {
    const small = stored.stat.size <= SINGLE_MAX + TAG;
    return await (small
      ? resendWhole(c, key, stored, opening, kept, options)
      : resendParts(c, key, stored, opening, kept, options));
  } finally {
    opening?.wipe();
  }
}

async function fetched(
  c: Conversion,
  key: ObjectKey,
  options: Which,
  ifMatch?: string,
): Promise<StoredObject> {
  const stored = await c.from.store.get(key, {
    ...plain(options),
    ...(ifMatch === undefined ? {} : { ifMatch }),
  });
  const demanded = demandedOf(c, options);
  if (!isProtected(demanded, stored.stat)) await stored.body[Symbol.asyncIterator]().return?.();
  refuseUnprotected(demanded, stored.stat);
  return { ...stored, body: paced(c.download, stored.body, options) };
}

/**
 * What every write here keeps, and its conditions. An older version cannot change, and its copy has nothing to be compared
 * with. A condition needs a look at the object on stores that don't know them, and that look may need the other key.
 */
function writing(c: Conversion, stat: ObjectStat, kept: Metadata, options: Which): WriteOptions {
  const { signal, versionId } = options;
  const blind = versionId !== undefined || c.from.kind === 'sse-c' || c.to.kind === 'sse-c';
  return { signal, kept, sole: true, ...(blind ? {} : { ifMatch: stat.etag }) };
}

async function opened(
  c: Conversion,
  { stat, body }: StoredObject,
  options: Which,
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
  kept: Metadata,
  options: Which,
): Promise<Resent> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  const plaintext = opening === undefined ? whole : opening.whole(whole);
  const wrapping = await c.to.sealing.start(options);
  try {
    const digest = createHash('sha256').update(plaintext).digest();
    const kind = boundKind(c, stat, opening, digest);
    const metadata = metadataOf(stat, wrapping, digest, kind, options);
    const sealed = wrapping.whole(plaintext);
    await c.upload.take(sealed.length, options.signal);
    await unchangedStill(c, key, stat, options);
    const receipt = await c.to.store.put(key, sealed, metadata, writing(c, stat, kept, options));
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
  kept: Metadata,
  options: Which,
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
  const metadata = metadataOf(stat, wrapping, digest, 'file', options);
  const plain = opening === undefined ? body : opening.stream(body);
  try {
    const source = {
      metadata,
      size,
      partSize,
      open: () =>
        paced(
          c.upload,
          wrapping.stream(whenStill(c, key, stat, inParts(plain, partSize), options), partSize),
          options,
        ),
    };
    const journal = journalOf(c, key, stat, partSize, metadata);
    const receipt = await c.to.store.upload(key, source, journal, writing(c, stat, kept, options));
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
  options: Which,
): Promise<{ digest: Uint8Array; body: AsyncIterable<Uint8Array> }> {
  const { stat, body } = stored;
  if (c.to.sealing.keyring === undefined) return { digest: new Uint8Array(), body };
  const record = c.index.get(nameKey(c.nameOf(key)));
  if (record?.etag === stat.etag && record.digest !== undefined) return { digest: record.digest, body };
  const hash = createHash('sha256');
  for await (const piece of opening === undefined ? body : opening.stream(body)) hash.update(piece);
  const again = await fetched(c, key, options, stat.etag);
  return { digest: hash.digest(), body: again.body };
}

/** Everything but the envelope stays; the keyed digest is made anew where there is a key to make it with. */
function metadataOf(
  stat: ObjectStat,
  wrapping: Wrapping,
  digest: Uint8Array,
  kind: Kind,
  { mark }: Which,
): Metadata {
  const { [META_MAC]: _, ...rest } = bare(stat.metadata);
  const mac = digest.length === 0 ? undefined : wrapping.mac(digest, kind);
  return { ...rest, ...wrapping.metadata, ...(mac === undefined ? {} : { [META_MAC]: mac }), ...mark };
}

/**
 * What was not bound to be a link before must not become so here: somebody else may have called it one. In a server-side mode
 * nothing is bound; there the Index says what this machine sent or received, of that very object: one that another machine wrote
 * since then is what it says, as is one that the Index does not know.
 */
function boundKind(c: Conversion, stat: ObjectStat, opening: Opening | undefined, digest: Uint8Array): Kind {
  const { kind } = factsOf(stat);
  if (opening !== undefined) {
    const mac = stat.metadata[META_MAC];
    return mac !== undefined && opening.macFits(digest, mac, kind) ? kind : 'file';
  }
  if (c.to.sealing.keyring === undefined) return kind;
  const record = c.index.get(nameKey(c.nameOf(stat.key)));
  if (record?.etag === stat.etag && record.kind !== kind) throw otherKind(stat.key, kind);
  return kind;
}

/** An object that is another kind than its Record. */
export interface Differing {
  readonly key: ObjectKey;
  readonly kind: Kind;
}

export function differs({ key, kind }: Differing, others = 0): string {
  const [now, before] = kind === 'link' ? ['symbolic link', 'file'] : ['file', 'symbolic link'];
  const more = others === 0 ? '' : `, and ${others} more like it`;
  return `${safeName(key)} says that it is a ${now}, and was a ${before} when this machine saw it last${more}`;
}

/** No sync helps before the rekey's end. */
const otherKind = (key: ObjectKey, kind: Kind): VaultError =>
  new VaultError('security', 'kind-differs', differs({ key, kind }), {
    hint: `somebody changed it in the bucket; touch it here (${kind === 'link' ? 'touch' : 'touch -h'}), then remove that object from the bucket (where it keeps versions, that version), and run the same command again; the next sync sends what is here`,
  });

async function unchangedStill(
  c: Conversion,
  key: ObjectKey,
  stat: ObjectStat,
  options: Which,
): Promise<void> {
  if (options.versionId !== undefined) return;
  const now = await c.from.store.head(key, plain(options));
  if (now?.etag === stat.etag) return;
  throw new VaultError('changed', 'precondition', `${safeName(key)} was written by somebody else meanwhile`);
}

/** The last part is let out only if the object is still the one that was read. */
async function* whenStill(
  c: Conversion,
  key: ObjectKey,
  stat: ObjectStat,
  parts: AsyncIterable<Buffer>,
  options: Which,
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
  limit: RateLimit,
  parts: AsyncIterable<Uint8Array>,
  { signal }: Waits,
): AsyncIterable<Uint8Array> {
  for await (const part of parts) {
    await limit.take(part.length, signal);
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
