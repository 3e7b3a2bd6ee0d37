import { VaultError } from '../model/errors.ts';
import type { KeyMaterial } from '../model/keyref.ts';
import { parseKeyText } from './formats.ts';
import { fromStored } from './stored-key.ts';

/**
 * A key as another program hands it over: 32 bytes in base64, a PEM key, or the JSON that s3vault stores. When a raw
 * key was created is not known: `created` is empty then. The bytes are wiped.
 */
export function keyFromBytes(
  bytes: Buffer,
  name: string,
): { readonly material: KeyMaterial; readonly created: string } {
  try {
    const text = bytes.toString('utf8').trim();
    if (text.startsWith('{')) return fromStored(text, name);
    return { material: parseKeyText(text.startsWith('-----BEGIN') ? 'pem' : 'base64', text), created: '' };
  } finally {
    bytes.fill(0);
  }
}

export function readOnlyStore(what: string, where: string, hint: string): VaultError {
  return new VaultError('usage', 'store-read-only', `cannot ${what}: keys come from ${where}`, { hint });
}
