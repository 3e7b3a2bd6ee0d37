import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import type { Kind } from '../model/entry.ts';

/**
 * What goes into `s3vault-mac`: base64 of HMAC-SHA256 over the plaintext's SHA-256 digest (32 bytes), under a key of
 * this object alone (`derive.ts`). The store learns nothing from it, not even that two objects are equal. Of a symbolic link
 * ` link` follows the digest: one kind is never taken for the other.
 */
export function macOf(macKey: Buffer, digest: Uint8Array, kind: Kind): string {
  if (macKey.length !== 32) throw new Error('the key for s3vault-mac is gone');
  if (digest.length !== 32) throw new Error('a digest for s3vault-mac has 32 bytes');
  const mac = createHmac('sha256', createSecretKey(macKey)).update(digest);
  return (kind === 'link' ? mac.update(' link') : mac).digest('base64');
}

/** Constant time. Text that is no MAC does not fit. */
export function macFits(macKey: Buffer, digest: Uint8Array, mac: string, kind: Kind): boolean {
  const given = Buffer.from(mac, 'utf8');
  const right = Buffer.from(macOf(macKey, digest, kind), 'utf8');
  return given.length === right.length && timingSafeEqual(given, right);
}
