import { createCipheriv, createHmac } from 'node:crypto';

/**
 * A slow twin of the content encryption: HKDF from bare HMACs, GCM from single AES blocks and GHASH as the standard
 * defines them (RFC 5869; NIST SP 800-38D). Shares nothing with the product but the block cipher and the hash.
 */

export interface V3Keys {
  readonly content: Buffer;
  readonly commitment: Buffer;
}

export function twinKeys(dataKey: Buffer, messageId: Buffer): V3Keys {
  const prk = createHmac('sha512', messageId).update(dataKey).digest();
  const expand = (label: string) =>
    createHmac('sha512', prk)
      .update(Buffer.concat([Buffer.of(0, 0x73), Buffer.from(label), Buffer.of(1)]))
      .digest();
  return { content: expand('DERIVEKEY').subarray(0, 32), commitment: expand('COMMITKEY').subarray(0, 28) };
}

/** Ciphertext || tag. */
export function twinSeal(key: Buffer, iv: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
  const ciphertext = counterMode(key, iv, plaintext);
  return Buffer.concat([ciphertext, tagOf(key, iv, aad, ciphertext)]);
}

/** Undefined where the tag does not fit. */
export function twinOpen(key: Buffer, iv: Buffer, aad: Buffer, body: Buffer): Buffer | undefined {
  if (body.length < 16) return undefined;
  const ciphertext = body.subarray(0, -16);
  const fits = tagOf(key, iv, aad, ciphertext).equals(body.subarray(-16));
  return fits ? counterMode(key, iv, ciphertext) : undefined;
}

function counterMode(key: Buffer, iv: Buffer, text: Buffer): Buffer {
  const out = Buffer.from(text);
  for (let at = 0; at < text.length; at += 16) {
    const mask = block(key, counter(iv, 2 + at / 16));
    for (let i = at; i < Math.min(at + 16, text.length); i++) out[i] = text[i]! ^ mask[i - at]!;
  }
  return out;
}

function tagOf(key: Buffer, iv: Buffer, aad: Buffer, ciphertext: Buffer): Buffer {
  const lengths = Buffer.alloc(16);
  lengths.writeBigUInt64BE(BigInt(aad.length) * 8n, 0);
  lengths.writeBigUInt64BE(BigInt(ciphertext.length) * 8n, 8);
  const hashKey = number(block(key, Buffer.alloc(16)));
  let hash = 0n;
  for (const text of [aad, ciphertext, lengths]) {
    for (let at = 0; at < text.length; at += 16) {
      const padded = Buffer.alloc(16);
      text.copy(padded, 0, at, Math.min(at + 16, text.length));
      hash = times(hash ^ number(padded), hashKey);
    }
  }
  return bytes(hash ^ number(block(key, counter(iv, 1))));
}

/** Product in GF(2^128), bits in GCM's order. */
function times(x: bigint, y: bigint): bigint {
  let product = 0n;
  let factor = y;
  for (let bit = 127n; bit >= 0n; bit--) {
    if (((x >> bit) & 1n) === 1n) product ^= factor;
    factor = (factor & 1n) === 1n ? (factor >> 1n) ^ (0xe1n << 120n) : factor >> 1n;
  }
  return product;
}

function block(key: Buffer, input: Buffer): Buffer {
  return createCipheriv(`aes-${key.length * 8}-ecb`, key, null)
    .setAutoPadding(false)
    .update(input);
}

function counter(iv: Buffer, count: number): Buffer {
  const input = Buffer.alloc(16);
  iv.copy(input);
  input.writeUInt32BE(count, 12);
  return input;
}

const number = (input: Buffer): bigint => BigInt(`0x${input.toString('hex')}`);
const bytes = (input: bigint): Buffer => Buffer.from(input.toString(16).padStart(32, '0'), 'hex');
