/** KMS keys as the key list and the key screen show them: those that registered vaults use. */
import type { Config } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyRow } from '../model/key-desk.ts';
import type { KeyInfo } from '../model/keyref.ts';
import type { Mode } from '../model/mode.ts';
import type { Vault } from '../model/vault.ts';

export interface KmsKey {
  /** The alias or id, where that says which key is meant; else the key as the vault names it. */
  readonly name: string;
  /** As the vault names it: id, ARN or alias. */
  readonly keyId: string;
  /** Short enough for a table. */
  readonly fingerprint: string;
  readonly users: readonly Vault[];
}

/** The KMS key of a Mode; undefined where it has none. */
export function kmsKeyOfMode(mode: Mode): string | undefined {
  if (mode.kind === 'sse-kms' || mode.kind === 'dsse-kms') return mode.keyId;
  return mode.kind === 'client' && mode.key.kind === 'kms' ? mode.key.keyId : undefined;
}

const kmsKeysOf = ({ mode, rekeyTo }: Vault): readonly string[] =>
  [mode, rekeyTo].flatMap((one) => (one === undefined ? [] : (kmsKeyOfMode(one) ?? [])));

export function kmsKeys({ vaults }: Config): readonly KmsKey[] {
  const ids = [...new Set(vaults.flatMap(kmsKeysOf))].sort();
  return ids.map((keyId) => ({
    name: ids.filter((other) => shortName(other) === shortName(keyId)).length > 1 ? keyId : shortName(keyId),
    keyId,
    fingerprint: shortened(keyId),
    users: vaults.filter((vault) => kmsKeysOf(vault).includes(keyId)),
  }));
}

export const kmsInfo = ({ name, fingerprint }: KmsKey): Pick<KeyRow, keyof KeyInfo> => ({
  name,
  kind: 'kms',
  fingerprint,
  created: '',
  store: 'kms',
});

/** By the name that the list shows, or as the vault names it. */
export const kmsKeyNamed = (config: Config, name: string): KmsKey | undefined =>
  kmsKeys(config).find((key) => key.name === name || key.keyId === name);

/** `alias/photos`, or the id at the end of an ARN. */
const shortName = (keyId: string): string => /(?:alias\/.+|[^/:]+)$/.exec(keyId)?.[0] ?? keyId;

/** `arn…:key/1c2d3e4f`, `1c2d3e4f…`, `alias/photos`. */
function shortened(keyId: string): string {
  const name = shortName(keyId);
  const clipped = (text: string, most: number): string =>
    text.length > most ? `${text.slice(0, most - 1)}…` : text;
  if (name.startsWith('alias/')) return clipped(name, 20);
  return keyId.startsWith('arn:') ? `arn…:key/${name.slice(0, 8)}` : clipped(name, 9);
}

const WAYS_OUT = {
  export: 'it cannot leave KMS; whoever may use it there can read the objects',
  delete: 'schedule its deletion in KMS, once no vault needs it any more',
  rotate:
    'switch on its rotation in KMS, which keeps old objects readable; to move the objects to another KMS key: s3vault rekey DIR --kms-key ID',
  words: 'it has no recovery words: AWS keeps it',
  create: 'make KMS keys in KMS, and name one with: s3vault sync DIR --mode sse-kms --kms-key ID',
} as const;

/** Throws code `kms-key` where `name` is a KMS key of a vault: s3vault uses it and never holds it. */
export function refuseKms(config: Config, name: string, what: keyof typeof WAYS_OUT): void {
  if (kmsKeyNamed(config, name) === undefined) return;
  throw new VaultError('usage', 'kms-key', `key ${name} is held by AWS KMS: s3vault never has it in hand`, {
    hint: WAYS_OUT[what],
  });
}
