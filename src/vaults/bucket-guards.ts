/** The vaults in a bucket, as the parts of it that they write. */
import type { Config } from '../config.ts';
import { type VaultDescription, readDescription } from '../engine/description.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import { MODE_KINDS, type Mode, type ModeKind } from '../model/mode.ts';
import type { Clock, ObjectStore } from '../model/ports.ts';
import type { Remote, Vault } from '../model/vault.ts';
import { resolveRemote } from '../s3/connect.ts';
import { openStore } from '../s3/open-store.ts';
import { type Guard, type Way, sides } from '../s3/posture/guard.ts';
import { partitionOf } from '../s3/posture/rules.ts';

const KEY_ARN = /^arn:[^:]+:kms:[^:]+:[^:]+:key\//;

export function wayOf(mode: Mode): Way {
  const kms = mode.kind === 'client' && mode.key.kind === 'kms' ? mode.key : mode;
  if (!('keyId' in kms)) return { mode: mode.kind };
  const { keyId, context } = kms;
  const bucketKey = 'bucketKey' in mode && mode.bucketKey !== undefined ? { bucketKey: mode.bucketKey } : {};
  return { mode: mode.kind, ...bucketKey, ...kmsNames(keyId), context };
}

const kmsNames = (keyId: string): Pick<Way, 'kmsKeyId' | 'kmsKey'> => ({
  kmsKeyId: keyId,
  ...(KEY_ARN.test(keyId) ? { kmsKey: keyId } : {}),
});

export const guardOf = (prefix: string, mode: Mode, vault?: string): Guard => ({
  prefix,
  ...wayOf(mode),
  ...(vault === undefined ? {} : { vault }),
});

/** A vault whose objects are on their way to another mode or key writes in both. */
export const guardsOf = (vaults: readonly Vault[]): readonly Guard[] =>
  vaults.map(({ remote, mode, root, rekeyTo }) => ({
    ...guardOf(remote.prefix, mode, root),
    ...(rekeyTo === undefined ? {} : { next: wayOf(rekeyTo) }),
  }));

// ------------------------------------------------------------------------------------------------- buckets of one name

/**
 * Vaults of this machine in a bucket of one store: that which the options name; else the default one, if vaults are there; else
 * the only one that has any. Other stores may have a bucket of the same name. Rejects with `which-store`.
 */
export async function vaultsIn(
  config: Config,
  bucket: string,
  said: Omit<Remote, 'bucket' | 'prefix'>,
  env: NodeJS.ProcessEnv,
): Promise<readonly Vault[]> {
  const vaults = config.vaults.filter(({ remote }) => remote.bucket === bucket);
  if (vaults.length === 0) return [];
  const wanted = await storeOf({ bucket, prefix: '', ...said }, env);
  const stores = await Promise.all(vaults.map(({ remote }) => storeOf(remote, env)));
  const inStore = (store: string | undefined) => vaults.filter((_, at) => stores[at] === store);
  const there = inStore(wanted);
  if (there.length > 0 || said.endpoint !== undefined) return there;
  const names = [...new Set(stores)];
  if (names.length === 1) return inStore(names[0]);
  throw new VaultError(
    'usage',
    'which-store',
    `vaults of this machine are in buckets called ${bucket} of several stores: ${names.join(', ')}`,
    { hint: 'say which one is meant with --endpoint URL' },
  );
}

/** Whether both lead to one bucket, whatever their prefixes. */
export async function sameBucket(one: Remote, other: Remote, env: NodeJS.ProcessEnv): Promise<boolean> {
  return one.bucket === other.bucket && (await storeOf(one, env)) === (await storeOf(other, env));
}

/** One name for each store: Amazon's by partition, within which a bucket's name occurs once. */
async function storeOf(remote: Remote, env: NodeJS.ProcessEnv): Promise<string> {
  try {
    const resolved = await resolveRemote(remote, env);
    await resolved.close();
    return resolved.isAws || resolved.endpoint === undefined ? partitionOf(resolved) : resolved.endpoint;
  } catch (thrown) {
    if (asVaultError(thrown).code === 'plain-http') throw thrown;
    return remote.endpoint ?? 'aws';
  }
}

// ------------------------------------------------------------------------------- moves that another machine has begun

const PLAIN = { mode: 'sse-s3' } as const;

/** Guards with what the bucket itself says of a rekey that is under way. What can't be read says nothing. */
export async function withMoves(
  guards: readonly Guard[],
  remote: Remote,
  env: NodeJS.ProcessEnv,
  clock: Clock,
): Promise<readonly Guard[]> {
  if (guards.every(({ next }) => next !== undefined)) return guards;
  const store = openStore(await resolveRemote(remote, env), PLAIN, { clock, transfers: 4, attempts: 2 });
  try {
    return await Promise.all(guards.map(async (guard) => moving(guard, await described(store, guard))));
  } finally {
    await store.close();
  }
}

async function described(store: ObjectStore, { prefix }: Guard): Promise<VaultDescription | undefined> {
  try {
    return await readDescription(store, prefix);
  } catch (thrown) {
    if (asVaultError(thrown).kind === 'cancelled') throw thrown;
    return undefined;
  }
}

function moving(guard: Guard, found: VaultDescription | undefined): Guard {
  if (guard.next !== undefined || found?.movingTo === undefined) return guard;
  const from = sideWay(found.mode, found.keys[0] ?? '');
  const to = sideWay(found.movingTo.mode, found.movingTo.key);
  if (from === undefined || to === undefined) return guard;
  const isTo =
    guard.mode === to.mode &&
    (from.mode !== to.mode || [guard.kmsKey, guard.kmsKeyId].includes(to.kmsKeyId ?? ''));
  if (isTo) return { ...guard, next: from };
  return guard.mode === from.mode ? { ...guard, next: to } : guard;
}

function sideWay(mode: string, key: string): Way | undefined {
  const kind = MODE_KINDS.find((one): one is ModeKind => one === mode);
  if (kind === undefined) return undefined;
  return kind === 'sse-kms' || kind === 'dsse-kms' ? { mode: kind, ...kmsNames(key) } : { mode: kind };
}

/** For messages: what the rules are for. */
export function guardText(guard: Guard): string {
  const { vault, prefix } = guard;
  const modes = [...new Set(sides(guard).map(({ mode }) => mode))].join(', on its way to ');
  const mode =
    guard.next === undefined || modes.includes(',') ? modes : `${modes}, on its way to another key`;
  const place = prefix === '' ? 'the whole bucket' : prefix;
  return vault === undefined ? `mode ${mode} in ${place}` : `the vault ${vault} (${mode}; ${place})`;
}
