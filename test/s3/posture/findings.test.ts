import { describe, expect, test } from 'vitest';
import type { BucketFacts, Finding } from '../../../src/model/bucket.ts';
import { findingsOf } from '../../../src/s3/posture/findings.ts';
import { mergePolicy } from '../../../src/s3/posture/policy-text.ts';
import { whyUntried } from '../../../src/s3/posture/untried.ts';
import {
  type Ground,
  type Guard,
  modeRules,
  partitionOf,
  plainHttpRule,
} from '../../../src/s3/posture/rules.ts';

const ground: Ground = { bucket: 'acme', region: 'eu-west-1', isAws: true };
const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1c2d';
const kms: Guard = { prefix: '', mode: 'sse-kms', kmsKeyId: KEY, kmsKey: KEY };

const set = <T>(value: T) => ({ state: 'set', value }) as const;
const absent = { state: 'absent' } as const;
const denied = { state: 'unknown', why: 'denied', reason: 'could not be read: not allowed' } as const;

const safe = (guard: Guard): BucketFacts => ({
  policy: set(mergePolicy(undefined, [plainHttpRule(ground), ...modeRules(ground, guard)], () => true) ?? ''),
  encryption: set({ algorithm: 'aws:kms', kmsKeyId: KEY, bucketKey: true, blocked: ['SSE-C'] }),
  versioning: set('Enabled'),
  publicAccess: set({ blockAcls: true, ignoreAcls: true, blockPolicy: true, restrictBuckets: true }),
  ownership: set('BucketOwnerEnforced'),
  lifecycle: set({
    rules: [{ id: 'a', enabled: true, prefix: '', abortUploadsDays: 7, oldVersionsDays: 90 }],
  }),
  objectLock: set({}),
});

const sseS3: Guard = { prefix: 'docs/', mode: 'sse-s3' };
const ANY_HEADER = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Sid: 'DenyUnEncryptedObjectUploads',
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: 'arn:aws:s3:::acme/*',
      Condition: { Null: { 's3:x-amz-server-side-encryption': 'true' } },
    },
  ],
});

const brief = (findings: readonly Finding[], code: string): readonly string[] =>
  findings.filter((one) => one.code === code).map(({ state, severity }) => `${state} ${severity}`);

test('a safe bucket has no problem and nothing unknown', () => {
  for (const guard of [kms, { prefix: 'docs/', mode: 'sse-s3' }, { prefix: '', mode: 'client' }] as const) {
    const encryption = set({ algorithm: 'AES256', bucketKey: false, blocked: ['SSE-C'] });
    const facts = guard === kms ? safe(guard) : { ...safe(guard), encryption };
    const found = findingsOf(facts, ground, [guard]);
    expect(found.filter(({ state }) => state !== 'ok' && state !== 'note')).toEqual([]);
  }
});

test('what may not be read is unknown in every part, never fine', () => {
  const names = Object.keys(safe(kms)) as (keyof BucketFacts)[];
  const all = Object.fromEntries(names.map((name) => [name, denied])) as unknown as BucketFacts;
  const found = findingsOf(all, ground, [kms]);
  expect(found.map(({ state }) => state)).toEqual(found.map(() => 'unknown'));
  expect(found.length).toBeGreaterThanOrEqual(9);
  for (const one of found) expect(one.fix, one.code).toContain('allow these credentials');
});

