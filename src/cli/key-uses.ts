/** Which vaults need which stored key. */
import type { Config } from '../config.ts';
import type { KeyStoreKind } from '../model/keyref.ts';
import type { Mode } from '../model/mode.ts';
import type { Vault } from '../model/vault.ts';

export const storeOf = (vault: Vault, config: Config): KeyStoreKind =>
  vault.keyStore ?? config.keyStore ?? 'keychain';

/** The stored key of a Mode; undefined where it has none. */
export function keyOfMode(mode: Mode): string | undefined {
  if (mode.kind === 'sse-c') return mode.key.name;
  return mode.kind === 'client' && mode.key.kind === 'stored' ? mode.key.name : undefined;
}

/** The stored keys of a vault: two while a rekey is going on. */
export function keysOfVault({ mode, rekeyTo }: Vault): readonly string[] {
  const names = [mode, ...(rekeyTo === undefined ? [] : [rekeyTo])].map(keyOfMode);
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** Vaults that need the key `name` of the store `kind`. */
export const usersOf = (config: Config, kind: KeyStoreKind, name: string): readonly Vault[] =>
  config.vaults.filter((vault) => storeOf(vault, config) === kind && keysOfVault(vault).includes(name));

/** Places that were forgotten, whose objects still need the key `name` of the store `kind`. */
export const leftUnder = ({ left = [] }: Config, kind: KeyStoreKind, name: string): readonly string[] =>
  left.filter((one) => one.keyStore === kind && one.key === name).map(({ place }) => place);

/** The configuration once the key is gone: nothing is said to need it any more. */
export function withoutKey(config: Config, kind: KeyStoreKind, name: string): Config {
  const { left = [], ...rest } = config;
  const still = left.filter((one) => one.keyStore !== kind || one.key !== name);
  return still.length === 0 ? rest : { ...rest, left: still };
}

/** The same Mode under another stored key. */
export function withKey(mode: Mode, name: string): Mode {
  const key = { kind: 'stored', name } as const;
  return mode.kind === 'client' || mode.kind === 'sse-c' ? { kind: mode.kind, key } : mode;
}

/** `laptop` → `laptop-2` → `laptop-3`, the first that is free. */
export function nextName(name: string, taken: ReadonlySet<string>): string {
  const [, stem = name, number = '1'] = /^(.*?)(?:-(\d{1,4}))?$/.exec(name) ?? [];
  for (let at = Number(number) + 1; ; at++) {
    const next = `${stem.slice(0, 58)}-${at}`;
    if (!taken.has(next)) return next;
  }
}
