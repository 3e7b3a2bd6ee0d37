import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';

/**
 * What goes into `s3vault-mac`: base64 of HMAC-SHA256 over the plaintext's SHA-256 digest (32 bytes), under a key of
 * this object alone (`derive.ts`). The store learns nothing from it, not even that two objects are equal.
 */
export function macOf(macKey: Buffer, digest: Uint8Array): string {
  if (macKey.length !== 32) throw new Error('the key for s3vault-mac is gone');
  if (digest.length !== 32) throw new Error('a digest for s3vault-mac has 32 bytes');
  return createHmac('sha256', createSecretKey(macKey)).update(digest).digest('base64');
}

/** Constant time. Text that is no MAC does not fit. */
export function macFits(macKey: Buffer, digest: Uint8Array, mac: string): boolean {
  const given = Buffer.from(mac, 'utf8');
  const right = Buffer.from(macOf(macKey, digest), 'utf8');
  return given.length === right.length && timingSafeEqual(given, right);
}
