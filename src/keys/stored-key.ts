/**
 * The form a key has wherever s3vault keeps it: one JSON object. Keychains cut text at a NUL byte and refuse empty
 * values, so an AES key is written as base64; an RSA key is PEM.
 */
import * as v from 'valibot';
import { aesMaterial, rsaMaterial, rsaPublicMaterial } from '../crypto/generate.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyInfo, KeyMaterial, KeyStoreKind } from '../model/keyref.ts';
import { Secret } from '../model/secret.ts';

const VERSION = 1;

const schema = v.object({
  version: v.number(),
  kind: v.picklist(['aes-256', 'rsa', 'rsa-public']),
  key: v.pipe(v.string(), v.minLength(1)),
  /** ISO 8601. */
  created: v.pipe(v.string(), v.isoTimestamp()),
  fingerprint: v.string(),
});

export type StoredKey = v.InferOutput<typeof schema>;
export const storedKeySchema = schema;

export const wipeMaterial = (material: KeyMaterial): void => {
  if (material.kind !== 'rsa-public') material.secret.wipe();
};

/** Holds the key in the clear: for the store it is written to, and nothing else. */
export function toStored(material: KeyMaterial, created: string): StoredKey {
  const { kind, fingerprint } = material;
  return { version: VERSION, kind, key: keyText(material), created, fingerprint };
}

function keyText(material: KeyMaterial): string {
  switch (material.kind) {
    case 'aes-256':
      return material.secret.use((bytes) => bytes.toString('base64'));
    case 'rsa':
      return material.secret.use((bytes) => bytes.toString('utf8'));
    case 'rsa-public':
      return material.publicPem;
    default:
      return material satisfies never;
  }
}

/**
 * The key as it can be used. Rejects text that is not a stored key, and a key that is not the one its fingerprint
 * names (kind `security`, code `key-damaged`; `key-newer` where a later version wrote it). `name` is for the message.
 */
export function fromStored(text: string, name: string): { material: KeyMaterial; created: string } {
  const stored = parseStored(text, name);
  return { material: materialOf(stored, name), created: stored.created };
}

export function parseStored(text: string, name: string): StoredKey {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and that may be the key.
    throw damaged(name);
  }
  const result = v.safeParse(schema, value);
  if (!result.success) throw damaged(name);
  if (result.output.version > VERSION) {
    throw new VaultError('usage', 'key-newer', `key ${name} was written by a newer s3vault`, {
      hint: 'use that version here too',
    });
  }
  return result.output;
}

/** The key of a stored one; see `fromStored` for what is rejected. */
export function materialOf(stored: StoredKey, name: string): KeyMaterial {
  const material = unchecked(stored, name);
  if (material.fingerprint !== stored.fingerprint) throw damaged(name);
  return material;
}

function unchecked(stored: StoredKey, name: string): KeyMaterial {
  try {
    switch (stored.kind) {
      case 'aes-256':
        return aesMaterial(aesSecret(stored.key, name));
      case 'rsa':
        return privateKey(stored.key);
      case 'rsa-public':
        return rsaPublicMaterial(stored.key);
      default:
        return stored.kind satisfies never;
    }
  } catch {
    throw damaged(name);
  }
}

function privateKey(pem: string): KeyMaterial {
  const secret = Secret.take(Buffer.from(pem, 'utf8'));
  try {
    return rsaMaterial(secret);
  } finally {
    secret.wipe();
  }
}

function aesSecret(base64: string, name: string): Secret {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== 32 || bytes.toString('base64') !== base64) throw damaged(name);
  return Secret.take(bytes);
}

export function infoOf(
  name: string,
  material: Pick<KeyMaterial, 'kind' | 'fingerprint'>,
  created: string,
  store: KeyStoreKind,
): KeyInfo {
  return { name, kind: material.kind, fingerprint: material.fingerprint, created, store };
}

/** No cause is kept: what went wrong while parsing a key could show parts of it. */
export function damaged(name: string): VaultError {
  return new VaultError('security', 'key-damaged', `what is stored as key ${name} is not a whole key`, {
    hint: 'bring it back from its recovery words or a backup under another name: s3vault keys recover NAME',
  });
}
