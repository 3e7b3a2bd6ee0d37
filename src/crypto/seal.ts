import { randomBytes } from 'node:crypto';
import type { Kind } from '../model/entry.ts';
import { VaultError } from '../model/errors.ts';
import type { Keyring, Metadata, Waits } from '../model/ports.ts';
import { MESSAGE_ID_BYTES, SUITE, type SealKeys, sealCipher, sealKeys } from './derive.ts';
import { onlyEnvelope, readEnvelope, writeEnvelope } from './envelope.ts';
import { notCommitting, throwIfCancelled } from './fault.ts';
import { macOf } from './mac.ts';
import { MAX_PLAINTEXT, TAG_BYTES, checkSize, gcmCipher, sealPieces } from './stream.ts';
import { unlock } from './unlock.ts';

export { MAX_PLAINTEXT, TAG_BYTES } from './stream.ts';

/** Bytes stored for a plaintext of so many bytes. Exact. */
export function sealedSize(plaintextSize: number): number {
  return plaintextSize + TAG_BYTES;
}

/** Bytes of plaintext in a sealed body of so many bytes (V2 and V3); negative where it is no sealed body. */
export function openedSize(storedSize: number): number {
  return storedSize - TAG_BYTES;
}

/**
 * One object being sealed: S3 Encryption Client format V3, suite 115 (s3ec 3, 13). It encrypts once, by `whole` or by
 * `stream`; a second use throws, since two plaintexts under one key and nonce would give both away.
 */
export interface Seal {
  /** The envelope alone, to be stored as user metadata with the object. ASCII. */
  readonly metadata: Metadata;
  /** For the metadata `s3vault-mac`: a keyed digest (base64) of the plaintext's SHA-256 and the kind. Not after `wipe`. */
  mac(digest: Uint8Array, kind: Kind): string;
  /** Ciphertext || tag. */
  whole(plaintext: Uint8Array): Buffer;
  /**
   * Ciphertext || tag in pieces of exactly `partSize` bytes (a multiple of 16), the last one shorter or equal and never
   * empty, as a multipart upload needs them. Fastest where the chunks are as long as the pieces. Throws `too-large`
   * past MAX_PLAINTEXT. A piece is never written to again once it was yielded.
   */
  stream(chunks: AsyncIterable<Uint8Array>, partSize: number): AsyncIterable<Buffer>;
  /** Overwrites the keys. A stream that was begun goes on to its end. */
  wipe(): void;
}

/** A Seal with a fresh data key and message id. Errors: those of the keyring, `envelope-too-large`. */
export async function startSeal(keyring: Keyring, options?: Waits): Promise<Seal> {
  throwIfCancelled(options);
  const { dataKey, wrapped, context } = await keyring.fresh(SUITE, options);
  try {
    const messageId = randomBytes(MESSAGE_ID_BYTES);
    const keys = sealKeys(dataKey, messageId);
    const { commitment } = keys;
    const metadata = writeEnvelope({ wrap: keyring.wrap, wrapped, context, messageId, commitment });
    return sealOf(keys, metadata);
  } finally {
    dataKey.wipe();
  }
}

/**
 * The Seal of a stored envelope once more: same data key, same message id, so the same sealed bytes. Only for going on
 * with an interrupted upload of *provably the same* plaintext; the caller must refuse to send bytes that differ from
 * those it sent before. Checks the commitment first. Errors as `startOpen`; the envelope must be V3.
 */
export async function resumeSeal(keyring: Keyring, metadata: Metadata, options?: Waits): Promise<Seal> {
  throwIfCancelled(options);
  const envelope = readEnvelope(metadata);
  if (envelope.format !== 'V3') throw notCommitting();
  const dataKey = await unlock(keyring, envelope, options);
  try {
    return sealOf(sealKeys(dataKey, envelope.messageId), onlyEnvelope(metadata));
  } finally {
    dataKey.wipe();
  }
}

function sealOf(keys: SealKeys, metadata: Metadata): Seal {
  let used = false;
  const cipherOnce = () => {
    if (used) {
      throw new VaultError('internal', 'seal-used-twice', 'a seal encrypts one plaintext only', {
        hint: 'this is a fault of s3vault; please report it',
      });
    }
    used = true;
    return gcmCipher(sealCipher(keys));
  };
  return {
    metadata,
    mac: (digest, kind) => keys.mac.use((key) => macOf(key, digest, kind)),
    whole: (plaintext) => {
      checkSize(plaintext.length);
      const cipher = cipherOnce();
      return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    stream: (chunks, partSize) => {
      checkPartSize(partSize);
      return sealPieces(cipherOnce(), chunks, partSize);
    },
    wipe: () => {
      keys.content.wipe();
      keys.mac.wipe();
    },
  };
}

function checkPartSize(partSize: number): void {
  const fits = Number.isSafeInteger(partSize) && partSize > 0 && partSize <= MAX_PLAINTEXT;
  if (!fits || partSize % 16 !== 0) throw new Error('part size must be a positive multiple of 16');
}
