import { randomUUID } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Config, type Places, changeConfig, findVault, parseTarget, readConfig } from '../config.ts';
import { OWN_FOLDER, type VaultId, vaultId } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyStoreKind } from '../model/keyref.ts';
import { MODE_KINDS, type Mode, type ModeKind } from '../model/mode.ts';
import type { Remote, Rules, Vault } from '../model/vault.ts';
import { noKeeper } from '../vaults/names.ts';
import type { KeyFlags, RemoteFlags, VaultFlags } from './options.ts';

type Flags = VaultFlags & KeyFlags;

/** A vault, and what to do once the store has answered for it; nothing where it is registered already. */
export interface Wanted {
  readonly vault: Vault;
  readonly isNew: boolean;
  /** The vault as it is known once the store has answered: a new one may have become part of one that is there. */
  readonly register: (vault: Vault) => Promise<void>;
}

/**
 * The vault of a folder: the registered one, with what this command line says different for this run; or a new one
 * where `--to` says where to. A new one is remembered by `register`, so that a mistaken bucket or key is not.
 */
export async function vaultFor(dir: string, flags: Flags, places: Places): Promise<Wanted> {
  const root = await existingFolder(dir);
  const config = await readConfig(places);
  const known = findVault(config, root);
  if (known !== undefined) {
    const register = (): Promise<void> => rememberKms(known, flags, places);
    return { vault: adjusted(known, flags), isNew: false, register };
  }
  if (flags.to === undefined) {
    throw new VaultError('usage', 'not-registered', `${root} is not a vault yet`, {
      hint: `say where to on first use: s3vault sync ${dir} --to s3://BUCKET/PREFIX --key NAME`,
    });
  }
  const vault = await newVault(root, flags.to, flags, config);
  return { vault, isNew: true, register: (settled) => registerVault(places, settled, flags) };
}

/** Remembers a vault, and where its key is. */
export async function registerVault(places: Places, vault: Vault, flags: KeyFlags): Promise<void> {
  await changeConfig(places, (now) => registered(now, vault, flags));
}

/** How KMS is used can be said anew at any time, and is remembered: nothing stored depends on it. */
async function rememberKms({ id }: Vault, flags: Flags, places: Places): Promise<void> {
  if ((flags.kmsQuota ?? flags.kmsShare ?? flags.bucketKey) === undefined) return;
  await changeConfig(places, (now) => ({
    ...now,
    vaults: now.vaults.map((vault) => (vault.id === id ? withKms(vault, flags) : vault)),
  }));
}

function withKms(vault: Vault, flags: Flags): Vault {
  const { mode, rules } = vault;
  const { bucketKey } = flags;
  if (bucketKey !== undefined && mode.kind !== 'sse-kms' && (bucketKey || mode.kind !== 'dsse-kms')) {
    throw new VaultError('usage', 'no-bucket-key', `mode ${mode.kind} has no Bucket Keys`, {
      hint: 'leave --bucket-key out',
    });
  }
  return {
    ...vault,
    mode: mode.kind === 'sse-kms' && bucketKey !== undefined ? { ...mode, bucketKey } : mode,
    rules: { ...rules, ...kmsRules(flags) },
  };
}

function kmsRules({ kmsQuota, kmsShare }: Flags): Pick<Rules, 'kmsQuota' | 'kmsShare'> {
  return {
    ...(kmsQuota === undefined ? {} : { kmsQuota }),
    ...(kmsShare === undefined ? {} : { kmsShare }),
  };
}

/** Another process may have registered a vault meanwhile: what must hold is asked again. */
function registered(now: Config, vault: Vault, flags: KeyFlags): Config {
  const others = now.vaults.filter((other) => other.root !== vault.root);
  checkPlace(vault, others);
  return { ...now, ...keyPlace(flags), vaults: [...others, vault] };
}

/** Where keys are and what opens that place: chosen explicitly, and remembered. */
function keyPlace({ keyStore, keyCommand, passphraseCommand }: KeyFlags): Partial<Config> {
  return {
    ...(keyStore === undefined ? {} : { keyStore }),
    ...(keyCommand === undefined ? {} : { keyCommand }),
    ...(passphraseCommand === undefined ? {} : { passphraseCommand }),
  };
}

async function existingFolder(dir: string): Promise<string> {
  const path = resolve(dir);
  try {
    if ((await stat(path)).isDirectory()) return await realpath(path);
  } catch (cause) {
    throw new VaultError('usage', 'no-folder', `there is no folder ${path}`, {
      cause,
      hint: 'create it first',
    });
  }
  throw new VaultError('usage', 'no-folder', `${path} is not a folder`, { hint: 'a vault is a folder' });
}

