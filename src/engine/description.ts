import { OWN_FOLDER, objectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { NamesSetting, WrappedNamesKey } from '../model/names.ts';
import type { ObjectStore, StoredObject } from '../model/ports.ts';

/**
 * `PREFIX.s3vault/vault.json`: what the vault under a prefix is, so that a second machine, or a mistaken mode, is
 * noticed. Holds no secret; stored under the vault's own server-side protection, never sealed.
 */
export interface VaultDescription {
  /** 2 where names are encrypted: who does not know of that must not write here. */
  readonly version: 1 | 2;
  readonly id: string;
  readonly mode: string;
  /** Fingerprints of the keys in use; the KMS key id for KMS modes; empty for `sse-s3`. */
  readonly keys: readonly string[];
  readonly created: string;
  /** A rekey that has begun and not ended: objects are under `mode` or under this. */
  readonly movingTo?: SideName;
  /** Machines keep it in step both ways: one that only pushes would go over what the others wrote. */
  readonly shared?: true;
  /** Names are encrypted, and the key to them wrapped under `keys` and earlier ones. */
  readonly names?: NamesSetting;
}

export interface SideName {
  readonly mode: string;
  /** As in `keys`; empty for `sse-s3`. */
  readonly key: string;
}

const MAX_BYTES = 64 * 1024;

export const descriptionKey = (prefix: string) => objectKey(`${prefix}${OWN_FOLDER}/vault.json`);

/** Reads the description under the vault's prefix; undefined where there is none. */
export const readDescription = async (
  store: ObjectStore,
  prefix: string,
  signal?: AbortSignal,
): Promise<VaultDescription | undefined> => (await readStored(store, prefix, signal))?.found;

export interface StoredDescription {
  readonly found: VaultDescription;
  readonly etag: string;
}

/** As `readDescription`, with what a change of it is to be based on. */
export async function readStored(
  store: ObjectStore,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<StoredDescription | undefined> {
  let stored: StoredObject;
  try {
    stored = await store.get(descriptionKey(prefix), { signal });
  } catch (thrown) {
    if (thrown instanceof VaultError && thrown.code === 'object-missing') return undefined;
    throw thrown;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stored.body) {
    size += chunk.length;
    if (size > MAX_BYTES) break;
    chunks.push(chunk);
  }
  const found = parseDescription(Buffer.concat(chunks).toString('utf8'));
  return { found, etag: stored.stat.etag };
}

function parseDescription(text: string): VaultDescription {
  const bad = new VaultError(
    'usage',
    'description-unreadable',
    'the vault description in the bucket cannot be read',
    {
      hint: 'is the prefix used by another program? choose another prefix, or remove .s3vault/vault.json under it',
    },
  );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad;
  }
  if (typeof value !== 'object' || value === null) throw bad;
  const { version, id, mode, keys, created, movingTo, shared, names } = value as { [name: string]: unknown };
  if (typeof version === 'number' && version > (names === undefined ? 1 : 2)) throw newer();
  const keyList =
    Array.isArray(keys) && keys.every((key): key is string => typeof key === 'string') ? keys : undefined;
  if (
    (version !== 1 && version !== 2) ||
    typeof id !== 'string' ||
    typeof mode !== 'string' ||
    keyList === undefined
  )
    throw bad;
  const setting = parseNames(names);
  // Whatever else it is that an older program must not overlook, it is not known here.
  if ((version === 2) !== (setting !== undefined)) throw newer();
  return {
    version,
    id,
    mode,
    keys: keyList,
    created: typeof created === 'string' ? created : '',
    ...parseMoving(movingTo),
    ...(shared === true ? { shared } : {}),
    ...(setting === undefined ? {} : { names: setting }),
  };
}

const newer = (): VaultError =>
  new VaultError('usage', 'description-newer', 'the vault in the bucket was made by a newer s3vault', {
    hint: 'update s3vault on this machine',
  });

const WRAPS: ReadonlySet<unknown> = new Set(['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context']);

/** Undefined: plain names. What is not understood is never taken for that. */
function parseNames(value: unknown): NamesSetting | undefined {
  if (value === undefined) return undefined;
  const { scheme, keys } = (value ?? {}) as { [name: string]: unknown };
  if (scheme !== 'aes-siv' || !Array.isArray(keys) || keys.length === 0 || !keys.every(isWrapping))
    throw newer();
  return { scheme, keys };
}

function isWrapping(value: unknown): value is WrappedNamesKey {
  const { key, wrap, wrapped, context = {} } = (value ?? {}) as { [name: string]: unknown };
  const pairs: unknown[] = typeof context === 'object' && context !== null ? Object.values(context) : [0];
  return (
    typeof key === 'string' &&
    WRAPS.has(wrap) &&
    typeof wrapped === 'string' &&
    pairs.every((one) => typeof one === 'string')
  );
}

function parseMoving(value: unknown): Pick<VaultDescription, 'movingTo'> {
  if (typeof value !== 'object' || value === null) return {};
  const { mode, key } = value as { [name: string]: unknown };
  return typeof mode === 'string' && typeof key === 'string' ? { movingTo: { mode, key } } : {};
}
