/**
 * The key to a vault's names. It stays what it is when the vault gets another key, or every object would have to be renamed:
 * so it is wrapped under each of them, as data keys are, and kept in the vault's description.
 */
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto';
import { VaultError } from '../model/errors.ts';
import type { KeyMaterial } from '../model/keyref.ts';
import type { NamesSetting, WrappedNamesKey } from '../model/names.ts';
import type { Keyring, Waits, WrappedDataKey } from '../model/ports.ts';
import { Secret } from '../model/secret.ts';
import { decodeBase64 } from './encoding.ts';
import { SIV_KEY } from './names.ts';

const NAMES_KEY = 32;
const FIRST = Buffer.from('s3vault-names v1', 'ascii');
const CIPHER = Buffer.from('s3vault-names aes-siv v1', 'ascii');
const CHECK = 's3vault names';
/** Bytes of its check value that make a fingerprint. */
const ID_BYTES = 8;
/** Wrappings under earlier keys that are kept: who reads old versions with an old key needs one. */
const KEPT = 64;

/** Bound into the wrapping: of one vault, and no object's data key. */
const boundTo = (vaultId: string): string => `s3vault-names:${vaultId}`;

/**
 * The first names key of a vault under an AES key: derived, so that it is found again where the vault's description was lost.
 * Undefined for keys of which nothing can be derived.
 */
export function firstNamesKey(material: KeyMaterial, vaultId: string): Secret | undefined {
  if (material.kind !== 'aes-256') return undefined;
  if (material.secret.length !== NAMES_KEY) throw new Error('the key is gone or of the wrong length');
  return material.secret.use((bytes) => derived(bytes, vaultId, FIRST, NAMES_KEY));
}

/** A names key that is nobody's yet, with its wrapping. */
export async function freshNamesKey(
  keyring: Keyring,
  vaultId: string,
  options?: Waits,
): Promise<{ readonly key: Secret; readonly wrapped: WrappedNamesKey }> {
  const { dataKey, ...data } = await keyring.fresh(boundTo(vaultId), options);
  return { key: dataKey, wrapped: stored(keyring, data) };
}

/** The names key stays the caller's. */
export async function wrapNamesKey(
  keyring: Keyring,
  key: Secret,
  vaultId: string,
  options?: Waits,
): Promise<WrappedNamesKey> {
  return stored(keyring, await keyring.wrapAgain(key, boundTo(vaultId), options));
}

function stored({ fingerprint, wrap }: Keyring, { wrapped, context }: WrappedDataKey): WrappedNamesKey {
  return {
    key: fingerprint,
    wrap,
    wrapped: Buffer.from(wrapped).toString('base64'),
    ...(Object.keys(context).length === 0 ? {} : { context }),
  };
}

/** Undefined where it is not wrapped under this key. Rejects with kind `security` where it does not open. */
export async function openNamesKey(
  keyring: Keyring,
  { keys }: NamesSetting,
  vaultId: string,
  options?: Waits,
): Promise<Secret | undefined> {
  const { fingerprint, wrap } = keyring;
  const mine = keys.find((one) => one.key === fingerprint && one.wrap === wrap);
  if (mine === undefined) return undefined;
  const data = { wrapped: decodeBase64('wrapped names key', mine.wrapped), context: mine.context ?? {} };
  const key = await keyring.unwrap(data, boundTo(vaultId), options).catch((thrown: unknown) => {
    throw thrown instanceof VaultError && thrown.code === 'cannot-open' ? damaged(thrown) : thrown;
  });
  if (key.length === NAMES_KEY) return key;
  key.wipe();
  throw damaged('wrong length');
}

/** The setting with one more wrapping, in the place of an older one under the same key. */
export function withWrapping({ scheme, keys }: NamesSetting, wrapped: WrappedNamesKey): NamesSetting {
  return { scheme, keys: [...keys.filter(({ key }) => key !== wrapped.key), wrapped].slice(-KEPT) };
}

/** What names are sealed with, and a fingerprint of it. */
export function namesCipher(key: Secret, vaultId: string): { readonly secret: Secret; readonly id: string } {
  if (key.length !== NAMES_KEY) throw new Error('the names key is gone or of the wrong length');
  return key.use((bytes) => ({
    secret: derived(bytes, vaultId, CIPHER, SIV_KEY),
    id: createHmac('sha256', createSecretKey(bytes))
      .update(CHECK)
      .digest('hex')
      .slice(0, 2 * ID_BYTES),
  }));
}

function derived(key: Buffer, vaultId: string, info: Buffer, length: number): Secret {
  const salt = Buffer.from(vaultId, 'utf8');
  return Secret.take(Buffer.from(hkdfSync('sha512', createSecretKey(key), salt, info, length)));
}

const damaged = (cause: unknown): VaultError =>
  new VaultError('security', 'names-key', 'the key to the names of this vault does not open', {
    cause,
    hint: 'somebody changed .s3vault/vault.json in the bucket; an older version of it may still be intact',
  });