describe('each setting', () => {
  const cases: readonly (readonly [string, Partial<BucketFacts>, Guard, string, readonly string[]])[] = [
    ['no policy', { policy: absent }, kms, 'plain-http', ['problem high']],
    ['no policy', { policy: absent }, kms, 'encryption-header', ['problem medium']],
    ['no policy', { policy: absent }, kms, 'kms-key', ['problem medium']],
    // As many a guide has it: any header will do.
    ['any header', { policy: set(ANY_HEADER) }, sseS3, 'encryption-header', ['problem medium']],
    ['any header', { policy: set(ANY_HEADER) }, kms, 'encryption-header', ['problem medium']],
    ['a policy that is none', { policy: set('{') }, kms, 'plain-http', ['unknown high']],
    [
      'an old Version',
      { policy: set('{"Version":"2008-10-17","Statement":[]}') },
      kms,
      'policy-version',
      ['problem low'],
    ],
    ['no default encryption', { encryption: absent }, kms, 'default-encryption', ['problem medium']],
    [
      'a weaker default',
      { encryption: set({ algorithm: 'AES256', bucketKey: true }) },
      kms,
      'default-encryption',
      ['problem low'],
    ],
    [
      'no Bucket Key',
      { encryption: set({ algorithm: 'aws:kms', bucketKey: false }) },
      kms,
      'bucket-key',
      ['problem low'],
    ],
    ['SSE-C blocked and needed', {}, { prefix: '', mode: 'sse-c' }, 'sse-c', ['problem high']],
    [
      'SSE-C allowed and not needed',
      { encryption: set({ algorithm: 'AES256', bucketKey: false, blocked: ['NONE'] }) },
      kms,
      'sse-c',
      ['problem low'],
    ],
    [
      'SSE-C allowed and needed',
      { encryption: set({ algorithm: 'AES256', bucketKey: false, blocked: ['NONE'] }) },
      { prefix: '', mode: 'sse-c' },
      'sse-c',
      ['ok high'],
    ],
    [
      'a store that does not say whether SSE-C is blocked',
      { encryption: set({ algorithm: 'AES256', bucketKey: false }) },
      kms,
      'sse-c',
      ['unknown low'],
    ],
    ['no public access block', { publicAccess: absent }, kms, 'public-access', ['problem high']],
    [
      'one switch off',
      { publicAccess: set({ blockAcls: true, ignoreAcls: true, blockPolicy: false, restrictBuckets: true }) },
      kms,
      'public-access',
      ['problem high'],
    ],
    ['ACLs', { ownership: set('ObjectWriter') }, kms, 'ownership', ['problem medium']],
    ['no versions', { versioning: absent }, kms, 'versioning', ['problem medium']],
    ['suspended versions', { versioning: set('Suspended') }, kms, 'versioning', ['problem medium']],
    ['no lifecycle', { lifecycle: absent }, kms, 'lifecycle-uploads', ['problem low']],
    ['no lifecycle', { lifecycle: absent }, kms, 'lifecycle-versions', ['note low']],
    [
      'a rule that is switched off',
      { lifecycle: set({ rules: [{ enabled: false, prefix: '', abortUploadsDays: 1 }] }) },
      kms,
      'lifecycle-uploads',
      ['problem low'],
    ],
    [
      'a rule for a folder only',
      { lifecycle: set({ rules: [{ enabled: true, prefix: 'x/', abortUploadsDays: 1 }] }) },
      kms,
      'lifecycle-uploads',
      ['problem low'],
    ],
    [
      "a rule for the vault's folder",
      { lifecycle: set({ rules: [{ enabled: true, prefix: 'docs/', abortUploadsDays: 1 }] }) },
      sseS3,
      'lifecycle-uploads',
      ['ok low'],
    ],
    ...(
      [
        ['suspended', set('Suspended' as const)],
        ['not to be read', denied],
      ] as const
    ).flatMap(([name, versioning]) =>
      (
        [
          [{ oldVersionsDays: 1 }, ['problem medium']],
          [{}, []],
        ] as const
      ).map(
        ([rule, expected]) =>
          [
            `versioning ${name}`,
            { versioning, lifecycle: set({ rules: [{ enabled: true, prefix: '', ...rule }] }) },
            kms,
            'lifecycle-versions',
            expected,
          ] as const,
      ),
    ),
    [
      'a rule that removes files',
      { lifecycle: set({ rules: [{ enabled: true, prefix: 'do', removesObjects: 'after 30 days' }] }) },
      { prefix: 'docs/', mode: 'client' },
      'lifecycle-removes',
      ['problem high'],
    ],
    [
      'a rule that removes files elsewhere',
      { lifecycle: set({ rules: [{ enabled: true, prefix: 'logs/', removesObjects: 'after 30 days' }] }) },
      { prefix: 'docs/', mode: 'client' },
      'lifecycle-removes',
      [],
    ],
    ...(
      [
        ['GLACIER', { archives: 'after 1 day, into GLACIER' }, 'lifecycle-archives', ['problem high']],
        [
          'old versions into DEEP_ARCHIVE',
          { archivesOld: 'after 1 day, into DEEP_ARCHIVE' },
          'lifecycle-archives',
          ['problem medium'],
        ],
        ['old versions gone the next day', { oldVersionsDays: 1 }, 'lifecycle-versions', ['problem medium']],
        ['old versions gone after a week', { oldVersionsDays: 7 }, 'lifecycle-versions', ['ok low']],
        [
          'old versions gone the next day, but for the newest',
          { oldVersionsDays: 1, oldVersionsKept: 5 },
          'lifecycle-versions',
          ['ok low'],
        ],
      ] as const
    ).map(
      ([name, rule, code, expected]) =>
        [
          name,
          { lifecycle: set({ rules: [{ id: 'theirs', enabled: true, prefix: '', ...rule }] }) },
          kms,
          code,
          expected,
        ] as const,
    ),
    [
      'the newest old versions kept by one rule, and gone soon by another',
      {
        lifecycle: set({
          rules: [
            { enabled: true, prefix: '', oldVersionsDays: 1, oldVersionsKept: 5 },
            { enabled: true, prefix: '', oldVersionsDays: 2 },
          ],
        }),
      },
      kms,
      'lifecycle-versions',
      ['problem medium'],
    ],
    [
      'old versions gone the next day, elsewhere',
      {
        lifecycle: set({
          rules: [
            { enabled: true, prefix: '', oldVersionsDays: 90 },
            { enabled: true, prefix: 'logs/', oldVersionsDays: 1, archives: 'after 1 day, into GLACIER' },
          ],
        }),
      },
      { prefix: 'docs/', mode: 'client' },
      'lifecycle-versions',
      ['ok low'],
    ],
    [
      'a policy for everybody over TLS',
      {
        policy: set(
          '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::acme/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}',
        ),
      },
      kms,
      'policy-open',
      ['problem high'],
    ],
    ['no Object Lock', { objectLock: absent }, kms, 'object-lock', ['note low']],
  ];
  test.each(cases)('%s: %#', (_, facts, guard, code, expected) => {
    expect(brief(findingsOf({ ...safe(guard), ...facts }, ground, [guard]), code)).toEqual(expected);
  });
});

