/** Hardening in memory: test writes are judged by the policy that is there. */
import { type Trial, type TrialHow, type Trials, readFacts } from '../../../src/model/bucket.ts';
import { VaultError } from '../../../src/model/errors.ts';
import type { Waits } from '../../../src/model/ports.ts';
import { refuseCalledOff } from '../../../src/s3/grace.ts';
import { applyHardening } from '../../../src/s3/posture/apply.ts';
import type { MemoryBucketConfig } from '../../../src/s3/posture/memory-config.ts';
import { baselineOf } from '../../../src/s3/posture/own-writes.ts';
import { type HardenWishes, planHardening } from '../../../src/s3/posture/plan.ts';
import { deniedBy } from '../../../src/s3/posture/policy-eval.ts';
import { writeFacts } from '../../../src/s3/posture/questions.ts';
import type { Ground, Guard } from '../../../src/s3/posture/rules.ts';
import type { Step } from '../../../src/s3/posture/step.ts';
import { ManualClock } from '../../support/manual-clock.ts';

export const ground: Ground = { bucket: 'acme', region: 'eu-west-1', isAws: true };
export const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1c2d';
export const kms: Guard = { prefix: 'docs/', mode: 'sse-kms', kmsKeyId: KEY, kmsKey: KEY };

export interface Quirks {
  /** Headers that are absent are not judged, as in Ceph RGW 16. */
  readonly ignoresAbsent?: boolean;
  /** Parts of uploads are judged by their own headers, which they do not have. */
  readonly judgesParts?: boolean;
  /** Policies are stored and never looked at; an unknown KMS key is refused all the same, as by AWS. */
  readonly ignoresPolicies?: boolean;
  /** A public access block keeps the owner out: with BlockPublicAcls, or with any of its switches. */
  readonly blocksOwner?: boolean | 'any';
  /** Test writes that a policy is in force after, once it was changed. */
  readonly settles?: number;
  /** Own writes that are refused right after a change, though no rule is against it. */
  readonly hiccups?: number;
  /** Whatever the vault writes itself is refused while one of these is no longer as it was. */
  readonly refusesWith?: readonly ('policy' | 'encryption')[];
  /** What it is refused with then; default 403 by a rule. */
  readonly refusal?: VaultError;
  /** Not Amazon's. */
  readonly elsewhere?: boolean;
  /** Called once all was agreed, before anything is written. */
  readonly meanwhile?: () => void;
  /** Called once own writes are tried again under the new policy. */
  readonly afterwards?: () => void;
  /** Called before each test write; `n` counts those since the first change, from 1. What it throws, the test write does. */
  readonly onTrial?: (n: number) => void;
  readonly signal?: AbortSignal;
  /** Hears how it ended. */
  readonly ended?: (error: VaultError | undefined) => void;
}

const ACCEPTED: Trial = { outcome: 'accepted' };
const DENIED: Trial = {
  outcome: 'refused',
  error: new VaultError('refused', 'access-denied', 'denied', { status: 403 }),
};
const NO_SUCH_KEY: Trial = {
  outcome: 'refused',
  error: new VaultError('refused', 'kms-missing', "the KMS key can't be found", { status: 400 }),
};

