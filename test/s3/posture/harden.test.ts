/** Planning and applying in memory: against a store that keeps policies as AWS does, and against one that does not. */
import { describe, expect, test } from 'vitest';
import { type Lifecycle, type LifecycleRule, readFacts } from '../../../src/model/bucket.ts';
import { memoryBucketConfig } from '../../../src/s3/posture/memory-config.ts';
import { type HardenWishes, planHardening } from '../../../src/s3/posture/plan.ts';
import { type Guard, modeRules } from '../../../src/s3/posture/rules.ts';
import { AWS_PATIENCE } from '../../../src/s3/posture/step.ts';
import { WISHES, ground, harden, kms, short } from './judge.ts';

describe('hardening', () => {
  test('changes what is needed, proves it, and has nothing to do the second time', async () => {
    const config = memoryBucketConfig({ bucket: 'acme' });
    expect(short(await harden(config))).toEqual([
      'changed versioning',
      'changed lifecycle',
      'changed ownership',
      'changed policy',
      'proved',
      'proved',
      'proved',
      'changed publicAccess',
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
      { step: 'not-enforced', what: 'a PUT without the encryption header under docs/' },
    ]);
  });

  test('a refusal that is not that of a rule proves nothing', async () => {
    const steps = await harden(memoryBucketConfig(), WISHES, { ignoresPolicies: true });
    expect(short(steps)).not.toContain('proved');
    expect(steps.filter(({ step }) => step === 'not-enforced')).toHaveLength(2);
    expect(steps).toContainEqual({
      step: 'unknown',
      what: 'a PUT with another KMS key under docs/',
      reason: "is refused, but for another reason: the KMS key can't be found",
    });
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

  test('a vault on its way to another mode gets rules for both, and its own again afterwards', async () => {
    const config = memoryBucketConfig({ bucket: 'acme' });
    await harden(config);
    const moving: Guard = { ...kms, vault: '/home/a', next: { mode: 'sse-s3' } };
    const wishes: HardenWishes = { ...WISHES, guards: [moving], vaults: [moving] };
    expect(short(await harden(config, wishes))).toEqual(['changed policy', 'proved', 'proved']);
    const text = () => (config.facts.policy.state === 'set' ? config.facts.policy.value : '');
    expect(text()).toMatch(/"aws:kms",\s+"AES256"/);
    const { next, ...moved } = moving;
    const after: Guard = { prefix: moved.prefix, vault: '/home/a', ...next!, mode: 'sse-s3' };
    expect(short(await harden(config, { ...WISHES, guards: [after], vaults: [after] }))).toEqual([
      'changed policy',
      'proved',
      'proved',
    ]);
    expect(text()).not.toContain('aws:kms"');
  });

  test('a key whose name in policies is not known is said, for there is no rule of it', async () => {
    const facts = await readFacts(memoryBucketConfig());
    const alias: Guard = { prefix: '', mode: 'sse-kms', kmsKeyId: 'alias/vault' };
    const plan = planHardening(facts, ground, { ...WISHES, guards: [alias], vaults: [] });
    expect(plan.unnamed).toEqual(['alias/vault']);
    expect(planHardening(facts, ground, WISHES).unnamed).toEqual([]);
    expect(
      planHardening(facts, ground, { ...WISHES, guards: [alias], only: ['versioning'] }).unnamed,
    ).toEqual([]);
  });

  test('write once, read many is a choice, and locks nobody out', async () => {
    const worm = {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:DeleteObject*',
      Resource: 'arn:aws:s3:::acme/*',
    };
    const value = JSON.stringify({ Version: '2012-10-17', Statement: [worm] });
    const facts = await readFacts(memoryBucketConfig({ facts: { policy: { state: 'set', value } } }));
    const vault: Guard = { ...kms, vault: '/home/a/docs' };
    const { changes } = planHardening(facts, ground, { ...WISHES, guards: [vault], vaults: [vault] });
    expect(changes.map(({ setting }) => setting)).toContain('policy');
  });

  test('where nothing can be removed nothing is tried, and that is said', async () => {
    const steps = await harden(memoryBucketConfig(), WISHES, {}, 'Object Lock keeps it');
    expect(short(steps)).not.toContain('proved');
    expect(steps.at(-1)).toEqual({ step: 'untried', reason: 'Object Lock keeps it' });
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

  describe('lifecycle rules are read back whole', () => {
    const theirs: LifecycleRule = {
      enabled: true,
      prefix: 'logs/',
      removesObjects: 'after 1 days',
      raw: {
        Status: 'Enabled',
        Prefix: 'logs/',
        Expiration: { Days: 1 },
        Transitions: [{ Days: 9 }, { Days: 3 }],
      },
    };
    /** A store that keeps what `spells` makes of the rules. */
    const stepsWith = async (
      spells: (rule: LifecycleRule) => LifecycleRule,
      minimum?: string,
    ): Promise<readonly string[]> => {
      const value = { rules: [theirs], minimumSize: 'all_storage_classes_128K' };
      const memory = memoryBucketConfig({ facts: { lifecycle: { state: 'set', value } } });
      const config = {
        ...memory,
        get facts() {
          return memory.facts;
        },
        setLifecycle: ({ rules, minimumSize = '' }: Lifecycle) =>
          memory.setLifecycle({ rules: rules.map(spells).toReversed(), minimumSize: minimum ?? minimumSize }),
      };
      return short(await harden(config, { ...WISHES, only: ['lifecycle'] })).filter((step) =>
        step.endsWith('lifecycle'),
      );
    };
    const isTheirs = ({ raw }: LifecycleRule): boolean => raw !== undefined;

    test('in another order and spelling they are what was written', async () => {
      const raw = {
        Transitions: [{ Days: 3 }, { Days: 9, StorageClass: undefined }],
        Expiration: { Days: 1, ExpiredObjectDeleteMarker: false },
        Filter: { Prefix: 'logs/' },
        Status: 'Enabled',
        ID: 'made-up',
      };
      const own = { ID: 's3vault-abort-uploads', Status: 'Enabled', Prefix: '' };
      const spells = (rule: LifecycleRule): LifecycleRule =>
        isTheirs(rule) ? { ...rule, id: 'made-up', raw } : { ...rule, raw: own };
      expect(await stepsWith(spells)).toEqual(['changed lifecycle']);
    });

    test.each<[string, (rule: LifecycleRule) => LifecycleRule]>([
      ['other days', (rule) => (isTheirs(rule) ? rule : { ...rule, abortUploadsDays: 1 })],
      ['switched off', (rule) => (isTheirs(rule) ? rule : { ...rule, enabled: false })],
      [
        'some objects only',
        ({ prefix, ...rule }) => (isTheirs(rule) ? { ...rule, prefix: prefix ?? '' } : rule),
      ],
      [
        'a part of a foreign one lost',
        (rule) => (isTheirs(rule) ? { ...rule, raw: { Status: 'Enabled' } } : rule),
      ],
      ['another name', (rule) => (isTheirs(rule) ? rule : { ...rule, id: 'x' })],
    ])('but not with %s', async (_, spells) => {
      expect(await stepsWith(spells)).toEqual(['differs lifecycle']);
    });

    test('nor with another least size', async () => {
      expect(await stepsWith((rule) => rule, 'varies_by_storage_class')).toEqual(['differs lifecycle']);
    });
  });

  test.each<[string, Guard, string]>([
    ['sse-s3', { prefix: 'docs/', mode: 'sse-s3' }, 'aws:kms instead of AES256'],
    ['dsse-kms', { ...kms, mode: 'dsse-kms' }, 'aws:kms instead of aws:kms:dsse'],
  ])('in mode %s also the other use of KMS is tried', async (_, guard, words) => {
    const wishes: HardenWishes = { ...WISHES, guards: [guard], vaults: [guard], only: ['policy'] };
    const proved = { step: 'proved', what: `a PUT with ${words} under docs/` };
    expect(await harden(memoryBucketConfig(), wishes)).toContainEqual(proved);
    const lax = await harden(memoryBucketConfig(), wishes, { ignoresPolicies: true });
    expect(lax).not.toContainEqual(proved);
    expect(lax.filter((step) => 'what' in step && step.what === proved.what)).toHaveLength(1);
  });

  test.each([
    [undefined, true],
    [true, true],
    [false, false],
  ])('the Bucket Key of a vault for the whole bucket: it says %s, the bucket %s', async (bucketKey, wanted) => {
    const guard: Guard = { ...kms, prefix: '', ...(bucketKey === undefined ? {} : { bucketKey }) };
    const config = memoryBucketConfig();
    await harden(config, { ...WISHES, guards: [guard], vaults: [guard], only: ['encryption'] });
    expect(config.facts.encryption).toMatchObject({ value: { algorithm: 'aws:kms', bucketKey: wanted } });
  });

  test('AWS has half a minute to put a setting in force', () => {
    expect(AWS_PATIENCE.reduce((all, ms) => all + ms)).toBe(30_000);
  });
});
