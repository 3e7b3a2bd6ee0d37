/** A bucket for the posture commands: its settings, trials on it, and the vaults that live in it. */
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import type { Places } from '../config.ts';
import {
  type BucketFacts,
  type Finding,
  type Leftover,
  type Setting,
  type TrialLeft,
  type Trials,
  readFacts,
} from '../model/bucket.ts';
import type { VaultError } from '../model/errors.ts';
import { awsFlags } from '../model/place-flags.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { Remote, Rules } from '../model/vault.ts';
import { privateFolder, replacePrivate } from '../private-file.ts';
import { type ResolvedRemote, resolveRemote } from '../s3/connect.ts';
import { type Handshake, shakeHands } from '../s3/handshake.ts';
import { refuseCalledOff } from '../s3/grace.ts';
import { type Work, applyHardening } from '../s3/posture/apply.ts';
import { putBackCommand } from '../s3/posture/by-hand.ts';
import { findingsOf } from '../s3/posture/findings.ts';
import { type Ground, type Guard, hardenCommand, sides } from '../s3/posture/guard.ts';
import { iamPolicy } from '../s3/posture/iam.ts';
import { leftoverFinding } from '../s3/posture/leftovers.ts';
import { openBucket } from '../s3/posture/open-bucket.ts';
import { type Baseline, baselineOf } from '../s3/posture/own-writes.ts';
import { type Change, type HardenPlan, type HardenWishes, planHardening } from '../s3/posture/plan.ts';
import { AWS_PATIENCE, type Applying, PATIENCE, type Step, type Undoable } from '../s3/posture/step.ts';
import { whyUnremovable, whyUntried } from '../s3/posture/untried.ts';
import { withMoves } from './bucket-guards.ts';
import { iamGuard, learntGuard, namedGuard } from './bucket-keys.ts';
import { openKmsPace, throttling } from './kms-pace.ts';

export type { Baseline, Change, Guard, HardenPlan, HardenWishes, Step };
export { namesOf } from '../s3/posture/leftovers.ts';
export { HARDENED } from '../s3/posture/plan.ts';
export { isUnnamed, remoteFlags, sides } from '../s3/posture/guard.ts';
export { guardOf, guardText, guardsOf, vaultsIn, wayOf } from './bucket-guards.ts';

export interface OpenPosture {
  readonly ground: Ground;
  readonly endpoint: string | undefined;
  facts(waits?: Waits): Promise<BucketFacts>;
  findings(facts: BucketFacts, guards: readonly Guard[]): readonly Finding[];
  /** Test objects that earlier runs left where these guards write. */
  leftovers(guards: readonly Guard[], waits?: Waits): Promise<Setting<readonly Leftover[]>>;
  leftoverFinding(found: Setting<readonly Leftover[]>, guards: readonly Guard[]): Finding;
  /** Removes them, and says so of each. */
  clear(leftovers: readonly Leftover[], say: (step: Step) => void, waits: Waits): Promise<void>;
  /** The command line that mends what is found. */
  hardenCommand(guards: readonly Guard[]): string;
  /** Rejects where the store can't be reached, or its certificate is not trusted. */
  handshake(waits?: Waits): Promise<Handshake>;
  /** Guards with the moves that the bucket says are under way. */
  moving(guards: readonly Guard[]): Promise<readonly Guard[]>;
  /** KMS keys as the store names them, as far as that can be found out without a write. */
  named(guards: readonly Guard[]): Promise<readonly Guard[]>;
  /** The rest of them, from the answers to test writes. */
  learnt(guards: readonly Guard[], waits: Waits): Promise<readonly Guard[]>;
  plan(facts: BucketFacts, wishes: HardenWishes): HardenPlan;
  /** Why no test object may be written, by the settings; undefined: it can be removed again, as far as they say. */
  whyUntried(facts: BucketFacts, guards: readonly Guard[]): string | undefined;
  /** The same by asking for removals while nothing is there. `turnsOn`: the bucket is about to get versions. */
  unremovable(
    versioning: BucketFacts['versioning'],
    guards: readonly Guard[],
    waits: Waits,
    turnsOn?: boolean,
  ): Promise<string | undefined>;
  /** `untried`: where a test object stayed, and no more are written. */
  baseline(
    guards: readonly Guard[],
    waits: Waits,
  ): Promise<{ readonly baseline: Baseline; readonly untried?: string }>;
  /** What ended it early, if anything did. */
  apply(work: Work, say: (step: Step) => void, waits: Waits): Promise<VaultError | undefined>;
  /** Test objects that could not be removed, after one more try. */
  left(): Promise<readonly TrialLeft[]>;
  iam(guard: Guard, writeOnly: boolean): Promise<string>;
  close(): Promise<void>;
}

export interface PostureOptions {
  readonly clock?: Clock;
  /** The options by which the store is reached, for commands that are printed. */
  readonly flags?: string;
  /** Where test writes count against the quota of KMS, and the quota that was said for the bucket's vaults. */
  readonly kms?: {
    readonly places: Places;
    readonly rules?: Pick<Rules, 'kmsQuota' | 'kmsShare'> | undefined;
  };
}

