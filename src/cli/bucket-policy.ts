/** `s3vault bucket policy`: policies to read, review and paste; they are not put anywhere. */
import { VaultError, EXIT } from '../model/errors.ts';
import type { Guard } from '../vaults/bucket.ts';
import { type BucketFlags, type Target, targetOf, unnamedText } from './bucket-target.ts';
import { hung } from './lines.ts';
import type { Output } from './print.ts';

export interface PolicyFlags extends BucketFlags {
  readonly iam?: boolean;
  readonly writeOnly?: boolean;
}

export async function policyCommand(
  bucket: string,
  flags: PolicyFlags,
  out: Output = process.stdout,
  err: Output = process.stderr,
): Promise<number> {
  if (flags.writeOnly === true && flags.iam !== true)
    throw new VaultError('usage', 'write-only', '--write-only is about the policy of --iam', {
      hint: `say: s3vault bucket policy ${bucket} --iam --write-only`,
    });
  const target = await targetOf(bucket, flags);
  try {
    return flags.iam === true
      ? await printIam(target, flags.writeOnly === true, out, err)
      : await printBucketPolicy(target, flags, out, err);
  } finally {
    await target.posture.close();
  }
}

async function printIam(
  { posture, guards: asked }: Target,
  writeOnly: boolean,
  out: Output,
  err: Output,
): Promise<number> {
  const guards = await posture.moving(asked);
  const [guard, ...more] = guards;
  if (guard === undefined)
    throw new VaultError('usage', 'no-mode', 'no vault of this machine is in the bucket', {
      hint: 'name the mode it is for with --mode MODE, and the prefix as s3://BUCKET/PREFIX',
    });
  for (const [at, one] of guards.entries()) {
    if (more.length > 0) err.write(`for ${one.vault ?? one.mode}:\n`);
    out.write(`${await posture.iam(one, writeOnly)}\n`);
    if (at < more.length) err.write('\n');
  }
  if (writeOnly)
    err.write(
      'a write-only machine can not take back a write that was not proved, and can not rebuild a lost Index\n',
    );
  return EXIT.inStep;
}

async function printBucketPolicy(
  target: Target,
  flags: BucketFlags,
  out: Output,
  err: Output,
): Promise<number> {
  const { posture } = target;
  await posture.handshake();
  const met = async (guards: readonly Guard[]) => posture.named(await posture.moving(guards));
  const [facts, guards, vaults] = await Promise.all([
    posture.facts(),
    met(target.guards),
    met(target.vaults),
  ]);
  const { policy } = facts;
  if (policy.state === 'unknown')
    err.write(`the policy that is there ${policy.reason}; this one is made for a bucket without any\n`);
  const seen = policy.state === 'unknown' ? { ...facts, policy: { state: 'absent' } as const } : facts;
  const plan = posture.plan(seen, {
    guards,
    vaults,
    allowSseC: false,
    only: ['policy'],
    ...(flags.tlsMin === undefined ? {} : { tlsMin: flags.tlsMin }),
  });
  for (const keyId of plan.unnamed) {
    const [message, hint] = unnamedText(keyId);
    err.write(`${hung('! ', message)}${hung('  → ', hint)}`);
  }
  const [change] = plan.changes;
  const text =
    change?.setting === 'policy' ? change.after : policy.state === 'set' ? policy.value : undefined;
  out.write(`${text ?? '{}'}\n`);
  return EXIT.inStep;
}
