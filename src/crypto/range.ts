import { createDecipheriv } from 'node:crypto';
import type { Keyring, Metadata } from '../model/ports.ts';
import { type OpenOptions, contentCipher, unlocked } from './open.ts';
import { cannotOpen } from './fault.ts';
import { TAG_BYTES } from './stream.ts';

const BLOCK = 16;

/** Which stored bytes to fetch for a range of the plaintext, and where in them the range lies. */
export interface StoredRange {
  /** First and last stored byte, both inclusive; `first` is a multiple of 16. */
  readonly first: number;
  readonly last: number;
  /** Bytes to drop at the start once they are decrypted. */
  readonly skip: number;
}

/**
 * The stored range for plaintext bytes `first` to `last` (inclusive; to the end without it), cut to the plaintext so
 * that no byte of the tag comes out as garbage. Undefined where nothing is left (s3ec 7).
 */
export function storedRange(
  first: number,
  last: number | undefined,
  storedSize: number,
): StoredRange | undefined {
  const end = Math.min(last ?? Number.MAX_SAFE_INTEGER, storedSize - TAG_BYTES - 1);
  if (!Number.isSafeInteger(first) || first < 0 || end < first) return undefined;
  const skip = first % BLOCK;
  return { first: first - skip, last: end, skip };
}

/**
 * Plaintext of a range, **without authentication**: whoever can change the object can flip any bit of what this
 * returns, unseen. Never write it to where verified files live. `body` holds exactly the stored bytes of `range`. The
 * key is checked as in `startOpen`, V3's commitment included.
 */
export async function openRange(
  keyring: Keyring,
  metadata: Metadata,
  range: StoredRange,
  body: Uint8Array,
  options: OpenOptions = {},
): Promise<Buffer> {
  if (range.first % BLOCK !== 0 || body.length !== range.last - range.first + 1) {
    throw cannotOpen('the store did not answer with the range asked for');
  }
  const { envelope, dataKey } = await unlocked(keyring, metadata, options);
  try {
    const content = contentCipher(envelope, dataKey);
    const counter = Buffer.concat([content.iv, Buffer.alloc(4)]);
    // GCM encrypts the first block under counter 2; counter 1 is the tag's.
    counter.writeUInt32BE(2 + range.first / BLOCK, content.iv.length);
    const decipher = content.withKey((key) => createDecipheriv(`aes-${key.length * 8}-ctr`, key, counter));
    return Buffer.concat([decipher.update(body), decipher.final()]).subarray(range.skip);
  } finally {
    dataKey.wipe();
  }
}
