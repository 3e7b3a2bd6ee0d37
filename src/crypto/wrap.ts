import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  createSecretKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { VaultError } from '../model/errors.ts';
import type { KeyMaterial } from '../model/keyref.ts';
import type { Keyring, Kms, Metadata, Waits, WrappedDataKey } from '../model/ports.ts';
import { Secret } from '../model/secret.ts';
import { DATA_KEY_BYTES, aesGcmFor } from './derive.ts';
import { cannotOpen, encryptOnly } from './fault.ts';

const NONCE = 12;
const TAG = 16;
/** Data keys of 16 and 24 bytes exist in V2 objects; V3 needs 32, which `unlock` checks. */
const DATA_KEY_LENGTHS: readonly number[] = [16, 24, 32];

/**
 * The keyring of a stored key. An AES key writes with 32 bytes; shorter ones (16, 24) of other programs only read.
 * The material must outlive the keyring: it is not copied, and wiping it ends the keyring.
 */
export function keyringOf(material: KeyMaterial): Keyring {
  switch (material.kind) {
    case 'aes-256':
      return aesKeyring(material.secret, material.fingerprint);
    case 'rsa':
      return rsaKeyring(material.publicPem, material.secret, material.fingerprint);
    case 'rsa-public':
      return rsaKeyring(material.publicPem, undefined, material.fingerprint);
    default:
      return material satisfies never;
  }
}

// ---------------------------------------------------------------------------------------------------- AES/GCM, 02

/** Wrapped = nonce (12) || ciphertext || tag (16); the content algorithm's name is the AAD (s3ec 4.1). */
function aesKeyring(key: Secret, fingerprint: string): Keyring {
  const wrapped = (dataKey: Secret, name: string) => ({
    wrapped: dataKey.use((bytes) => aesWrap(key, bytes, name)),
    context: {},
  });
  return {
    wrap: 'AES/GCM',
    fingerprint,
    canOpen: true,
    wrapAgain: async (dataKey, name) => wrapped(dataKey, name),
    fresh: async (name) => freshWith((dataKey) => wrapped(dataKey, name)),
    unwrap: async (data, name) => aesUnwrap(key, data.wrapped, name),
  };
}

function aesWrap(key: Secret, dataKey: Buffer, name: string): Buffer {
  if (key.length !== 32) {
    throw new VaultError('usage', 'key-too-short', 'the wrapping key has less than 32 bytes', {
      hint: 'shorter AES keys only read what other programs wrote; create a key of 32 bytes',
    });
  }
  const nonce = randomBytes(NONCE);
  const cipher = key.use((bytes) =>
    createCipheriv('aes-256-gcm', createSecretKey(bytes), nonce, { authTagLength: TAG }),
  );
  cipher.setAAD(Buffer.from(name, 'utf8'));
  return Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
}

function aesUnwrap(key: Secret, wrapped: Uint8Array, name: string): Secret {
  const length = wrapped.length - NONCE - TAG;
  if (!DATA_KEY_LENGTHS.includes(length)) throw cannotOpen('wrapped data key has an impossible length');
  const algorithm = aesGcmFor(key.length);
  if (algorithm === undefined) throw cannotOpen('wrapping key is gone or of an impossible length');
  try {
    const nonce = wrapped.subarray(0, NONCE);
    const decipher = key.use((bytes) =>
      createDecipheriv(algorithm, createSecretKey(bytes), nonce, { authTagLength: TAG }),
    );
    decipher.setAAD(Buffer.from(name, 'utf8'));
    decipher.setAuthTag(wrapped.subarray(NONCE + length));
    const dataKey = decipher.update(wrapped.subarray(NONCE, NONCE + length));
    return checked(dataKey, () => decipher.final());
  } catch (thrown) {
    throw cannotOpen(thrown);
  }
}

/** A data key that failed its check is wiped, not left to the garbage collector. */
function checked(dataKey: Buffer, check: () => void): Secret {
  try {
    check();
    return new Secret(dataKey);
  } finally {
    dataKey.fill(0);
  }
}

// ------------------------------------------------------------------------------------------------ RSA-OAEP-SHA1, 22

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' } as const;

/**
 * The encrypted message is one byte with the data key's length, the data key, and the content algorithm's name (s3ec
 * 4.2). SHA-1 is what the format says; OAEP does not rest on collision resistance.
 */
function rsaKeyring(publicPem: string, privatePem: Secret | undefined, fingerprint: string): Keyring {
  const publicKey = createPublicKey(publicPem);
  const wrapped = (dataKey: Secret, name: string) => {
    const message = dataKey.use((bytes) =>
      Buffer.concat([Buffer.of(bytes.length), bytes, Buffer.from(name)]),
    );
    try {
      return { wrapped: publicEncrypt({ key: publicKey, ...OAEP }, message), context: {} };
    } finally {
      message.fill(0);
    }
  };
  return {
    wrap: 'RSA-OAEP-SHA1',
    fingerprint,
    canOpen: privatePem !== undefined,
    wrapAgain: async (dataKey, name) => wrapped(dataKey, name),
    fresh: async (name) => freshWith((dataKey) => wrapped(dataKey, name)),
    unwrap: async (data, name) => {
      if (privatePem === undefined) throw encryptOnly();
      return rsaUnwrap(privatePem, data.wrapped, name);
    },
  };
}

