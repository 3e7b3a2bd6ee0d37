/** A hardening that ends before its end: called off, the network gone, a test object that stays. */
import { describe, expect, test } from 'vitest';
import { objectKey } from '../../../src/model/brands.ts';
import { EXIT, VaultError } from '../../../src/model/errors.ts';
import { type MemoryBucketConfig, memoryBucketConfig } from '../../../src/s3/posture/memory-config.ts';
import { type Quirks, WISHES, harden, short } from './judge.ts';

const OFFLINE = new VaultError('offline', 'offline', 'the store can not be reached');

async function ending(config: MemoryBucketConfig, quirks: Quirks) {
  let error: VaultError | undefined;
  const steps = await harden(config, WISHES, { ...quirks, ended: (how) => (error = how) });
  return { steps: short(steps), said: steps, error };
}

/** The same bucket, seen through a wrapper of some of its calls. */
const wrapped = (memory: MemoryBucketConfig, over: Partial<MemoryBucketConfig>): MemoryBucketConfig => ({
  ...memory,
  ...over,
  get facts() {
    return memory.facts;
  },
});

describe('called off [BUCKET-6]', () => {
  test.each([
    1, 2, 4, 5, 6,
  ])('at test write %i: what was not seen to let own writes pass goes back', async (at) => {
    const config = memoryBucketConfig();
    const stop = new AbortController();
    const onTrial = (n: number): void => (n === at ? stop.abort() : undefined);
    const { steps, error } = await ending(config, { onTrial, signal: stop.signal });
    expect(steps.filter((step) => step !== 'proved')).toEqual([
      'changed versioning',
      'changed lifecycle',
      'changed ownership',
      'changed policy',
      'undone policy',
      'not-done publicAccess',
      'stopped',
    ]);
    expect(error?.exit).toBe(EXIT.interrupted);
    expect(config.facts.policy).toEqual({ state: 'absent' });
    expect(config.facts.versioning).toMatchObject({ value: 'Enabled' });
  });

  test('a write under way comes to its end, and is said', async () => {
    const stop = new AbortController();
    const memory = memoryBucketConfig();
    const setVersioning = async (): Promise<void> => {
      stop.abort();
      await memory.setVersioning('Enabled');
    };
    const { steps } = await ending(wrapped(memory, { setVersioning }), { signal: stop.signal });
    expect(steps).toEqual([
      'changed versioning',
      'not-done lifecycle',
      'not-done ownership',
      'not-done policy',
      'not-done publicAccess',
      'stopped',
    ]);
  });

  test('once own writes passed, the policy stays; elsewhere than on AWS the block of public access goes back', async () => {
    const at = async (elsewhere: boolean) => {
      const stop = new AbortController();
      const memory = memoryBucketConfig();
      const setPublicAccess: MemoryBucketConfig['setPublicAccess'] = async (value) => {
        await memory.setPublicAccess(value);
        stop.abort();
      };
      const config = wrapped(memory, { setPublicAccess });
      const { steps } = await ending(config, { signal: stop.signal, elsewhere });
      expect(memory.facts.policy).toMatchObject({ state: 'set' });
      return steps.slice(-2);
    };
    expect(await at(false)).toEqual(['changed publicAccess', 'stopped']);
    expect(await at(true)).toEqual(['undone publicAccess', 'stopped']);
  });

  test('while the store is too slow for its grace it is the signal that ended it', async () => {
    const stop = new AbortController();
    const memory = memoryBucketConfig();
    const setVersioning: MemoryBucketConfig['setVersioning'] = async () => {
      stop.abort();
      throw new VaultError('offline', 'no-answer', 'the store did not answer in time');
    };
    const { steps, error } = await ending(wrapped(memory, { setVersioning }), { signal: stop.signal });
    expect(steps[0]).toBe('not-done versioning');
    expect(error).toMatchObject({ kind: 'cancelled', exit: EXIT.interrupted });
  });

  test('while the switch is looked for that keeps the owner out: the block goes back, with it off too', async () => {
    const memory = memoryBucketConfig();
    const stop = new AbortController();
    let writes = 0;
    const setPublicAccess: MemoryBucketConfig['setPublicAccess'] = async (value) => {
      if (++writes === 3) throw OFFLINE;
      await memory.setPublicAccess(value);
      if (writes === 2) stop.abort();
    };
    const config = wrapped(memory, { setPublicAccess });
    const { said, steps } = await ending(config, { signal: stop.signal, blocksOwner: true, elsewhere: true });
    expect(said.filter(({ step }) => step === 'refused')).toEqual([]);
    expect(steps).toContain('undone publicAccess');
    expect(Object.values((await memory.publicAccess()) as { value: object })).toContainEqual({
      blockAcls: false,
      ignoreAcls: false,
      blockPolicy: false,
      restrictBuckets: false,
    });
  });

  test('what somebody else wrote meanwhile is not put back', async () => {
    const theirs = '{"Version":"2012-10-17","Statement":[]}';
    const config = memoryBucketConfig();
    const stop = new AbortController();
    const onTrial = (): void => {
      void config.setPolicy(theirs);
      stop.abort();
    };
    const { said } = await ending(config, { onTrial, signal: stop.signal });
    expect(said.find(({ step }) => step === 'refused')).toMatchObject({
      setting: 'policy',
      error: { code: 'changed-meanwhile' },
    });
    expect(config.facts.policy).toMatchObject({ value: theirs });
  });
});