async function newVault(root: string, to: string, flags: Flags, config: Config): Promise<Vault> {
  const { bucket, prefix } = parseTarget(to);
  const remote = { bucket, prefix, ...remoteOf(flags) };
  checkPlace({ root, remote }, config.vaults);
  const keyStore: KeyStoreKind | undefined = flags.keyStore ?? config.keyStore;
  const mode = modeOf(flags);
  return {
    id: (await markedId(root)) ?? vaultId(randomUUID()),
    root,
    remote,
    mode,
    ...namesFrom(flags, mode),
    ...(keyStore === undefined ? {} : { keyStore }),
    direction: flags.direction ?? 'push',
    rules: rulesOf(flags),
  };
}

/** The key to them is made, or found, when the vault meets its bucket. */
function namesFrom({ encryptNames }: Flags, { kind }: Mode): Pick<Vault, 'names'> {
  if (encryptNames !== true) return {};
  if (kind !== 'client' && kind !== 'sse-c') throw noKeeper(kind);
  return { names: { scheme: 'aes-siv', keys: [] } };
}

type Place = Pick<Vault, 'root' | 'remote'>;

/** Kind `usage` where a vault would lie in, or over, another one: `nested-vault`, `shared-prefix`. */
export function checkPlace({ root, remote }: Place, others: readonly Place[]): void {
  checkNesting(root, others);
  checkTarget(remote, others);
}

/** Two vaults over one folder, or one inside the other, would send each other's files. */
export function checkNesting(root: string, others: readonly Place[]): void {
  for (const other of others) {
    if (root.startsWith(`${other.root}/`) || other.root.startsWith(`${root}/`)) {
      throw new VaultError(
        'usage',
        'nested-vault',
        `${root} and the vault ${other.root} lie inside each other`,
        { hint: 'use one vault for the outer folder, or s3vault forget the other one' },
      );
    }
  }
}

function checkTarget({ bucket, prefix }: Remote, others: readonly Place[]): void {
  for (const { root, remote } of others) {
    if (remote.bucket !== bucket) continue;
    if (remote.prefix.startsWith(prefix) || prefix.startsWith(remote.prefix)) {
      throw new VaultError(
        'usage',
        'shared-prefix',
        `s3://${bucket}/${prefix} overlaps the vault of ${root}`,
        { hint: 'give every vault a prefix of its own' },
      );
    }
  }
}

/** A folder that carries a marker is that vault again, also after this machine's configuration was lost. */
async function markedId(root: string): Promise<VaultId | undefined> {
  try {
    const marker: unknown = JSON.parse(await readFile(join(root, OWN_FOLDER, 'vault.json'), 'utf8'));
    if (typeof marker !== 'object' || marker === null || !('id' in marker)) return undefined;
    return typeof marker.id === 'string' ? vaultId(marker.id) : undefined;
  } catch {
    // No marker, or one that can't be read: the guard of the engine deals with it before anything is sent.
    return undefined;
  }
}

export function remoteOf(flags: RemoteFlags): Omit<Remote, 'bucket' | 'prefix'> {
  const { endpoint, region, profile, pathStyle, caBundle, tlsMin } = flags;
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(pathStyle === undefined ? {} : { pathStyle }),
    ...(caBundle === undefined ? {} : { caBundle: resolve(caBundle) }),
    ...(tlsMin === undefined ? {} : { tlsMin }),
  };
}

function rulesOf(flags: Flags): Rules {
  const { transfers, limitUpload, limitDownload, pollRemote } = flags;
  return {
    removals: flags.delete ?? false,
    include: flags.include ?? [],
    exclude: flags.exclude ?? [],
    ...(transfers === undefined ? {} : { transfers }),
    ...(limitUpload === undefined ? {} : { limitUpload }),
    ...(limitDownload === undefined ? {} : { limitDownload }),
    ...kmsRules(flags),
    ...(pollRemote === undefined ? {} : { pollRemoteMs: Math.round(pollRemote * 1_000) }),
  };
}

function isModeKind(text: string): text is ModeKind {
  return (MODE_KINDS as readonly string[]).includes(text);
}

/** The Mode that the flags name. `client` is the default. */
export function modeOf(flags: Flags): Mode {
  const kind = flags.mode ?? 'client';
  if (!isModeKind(kind)) throw new VaultError('usage', 'unknown-mode', `there is no mode ${kind}`);
  const context = flags.kmsContext ?? {};
  switch (kind) {
    case 'client':
      if (flags.kmsKey !== undefined) return { kind, key: { kind: 'kms', keyId: flags.kmsKey, context } };
      return { kind, key: storedKey(flags, kind) };
    case 'sse-c':
      return { kind, key: storedKey(flags, kind) };
    case 'sse-kms':
    case 'dsse-kms':
      return kmsMode(kind, flags, context);
    case 'sse-s3':
      return { kind };
    default:
      return kind satisfies never;
  }
}