describe('whose key holds what is written without a header', () => {
  const OTHER = 'arn:aws:kms:eu-west-1:999988887777:key/9z';
  const of = (kmsKeyId: string | undefined, guard: Guard, algorithm = 'aws:kms') => {
    const value = { algorithm, bucketKey: false, blocked: ['SSE-C'], ...(kmsKeyId && { kmsKeyId }) };
    return findingsOf({ ...safe(kms), encryption: set(value) }, ground, [guard]).find(
      ({ code }) => code === 'default-encryption',
    );
  };
  test.each([
    ["the vault's own", KEY, kms, 'ok'],
    ["the vault's own by its id", '1c2d', kms, 'ok'],
    ["somebody else's", OTHER, kms, 'problem'],
    ["the account's own", undefined, kms, 'problem'],
    ["the account's own, which the vault uses too", undefined, { ...kms, kmsKeyId: 'alias/aws/s3' }, 'ok'],
    ['an alias that may be it', 'arn:aws:kms:eu-west-1:111122223333:alias/a', kms, 'unknown'],
    [
      'an alias of a vault that is not resolved',
      OTHER,
      { prefix: '', mode: 'sse-kms', kmsKeyId: 'alias/a' },
      'unknown',
    ],
    ['another than that of a vault in a folder', OTHER, { ...kms, prefix: 'docs/' }, 'ok'],
    ['around what mode client sends', OTHER, { prefix: 'docs/', mode: 'client' }, 'note'],
    ['beside a mode that always says its own', OTHER, { prefix: '', mode: 'sse-s3' }, 'ok'],
  ] as const)('%s', (_, key, guard, state) => {
    expect(of(key, guard)?.state).toBe(state);
  });
  test('the way out is the whole rule, with what else it holds', () => {
    expect(of(OTHER, kms)?.fix).toBe(
      `aws s3api put-bucket-encryption --bucket acme --server-side-encryption-configuration '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"${KEY}"},"BucketKeyEnabled":false,"BlockedEncryptionTypes":{"EncryptionType":["SSE-C"]}}]}'`,
    );
    expect(of(OTHER, { prefix: '', mode: 'client' })?.fix).toContain('"SSEAlgorithm":"AES256"');
  });
});

