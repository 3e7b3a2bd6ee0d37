/** Whether a test object could be removed again: where it could not, none is written. */
import type { BucketFacts } from '../../model/bucket.ts';
import type { Waits } from '../../model/ports.ts';
import { type Ground, type Guard, sides } from './guard.ts';
import { removalsRefused } from './policy-findings.ts';
import { trialKey } from './prove.ts';
import type { Applying } from './step.ts';

/** Why nothing may be tried in this bucket; undefined where test objects can be removed. */
export function whyUntried(
  { objectLock, policy, versioning }: Pick<BucketFacts, 'objectLock' | 'policy' | 'versioning'>,
  ground: Ground,
  guards: readonly Guard[],
): string | undefined {
  if (objectLock.state === 'set' && objectLock.value.mode !== undefined) {
    const { mode, period } = objectLock.value;
    return `Object Lock keeps every new object for ${period ?? 'a time'} (${mode}), test objects too`;
  }
  // A bucket without versions has no Object Lock.
  if (objectLock.state === 'unknown' && objectLock.why !== 'unsupported' && versioning.state !== 'absent')
    return 'whether Object Lock would keep a test object is not known: s3:GetBucketObjectLockConfiguration is needed';
  if (policy.state !== 'set') return undefined;
  const [refused] = guards.flatMap(sides).flatMap((guard) => removalsRefused(policy.value, ground, guard));
  return refused === undefined
    ? undefined
    : `the policy refuses ${refused}, so a test object could not be removed again`;
}

/**
 * The same by asking: rights of these credentials and MFA Delete do not show in the bucket's settings. `turnsOn`: the bucket is
 * about to get versions, which take another right to remove.
 */
export async function whyUnremovable(
  { trials, clock }: Pick<Applying, 'trials' | 'clock'>,
  { versioning, turnsOn }: { readonly versioning: BucketFacts['versioning']; readonly turnsOn: boolean },
  guards: readonly Guard[],
  waits: Waits,
): Promise<string | undefined> {
  // In a bucket with versions a removal of none would leave a mark.
  const without = versioning.state === 'absent' ? (['without'] as const) : [];
  const versions = [...without, ...(without.length === 0 || turnsOn ? (['with'] as const) : [])];
  for (const prefix of new Set(guards.map((guard) => guard.prefix))) {
    const key = trialKey(prefix, () => clock.random());
    const error = await trials.unremovable(key, versions, waits);
    if (error !== undefined)
      return `a test object could not be removed again (${error.message}); s3:DeleteObject and, with versioning, s3:DeleteObjectVersion are needed`;
  }
  return undefined;
}
