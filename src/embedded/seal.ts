/** Sealing at rest: AES-256-GCM under one key, or under two, one layer around the other, for DSSE. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Chunk } from './world.ts';

const NONCE = 12;
const TAG = 16;

/** No keys: the bytes stay as they are. `keep` false drops them. */
export function sealChunk(body: Buffer, keys: readonly Buffer[], keep: boolean): Chunk {
  if (!keep) return { size: body.length, bytes: undefined };
  return { size: body.length, bytes: keys.reduce(sealLayer, body) };
}

export function openChunk(chunk: Chunk, keys: readonly Buffer[]): Buffer {
  // Bodies that were dropped come back as zeros, so that sizes still hold.
  if (chunk.bytes === undefined) return Buffer.alloc(chunk.size);
  return keys.toReversed().reduce(openLayer, chunk.bytes);
}

function sealLayer(plain: Buffer, key: Buffer): Buffer {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openLayer(sealed: Buffer, key: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE), { authTagLength: TAG });
  decipher.setAuthTag(sealed.subarray(-TAG));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()]);
}

/** Bytes `first` to `last`, both inclusive, of chunks that follow one another; opens one at a time, and only what is touched. */
export function* openRange(
  chunks: readonly Chunk[],
  keys: readonly Buffer[],
  first: number,
  last: number,
): Generator<Buffer> {
  let start = 0;
  for (const chunk of chunks) {
    const end = start + chunk.size;
    if (end > first && start <= last && chunk.size > 0) {
      yield openChunk(chunk, keys).subarray(Math.max(0, first - start), last + 1 - start);
    }
    start = end;
  }
}
