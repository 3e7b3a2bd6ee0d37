/**
 * A second, plain implementation of opening an S3 Encryption Client V3 object under an AES key, written from the format's
 * description alone and sharing nothing with `src/crypto`: what the end-to-end tests compare the product with.
 */
import { createDecipheriv, createHmac } from 'node:crypto';

function hkdf(dataKey: Buffer, salt: Buffer, label: string, length: number): Buffer {
  const prk = createHmac('sha512', salt).update(dataKey).digest();
  const info = Buffer.concat([Buffer.from([0x00, 0x73]), Buffer.from(label, 'ascii')]);
  return createHmac('sha512', prk)
    .update(info)
    .update(Buffer.from([1]))
    .digest()
    .subarray(0, length);
}

function gcm(key: Buffer, iv: Buffer, aad: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - 16)), decipher.final()]);
}

/** Plaintext of a V3 object, or throws. `metadata` as S3 gives it, names in lower case. */
export function openIndependently(
  wrappingKey: Buffer,
  metadata: Readonly<Record<string, string>>,
  body: Buffer,
): Buffer {
  const field = (name: string): Buffer => Buffer.from(metadata[name] ?? '', 'base64');
  if (metadata['x-amz-c'] !== '115' || metadata['x-amz-w'] !== '02')
    throw new Error('not a V3 object under an AES key');
  const wrapped = field('x-amz-3');
  const dataKey = gcm(wrappingKey, wrapped.subarray(0, 12), Buffer.from('115'), wrapped.subarray(12));
  const messageId = field('x-amz-i');
  if (!hkdf(dataKey, messageId, 'COMMITKEY', 28).equals(field('x-amz-d')))
    throw new Error('wrong commitment');
  const contentKey = hkdf(dataKey, messageId, 'DERIVEKEY', 32);
  return gcm(contentKey, Buffer.alloc(12, 1), Buffer.from([0x00, 0x73]), body);
}