function kmsMode(
  kind: 'sse-kms' | 'dsse-kms',
  flags: Flags,
  context: Readonly<Record<string, string>>,
): Mode {
  if (flags.kmsKey === undefined) {
    throw new VaultError('usage', 'no-kms-key', `mode ${kind} needs a KMS key`, {
      hint: 'name one with --kms-key ID (key id, ARN or alias/NAME)',
    });
  }
  if (kind === 'dsse-kms' && flags.bucketKey === true) {
    throw new VaultError('usage', 'no-bucket-key', 'dsse-kms has no Bucket Keys', {
      hint: 'leave --bucket-key out',
    });
  }
  const bucketKey = flags.bucketKey === undefined ? {} : { bucketKey: flags.bucketKey };
  return { kind, keyId: flags.kmsKey, context, ...bucketKey };
}

function storedKey(flags: Flags, kind: ModeKind): { kind: 'stored'; name: string } {
  if (flags.key === undefined) {
    throw new VaultError('usage', 'no-key', `mode ${kind} needs a key`, {
      hint: 'make one with: s3vault keys create NAME, then add --key NAME',
    });
  }
  return { kind: 'stored', name: flags.key };
}

/** A registered vault as this run wants it. What would change how or where objects lie is refused. */
function adjusted(vault: Vault, flags: Flags): Vault {
  if (flags.to !== undefined) checkSameTarget(vault, flags.to);
  const mode = flags.mode ?? flags.key ?? flags.kmsKey;
  if (mode !== undefined) checkSameMode(vault, flags);
  if (flags.encryptNames === true && vault.names === undefined) throw plainNames(vault);
  const { keyStore, endpoint } = flags;
  const { capabilities, ...known } = vault;
  const sameStore = endpoint === undefined || endpoint === vault.remote.endpoint;
  return {
    ...known,
    // What one store was seen to do says nothing of another.
    ...(capabilities === undefined || !sameStore ? {} : { capabilities }),
    ...withKms(vault, flags),
    ...(keyStore === undefined ? {} : { keyStore }),
    direction: flags.direction ?? vault.direction,
    remote: { ...vault.remote, ...remoteOf(flags) },
    rules: {
      ...vault.rules,
      ...rulesOf(flags),
      removals: flags.delete ?? vault.rules.removals,
      include: flags.include ?? vault.rules.include,
      exclude: flags.exclude ?? vault.rules.exclude,
    },
  };
}

const plainNames = ({ root }: Vault): VaultError =>
  new VaultError('usage', 'plain-names', `${root} is kept with plain names`, {
    hint: `leave --encrypt-names out; to encrypt names: s3vault forget ${root}, then sync --encrypt-names with another --to`,
  });

function checkSameTarget(vault: Vault, to: string): void {
  const { bucket, prefix } = parseTarget(to);
  if (bucket === vault.remote.bucket && prefix === vault.remote.prefix) return;
  throw new VaultError(
    'usage',
    'other-target',
    `${vault.root} is kept in s3://${vault.remote.bucket}/${vault.remote.prefix}, not ${to}`,
    { hint: `to move it: s3vault forget ${vault.root}, then sync with the new --to` },
  );
}

function checkSameMode(vault: Vault, flags: Flags): void {
  const wanted = modeOf({ ...flagsOfMode(vault.mode), ...flags });
  if (nameOfMode(wanted) === nameOfMode(vault.mode)) return;
  throw new VaultError(
    'usage',
    'other-mode',
    `${vault.root} is kept in ${nameOfMode(vault.mode)}, not ${nameOfMode(wanted)}`,
    {
      hint: 'leave --mode and --key out; objects in another mode need another prefix',
    },
  );
}

function flagsOfMode(mode: Mode): VaultFlags {
  switch (mode.kind) {
    case 'client':
      return mode.key.kind === 'kms'
        ? { mode: 'client', kmsKey: mode.key.keyId }
        : { mode: 'client', key: mode.key.name };
    case 'sse-c':
      return { mode: 'sse-c', key: mode.key.name };
    case 'sse-kms':
    case 'dsse-kms':
      return { mode: mode.kind, kmsKey: mode.keyId };
    case 'sse-s3':
      return { mode: 'sse-s3' };
    default:
      return mode satisfies never;
  }
}

/** The key alone, in words; empty where the store holds it. */
export function nameOfKey(mode: Mode): string {
  const { key, kmsKey } = flagsOfMode(mode);
  if (key !== undefined) return `key ${key}`;
  return kmsKey === undefined ? '' : `KMS key ${kmsKey}`;
}

/** Mode and key in words, for messages and comparison. */
export function nameOfMode(mode: Mode): string {
  const { key, kmsKey } = flagsOfMode(mode);
  return `mode ${mode.kind}${key === undefined ? '' : ` with key ${key}`}${kmsKey === undefined ? '' : ` with KMS key ${kmsKey}`}`;
}
