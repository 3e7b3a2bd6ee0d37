/** KMS keys of a bucket's vaults by the names that rules and policies need: their ARNs. */
import { OWN_FOLDER, objectKey } from '../model/brands.ts';
import type { Trials } from '../model/bucket.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { Remote } from '../model/vault.ts';
import type { ResolvedRemote } from '../s3/connect.ts';
import { type Guard, type Way, isUnnamed, ownWay } from '../s3/posture/guard.ts';
import { trialKey } from '../s3/posture/prove.ts';
import { shortly } from './kms-asking.ts';
import { kmsOf } from './protect.ts';

export interface KeyNaming {
  readonly trials: Trials;
  readonly clock: Clock;
  readonly remote: Remote;
  readonly resolved: ResolvedRemote;
  readonly env: NodeJS.ProcessEnv;
}

/** From what is stored already, and from KMS; nothing is written. What can't be found out stays without. */
export const namedGuard = (naming: KeyNaming, guard: Guard): Promise<Guard> =>
  eachWay(guard, async (way, isNow) => {
    if (!isUnnamed(way)) return way;
    const kmsKey =
      (isNow ? await storedKey(naming, guard) : undefined) ?? (await describedKey(naming, way, false));
    return kmsKey === undefined ? way : { ...way, kmsKey };
  });

/** From the answer to a test write, where nothing else says it. */
export const learntGuard = ({ trials, clock }: KeyNaming, guard: Guard, waits: Waits): Promise<Guard> =>
  eachWay(guard, async (way) => {
    if (!isUnnamed(way)) return way;
    const key = trialKey(guard.prefix, () => clock.random());
    const trial = await trials.put(key, ownWay(way), waits);
    const kmsKey = trial.outcome === 'accepted' ? trial.kmsKeyId : undefined;
    return kmsKey === undefined ? way : { ...way, kmsKey };
  });

/** As IAM needs them: a policy that names an alias grants nothing. Rejects with `kms-key-arn`. */
export const iamGuard = (naming: KeyNaming, guard: Guard): Promise<Guard> =>
  eachWay(guard, async (way, isNow) => {
    const { kmsKeyId, kmsKey } = way;
    if (kmsKeyId === undefined || kmsKey !== undefined) return way;
    const found =
      (isNow && way.mode !== 'client' ? await storedKey(naming, guard) : undefined) ??
      (await describedKey(naming, way, isAlias(kmsKeyId)));
    if (found?.startsWith('arn:') === true) return { ...way, kmsKey: found };
    if (isAlias(kmsKeyId)) throw aliasOnly(kmsKeyId);
    return way;
  });

const isAlias = (keyId: string): boolean => /(^|:)alias\//.test(keyId);

async function eachWay(guard: Guard, name: (way: Way, isNow: boolean) => Promise<Way>): Promise<Guard> {
  const { next, ...now } = guard;
  const named = { ...now, ...(await name(now, true)) };
  return next === undefined ? named : { ...named, next: await name(next, false) };
}

async function storedKey({ trials }: KeyNaming, { prefix, vault }: Guard): Promise<string | undefined> {
  return vault === undefined ? undefined : trials.kmsKeyOf(objectKey(`${prefix}${OWN_FOLDER}/vault.json`));
}

/** By kms:DescribeKey. A store that is not Amazon's has a KMS of its own, unless the environment says where that is. */
async function describedKey(
  { remote, resolved, env, clock }: KeyNaming,
  { mode, kmsKeyId = '' }: Way,
  must: boolean,
): Promise<string | undefined> {
  const told = [env['AWS_ENDPOINT_URL_KMS'], env['AWS_ENDPOINT_URL']].some((url) => (url ?? '') !== '');
  if (!resolved.isAws && mode !== 'client' && !(must && told)) return undefined;
  try {
    const kms = await kmsOf({ remote }, resolved, { env });
    return await shortly('KMS', clock, {}, (short) => kms.describe(kmsKeyId, short));
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.kind === 'cancelled' || error.code === 'plain-http') throw error;
    if (must) throw aliasOnly(kmsKeyId, error);
    return undefined;
  }
}

const aliasOnly = (keyId: string, cause?: VaultError): VaultError =>
  new VaultError(
    'usage',
    'kms-key-arn',
    `IAM grants nothing by the alias of a KMS key, and which key ${keyId} stands for could not be found out${cause === undefined ? '' : `: ${cause.message}`}`,
    {
      hint: 'name the key itself: --kms-key arn:aws:kms:REGION:ACCOUNT:key/ID (aws kms describe-key shows it), or allow kms:DescribeKey',
      ...(cause === undefined ? {} : { cause }),
    },
  );
