/** Named keys and what is remembered of them, for commands and screens. */
import type { Places } from '../config.ts';
import { generateAes } from '../crypto/generate.ts';
import type { Custody } from '../keys/custody.ts';
import { type KeyNote, type KeyNotes, openKeyNotes } from '../keys/key-notes.ts';
import type { KeyStoreOptions } from '../keys/open-key-store.ts';
import type { KeyMaterial, KeyStoreKind } from '../model/keyref.ts';

/** What is remembered of keys beside the keys. */
export const keyNotes = (places: Places): KeyNotes => openKeyNotes(places.state);

/** A key for one run, kept nowhere. */
export const temporaryKey = (): KeyMaterial => generateAes();

export { checkKeyName } from '../keys/key-name.ts';
export type { Custody, KeyNote, KeyNotes, KeyStoreOptions };

/** What can be done with named keys in one place. Nothing is read or asked yet. */
export async function openKeys(kind: KeyStoreKind, options: KeyStoreOptions): Promise<Custody> {
  const { openCustody } = await import('../keys/custody.ts');
  return openCustody(kind, options);
}
