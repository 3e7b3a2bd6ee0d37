/** Whether a test object could be removed again: where it could not, none is written. */
import type { BucketFacts } from '../../model/bucket.ts';
import { type Ground, type Guard, sides } from './guard.ts';
import { removalsRefused } from './policy-findings.ts';

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