test('what changes encryption in place is said where no statement refuses it, on AWS', () => {
  const of = (guard: Guard, isAws = true, facts: BucketFacts = safe(guard)) =>
    brief(findingsOf(facts, { ...ground, isAws }, [guard]), 'in-place');
  expect(of(kms)).toEqual(['note low']);
  expect(of(sseS3)).toEqual(['note low']);
  for (const mode of ['client', 'sse-c', 'dsse-kms'] as const) expect(of({ ...kms, mode })).toEqual([]);
  expect(of(kms, false)).toEqual([]);
  const Statement = {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:UpdateObjectEncryption',
    Resource: 'arn:aws:s3:::acme/*',
  };
  const policy = set(JSON.stringify({ Version: '2012-10-17', Statement }));
  expect(of(kms, true, { ...safe(kms), policy })).toEqual([]);
});

test('only the block of the bucket itself is looked at, and that is said of AWS', () => {
  const found = (isAws: boolean) =>
    findingsOf({ ...safe(kms), publicAccess: absent }, { ...ground, isAws }, [kms]).find(
      ({ code }) => code === 'public-access',
    );
  expect(found(true)).toMatchObject({
    title: 'public access is not blocked by the bucket itself',
    reason:
      'a mistaken policy or ACL would open the bucket to everybody; an account-wide block is not looked at',
  });
  expect(found(false)?.title).toBe('public access is not blocked');
});

test('ACLs that are ignored open nothing, where a store can not do more', () => {
  const publicAccess = set({ blockAcls: false, ignoreAcls: true, blockPolicy: true, restrictBuckets: true });
  const of = (isAws: boolean) => findingsOf({ ...safe(kms), publicAccess }, { ...ground, isAws }, [kms]);
  expect(brief(of(false), 'public-access')).toEqual(['problem low']);
  expect(brief(of(true), 'public-access')).toEqual(['problem high']);
});

test('a policy that keeps the vault itself out is the worst of all', () => {
  const other = { ...kms, kmsKey: `${KEY}-other` };
  const found = findingsOf(safe(other), ground, [kms]);
  expect(found.find(({ code }) => code === 'locked-out')).toMatchObject({
    state: 'problem',
    severity: 'high',
    reason: expect.stringContaining('s3:PutObject by S3vaultRequireKey') as string,
  });
});

test('a rule of ours that keeps the vault out is replaced by harden, one of others by hand', () => {
  const rule = (prefix: string): BucketFacts => safe({ prefix, mode: 'sse-s3' });
  const fix = (facts: BucketFacts) =>
    findingsOf(facts, ground, [{ ...kms, prefix: 'docs/', vault: '/a' }]).find(
      ({ code }) => code === 'locked-out',
    )?.fix;
  expect(fix(rule('docs/'))).toBe('s3vault bucket harden acme');
  expect(fix(rule(''))).toContain('change those statements');
});

