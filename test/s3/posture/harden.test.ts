/** Planning and applying in memory: against a store that keeps policies as AWS does, and against one that does not. */
import { describe, expect, test } from 'vitest';
import type { Trial, TrialHow, Trials } from '../../../src/model/bucket.ts';
import { readFacts } from '../../../src/model/bucket.ts';
import { VaultError } from '../../../src/model/errors.ts';
import { type Step, applyHardening, baselineOf } from '../../../src/s3/posture/apply.ts';
import { memoryBucketConfig, type MemoryBucketConfig } from '../../../src/s3/posture/memory-config.ts';
import { type HardenWishes, planHardening } from '../../../src/s3/posture/plan.ts';
import { deniedBy } from '../../../src/s3/posture/policy-eval.ts';
import { type Ground, type Guard, modeRules, writeFacts } from '../../../src/s3/posture/rules.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const ground: Ground = { bucket: 'acme', region: 'eu-west-1', isAws: true };
const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1c2d';
const kms: Guard = { prefix: 'docs/', mode: 'sse-kms', kmsKeyId: KEY, kmsKey: KEY };

interface Quirks {
  /** Headers that are absent are not judged, as in Ceph RGW 16. */
  readonly ignoresAbsent?: boolean;
  /** Parts of uploads are judged by their own headers, which they do not have. */
  readonly judgesParts?: boolean;
  /** Policies are stored and never looked at; an unknown KMS key is refused all the same, as by AWS. */
  readonly ignoresPolicies?: boolean;
  /** A public access block keeps the owner out. */
  readonly blocksOwner?: boolean;
}

const ACCEPTED: Trial = { outcome: 'accepted' };
const NO_SUCH_KEY: Trial = {
  outcome: 'refused',
  error: new VaultError('refused', 'kms-missing', "the KMS key can't be found", { status: 400 }),
};

/** Judges test writes by the policy in memory. */
function trialsOn(config: MemoryBucketConfig, quirks: Quirks = {}): Trials {
  const judge = (key: string, how: TrialHow): Trial => {
    const { policy, publicAccess, encryption } = config.facts;
    const text = policy.state === 'set' ? policy.value : undefined;
    const mode = how.kind;
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
    const shut =
      quirks.blocksOwner === true && publicAccess.state === 'set' && publicAccess.value.restrictBuckets;
    if (coverage !== 'all' && !shut && !(blocked && mode === 'sse-c')) return { outcome: 'accepted' };
    return {
      outcome: 'refused',
      error: new VaultError('refused', 'access-denied', 'denied', { status: 403 }),
    };
  };
  return {
    put: async (key, how) => judge(key, how),
    multipart: async (key, how) => judge(key, quirks.judgesParts === true ? { kind: 'plain' } : how),
    kmsKeyOf: async () => undefined,
    close: async () => undefined,
  };
}

const WISHES: HardenWishes = { guards: [kms], vaults: [kms], allowSseC: false };

async function harden(
  config: MemoryBucketConfig,
  wishes: HardenWishes = WISHES,
  quirks: Quirks = {},
): Promise<readonly Step[]> {
  const plan = planHardening(await readFacts(config), ground, wishes);
  const trials = trialsOn(config, quirks);
  const clock = new ManualClock();
  const baseline = await baselineOf({ trials }, wishes.guards, () => 0.5);
  const steps: Step[] = [];
  const policyStands = !plan.changes.some(({ setting }) => setting === 'policy');
  const work = { changes: plan.changes, guards: wishes.guards, baseline, policyStands };
  await applyHardening({ config, trials, clock, patience: [] }, work, (step) => steps.push(step));
  return steps;
}

const short = (steps: readonly Step[]): readonly string[] =>
  steps.map((step) => `${step.step}${'setting' in step ? ` ${step.setting}` : ''}`);