/** Judges test writes by the policy in memory. */
function trialsOn(config: MemoryBucketConfig, quirks: Quirks = {}): Trials {
  const before = config.facts;
  let inForce = before.policy;
  let waited = 0;
  let hiccups = quirks.hiccups ?? 0;
  let later = 1;
  const judge = (key: string, how: TrialHow): Trial => {
    const { publicAccess, encryption } = config.facts;
    if (inForce !== config.facts.policy && waited++ >= (quirks.settles ?? 0)) {
      inForce = config.facts.policy;
      waited = 0;
    }
    const text = inForce.state === 'set' ? inForce.value : undefined;
    const mode = how.kind;
    const own = 'keyId' in how && how.keyId === KEY;
    if (own && config.facts.policy !== before.policy && hiccups-- > 0) return DENIED;
    if (
      own &&
      quirks.refusesWith?.some((one) => config.facts[one] !== before[one] && !isPutBack(one)) === true
    )
      return quirks.refusal === undefined ? DENIED : { outcome: 'refused', error: quirks.refusal };
    if (quirks.ignoresPolicies === true) return 'keyId' in how && how.keyId !== KEY ? NO_SUCH_KEY : ACCEPTED;
    const facts = new Map([
      ['aws:securetransport', 'true'],
      ['aws:principalisawsservice', 'false'],
      ...writeFacts(mode, 'keyId' in how ? how.keyId : undefined),
    ]);
    if (quirks.ignoresAbsent === true)
      for (const [name, value] of facts) if (value === undefined) facts.delete(name);
    const resource = { arn: `arn:aws:s3:::acme/${key}`, below: false };
    const { coverage } = deniedBy(text, { action: 's3:PutObject', resource, facts, principal: 'everyone' });
    const blocked = encryption.state === 'set' && encryption.value.blocked?.includes('SSE-C') === true;
    const { blocksOwner = false } = quirks;
    const on = publicAccess.state === 'set' ? Object.values(publicAccess.value).some(Boolean) : false;
    const acls = publicAccess.state === 'set' && publicAccess.value.blockAcls;
    const shut = blocksOwner === 'any' ? on : blocksOwner && acls;
    if (coverage !== 'all' && !shut && !(blocked && mode === 'sse-c')) return { outcome: 'accepted' };
    return DENIED;
  };
  const isPutBack = (name: 'policy' | 'encryption'): boolean =>
    JSON.stringify(config.facts[name]) === JSON.stringify(before[name]);
  let since = 0;
  const refuseEnd = ({ signal }: Waits = {}): void => {
    if (config.facts !== before) quirks.onTrial?.(++since);
    refuseCalledOff({ signal });
  };
  return {
    put: async (key, how, waits) => {
      refuseEnd(waits);
      return judge(key, how);
    },
    multipart: async (key, how, waits) => {
      refuseEnd(waits);
      if (config.facts.policy !== before.policy && later-- > 0) quirks.afterwards?.();
      return judge(key, quirks.judgesParts === true ? { kind: 'plain' } : how);
    },
    unremovable: async () => undefined,
    left: async () => [],
    leftovers: async () => ({ state: 'set', value: [] }),
    clear: async () => undefined,
    kmsKeyOf: async () => undefined,
    close: async () => undefined,
  };
}

export const WISHES: HardenWishes = { guards: [kms], vaults: [kms], allowSseC: false };

/** A Clock that never keeps anybody waiting. */
class HastyClock extends ManualClock {
  override sleep(ms: number): Promise<void> {
    this.advance(ms);
    return Promise.resolve();
  }
}

export async function harden(
  config: MemoryBucketConfig,
  wishes: HardenWishes = WISHES,
  quirks: Quirks = {},
  untried?: string,
): Promise<readonly Step[]> {
  const plan = planHardening(await readFacts(config), ground, wishes);
  const trials = trialsOn(config, quirks);
  const clock = new HastyClock();
  const { baseline } =
    untried === undefined
      ? await baselineOf({ trials }, wishes.guards, () => 0.5)
      : { baseline: new Map<Guard, undefined>() };
  quirks.meanwhile?.();
  const steps: Step[] = [];
  const policyStands = !plan.changes.some(({ setting }) => setting === 'policy');
  const work = { changes: plan.changes, guards: wishes.guards, baseline, policyStands };
  const patience = [1, 1, 1, 1];
  const isAws = quirks.elsewhere !== true;
  const applying = { config, trials, clock, patience, isAws };
  const { signal } = quirks;
  const whole = untried === undefined ? work : { ...work, untried };
  const ended = await applyHardening(applying, whole, (step) => steps.push(step), { signal });
  quirks.ended?.(ended);
  return steps;
}

export const short = (steps: readonly Step[]): readonly string[] =>
  steps.map((step) => `${step.step}${'setting' in step ? ` ${step.setting}` : ''}`);
