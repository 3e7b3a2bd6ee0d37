/** Which rule of s3vault's own making refuses a write. */
import type { ResolvedRemote } from '../connect.ts';
import type { Guard } from './guard.ts';
import { deniedBy } from './policy-eval.ts';
import { isOwn, readPolicy } from './policy-text.ts';
import { writeFacts, writeQuestion } from './questions.ts';
import { prefixOfSid } from './rules.ts';
import { sdkBucketConfig } from './sdk-config.ts';

export interface OwnRule {
  readonly sid: string;
  /** What it is made for: the vault's prefix, or one above it. */
  readonly prefix: string;
}

/** Reads the policy of the bucket; undefined where that is not allowed, or no own rule may be the cause. */
export async function ownRuleAgainst(remote: ResolvedRemote, guard: Guard): Promise<OwnRule | undefined> {
  const config = sdkBucketConfig({ remote, protection: { mode: 'sse-s3' } });
  const policy = await config.policy();
  try {
    return policy.state === 'set' ? ownRuleIn(policy.value, remote, guard) : undefined;
  } catch {
    // A policy that is not understood explains nothing.
    return undefined;
  }
}

/** A key whose name in policies is not known may be the wrong one. */
export function ownRuleIn(
  text: string,
  ground: Pick<ResolvedRemote, 'bucket' | 'region' | 'isAws'>,
  guard: Guard,
): OwnRule | undefined {
  const question = writeQuestion(ground, guard, writeFacts(guard.mode, guard.kmsKey));
  for (const piece of readPolicy(text).pieces) {
    const { sid, value } = piece;
    if (sid === undefined || !isOwn(piece)) continue;
    const prefix = prefixOfSid(sid, guard.prefix);
    const alone = JSON.stringify({ Statement: [value] });
    if (prefix !== undefined && deniedBy(alone, question).coverage !== 'none') return { sid, prefix };
  }
  return undefined;
}
