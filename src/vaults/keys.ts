/** Named keys and what is remembered of them, for commands and screens. */
import type { Places } from '../config.ts';
import { generateAes } from '../crypto/generate.ts';
import type { Custody } from '../keys/custody.ts';
import { type KeyNote, type KeyNotes, openKeyNotes } from '../keys/key-notes.ts';
import type { KeyStoreOptions } from '../keys/open-key-store.ts';
import type { KeyStore } from '../model/ports.ts';
import type { KeyMaterial, KeyStoreKind } from '../model/keyref.ts';

/** What is remembered of keys beside the keys. */
export const keyNotes = (places: Places): KeyNotes => openKeyNotes(places.state);

/** The keys of a store, and under the same name at the second call another key that is kept nowhere: for a preview. */
export function twoKeys(store: KeyStore): KeyStore {
  let loads = 0;
  return {
    list: (waits) => store.list(waits),
    load: (name, waits) => (loads++ === 0 ? store.load(name, waits) : Promise.resolve(generateAes())),
    save: (name, material, created, waits) => store.save(name, material, created, waits),
    remove: (name, waits) => store.remove(name, waits),
    lock: () => store.lock(),
  };
}

/** A key for one run, kept nowhere. */
export const temporaryKey = (): KeyMaterial => generateAes();

export { checkKeyName } from '../keys/key-name.ts';
export type { Custody, KeyNote, KeyNotes, KeyStoreOptions };

/** What can be done with named keys in one place. Nothing is read or asked yet. */
export async function openKeys(kind: KeyStoreKind, options: KeyStoreOptions): Promise<Custody> {
  const { openCustody } = await import('../keys/custody.ts');
  return openCustody(kind, options);
}

export { keysOf } from './protect.ts';
