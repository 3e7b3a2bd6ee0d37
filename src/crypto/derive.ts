import { createSecretKey, hkdfSync } from 'node:crypto';
import { Secret } from '../model/secret.ts';

/** Suite ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY as the text that is stored and bound into the wrapping (s3ec 1, 4). */
export const SUITE = '115';
/** Content algorithm name that V2 binds into the wrapping. */
export const V2_NAME = 'AES/GCM/NoPadding';

export const DATA_KEY_BYTES = 32;
export const MESSAGE_ID_BYTES = 28;
export const COMMITMENT_BYTES = 28;

const SUITE_ID = Buffer.from([0x00, 0x73]);
const V3_NONCE = Buffer.alloc(12, 1);

interface Output {
  readonly info: Buffer;
  readonly length: number;
}

const suiteInfo = (label: string): Buffer => Buffer.concat([SUITE_ID, Buffer.from(label, 'ascii')]);
const CONTENT: Output = { info: suiteInfo('DERIVEKEY'), length: 32 };
const COMMITMENT: Output = { info: suiteInfo('COMMITKEY'), length: COMMITMENT_BYTES };
/** Not of the format: our own label, so that the MAC key is independent of content key and commitment. */
const MAC: Output = { info: Buffer.from('s3vault-mac v1', 'ascii'), length: 32 };

/** What the content cipher of one object needs. The key is in use only inside `withKey`. */
export interface ContentCipher {
  readonly iv: Buffer;
  /** Additional authenticated data; undefined in V2. */
  readonly aad: Buffer | undefined;
  withKey<T>(fn: (key: Buffer) => T): T;
}

/**
 * V3 (s3ec 3): content key = HKDF-SHA512(data key, salt = message id, `0x00 0x73 DERIVEKEY`, 32 bytes), nonce of
 * twelve bytes 0x01, AAD 0x00 0x73. The nonce may be constant because every message id gives another key.
 */
export function v3Cipher(dataKey: Secret, messageId: Buffer): ContentCipher {
  return {
    iv: V3_NONCE,
    aad: SUITE_ID,
    withKey: (fn) => {
      const [key] = derived(dataKey, messageId, [CONTENT]);
      return wipedAfter(key, fn);
    },
  };
}

/** V2 (s3ec 3): the data key itself, the stored nonce of 12 bytes, no AAD. */
export function v2Cipher(dataKey: Secret, iv: Buffer): ContentCipher {
  return { iv, aad: undefined, withKey: (fn) => dataKey.use(fn) };
}

/** Undefined for a length that AES does not have. */
export function aesGcmFor(keyBytes: number): 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' | undefined {
  if (keyBytes === 16) return 'aes-128-gcm';
  if (keyBytes === 24) return 'aes-192-gcm';
  return keyBytes === 32 ? 'aes-256-gcm' : undefined;
}

/** 28 bytes that fix the data key (s3ec 3.1); not secret. */
export function commitmentOf(dataKey: Secret, messageId: Buffer): Buffer {
  const [commitment] = derived(dataKey, messageId, [COMMITMENT]);
  return commitment;
}

/** Hands a 32-byte key for `s3vault-mac` to `fn`, bound to the data key and the message. */
export function withMacKey<T>(dataKey: Secret, messageId: Buffer, fn: (key: Buffer) => T): T {
  const [key] = derived(dataKey, messageId, [MAC]);
  return wipedAfter(key, fn);
}

/** All that one object is sealed with. */
export interface SealKeys {
  readonly commitment: Buffer;
  readonly content: Secret;
  readonly mac: Secret;
}

/** The three values at once, which is cheaper than one by one; the data key is not needed any more after it. */
export function sealKeys(dataKey: Secret, messageId: Buffer): SealKeys {
  const [commitment, content, mac] = derived(dataKey, messageId, [COMMITMENT, CONTENT, MAC]);
  return { commitment, content: Secret.take(content), mac: Secret.take(mac) };
}

/** The content cipher of a Seal; works until `content` is wiped. */
export function sealCipher({ content }: SealKeys): ContentCipher {
  return { iv: V3_NONCE, aad: SUITE_ID, withKey: (fn) => content.use(fn) };
}

/**
 * HKDF-SHA512 (RFC 5869) for each output. A wiped or short data key throws rather than derive a key that anyone could.
 * One key object serves all outputs, since making it costs more than the derivation; it is gone with this call.
 */
function derived<const Outputs extends readonly Output[]>(
  dataKey: Secret,
  messageId: Buffer,
  outputs: Outputs,
): { readonly [index in keyof Outputs]: Buffer } {
  if (dataKey.length !== DATA_KEY_BYTES) throw new Error('data key is gone or of the wrong length');
  if (messageId.length !== MESSAGE_ID_BYTES) throw new Error('message id has the wrong length');
  const key = dataKey.use((bytes) => createSecretKey(bytes));
  const values = outputs.map(({ info, length }) =>
    Buffer.from(hkdfSync('sha512', key, messageId, info, length)),
  );
  return values as { [index in keyof Outputs]: Buffer };
}

function wipedAfter<T>(key: Buffer, fn: (key: Buffer) => T): T {
  try {
    return fn(key);
  } finally {
    key.fill(0);
  }
}