describe('hardening', () => {
  test('changes what is needed, proves it, and has nothing to do the second time', async () => {
    const config = memoryBucketConfig({ bucket: 'acme' });
    expect(short(await harden(config))).toEqual([
      'changed versioning',
      'changed lifecycle',
      'changed ownership',
      'changed policy',
      'changed publicAccess',
      'proved',
      'proved',
      'proved',
    ]);
    expect(short(await harden(config))).toEqual(['proved', 'proved', 'proved']);
  });

  test('what could not be read is not written [BUCKET-2]', async () => {
    const config = memoryBucketConfig({ unreadable: ['lifecycle', 'policy', 'encryption'] });
    const before = config.facts;
    await harden(config);
    expect(config.facts.lifecycle).toBe(before.lifecycle);
    expect(config.facts.policy).toBe(before.policy);
    expect(config.facts.encryption).toBe(before.encryption);
    expect(config.facts.versioning).toMatchObject({ value: 'Enabled' });
  });

  test('what may not be written is said, and nothing is claimed about it', async () => {
    const config = memoryBucketConfig({ unwritable: ['policy'] });
    const steps = await harden(config);
    expect(short(steps)).toContain('refused policy');
    expect(short(steps)).not.toContain('proved');
    expect(short(steps)).toContain('changed publicAccess');
  });

  test('a rule that the store takes and does not keep is said so', async () => {
    const steps = await harden(memoryBucketConfig(), WISHES, { ignoresAbsent: true });
    expect(steps.filter(({ step }) => step === 'not-enforced')).toEqual([
      { step: 'not-enforced', what: 'a write without the encryption header under docs/' },
    ]);
  });

  test('a refusal that is not that of a rule proves nothing', async () => {
    const steps = await harden(memoryBucketConfig(), WISHES, { ignoresPolicies: true });
    expect(short(steps)).not.toContain('proved');
    expect(steps.filter(({ step }) => step === 'not-enforced')).toHaveLength(2);
    expect(steps).toContainEqual({
      step: 'unknown',
      what: 'a write with another KMS key under docs/',
      reason: "for another reason: the KMS key can't be found",
    });
  });

  test('where the own write is refused too, nothing is proved', async () => {
    const kept = { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::acme/*' };
    const policy = JSON.stringify({ Version: '2012-10-17', Statement: [kept] });
    const config = memoryBucketConfig({ facts: { policy: { state: 'set', value: policy } } });
    const steps = await harden(config, { ...WISHES, only: ['policy'] });
    expect(short(steps)).toEqual(['changed policy', 'own-refused', 'unknown', 'unknown', 'unknown']);
  });

  test('where parts of the own uploads are refused, the policy is put back', async () => {
    const config = memoryBucketConfig();
    const steps = await harden(config, { ...WISHES, only: ['policy'] }, { judgesParts: true });
    expect(short(steps)).toEqual(['changed policy', 'taken-back policy']);
    expect(config.facts.policy).toEqual({ state: 'absent' });
  });

  test('only what keeps the owner out is put back [BUCKET-3]', async () => {
    const config = memoryBucketConfig();
    const steps = await harden(config, WISHES, { blocksOwner: true });
    expect(short(steps).filter((step) => step.startsWith('taken-back'))).toEqual(['taken-back publicAccess']);
    expect(config.facts.policy).toMatchObject({ state: 'set' });
    expect(short(steps)).toContain('proved');
  });

  test('SSE-C is allowed when asked for, blocked when nobody needs it, and left alone where it is needed', async () => {
    const at = async (blocked: string, wishes: Partial<HardenWishes>): Promise<unknown> => {
      const encryption = { algorithm: 'AES256', bucketKey: false, blocked: [blocked] };
      const config = memoryBucketConfig({ facts: { encryption: { state: 'set', value: encryption } } });
      await harden(config, { ...WISHES, guards: [], vaults: [], ...wishes });
      return config.facts.encryption.state === 'set' && config.facts.encryption.value.blocked;
    };
    const sseC: Guard = { prefix: '', mode: 'sse-c' };
    expect(await at('SSE-C', { allowSseC: true })).toEqual(['NONE']);
    expect(await at('NONE', {})).toEqual(['SSE-C']);
    expect(await at('NONE', { vaults: [sseC] })).toEqual(['NONE']);
    expect(await at('SSE-C', { vaults: [sseC] })).toEqual(['SSE-C']);
  });

  test('a vault in another mode is never locked out [BUCKET-3]', async () => {
    const facts = await readFacts(memoryBucketConfig());
    const vault: Guard = { prefix: 'docs/private/', mode: 'client', vault: '/home/a/private' };
    const plan = () => planHardening(facts, ground, { ...WISHES, vaults: [vault] });
    expect(plan).toThrow('would lock out the vault /home/a/private (mode client)');
    const old = () =>
      planHardening(facts, ground, { ...WISHES, guards: [], vaults: [vault], tlsMin: '1.3', spoken: '1.2' });
    expect(old).toThrow('s3:PutObject by S3vaultDenyOldTls');
  });

  test.each<Guard>([
    { prefix: 'docs/', mode: 'client', vault: '/home/a/docs' },
    { ...kms, vault: '/home/a/docs' },
  ])('an own rule of a mode the vault had before is replaced: $mode', async (vault) => {
    const stale = JSON.stringify({
      Version: '2012-10-17',
      Statement: modeRules(ground, { prefix: 'docs/', mode: 'sse-s3' }),
    });
    const config = memoryBucketConfig({ facts: { policy: { state: 'set', value: stale } } });
    const wishes: HardenWishes = { ...WISHES, guards: [vault], vaults: [vault], only: ['policy'] };
    const { changes } = planHardening(await readFacts(config), ground, wishes);
    expect(changes).toMatchObject([{ setting: 'policy', before: stale }]);
    const [change] = changes;
    const after = change?.setting === 'policy' ? (change.after ?? '') : '';
    expect(after).not.toContain('AES256');
    expect(after.includes('RequireHeader')).toBe(vault.mode === 'sse-kms');
  });

  test('a statement of others that stays and refuses a vault is still said', async () => {
    const theirs = {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: 'arn:aws:s3:::acme/*',
    };
    const value = JSON.stringify({ Version: '2012-10-17', Statement: [theirs] });
    const facts = await readFacts(memoryBucketConfig({ facts: { policy: { state: 'set', value } } }));
    const vault: Guard = { ...kms, vault: '/home/a/docs' };
    const plan = () => planHardening(facts, ground, { ...WISHES, guards: [vault], vaults: [vault] });
    expect(plan).toThrow('would lock out the vault /home/a/docs');
  });

  test('rules of other lifecycles stay, and old versions end only where that was asked for', async () => {
    const theirs = {
      id: 'theirs',
      enabled: true,
      prefix: 'logs/',
      removesObjects: 'after 1 days',
      raw: { any: 1 },
    };
    const config = memoryBucketConfig({ facts: { lifecycle: { state: 'set', value: { rules: [theirs] } } } });
    await harden(config, { ...WISHES, only: ['lifecycle'] });
    expect(config.facts.lifecycle).toMatchObject({ value: { rules: [theirs, { abortUploadsDays: 7 }] } });
    await harden(config, { ...WISHES, only: ['lifecycle'], expireVersions: 30 });
    expect(config.facts.lifecycle).toMatchObject({
      value: { rules: [theirs, { abortUploadsDays: 7 }, { oldVersionsDays: 30 }] },
    });
  });
});
