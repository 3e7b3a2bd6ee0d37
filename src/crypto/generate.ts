import { type KeyObject, createPrivateKey, createPublicKey, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { VaultError } from '../model/errors.ts';
import type { KeyMaterial } from '../model/keyref.ts';
import { Secret } from '../model/secret.ts';
import { aesFingerprint, rsaFingerprint } from './fingerprint.ts';

const AES_BYTES = 32;
const RSA_BITS = 3072;
const RSA_BITS_MIN = 2048;
/** A longer key's wrapped data key does not fit into S3 metadata. */
const RSA_BITS_MAX = 8192;

type Material<Kind extends KeyMaterial['kind']> = Extract<KeyMaterial, { kind: Kind }>;

export function generateAes(): Material<'aes-256'> {
  return aesMaterial(Secret.take(randomBytes(AES_BYTES)));
}

export async function generateRsa(bits = RSA_BITS): Promise<Material<'rsa'>> {
  checkBits(bits);
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength: bits });
  return rsaPair(pair.privateKey);
}

/** An AES key of 32 bytes; takes the Secret over. Error: `bad-key`. */
export function aesMaterial(secret: Secret): Material<'aes-256'> {
  if (secret.length !== AES_BYTES) {
    throw badKey(`an AES key has ${AES_BYTES} bytes, this one has ${secret.length}`);
  }
  return { kind: 'aes-256', fingerprint: aesFingerprint(secret), secret };
}

/**
 * An unencrypted RSA private key in PEM (PKCS#8 or PKCS#1), 2048 to 8192 bits, normalised to PKCS#8. The Secret given
 * stays the caller's to wipe. Error: `bad-key`.
 */
export function rsaMaterial(pem: Secret): Material<'rsa'> {
  return rsaPair(parsed(() => pem.use((key) => createPrivateKey({ key, format: 'pem' }))));
}

/** An RSA public key in PEM, which only encrypts. A private key is refused here: it would be handled as public. */
export function rsaPublicMaterial(pem: string): Material<'rsa-public'> {
  if (pem.includes('PRIVATE KEY')) throw badKey('this is a private key, not a public one');
  const key = parsed(() => createPublicKey(pem));
  checkRsa(key);
  return { kind: 'rsa-public', ...publicPart(key) };
}

function rsaPair(privateKey: KeyObject): Material<'rsa'> {
  checkRsa(privateKey);
  // The PEM passes through a string, which can't be wiped: Node gives it in no other way.
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const secret = Secret.take(Buffer.from(pem));
  return { kind: 'rsa', ...publicPart(createPublicKey(privateKey)), secret };
}

function publicPart(key: KeyObject): { readonly publicPem: string; readonly fingerprint: string } {
  const publicPem = key.export({ type: 'spki', format: 'pem' }).toString();
  return { publicPem, fingerprint: rsaFingerprint(publicPem) };
}

function parsed(parse: () => KeyObject): KeyObject {
  try {
    return parse();
  } catch (thrown) {
    throw badKey('this is not a key in PEM that can be read', thrown);
  }
}

function checkRsa(key: KeyObject): void {
  if (key.asymmetricKeyType !== 'rsa') throw badKey('this is not an RSA key');
  checkBits(key.asymmetricKeyDetails?.modulusLength ?? 0);
  if ((key.asymmetricKeyDetails?.publicExponent ?? 0n) < 3n) throw badKey('the public exponent is too small');
}

function checkBits(bits: number): void {
  if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) return;
  throw badKey(`an RSA key must have ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits, this one has ${bits}`);
}

function badKey(message: string, cause?: unknown): VaultError {
  return new VaultError('usage', 'bad-key', message, {
    hint: 'give 32 random bytes for AES, or an unencrypted PEM file for RSA',
    ...(cause === undefined ? {} : { cause }),
  });
}