/** The private key is parsed for each call, so that no copy of it outlives its Secret. */
function rsaUnwrap(privatePem: Secret, wrapped: Uint8Array, name: string): Secret {
  let message: Buffer;
  try {
    message = privatePem.use((pem) => privateDecrypt({ key: pem, ...OAEP }, wrapped));
  } catch (thrown) {
    throw cannotOpen(thrown);
  }
  try {
    const length = message[0] ?? 0;
    const bound = message.subarray(1 + length);
    if (!DATA_KEY_LENGTHS.includes(length) || !bound.equals(Buffer.from(name, 'utf8'))) {
      throw cannotOpen('the wrapped data key is not bound to this content algorithm');
    }
    return new Secret(message.subarray(1, 1 + length));
  } finally {
    message.fill(0);
  }
}

// -------------------------------------------------------------------------------------------------- kms+context, 12

/** Bound into the encryption context by the format; a caller may not give it (s3ec 4.3). */
const RESERVED = 'aws:x-amz-cek-alg';
/** Left in stored contexts by V1 clients, and not counted when reading: with it an object could not be read again. */
const LEGACY_RESERVED = 'kms_cmk_id';

/**
 * A keyring over one KMS key. `context` is stored with every object and must be given again, the same, to open it.
 * Errors of KMS that say nothing about the object (denied, throttled, offline) pass through as they are.
 */
export function kmsKeyring(kms: Kms, keyId: string, context: Metadata): Keyring {
  for (const name of [RESERVED, LEGACY_RESERVED]) {
    if (Object.hasOwn(context, name)) {
      throw new VaultError('usage', 'reserved-context', `the encryption context may not hold ${name}`, {
        hint: 'leave it out: the S3 Encryption Client format sets it itself',
      });
    }
  }
  return {
    wrap: 'kms+context',
    fingerprint: keyId,
    canOpen: true,
    fresh: async (name, options) => {
      const whole = { ...context, [RESERVED]: name };
      const { dataKey, wrapped } = await kms.generateDataKey(keyId, whole, options);
      if (dataKey.length === DATA_KEY_BYTES && wrapped.length > 0)
        return { dataKey, wrapped, context: whole };
      dataKey.wipe();
      throw new VaultError('security', 'kms-answer', 'KMS answered with a data key of the wrong length', {
        hint: 'check the KMS endpoint: this is not what AWS KMS answers',
      });
    },
    wrapAgain: async (dataKey, name, options) => {
      const whole = { ...context, [RESERVED]: name };
      return { wrapped: await kms.encrypt(keyId, dataKey, whole, options), context: whole };
    },
    unwrap: (wrapped, name, options) => kmsUnwrap(kms, keyId, context, wrapped, name, options),
  };
}

async function kmsUnwrap(
  kms: Kms,
  keyId: string,
  context: Metadata,
  { wrapped, context: stored }: WrappedDataKey,
  name: string,
  options: Waits | undefined,
): Promise<Secret> {
  if (!Object.hasOwn(stored, RESERVED) || stored[RESERVED] !== name) {
    throw cannotOpen('the encryption context does not name this content algorithm');
  }
  if (!sameContext(stored, context)) {
    throw cannotOpen('the stored encryption context is not the one given for reading');
  }
  try {
    return await kms.decrypt(keyId, wrapped, stored, options);
  } catch (thrown) {
    throw aboutTheObject(thrown) ? cannotOpen(thrown) : thrown;
  }
}

/** A refused blob or context, in contrast to a KMS that could not be asked. */
function aboutTheObject(thrown: unknown): boolean {
  return !(thrown instanceof VaultError) || thrown.kind === 'security' || thrown.kind === 'internal';
}

function sameContext(stored: Metadata, given: Metadata): boolean {
  const names = Object.keys(stored).filter((name) => name !== RESERVED && name !== LEGACY_RESERVED);
  return (
    names.length === Object.keys(given).length &&
    names.every((name) => Object.hasOwn(given, name) && given[name] === stored[name])
  );
}

// --------------------------------------------------------------------------------------------------------- data keys

function freshWith(wrap: (dataKey: Secret) => WrappedDataKey): WrappedDataKey & { readonly dataKey: Secret } {
  const dataKey = Secret.take(randomBytes(DATA_KEY_BYTES));
  try {
    return { ...wrap(dataKey), dataKey };
  } catch (thrown) {
    dataKey.wipe();
    throw thrown;
  }
}