test('a fix is the command line that was asked about', () => {
  const [finding] = findingsOf({ ...safe(kms), policy: absent }, ground, [{ ...kms, prefix: 'docs/' }]);
  expect(finding?.fix).toBe(`s3vault bucket harden s3://acme/docs/ --mode sse-kms --kms-key ${KEY}`);
  const [ofVault] = findingsOf({ ...safe(kms), policy: absent }, ground, [{ ...kms, vault: '/home/a' }]);
  expect(ofVault?.fix).toBe('s3vault bucket harden acme');
});

test('a fix says all that the asked command line said, ready to be pasted', () => {
  const reached = { ...ground, flags: "--endpoint https://s3.example --profile 'my work'" };
  const guard: Guard = { ...kms, prefix: "it's/", context: { team: 'a b' } };
  const [finding] = findingsOf({ ...safe(kms), policy: absent }, reached, [guard]);
  expect(finding?.fix).toBe(
    `s3vault bucket harden 's3://acme/it'\\''s/' --mode sse-kms --kms-key ${KEY} --kms-context 'team=a b' ${reached.flags}`,
  );
});

test('a policy that keeps objects from being removed is said, and is no lock-out', () => {
  const worm = { Effect: 'Deny', Principal: '*', Action: 's3:DeleteObject', Resource: 'arn:aws:s3:::acme/*' };
  const policy = set(JSON.stringify({ Version: '2012-10-17', Statement: [worm] }));
  const found = findingsOf({ ...safe(kms), policy }, ground, [kms]);
  expect(brief(found, 'locked-out')).toEqual([]);
  expect(brief(found, 'removals-refused')).toEqual(['note low']);
  expect(whyUntried({ ...safe(kms), policy }, ground, [kms])).toContain('s3:DeleteObject by statement 1');
});

test('nothing is tried where it could not be removed again', () => {
  const locked = { ...safe(kms), objectLock: set({ mode: 'COMPLIANCE', period: '30 days' }) };
  expect(whyUntried(locked, ground, [kms])).toContain('30 days (COMPLIANCE)');
  expect(whyUntried({ ...safe(kms), objectLock: denied }, ground, [kms])).toContain('is not known');
  expect(whyUntried({ ...safe(kms), objectLock: denied, versioning: absent }, ground, [kms])).toBeUndefined();
  expect(whyUntried(safe(kms), ground, [kms])).toBeUndefined();
});

test("a vault's own Bucket Key counts before that of the bucket", () => {
  const off = { ...safe(kms), encryption: set({ algorithm: 'aws:kms', bucketKey: false }) };
  const vault: Guard = { ...kms, prefix: 'docs/', vault: '/home/a b' };
  const of = (facts: BucketFacts, guard: Guard) =>
    findingsOf(facts, ground, [guard]).find(({ code }) => code === 'bucket-key');
  expect(of(off, { ...vault, bucketKey: true })?.state).toBe('ok');
  expect(of(safe(kms), { ...vault, bucketKey: false })?.state).toBe('problem');
  expect(of(off, vault)?.fix).toBe("s3vault sync '/home/a b' --bucket-key");
  expect(of(safe(kms), vault)?.state).toBe('ok');
});

test.each([
  ['eu-west-1', 'aws'],
  ['cn-north-1', 'aws-cn'],
  ['us-gov-west-1', 'aws-us-gov'],
  ['us-iso-east-1', 'aws-iso'],
  ['us-isob-east-1', 'aws-iso-b'],
  ['eusc-de-east-1', 'aws-eusc'],
])('ARNs in %s belong to %s', (region, partition) => {
  expect(partitionOf({ ...ground, region })).toBe(partition);
});
