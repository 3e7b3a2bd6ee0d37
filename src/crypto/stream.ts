import {
  type CipherGCM,
  type CipherGCMTypes,
  type DecipherGCM,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
} from 'node:crypto';
import { VaultError } from '../model/errors.ts';
import { type ContentCipher, aesGcmFor } from './derive.ts';
import { cannotOpen } from './fault.ts';

/** Bytes by which a sealed body is longer than its plaintext: the GCM tag at its end. */
export const TAG_BYTES = 16;

/** Largest plaintext under one key and nonce, in bytes: 64 GiB less 32 (s3ec 3; NIST SP 800-38D, 5.2.1.1). */
export const MAX_PLAINTEXT = 2 ** 36 - 32;

/** Throws `too-large` (kind `file`) past the format's limit. */
export function checkSize(plaintextSize: number, limit = MAX_PLAINTEXT): void {
  if (plaintextSize <= limit) return;
  throw new VaultError(
    'file',
    'too-large',
    `file is larger than ${limit} bytes, the most one object can seal`,
    {
      hint: 'split the file, or keep it in a vault with a server-side mode',
    },
  );
}

/** As a key object, since Node spends more on finding out what bytes are than on the cipher. */
export function gcmCipher(content: ContentCipher): CipherGCM {
  const cipher = content.withKey((key) =>
    createCipheriv(gcmName(key.length), createSecretKey(key), content.iv, { authTagLength: TAG_BYTES }),
  );
  if (content.aad !== undefined) cipher.setAAD(content.aad);
  return cipher;
}

export function gcmDecipher(content: ContentCipher): DecipherGCM {
  const decipher = content.withKey((key) =>
    createDecipheriv(gcmName(key.length), createSecretKey(key), content.iv, { authTagLength: TAG_BYTES }),
  );
  if (content.aad !== undefined) decipher.setAAD(content.aad);
  return decipher;
}

function gcmName(keyBytes: number): CipherGCMTypes {
  const name = aesGcmFor(keyBytes);
  if (name === undefined) throw new Error('content key is gone or of the wrong length');
  return name;
}

/**
 * Ciphertext || tag in pieces of exactly `partSize`, the last one shorter or equal, never empty. A chunk that fills a
 * whole piece is encrypted straight into it; others are gathered.
 */
export async function* sealPieces(
  cipher: CipherGCM,
  chunks: AsyncIterable<Uint8Array>,
  partSize: number,
  limit = MAX_PLAINTEXT,
): AsyncGenerator<Buffer> {
  const pieces = new Pieces(partSize);
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    checkSize(total, limit);
    for (const slice of slices(chunk, pieces)) {
      const piece = pieces.add(cipher.update(slice));
      if (piece !== undefined) yield piece;
    }
  }
  const tag = Buffer.concat([cipher.final(), cipher.getAuthTag()]);
  for (const slice of slices(tag, pieces)) {
    const piece = pieces.add(slice);
    if (piece !== undefined) yield piece;
  }
  const last = pieces.rest();
  if (last !== undefined) yield last;
}

/** Cuts bytes so that none goes beyond the piece that is being filled when it is asked for. */
function* slices(bytes: Uint8Array, pieces: Pieces): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const slice = bytes.subarray(at, at + pieces.room);
    at += slice.length;
    yield slice;
  }
}

/** Gathers bytes into pieces of one size. */
class Pieces {
  readonly #size: number;
  #piece: Buffer | undefined;
  #used = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get room(): number {
    return this.#size - this.#used;
  }

  /** Takes at most `room` bytes; gives the piece that they fill. */
  add(bytes: Uint8Array): Buffer | undefined {
    if (this.#used === 0 && bytes.length === this.#size) return asBuffer(bytes);
    this.#piece ??= Buffer.allocUnsafe(this.#size);
    this.#piece.set(bytes, this.#used);
    this.#used += bytes.length;
    return this.#used === this.#size ? this.rest() : undefined;
  }

  /** What has been gathered, if anything. */
  rest(): Buffer | undefined {
    const piece = this.#piece?.subarray(0, this.#used);
    this.#piece = undefined;
    this.#used = 0;
    return piece;
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Plaintext of a sealed body as it comes, **unverified** until the end: the last 16 bytes are held back as the tag, and
 * a tag that does not fit, or a body too short to have one, throws `cannot-open` after all else has been yielded.
 */
export async function* openPieces(
  decipher: DecipherGCM,
  body: AsyncIterable<Uint8Array>,
  before?: OpenedBefore,
  limit = MAX_PLAINTEXT,
): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  let total = before === undefined ? 0 : await passAgain(decipher, before);
  for await (const chunk of body) {
    total += chunk.length;
    if (total > limit + TAG_BYTES) throw cannotOpen('body is longer than any sealed object');
    const ready = held.length + chunk.length - TAG_BYTES;
    if (ready <= 0) {
      held = Buffer.concat([held, chunk]);
      continue;
    }
    const fromHeld = Math.min(ready, held.length);
    const parts = [held.subarray(0, fromHeld), chunk.subarray(0, ready - fromHeld)];
    held = Buffer.concat([held.subarray(fromHeld), chunk.subarray(ready - fromHeld)]);
    yield Buffer.concat(parts.map((part) => decipher.update(part)));
  }
  finish(decipher, held);
}

/** Plaintext that was opened in an earlier run, and a cipher under the same key and nonce. */
export interface OpenedBefore {
  readonly cipher: CipherGCM;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/**
 * The tag goes over the sealed bytes, and only the plaintext of these is there: sealed again it gives them back, to the bit where
 * it is the right one. They go nowhere but into the tag. Gives their number.
 */
async function passAgain(decipher: DecipherGCM, { cipher, pieces }: OpenedBefore): Promise<number> {
  let total = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += AGAIN)
      decipher.update(cipher.update(piece.subarray(at, at + AGAIN))).fill(0);
    total += piece.length;
  }
  return total;
}

const AGAIN = 256 * 1024;

/** Throws `cannot-open` unless `tag` is the right one. */
export function finish(decipher: DecipherGCM, tag: Uint8Array): void {
  if (tag.length !== TAG_BYTES) throw cannotOpen('body is shorter than a tag');
  try {
    decipher.setAuthTag(tag);
    decipher.final();
  } catch (thrown) {
    throw cannotOpen(thrown);
  }
}
