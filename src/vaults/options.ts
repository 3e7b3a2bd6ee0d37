/** What opening a vault needs beside its configuration. */
import { join } from 'node:path';
import type { Places } from '../config.ts';
import type { EngineOptions } from '../engine/engine.ts';
import type { KeyStoreOptions } from '../keys/open-key-store.ts';
import type { KeyMaterial, KeyStoreKind } from '../model/keyref.ts';
import type { Clock, KeyStore } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';

export interface OpenOptions extends EngineOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly places: Places;
  readonly keys: Omit<KeyStoreOptions, 'clock' | 'env' | 'places'>;
  /** Where keys of vaults that name no place of their own are kept. */
  readonly keyStore: KeyStoreKind;
  /** A key that is in no store: the demo's. */
  readonly material?: KeyMaterial;
  /** Told of every stored key that is used, by its fingerprint. */
  readonly onKey?: (fingerprint: string) => Promise<void>;
  /** An opened store of keys; else one is opened. */
  readonly keysFrom?: KeyStore;
  readonly clock?: Clock;
}

/** The state folder of one vault. */
export const vaultState = (places: Places, vault: Pick<Vault, 'id'>): string =>
  join(places.state, 'vaults', vault.id);

/** Whether the store was seen to copy objects in the vault's mode; undefined: it was not tried, in this mode. */
export const copiesOf = ({
  capabilities,
  mode,
}: Pick<Vault, 'capabilities' | 'mode'>): boolean | undefined =>
  capabilities?.mode === mode.kind ? capabilities.copy : undefined;
