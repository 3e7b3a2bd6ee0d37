/** The configuration: which folders are vaults, and where keys are kept. No secret is ever in it. */
import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import * as v from 'valibot';
import { type VaultId, vaultId } from './model/brands.ts';
import { VaultError } from './model/errors.ts';
import type { KeyStoreKind } from './model/keyref.ts';
import { MODE_KINDS, type Mode } from './model/mode.ts';
import type { Vault } from './model/vault.ts';
import { readOwnFile, replacePrivate, withLock } from './private-file.ts';

// ------------------------------------------------------------------------------------------------------------ places

/** Absolute folders; none of them need exist. */
export interface Places {
  readonly config: string;
  readonly state: string;
  readonly logs: string;
  /** For sockets and other things that end with the session. */
  readonly runtime: string;
}

type Env = Readonly<{ [name: string]: string | undefined }>;

/** Where things lie: all under `S3VAULT_HOME` where that is set, else where the platform keeps such things. */
export function places(env: Env): Places {
  const home = env['S3VAULT_HOME'];
  if (home !== undefined && home !== '') return allUnder(resolve(home));
  return process.platform === 'linux' ? xdgPlaces(env) : platformPlaces();
}

function allUnder(top: string): Places {
  return {
    config: join(top, 'config'),
    state: join(top, 'state'),
    logs: join(top, 'logs'),
    runtime: join(top, 'run'),
  };
}

/** XDG Base Directory Specification 0.8: relative paths in the variables are invalid and ignored. */
function xdgPlaces(env: Env): Places {
  const home = env['HOME'] ?? homedir();
  const folder = (name: string, otherwise: string): string => {
    const value = env[name];
    return join(value !== undefined && isAbsolute(value) ? value : otherwise, 's3vault');
  };
  const state = folder('XDG_STATE_HOME', join(home, '.local', 'state'));
  return {
    config: folder('XDG_CONFIG_HOME', join(home, '.config')),
    state,
    logs: join(state, 'logs'),
    runtime: folder('XDG_RUNTIME_DIR', join(state, 'run')),
  };
}

function platformPlaces(): Places {
  const { config, data, log } = envPaths('s3vault', { suffix: '' });
  return { config, state: data, logs: log, runtime: join(data, 'run') };
}

/** The file that `readConfig` reads. */
export const configFile = (places: Places): string => join(places.config, 'config.json');

// ----------------------------------------------------------------------------------------------------------- content

export interface Config {
  readonly version: 1;
  /** Where keys are kept unless a vault or a command line says otherwise; undefined: the keychain. */
  readonly keyStore?: KeyStoreKind;
  /** Command that prints a key, for key store `command`. */
  readonly keyCommand?: string;
  /** Command that prints the passphrase of the key file. */
  readonly passphraseCommand?: string;
  readonly vaults: readonly Vault[];
  /** Places that were forgotten, with objects in them that need a stored key. */
  readonly left?: readonly LeftPlace[];
}

export interface LeftPlace {
  /** `s3://BUCKET/PREFIX`. */
  readonly place: string;
  readonly keyStore: KeyStoreKind;
  readonly key: string;
}

const VERSION = 1;
const EMPTY: Config = { version: VERSION, vaults: [] };

const text = v.pipe(v.string(), v.minLength(1, 'must not be empty'));
const absolute = v.pipe(text, v.check(isAbsolute, 'must be an absolute path'));
const count = v.pipe(v.number(), v.integer('must be a whole number'), v.minValue(1, 'must be at least 1'));
/** Not `v.record`: that one leaves out fields with names such as `constructor`, without a word. */
const pairs = v.custom<Readonly<Record<string, string>>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((one) => typeof one === 'string'),
  'must be an object whose values are text',
);
const keyStore = v.picklist(['keychain', 'file', 'command', 'credentials']);

const httpsUrl = v.pipe(
  text,
  v.check((value) => URL.canParse(value), 'must be a URL like https://s3.example.org'),
  v.check(
    (value) => !URL.canParse(value) || new URL(value).protocol === 'https:',
    'must begin with https://; s3vault never speaks plain HTTP',
  ),
  v.check(
    (value) => !URL.canParse(value) || (new URL(value).username === '' && new URL(value).password === ''),
    'must not hold a user name or a password',
  ),
);

const stored = v.strictObject({ kind: v.literal('stored'), name: text });
const kms = v.strictObject({ kind: v.literal('kms'), keyId: text, context: pairs });
const kmsMode = { keyId: text, context: pairs, bucketKey: v.exactOptional(v.boolean()) };

const mode = v.variant('kind', [
  v.strictObject({ kind: v.literal('client'), key: v.variant('kind', [stored, kms]) }),
  v.strictObject({ kind: v.literal('sse-c'), key: stored }),
  v.strictObject({ kind: v.literal('sse-kms'), ...kmsMode }),
  v.strictObject({ kind: v.literal('dsse-kms'), ...kmsMode }),
  v.strictObject({ kind: v.literal('sse-s3') }),
]) satisfies v.GenericSchema<unknown, Mode>;

