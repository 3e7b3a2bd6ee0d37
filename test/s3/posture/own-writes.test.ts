/** What the vaults write themselves, and what others do meanwhile. */
import { describe, expect, test } from 'vitest';
import type { Trial, Trials } from '../../../src/model/bucket.ts';
import { VaultError } from '../../../src/model/errors.ts';
import { keepOwner } from '../../../src/s3/posture/closing.ts';
import type { Guard } from '../../../src/s3/posture/guard.ts';
import { memoryBucketConfig } from '../../../src/s3/posture/memory-config.ts';
import type { Step } from '../../../src/s3/posture/step.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { WISHES, harden, short } from './judge.ts';

const POLICY = { ...WISHES, only: ['policy'] } as const;

describe('own writes', () => {
  test('where the own write is refused too, nothing is proved', async () => {
    const kept = { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::acme/*' };
    const policy = JSON.stringify({ Version: '2012-10-17', Statement: [kept] });
    const config = memoryBucketConfig({ facts: { policy: { state: 'set', value: policy } } });
    const steps = await harden(config, POLICY);
    expect(short(steps)).toEqual(['changed policy', 'unknown', 'unknown', 'unknown', 'own-refused']);
  });

  test('where parts of the own uploads are refused, the policy is put back', async () => {
    const config = memoryBucketConfig();
    const steps = await harden(config, POLICY, { judgesParts: true });
    expect(short(steps)).toEqual(['changed policy', 'proved', 'proved', 'proved', 'taken-back policy']);
    expect(config.facts.policy).toEqual({ state: 'absent' });
  });

  test('they are judged once the policy is in force, and not before', async () => {
    const steps = await harden(memoryBucketConfig(), POLICY, { judgesParts: true, settles: 3 });
    expect(short(steps).at(-1)).toBe('taken-back policy');
  });

  test('a refusal that passes takes nothing back', async () => {
    const config = memoryBucketConfig();
    const steps = await harden(config, POLICY, { hiccups: 3 });
    expect(short(steps)).toEqual(['changed policy', 'proved', 'proved', 'proved']);
    expect(config.facts.policy).toMatchObject({ state: 'set' });
  });

  test('the policy is put back before the default encryption, and nothing else is', async () => {
    const encryption = { algorithm: 'AES256', bucketKey: false, blocked: ['NONE'] };
    const facts = { encryption: { state: 'set', value: encryption } } as const;
    const config = memoryBucketConfig({ facts });
    const steps = await harden(config, WISHES, { refusesWith: ['encryption'] });
    expect(short(steps).filter((step) => step.startsWith('taken-back'))).toEqual([
      'taken-back policy',
      'taken-back encryption',
    ]);
    expect(config.facts.publicAccess).toMatchObject({ value: { restrictBuckets: true } });
    const only = memoryBucketConfig({ facts });
    const short2 = short(await harden(only, WISHES, { refusesWith: ['policy'] }));
    expect(short2.filter((step) => step.startsWith('taken-back'))).toEqual(['taken-back policy']);
    expect(only.facts.encryption).toMatchObject({ value: { blocked: ['SSE-C'] } });
  });

  test.each([
    ['a key that is missing', 'refused', 'kms-missing', 400],
    ['a key that may not be used', 'refused', 'kms-denied', 403],
    ['a bad request', 'refused', 'bad-request', 400],
    ['a store that fails time and again', 'transient', 'server-error', 500],
  ] as const)('a default encryption goes back first where own writes end in %s', async (_, kind, code, status) => {
    const refusal = new VaultError(kind, code, 'no', { status });
    const encryption = { algorithm: 'AES256', bucketKey: false, blocked: ['NONE'] };
    const set = memoryBucketConfig({ facts: { encryption: { state: 'set', value: encryption } } });
    const none = memoryBucketConfig({ facts: { encryption: { state: 'absent' } } });
    for (const config of [set, none]) {
      const before = config.facts.encryption;
      const steps = short(await harden(config, WISHES, { refusesWith: ['encryption'], refusal }));
      expect(steps.filter((step) => step.startsWith('taken-back'))).toEqual(['taken-back encryption']);
      expect(steps).not.toContain('own-refused');
      expect(config.facts.encryption).toEqual(before);
      expect(config.facts.policy).toMatchObject({ state: 'set' });
    }
  });

  test('what is no refusal by a rule, and no change on trial explains, takes nothing back', async () => {
    const refusal = new VaultError('refused', 'kms-missing', 'no', { status: 400 });
    const config = memoryBucketConfig();
    const steps = short(await harden(config, POLICY, { refusesWith: ['policy'], refusal }));
    expect(steps.filter((step) => step.startsWith('taken-back'))).toEqual([]);
    expect(steps.at(-1)).toBe('own-refused');
  });

  test('on AWS the block of public access stays, whatever is refused', async () => {
    const config = memoryBucketConfig();
    const steps = await harden(config, WISHES, { blocksOwner: true });
    expect(short(steps)).not.toContain('taken-back publicAccess');
    expect(short(steps).at(-1)).toBe('own-refused');
    expect(config.facts.publicAccess).toMatchObject({ value: { restrictBuckets: true } });
    expect(config.facts.policy).toMatchObject({ state: 'set' });
  });

  test('elsewhere the one switch of it that keeps the owner out is put back [BUCKET-3]', async () => {
    const config = memoryBucketConfig();
    const steps = await harden(config, WISHES, { blocksOwner: true, elsewhere: true });
    expect(steps.filter(({ step }) => step === 'taken-back')).toMatchObject([
      { setting: 'publicAccess', what: 'BlockPublicAcls' },
    ]);
    expect(config.facts.publicAccess).toMatchObject({
      value: { blockAcls: false, ignoreAcls: true, restrictBuckets: true },
    });
    expect(config.facts.policy).toMatchObject({ state: 'set' });
    expect(short(steps)).toContain('proved');
  });
});

test('where no one switch is the cause, the whole block stays', async () => {
  const config = memoryBucketConfig();
  const steps = await harden(config, WISHES, { blocksOwner: 'any', elsewhere: true });
  expect(short(steps).at(-1)).toBe('own-refused');
  expect(config.facts.publicAccess).toMatchObject({ value: { blockAcls: true, blockPolicy: true } });
});

describe('elsewhere, where it can not be seen whether BlockPublicAcls keeps the owner out, it stays as it was [BUCKET-3]', () => {
  const ELSEWHERE = { blocksOwner: true, elsewhere: true } as const;
  const REST = { value: { blockAcls: false, ignoreAcls: true, blockPolicy: true, restrictBuckets: true } };
  const leftOut = (steps: readonly Step[]) => steps.filter(({ step }) => step === 'left-out');

  test('as nothing may be tried from the start', async () => {
    const config = memoryBucketConfig();
    const steps = await harden(config, WISHES, ELSEWHERE, 'Object Lock keeps every new object');
    expect(config.facts.publicAccess).toMatchObject(REST);
    expect(short(steps)).toContain('changed publicAccess');
    expect(leftOut(steps)).toMatchObject([
      { setting: 'publicAccess', what: 'BlockPublicAcls', reason: 'Object Lock keeps every new object' },
    ]);
  });

  test.each([
    ['the proof', 1],
    ['the block of public access', 7],
  ])('as a test object of %s stays', async (_, at) => {
    const config = memoryBucketConfig();
    const onTrial = (n: number): void => {
      if (n >= at) throw new VaultError('refused', 'trial-left', 'a test object is left');
    };
    const steps = await harden(config, WISHES, { ...ELSEWHERE, onTrial });
    expect(config.facts.publicAccess).toMatchObject(REST);
    expect(leftOut(steps)).toMatchObject([{ reason: 'a test object could not be removed again' }]);
  });

  test('as there is nobody whose writes could be tried', async () => {
    const config = memoryBucketConfig();
    const steps = await harden(config, { ...WISHES, guards: [], vaults: [] }, ELSEWHERE);
    expect(config.facts.publicAccess).toMatchObject(REST);
    expect(leftOut(steps)).toHaveLength(1);
    const again = await harden(config, { ...WISHES, guards: [], vaults: [] }, ELSEWHERE);
    expect(short(again)).toEqual(['left-out publicAccess']);
    expect(config.facts.publicAccess).toMatchObject(REST);
  });

  test('and stays on where it was on', async () => {
    const on = { blockAcls: true, ignoreAcls: false, blockPolicy: false, restrictBuckets: false };
    const config = memoryBucketConfig({ facts: { publicAccess: { state: 'set', value: on } } });
    const steps = await harden(config, { ...WISHES, guards: [], vaults: [] }, { elsewhere: true });
    expect(config.facts.publicAccess).toMatchObject({ value: { blockAcls: true, restrictBuckets: true } });
    expect(leftOut(steps)).toEqual([]);
  });
});

describe('what somebody else changes after the change was shown [BUCKET-4]', () => {
  test('stays: nothing at all is written', async () => {
    const config = memoryBucketConfig();
    const theirs = '{"Version":"2012-10-17","Statement":[]}';
    const meanwhile = (): void => void config.setPolicy(theirs);
    await expect(harden(config, WISHES, { meanwhile })).rejects.toMatchObject({
      kind: 'consent',
      code: 'changed-meanwhile',
      message: expect.stringContaining('policy') as string,
    });
    expect(config.facts.policy).toMatchObject({ value: theirs });
    expect(config.facts.versioning).toEqual({ state: 'absent' });
  });

  test('is looked for again right before each write', async () => {
    const memory = memoryBucketConfig();
    const config = {
      ...memory,
      get facts() {
        return memory.facts;
      },
      setVersioning: async () => {
        await memory.setVersioning('Enabled');
        await memory.setOwnership('ObjectWriter');
      },
    };
    const steps = await harden(config);
    expect(short(steps)).toContain('overtaken ownership');
    expect(short(steps)).toContain('changed policy');
    expect(memory.facts.ownership).toMatchObject({ value: 'ObjectWriter' });
  });

  test.each([
    'refused',
    'not to be read',
  ])('is not overwritten by what is put back: own writes %s', async (how) => {
    const memory = memoryBucketConfig();
    let hidden = false;
    const config = {
      ...memory,
      get facts() {
        return memory.facts;
      },
      policy: async () =>
        hidden
          ? ({ state: 'unknown', why: 'denied', reason: 'could not be read' } as const)
          : memory.facts.policy,
    };
    const shut = { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::acme/*' };
    const theirs = JSON.stringify({ Version: '2012-10-17', Statement: [shut] });
    const afterwards = (): void => {
      void memory.setPolicy(theirs);
      hidden = how !== 'refused';
    };
    const steps = await harden(config, POLICY, { judgesParts: true, afterwards });
    expect(short(steps)).not.toContain('taken-back policy');
    expect(steps.find(({ step }) => step === 'refused')).toMatchObject({
      setting: 'policy',
      error: { code: 'changed-meanwhile', message: expect.stringContaining('meanwhile') as string },
    });
    expect(memory.facts.policy).toEqual({ state: 'set', value: theirs });
  });
});

test('each vault is looked after: one switch goes for the first, and another one for the second', async () => {
  const memory = memoryBucketConfig();
  const all = { blockAcls: true, ignoreAcls: true, blockPolicy: true, restrictBuckets: true };
  await memory.setPublicAccess(all);
  const guards: readonly Guard[] = [
    { prefix: 'a/', mode: 'sse-s3' },
    { prefix: 'b/', mode: 'sse-s3' },
    { prefix: 'c/', mode: 'sse-s3' },
  ];
  const judged = (key: string): Trial => {
    const found = memory.facts.publicAccess;
    const { blockAcls, ignoreAcls } = found.state === 'set' ? found.value : all;
    const open = key.startsWith('a/') ? !blockAcls : key.startsWith('b/') ? !blockAcls && !ignoreAcls : false;
    if (open) return { outcome: 'accepted' };
    const error = new VaultError('refused', 'access-denied', 'denied', { status: 403 });
    return { outcome: 'refused', error };
  };
  const trials = {
    put: async (key: string) => judged(key),
    multipart: async (key: string) => judged(key),
  } as unknown as Trials;
  const applying = { config: memory, trials, clock: new ManualClock(), patience: [], isAws: false };
  const steps: Step[] = [];
  await keepOwner(applying, { setting: 'publicAccess', after: all }, guards, (step) => steps.push(step), {});
  expect(steps).toMatchObject([
    { step: 'taken-back', what: 'BlockPublicAcls' },
    { step: 'taken-back', what: 'IgnorePublicAcls' },
    { step: 'own-refused' },
  ]);
  expect(memory.facts.publicAccess).toMatchObject({
    value: { blockAcls: false, ignoreAcls: false, blockPolicy: true, restrictBuckets: true },
  });
});
