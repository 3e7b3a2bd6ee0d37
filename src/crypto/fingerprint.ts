import { createHash, createHmac, createPublicKey } from 'node:crypto';
import type { Secret } from '../model/secret.ts';

const LABEL = 's3vault key check value v1';
const FINGERPRINT_BYTES = 8;

/**
 * First 8 bytes of HMAC-SHA256(key, label) as 16 hex digits. The usual check value, AES(key, 0), would give away the
 * hash key of GCM.
 */
export function aesFingerprint(key: Secret): string {
  const value = key.use((bytes) => createHmac('sha256', bytes).update(LABEL).digest());
  return value.toString('hex', 0, FINGERPRINT_BYTES);
}

/** First 8 bytes of the SHA-256 of the key's SubjectPublicKeyInfo (DER) as 16 hex digits. */
export function rsaFingerprint(publicPem: string): string {
  const der = createPublicKey(publicPem).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest().toString('hex', 0, FINGERPRINT_BYTES);
}