describe('the network goes', () => {
  test('at a write: what was done is said, and what was not', async () => {
    const memory = memoryBucketConfig();
    const setOwnership = async (): Promise<void> => {
      throw OFFLINE;
    };
    const { steps, error } = await ending(wrapped(memory, { setOwnership }), {});
    expect(steps).toEqual([
      'changed versioning',
      'changed lifecycle',
      'not-done ownership',
      'not-done policy',
      'not-done publicAccess',
      'stopped',
    ]);
    expect(error).toBe(OFFLINE);
  });

  test('and nothing can be read any more', async () => {
    const memory = memoryBucketConfig();
    let gone = false;
    const unread = {
      state: 'unknown',
      why: 'failed',
      reason: 'could not be read: the store can not be reached',
      offline: OFFLINE,
    } as const;
    const config = wrapped(memory, {
      versioning: async () => (gone ? unread : memory.facts.versioning),
      lifecycle: async () => (gone ? unread : memory.facts.lifecycle),
      setLifecycle: async () => {
        gone = true;
        throw OFFLINE;
      },
    });
    const { steps, said } = await ending(config, {});
    expect(steps).toEqual([
      'unsure versioning',
      'unsure lifecycle',
      'not-done ownership',
      'not-done policy',
      'not-done publicAccess',
      'stopped',
    ]);
    expect(said[0]).toMatchObject({ reason: 'it could not be read: the store can not be reached' });
  });

  test('at a test write: the policy goes back where the store answers again, else it is said that it stands', async () => {
    const onTrial = (): void => {
      throw OFFLINE;
    };
    const back = memoryBucketConfig();
    expect((await ending(back, { onTrial })).steps).toContain('undone policy');
    expect(back.facts.policy).toEqual({ state: 'absent' });

    const memory = memoryBucketConfig();
    const setPolicy: MemoryBucketConfig['setPolicy'] = async (text) => {
      if (text === undefined) throw OFFLINE;
      await memory.setPolicy(text);
    };
    const { said } = await ending(wrapped(memory, { setPolicy }), { onTrial });
    expect(said.find(({ step }) => step === 'refused')).toMatchObject({
      setting: 'policy',
      error: { message: expect.stringContaining('could not be put back') as string },
    });
  });
});

test('once a test object stays, nothing more is tried, what is on trial goes back, and the rest is done', async () => {
  const config = memoryBucketConfig();
  const onTrial = (): void => {
    throw new VaultError('refused', 'trial-left', `${objectKey('docs/.s3vault/trial-1')} is left`);
  };
  const { steps, error } = await ending(config, { onTrial });
  expect(error).toBeUndefined();
  expect(steps).toEqual([
    'changed versioning',
    'changed lifecycle',
    'changed ownership',
    'changed policy',
    'undone policy',
    'changed publicAccess',
  ]);
  expect(config.facts.policy).toEqual({ state: 'absent' });
});