export async function openPosture(
  remote: Remote,
  env: NodeJS.ProcessEnv,
  { clock = systemClock, flags = '', kms }: PostureOptions = {},
): Promise<OpenPosture> {
  const resolved = await resolveRemote(remote, env);
  const { isAws, endpoint } = resolved;
  // Without a mode: each key that a test write is made under opens its own quota's book.
  const pace =
    kms &&
    (await openKmsPace(
      { remote, rules: kms.rules },
      undefined,
      resolved,
      { env, places: kms.places },
      clock,
    ));
  const opened = openBucket(resolved, clock, pace && { pace: pace.store, onThrottle: throttling(pace) });
  const { config, trials } = opened;
  const ground = { ...groundOf(resolved), flags };
  const applying: Applying = { config, trials, clock, patience: isAws ? AWS_PATIENCE : PATIENCE, isAws };
  const naming = { trials, clock, remote, resolved, env };
  return {
    ground,
    endpoint,
    facts: (waits) => readFacts(config, waits),
    findings: (facts, guards) => findingsOf(facts, ground, guards),
    leftovers: (guards, waits = {}) => leftoversUnder(trials, guards, waits),
    leftoverFinding: (found, guards) => leftoverFinding(found, hardenCommand(ground, guards)),
    clear: (leftovers, say, waits) => clearAll(trials, leftovers, say, waits),
    hardenCommand: (guards) => hardenCommand(ground, guards),
    handshake: (waits) => shakeHands(resolved, waits),
    moving: (guards) => withMoves(guards, remote, env, clock),
    named: (guards) => Promise.all(guards.map((guard) => namedGuard(naming, guard))),
    learnt: (guards, waits) => Promise.all(guards.map((guard) => learntGuard(naming, guard, waits))),
    plan: (facts, wishes) => planHardening(facts, ground, wishes),
    whyUntried: (facts, guards) => whyUntried(facts, ground, guards),
    unremovable: (versioning, guards, waits, turnsOn = false) =>
      whyUnremovable(applying, { versioning, turnsOn }, guards, waits),
    baseline: (guards, waits) => baselineOf(applying, onceEach(guards), () => clock.random(), waits),
    apply: (work, say, waits) => {
      const { bucket, region } = resolved;
      const flags = awsFlags({ ...remote, region, ...(endpoint === undefined ? {} : { endpoint }) });
      const place = { bucket, flags, policyFile: work.keptPolicy };
      const byHand = (change: Undoable): string => putBackCommand(change, place);
      return applyHardening({ ...applying, byHand }, work, say, waits);
    },
    left: () => trials.left(),
    iam: async (guard, writeOnly) => iamPolicy(ground, await iamGuard(naming, guard), { writeOnly }),
    close: async () => {
      await pace?.close();
      await opened.close();
    },
  };
}

async function leftoversUnder(
  trials: Trials,
  guards: readonly Guard[],
  waits: Waits,
): Promise<Setting<readonly Leftover[]>> {
  const prefixes = guards.length === 0 ? [''] : [...new Set(guards.map(({ prefix }) => prefix))];
  const found = await Promise.all(prefixes.map((prefix) => trials.leftovers(prefix, waits)));
  const value = found.flatMap((one) => (one.state === 'set' ? one.value : []));
  const unknown = found.find(({ state }) => state === 'unknown');
  return value.length === 0 && unknown !== undefined ? unknown : { state: 'set', value };
}

async function clearAll(
  trials: Trials,
  leftovers: readonly Leftover[],
  say: (step: Step) => void,
  waits: Waits,
): Promise<void> {
  for (const { key } of leftovers) {
    refuseCalledOff(waits);
    const error = await trials.clear(key, waits);
    say(error === undefined ? { step: 'cleared', key } : { step: 'trial-left', key, error });
  }
}

const groundOf = ({ bucket, region, isAws }: ResolvedRemote): Ground => ({ bucket, region, isAws });

/** The same prefix in the same way is tried once. */
function onceEach(guards: readonly Guard[]): readonly Guard[] {
  const seen = guards
    .flatMap(sides)
    .map((guard) => [`${guard.mode} ${guard.kmsKeyId ?? ''} ${guard.prefix}`, guard] as const);
  return [...new Map(seen.toReversed()).values()];
}

/** Keeps what is about to be replaced, the policy in a file of its own too, ready to be put back; gives the files. */
export async function keepBefore(
  where: Places,
  bucket: string,
  facts: BucketFacts,
  clock: Clock = systemClock,
): Promise<readonly string[]> {
  const folder = join(where.state, 'buckets', bucket);
  await privateFolder(folder);
  const time = new Date(clock.now()).toISOString();
  const ending = `${time.replaceAll(/[:.]/g, '-')}.json`;
  const all = join(folder, `before-${ending}`);
  const text = JSON.stringify({ version: 1, time, bucket, ...facts }, undefined, 2);
  await replacePrivate(all, Buffer.from(`${text}\n`));
  if (facts.policy.state !== 'set') return [all];
  const policy = join(folder, `policy-${ending}`);
  await replacePrivate(policy, Buffer.from(facts.policy.value));
  return [all, policy];
}
