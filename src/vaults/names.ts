/** A vault's names: plain, or sealed under a key that the vault's own key opens. */
import { firstNamesKey, namesCipher, openNamesKey, withWrapping, wrapNamesKey } from '../crypto/names-key.ts';
import { sealedNames } from '../crypto/names.ts';
import { MAX_KEY_BYTES } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyMaterial } from '../model/keyref.ts';
import type { ModeKind } from '../model/mode.ts';
import { type Names, type NamesSetting, plainNames } from '../model/names.ts';
import type { Keyring, Metadata } from '../model/ports.ts';
import type { Secret } from '../model/secret.ts';
import type { Vault } from '../model/vault.ts';

/** What can keep the key to names: a vault's own key. */
export interface NamesKeeper {
  readonly keyring: Keyring;
  /** A names key that is found again from the vault's key alone; undefined where there is none such. */
  first(vaultId: string): Secret | undefined;
}

export const keeperOf = (keyring: Keyring, material?: KeyMaterial): NamesKeeper => ({
  keyring,
  first: (id) => (material === undefined ? undefined : firstNamesKey(material, id)),
});

/** The vault, its id and the prefix under which its names stand. */
export interface NamedPlace {
  readonly id: string;
  readonly prefix: string;
  readonly setting: NamesSetting | undefined;
}

export const placeOfNames = ({ id, remote, names }: Vault): NamedPlace => ({
  id,
  prefix: remote.prefix,
  setting: names,
});

/** S3 takes 2 KB of user metadata. Names, `s3vault-…` values and what of an envelope is always as long are taken off. */
const METADATA_ROOM = 2_048 - 448;
/** Base64 of a data key as the longest RSA key, and as KMS, wraps it. */
const WRAPPED = { 'AES/GCM': 80, 'RSA-OAEP-SHA1': 684, 'kms+context': 268 } as const;

function roomFor({ wrap }: Keyring, mode: ModeKind, context: Metadata): number {
  if (mode !== 'client') return METADATA_ROOM;
  return METADATA_ROOM - WRAPPED[wrap] - (wrap === 'kms+context' ? JSON.stringify(context).length : 0);
}

const namesUnder = (key: Secret, { id, prefix }: NamedPlace, room: number): Names => {
  const { secret, id: names } = namesCipher(key, id);
  const maxBytes = MAX_KEY_BYTES - Buffer.byteLength(prefix);
  return sealedNames(secret, { id: names, maxBytes, metadataRoom: room });
};

export const contextOf = (vault: Pick<Vault, 'mode'>): Metadata =>
  vault.mode.kind === 'client' && vault.mode.key.kind === 'kms' ? vault.mode.key.context : {};

/** Kind `usage` where the mode has no key here to keep the names key with. */
export function checkKeeper(keeper: NamesKeeper | undefined, mode: ModeKind): asserts keeper is NamesKeeper {
  if (keeper === undefined) throw noKeeper(mode);
  if (!keeper.keyring.canOpen)
    throw new VaultError(
      'usage',
      'names-need-key',
      'encrypted names need a key that opens; this one only seals',
      {
        hint: 'use the private key, or leave --encrypt-names out',
      },
    );
}

export const noKeeper = (mode: ModeKind): VaultError =>
  new VaultError('usage', 'names-need-key', `mode ${mode} has no key of yours to encrypt names with`, {
    hint: 'use --mode client or --mode sse-c, or leave --encrypt-names out',
  });

/**
 * Sealed names whose key opens, or plain ones. Rejects with kind `security`, code `other-key`, where the names key is not
 * wrapped under this key.
 */
export async function openNames(
  place: NamedPlace,
  keeper: NamesKeeper | undefined,
  mode: ModeKind,
  context: Metadata = {},
): Promise<Names> {
  const { id, prefix, setting } = place;
  if (setting === undefined) return plainNames(MAX_KEY_BYTES - Buffer.byteLength(prefix));
  checkKeeper(keeper, mode);
  const key = await openNamesKey(keeper.keyring, setting, id);
  if (key === undefined) throw otherKey(setting, keeper);
  try {
    return namesUnder(key, place, roomFor(keeper.keyring, mode, context));
  } finally {
    key.wipe();
  }
}

const otherKey = ({ keys }: NamesSetting, { keyring }: NamesKeeper): VaultError =>
  new VaultError(
    'security',
    'other-key',
    `the names of this vault are encrypted under key ${keys.map(({ key }) => key).join(', ')}, not ${keyring.fingerprint}`,
    { hint: 'choose the right key with --key, or bring it back with: s3vault keys recover NAME' },
  );

/** For a rekey: the same names key is wrapped under the vault's next key as well. */
export async function namesUnderBoth(
  vault: Vault,
  from: NamesKeeper | undefined,
  to: NamesKeeper | undefined,
  next: ModeKind,
): Promise<{ readonly vault: Vault; readonly names: Names }> {
  const both = await alsoUnder(vault, from, to, next);
  return { vault: both, names: await openNames(placeOfNames(both), from, vault.mode.kind, contextOf(vault)) };
}

async function alsoUnder(
  vault: Vault,
  from: NamesKeeper | undefined,
  to: NamesKeeper | undefined,
  next: ModeKind,
): Promise<Vault> {
  const { names, id, mode } = vault;
  if (names === undefined) return vault;
  if (to?.keyring.canOpen !== true)
    throw new VaultError(
      'usage',
      'names-need-key',
      `mode ${next} gives no key that opens the encrypted names`,
      {
        hint: 'move it to mode client or sse-c under a key of yours that opens; or make a new vault with plain names',
      },
    );
  checkKeeper(from, mode.kind);
  if (names.keys.some(({ key }) => key === to.keyring.fingerprint)) return vault;
  const key = await openNamesKey(from.keyring, names, id);
  if (key === undefined) throw otherKey(names, from);
  try {
    return { ...vault, names: withWrapping(names, await wrapNamesKey(to.keyring, key, id)) };
  } finally {
    key.wipe();
  }
}
