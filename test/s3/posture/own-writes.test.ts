/** What the vaults write themselves, and what others do meanwhile. */
import { describe, expect, test } from 'vitest';
import { memoryBucketConfig } from '../../../src/s3/posture/memory-config.ts';
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
