/** Which vault, or which place in S3, a command line means: by a path on this disk, `--from`, or `s3://BUCKET/KEY`. */
import { realpathSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { type Config, findVault, parseTarget } from '../config.ts';
import { nameKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import { MODE_KINDS, type Mode } from '../model/mode.ts';
import type { Rules, Vault } from '../model/vault.ts';
import type { ReadMode, Source } from '../vaults/reading.ts';
import type { KeyFlags, RemoteFlags, VaultFlags } from './options.ts';
import { nameOfMode, remoteOf } from './register.ts';

export interface PlaceFlags
  extends RemoteFlags,
    KeyFlags,
    Pick<
      VaultFlags,
      'mode' | 'key' | 'kmsKey' | 'kmsContext' | 'kmsQuota' | 'kmsShare' | 'transfers' | 'limitDownload'
    > {
  readonly from?: string;
  readonly commitment?: 'require' | 'allow';
}

/** A place, and names in it; the empty name means all of it. */
export interface Place {
  readonly source: Source;
  readonly prefix: string;
  readonly names: readonly string[];
}

const isUrl = (text: string): boolean => /^s3:\/\//i.test(text);

/** `here`: without a path, the folder one is in is meant, not the whole vault. */
export function placeFor(
  paths: readonly string[],
  flags: PlaceFlags,
  config: Config,
  { here = false }: { readonly here?: boolean } = {},
): Place {
  const { from } = flags;
  if (from !== undefined)
    return isUrl(from) ? placeFromUrl(from, paths, flags, config) : placeFromDir(from, paths, flags, config);
  if (paths.some(isUrl)) return placeOfUrls(paths, flags, config);
  if (paths.length === 0) return placeOfVault(theVault(config), [here ? nameOfCwd(config) : ''], flags);
  const found = paths.map((path) => within(path, config) ?? notInVault(path, config));
  const [first] = found;
  if (first === undefined) throw new Error('no path');
  if (found.some(({ vault }) => vault.id !== first.vault.id)) {
    throw new VaultError('usage', 'several-vaults', 'these paths lie in different vaults', {
      hint: 'name those of one vault at a time',
    });
  }
  return placeOfVault(
    first.vault,
    found.map(({ name }) => name),
    flags,
  );
}

// ---------------------------------------------------------------------------------------------------- registered vaults

interface Within {
  readonly vault: Vault;
  readonly name: string;
}

/** The vault in which a path lies; the path itself need not exist any more. */
function within(path: string, { vaults }: Config): Within | undefined {
  for (const full of [resolve(path), realPath(resolve(path))]) {
    for (const vault of vaults) {
      if (full === vault.root) return { vault, name: '' };
      if (full.startsWith(vault.root + sep))
        return {
          vault,
          name: nameKey(
            full
              .slice(vault.root.length + 1)
              .split(sep)
              .join('/'),
          ),
        };
    }
  }
  return undefined;
}

/** Through links as far as it exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPath(above), path.slice(above.length).replace(/^[/\\]/, ''));
  }
}

function notInVault(path: string, config: Config): Within {
  const [only] = config.vaults;
  throw new VaultError('usage', 'not-in-vault', `${resolve(path)} does not lie in a vault`, {
    hint:
      only === undefined
        ? 'on a machine without the vault, say where it is: --from s3://BUCKET/PREFIX'
        : `s3vault vaults lists the vaults; for a path inside one: --from ${only.root} ${path}`,
  });
}

function theVault(config: Config): Vault {
  const around = within('.', config);
  if (around !== undefined) return around.vault;
  const [only, ...others] = config.vaults;
  if (only !== undefined && others.length === 0) return only;
  throw new VaultError(
    'usage',
    'which-vault',
    only === undefined ? 'there is no vault on this machine' : 'there are several vaults on this machine',
    {
      hint:
        only === undefined
          ? 'say where it is: --from s3://BUCKET/PREFIX (and --key NAME)'
          : `say which: --from DIR, one of ${config.vaults.map(({ root }) => root).join(', ')}`,
    },
  );
}

const nameOfCwd = (config: Config): string => within('.', config)?.name ?? '';

function placeFromDir(dir: string, paths: readonly string[], flags: PlaceFlags, config: Config): Place {
  const vault = findVault(config, resolve(dir));
  if (vault === undefined) {
    throw new VaultError('usage', 'not-registered', `${resolve(dir)} is not a vault`, {
      hint: "s3vault vaults lists those that are; for another machine's: --from s3://BUCKET/PREFIX",
    });
  }
  const names = paths.map((path) => {
    const inside = within(path, config);
    return path.startsWith('/') && inside?.vault.id === vault.id ? inside.name : nameKey(relative(path));
  });
  return placeOfVault(vault, names.length === 0 ? [''] : names, flags);
}

/** A name in a vault as people type it. */
const relative = (path: string): string =>
  path
    .replace(/^(\.?\/+)+/, '')
    .replace(/^\.$/, '')
    .replace(/\/+$/, '');

/** Names in a registered vault. Rejects one that is on its way to another mode. */
export function placeOfVault(vault: Vault, names: readonly string[], flags: PlaceFlags): Place {
  const said = readModeOf(flags);
  if (said?.kind === undefined && vault.rekeyTo !== undefined) {
    throw new VaultError(
      'usage',
      'rekey-unfinished',
      `${vault.root} is on its way to ${nameOfMode(vault.rekeyTo)}`,
      {
        hint: `let that end first: s3vault rekey ${vault.root}; or say which part to read with --mode and --key`,
      },
    );
  }
  const { keyStore = vault.keyStore } = flags;
  const remote = { ...vault.remote, ...remoteOf(flags) };
  const source: Source = {
    vault,
    remote,
    mode: { ...readModeOfVault(vault.mode), ...said },
    rules: { ...vault.rules, ...rulesOf(flags) },
    ...(keyStore === undefined ? {} : { keyStore }),
  };
  return { source, prefix: vault.remote.prefix, names };
}

const readModeOfVault = (mode: Mode): ReadMode =>
  mode.kind === 'client' || mode.kind === 'sse-c' ? { kind: mode.kind, key: mode.key } : { kind: mode.kind };

// ------------------------------------------------------------------------------------------------------------- s3://

function placeFromUrl(from: string, paths: readonly string[], flags: PlaceFlags, config: Config): Place {
  const { bucket, prefix } = parseTarget(from);
  const names = paths.length === 0 ? [''] : paths.map(relative);
  return { source: sourceOf(bucket, prefix, flags, config), prefix, names };
}

interface Url {
  readonly bucket: string;
  readonly key: string;
}

/** A key may hold anything; only the bucket is checked. */
function parseUrl(text: string): Url {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/su.exec(text);
  if (match === null) {
    throw new VaultError('usage', 'bad-target', `${JSON.stringify(text)} is not a place in S3`, {
      hint: 'it looks like s3://BUCKET/KEY',
    });
  }
  const [, bucket = '', key = ''] = match;
  parseTarget(`s3://${bucket}`);
  return { bucket, key };
}

/** Objects by their addresses: names below the deepest folder that holds them all. */
function placeOfUrls(paths: readonly string[], flags: PlaceFlags, config: Config): Place {
  const urls = paths.filter(isUrl).map(parseUrl);
  const [first] = urls;
  if (
    first === undefined ||
    urls.length < paths.length ||
    urls.some(({ bucket }) => bucket !== first.bucket)
  ) {
    throw new VaultError('usage', 'several-vaults', 'these paths lie in different places', {
      hint: 'name those of one place at a time',
    });
  }
  const keys = urls.map(({ key }) => key);
  const prefix = keys.map(folderOf).reduce(common);
  const source = sourceOf(first.bucket, prefix, flags, config);
  return { source, prefix, names: keys.map((key) => key.slice(prefix.length)) };
}

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf('/') + 1);

function common(a: string, b: string): string {
  let folder = a;
  while (!b.startsWith(folder)) folder = folderOf(folder.slice(0, -1));
  return folder;
}

/** A place in S3 that is a registered vault's, or lies in one, is read as that vault is. */
function sourceOf(bucket: string, prefix: string, flags: PlaceFlags, config: Config): Source {
  const vault = config.vaults.find(
    ({ remote }) =>
      remote.bucket === bucket &&
      prefix.startsWith(remote.prefix) &&
      (flags.endpoint === undefined || flags.endpoint === remote.endpoint),
  );
  const said = readModeOf(flags);
  const known = vault === undefined ? undefined : readModeOfVault(vault.mode);
  const keyStore = flags.keyStore ?? vault?.keyStore;
  return {
    remote: { ...vault?.remote, bucket, prefix, ...remoteOf(flags) },
    ...(vault === undefined || said?.kind !== undefined ? {} : { around: vault }),
    // A mode that is said is meant for this object, whatever the vault around it is in.
    mode: said?.kind === undefined ? (said ?? known) : said,
    rules: { ...kmsRulesOf(vault?.rules ?? {}), ...rulesOf(flags) },
    ...(keyStore === undefined ? {} : { keyStore }),
  };
}

// -------------------------------------------------------------------------------------------------------------- modes

function readModeOf(flags: PlaceFlags): ReadMode | undefined {
  const { mode, key, kmsKey, kmsContext = {} } = flags;
  const kind = MODE_KINDS.find((one) => one === mode);
  if (key !== undefined && kmsKey !== undefined) {
    throw new VaultError('usage', 'two-keys', '--key and --kms-key do not go together', {
      hint: 'name the one the objects were sealed with',
    });
  }
  if (kind === undefined && key === undefined && kmsKey === undefined) return undefined;
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(key === undefined ? {} : { key: { kind: 'stored', name: key } }),
    ...(kmsKey === undefined ? {} : { key: { kind: 'kms', keyId: kmsKey, context: kmsContext } }),
  };
}

const rulesOf = ({ transfers, limitDownload, ...kms }: PlaceFlags): NonNullable<Source['rules']> => ({
  ...(transfers === undefined ? {} : { transfers }),
  ...(limitDownload === undefined ? {} : { limitDownload }),
  ...kmsRulesOf(kms),
});

export const kmsRulesOf = ({
  kmsQuota,
  kmsShare,
}: Pick<Rules, 'kmsQuota' | 'kmsShare'>): NonNullable<Source['rules']> => ({
  ...(kmsQuota === undefined ? {} : { kmsQuota }),
  ...(kmsShare === undefined ? {} : { kmsShare }),
});