const remote = v.strictObject({
  bucket: v.pipe(
    v.string(),
    v.check((value) => bucketFault(value) === undefined, 'is not a bucket name'),
  ),
  prefix: v.pipe(
    v.string(),
    v.check(
      (value) => prefixFault(value) === undefined,
      'must be empty or end in /, without empty, . and .. parts',
    ),
  ),
  endpoint: v.exactOptional(httpsUrl),
  region: v.exactOptional(text),
  profile: v.exactOptional(text),
  pathStyle: v.exactOptional(v.boolean()),
  caBundle: v.exactOptional(absolute),
  tlsMin: v.exactOptional(v.picklist(['1.2', '1.3'])),
});

const rules = v.strictObject({
  removals: v.boolean(),
  include: v.array(text),
  exclude: v.array(text),
  transfers: v.exactOptional(v.pipe(count, v.maxValue(256, 'must be at most 256'))),
  limitUpload: v.exactOptional(count),
  limitDownload: v.exactOptional(count),
  kmsQuota: v.exactOptional(v.pipe(count, v.maxValue(10_000_000, 'must be at most 10000000'))),
  kmsShare: v.exactOptional(v.pipe(count, v.maxValue(100, 'must be at most 100'))),
  pollRemoteMs: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1_000), v.maxValue(86_400_000))),
  settleMs: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3_600_000))),
});

const outcome = v.exactOptional(v.picklist(['proved', 'unproved', 'refused']));

const support = v.exactOptional(v.picklist(['kept', 'ignored', 'refused']));

/** Additions of later versions are let through and dropped: `doctor` finds them out again. */
const capabilities = v.object({
  time: text,
  mode: v.picklist(MODE_KINDS),
  conditions: support,
  removeConditions: support,
  copyConditions: support,
  bareEtags: v.exactOptional(v.boolean()),
  checksum: v.exactOptional(v.picklist(['crc32', 'md5', 'none'])),
  copy: v.exactOptional(v.boolean()),
  versioning: v.exactOptional(v.boolean()),
  sse: v.exactOptional(
    v.object({ 'sse-c': outcome, 'sse-s3': outcome, 'sse-kms': outcome, 'dsse-kms': outcome }),
  ),
});

const names = v.strictObject({
  scheme: v.literal('aes-siv'),
  keys: v.array(
    v.strictObject({
      key: text,
      wrap: v.picklist(['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context']),
      wrapped: text,
      context: v.exactOptional(pairs),
    }),
  ),
});

const vault = v.strictObject({
  id: v.pipe(
    v.string(),
    v.uuid('must be a UUID'),
    v.transform((id): VaultId => vaultId(id)),
  ),
  root: absolute,
  remote,
  mode,
  rekeyTo: v.exactOptional(mode),
  names: v.exactOptional(names),
  keyStore: v.exactOptional(keyStore),
  direction: v.picklist(['push', 'pull', 'both']),
  rules,
  capabilities: v.exactOptional(capabilities),
});

const schema = v.strictObject({
  version: v.literal(VERSION),
  keyStore: v.exactOptional(keyStore),
  keyCommand: v.exactOptional(text),
  passphraseCommand: v.exactOptional(text),
  vaults: v.array(vault),
  left: v.exactOptional(v.array(v.strictObject({ place: text, keyStore, key: text }))),
}) satisfies v.GenericSchema<unknown, Config>;

// ---------------------------------------------------------------------------------------------------- read and change

/**
 * The configuration; an empty one where there is no file. What is not exactly as it should be is refused (kind `usage`)
 * with the file, the place in it and what is allowed there: `config-json`, `config-newer`, `config-field`, `plain-http`.
 */
export async function readConfig(places: Places): Promise<Config> {
  const path = configFile(places);
  const bytes = await readOwnFile(path);
  return bytes === undefined ? EMPTY : parseConfig(path, bytes.toString('utf8'));
}

function parseConfig(path: string, source: string): Config {
  let parsed: unknown;
  try {
    parsed = JSON.parse(source);
  } catch (cause) {
    throw new VaultError('usage', 'config-json', `${path} is not JSON`, {
      cause,
      hint: 'mend it, or move it away and register the folders again with: s3vault sync DIR --to s3://BUCKET/PREFIX',
    });
  }
  refuseNewer(path, parsed);
  return checkConfig(path, parsed);
}

function refuseNewer(path: string, parsed: unknown): void {
  if (typeof parsed !== 'object' || parsed === null || !('version' in parsed)) return;
  if (typeof parsed.version === 'number' && parsed.version > VERSION) {
    throw new VaultError(
      'usage',
      'config-newer',
      `${path} was written by a newer s3vault (version ${parsed.version})`,
      {
        hint: 'use that version, or a newer one, here too',
      },
    );
  }
}

function checkConfig(path: string, value: unknown): Config {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = (v.getDotPath(issue) ?? 'the top').split('.').map(shownName).join('.');
  const isPlain = issue.message.startsWith('must begin with https://');
  throw new VaultError(
    'usage',
    isPlain ? 'plain-http' : 'config-field',
    `${path}: ${place}: ${explain(issue)}`,
    {
      hint: isPlain
        ? 'put an https:// address there'
        : 'mend that place; the README lists what may stand there',
    },
  );
}

/** No field of ours is so long: it may be a key in the wrong place. */
const shownName = (name: string): string => (name.length < 40 ? name : `a name of ${name.length} characters`);

/** A vault that stands in another file, held to the same rules. */
export function checkVault(path: string, value: unknown): Vault {
  const [checked] = checkConfig(path, { version: VERSION, vaults: [value] }).vaults;
  if (checked === undefined) throw new VaultError('usage', 'config-field', `${path}: holds no vault`);
  return checked;
}

/** What is wrong, in words; values are shown only where they are plain words, for a field may hold anything. */
function explain(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === 'validation') return issue.message;
  if (issue.expected === 'never') return 'is not known here';
  if (issue.received === 'undefined') return `is missing; allowed: ${issue.expected ?? 'something else'}`;
  return `is not allowed; allowed: ${issue.expected ?? 'something else'}`;
}

/**
 * Reads, changes and writes the configuration while no other process does; gives the new one. The change may be called
 * only once, and sees what other processes wrote before.
 */
export async function changeConfig(places: Places, change: (config: Config) => Config): Promise<Config> {
  // A link from elsewhere (a folder of dot files, say) stays one: what it leads to is replaced.
  const path = realPath(configFile(places));
  return withLock(path, async () => {
    const changed = checkConfig(path, change(await readConfig(places)));
    await replacePrivate(path, Buffer.from(`${JSON.stringify(changed, undefined, 2)}\n`));
    return changed;
  });
}

/** The vault of a folder, however its path is spelled. A folder that is gone is found by the path it had. */
export function findVault(config: Config, dir: string): Vault | undefined {
  const wanted = realPath(dir);
  return config.vaults.find(({ root }) => root === wanted || realPath(root) === wanted);
}

function realPath(dir: string): string {
  try {
    return realpathSync(dir);
  } catch {
    return resolve(dir);
  }
}

// ------------------------------------------------------------------------------------------------------------ targets

/** `s3://BUCKET/PREFIX`; the prefix comes back empty or with a slash at its end. Kind `usage`, code `bad-target`. */
export function parseTarget(text: string): { readonly bucket: string; readonly prefix: string } {
  const match = /^s3:\/\/([^/]*)(?:\/(.*))?$/su.exec(text);
  if (match === null) throw badTarget(text, 'does not begin with s3://');
  const [, bucket = '', rest = ''] = match;
  const prefix = rest === '' || rest.endsWith('/') ? rest : `${rest}/`;
  const fault = bucketFault(bucket) ?? prefixFault(prefix);
  if (fault !== undefined) throw badTarget(text, fault);
  return { bucket, prefix };
}

function badTarget(text: string, fault: string): VaultError {
  return new VaultError('usage', 'bad-target', `${JSON.stringify(text)} is not a place in S3: ${fault}`, {
    hint: 'it looks like s3://BUCKET/PREFIX or s3://BUCKET',
  });
}

/** S3 User Guide, "General purpose bucket naming rules". Directory buckets and access points by ARN work otherwise. */
function bucketFault(name: string): string | undefined {
  if (name === '') return 'the bucket is missing';
  if (name.startsWith('arn:')) return 'give the name or the alias of the bucket, not an ARN';
  if (name.length < 3 || name.length > 63) return 'a bucket name has 3 to 63 characters';
  if (!/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/.test(name)) {
    return 'a bucket name has lower-case letters, digits, dots and hyphens, with a letter or digit at both ends';
  }
  if (name.includes('..')) return 'a bucket name has no two dots in a row';
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return 'a bucket name does not look like an IP address';
  if (/^(xn--|sthree-|amzn-s3-demo-)/.test(name)) return 'bucket names do not begin like this';
  if (/(--x-s3|\.mrap|--ol-s3|--table-s3)$/.test(name))
    return 'only general purpose buckets can hold a vault';
  return undefined;
}

function prefixFault(prefix: string): string | undefined {
  if (prefix === '') return undefined;
  const parts = prefix.slice(0, -1).split('/');
  if (!prefix.endsWith('/')) return 'a prefix ends with /';
  if (parts.includes('')) return 'the prefix has an empty part (//, or a slash at its start)';
  if (parts.includes('.') || parts.includes('..')) return 'the prefix has a . or .. part';
  if (parts.includes('.s3vault')) return 'the folder .s3vault belongs to s3vault itself';
  if (/[\u0000-\u001f\u007f]/.test(prefix)) return 'the prefix has control characters';
  if (prefix !== prefix.normalize('NFC')) return 'the prefix is not in Unicode form NFC';
  if (Buffer.byteLength(prefix) > 512) return 'the prefix is longer than 512 bytes';
  return undefined;
}
