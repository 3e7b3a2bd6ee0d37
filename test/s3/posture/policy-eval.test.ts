import { describe, expect, test } from 'vitest';
import { type Coverage, type Question, deniedBy } from '../../../src/s3/posture/policy-eval.ts';
import { type Guard, sides } from '../../../src/s3/posture/guard.ts';
import {
  oldTlsQuestions,
  ownQuestions,
  plainHttpQuestions,
  writeFacts,
  writeQuestion,
} from '../../../src/s3/posture/questions.ts';
import { type Ground, modeRules, oldTlsRule, plainHttpRule } from '../../../src/s3/posture/rules.ts';

const ground: Ground = { bucket: 'acme', region: 'eu-west-1', isAws: true };
const ARN = 'arn:aws:s3:::acme';
const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1c2d';
const policy = (...statements: object[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });

const deny = (more: object = {}): object => ({
  Effect: 'Deny',
  Principal: '*',
  Action: 's3:*',
  Resource: [ARN, `${ARN}/*`],
  Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  ...more,
});

describe('plain HTTP', () => {
  /** On the bucket, on all objects. */
  const http = (statement: object, signed = true): readonly Coverage[] =>
    plainHttpQuestions(ground, signed).map((question) => deniedBy(policy(statement), question).coverage);

  const cases: readonly (readonly [string, object, readonly Coverage[]])[] = [
    ['the usual statement', deny(), ['all', 'all']],
    ['principal as AWS: *', deny({ Principal: { AWS: ['*'] } }), ['all', 'all']],
    ['every action of everything', deny({ Action: '*', Resource: '*' }), ['all', 'all']],
    ['one resource pattern for both', deny({ Resource: `${ARN}*` }), ['all', 'all']],
    [
      'any case of action and key',
      deny({ Action: 'S3:*', Condition: { Bool: { 'AWS:securetransport': ['FALSE'] } } }),
      ['all', 'all'],
    ],
    ['NotAction of another service', deny({ Action: undefined, NotAction: 'iam:*' }), ['all', 'all']],
    ['our own', plainHttpRule(ground), ['all', 'all']],
    ['IfExists', deny({ Condition: { BoolIfExists: { 'aws:SecureTransport': 'false' } } }), ['all', 'all']],
    ['Null on the TLS version', deny({ Condition: { Null: { 's3:TlsVersion': 'true' } } }), ['all', 'all']],
    ['reading only', deny({ Action: 's3:GetObject' }), ['part', 'part']],
    ['objects only', deny({ Resource: `${ARN}/*` }), ['none', 'all']],
    ['the bucket only', deny({ Resource: ARN }), ['all', 'none']],
    ['one folder', deny({ Resource: [ARN, `${ARN}/docs/*`] }), ['all', 'part']],
    ['another bucket', deny({ Resource: ['arn:aws:s3:::other', 'arn:aws:s3:::other/*'] }), ['none', 'none']],
    [
      'another partition',
      deny({ Resource: ['arn:aws-cn:s3:::acme', 'arn:aws-cn:s3:::acme/*'] }),
      ['none', 'none'],
    ],
    ['one account', deny({ Principal: { AWS: '111122223333' } }), ['part', 'part']],
    [
      'all but one',
      deny({ Principal: undefined, NotPrincipal: { AWS: '111122223333' } }),
      ['unknown', 'unknown'],
    ],
    [
      'the wrong way round',
      deny({ Condition: { Bool: { 'aws:SecureTransport': 'true' } } }),
      ['none', 'none'],
    ],
    [
      'with a condition that may not hold',
      deny({
        Condition: { Bool: { 'aws:SecureTransport': 'false' }, IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
      }),
      ['unknown', 'unknown'],
    ],
    [
      'with a variable',
      deny({ Condition: { StringEquals: { 'aws:SecureTransport': '${aws:username}' } } }),
      ['unknown', 'unknown'],
    ],
    [
      'a set operator',
      deny({ Condition: { 'ForAnyValue:StringEquals': { 'aws:SecureTransport': 'false' } } }),
      ['unknown', 'unknown'],
    ],
    ['an Allow', deny({ Effect: 'Allow' }), ['none', 'none']],
  ];
  test.each(cases)('%s', (_, statement, expected) => {
    expect(http(JSON.parse(JSON.stringify(statement)) as object)).toEqual(expected);
  });

  test('a statement that asks for aws:PrincipalIsAWSService misses anonymous requests; ours does not', () => {
    const documented = deny({
      Condition: { Bool: { 'aws:SecureTransport': 'false', 'aws:PrincipalIsAWSService': 'false' } },
    });
    expect(http(documented)).toEqual(['all', 'all']);
    expect(http(documented, false)).toEqual(['none', 'none']);
    expect(http(plainHttpRule(ground), false)).toEqual(['all', 'all']);
  });

  test('old TLS', () => {
    const asked = (version: string) =>
      oldTlsQuestions(ground, version).map(
        (question) => deniedBy(policy(oldTlsRule(ground, '1.3')), question).coverage,
      );
    expect(asked('1.2')).toEqual(['all', 'all']);
    expect(asked('1.3')).toEqual(['none', 'none']);
  });
});

describe('encryption headers', () => {
  const coverage = (statements: readonly object[], ...facts: Parameters<typeof writeFacts>): Coverage =>
    deniedBy(
      policy(...statements),
      writeQuestion(ground, { prefix: 'docs/', mode: 'sse-kms' }, writeFacts(...facts)),
    ).coverage;
  const guard = { prefix: 'docs/', mode: 'sse-kms', kmsKey: KEY } as const;

  test('a negated operator holds for a header that is absent', () => {
    const rules = modeRules(ground, guard);
    expect(coverage(rules, 'plain')).toBe('all');
    expect(coverage(rules, 'sse-s3')).toBe('all');
    expect(coverage(rules, 'sse-kms', `${KEY}x`)).toBe('all');
    expect(coverage(rules, 'sse-kms', KEY)).toBe('none');
    // Which key it will be is not known: the statement about it may hold.
    expect(coverage(rules, 'sse-kms')).toBe('unknown');
  });

  test('a positive one does not, unless IfExists is behind it', () => {
    const statement = (operator: string): object =>
      deny({
        Action: 's3:PutObject',
        Resource: `${ARN}/*`,
        Condition: { [operator]: { 's3:x-amz-server-side-encryption': 'AES256' } },
      });
    expect(coverage([statement('StringEquals')], 'plain')).toBe('none');
    expect(coverage([statement('StringEqualsIfExists')], 'plain')).toBe('all');
    expect(coverage([statement('StringEquals')], 'sse-s3')).toBe('all');
  });

  test('Null asks for presence', () => {
    const rules = modeRules(ground, { prefix: 'docs/', mode: 'sse-c' });
    expect(coverage(rules, 'plain')).toBe('all');
    expect(coverage(rules, 'sse-c')).toBe('none');
    const forbids = deny({
      Action: 's3:Put*',
      Resource: `${ARN}/docs*`,
      Condition: { Null: { 's3:x-amz-server-side-encryption-customer-algorithm': 'false' } },
    });
    expect(coverage([forbids], 'plain')).toBe('none');
    expect(coverage([forbids], 'sse-c')).toBe('all');
  });

  test('rules of one prefix say nothing of another', () => {
    expect(coverage(modeRules(ground, { ...guard, prefix: 'other/' }), 'plain')).toBe('none');
    expect(coverage(modeRules(ground, { ...guard, prefix: 'docs/deep/' }), 'plain')).toBe('part');
    expect(coverage(modeRules(ground, { ...guard, prefix: '' }), 'plain')).toBe('all');
  });
});

test('what s3vault does itself is never refused by its own rules, in any mode', () => {
  for (const mode of ['client', 'sse-c', 'sse-kms', 'dsse-kms', 'sse-s3'] as const) {
    const guard = { prefix: 'docs/', mode, ...(mode.includes('kms') ? { kmsKey: KEY } : {}) };
    const rules = [plainHttpRule(ground), oldTlsRule(ground, '1.2'), ...modeRules(ground, guard)];
    for (const question of ownQuestions(ground, guard, '1.2'))
      expect(deniedBy(policy(...rules), question), `${mode} ${question.action}`).toEqual({
        coverage: 'none',
        by: [],
      });
  }
});

const OTHER = `${KEY}-2`;
test.each<Pick<Guard, 'mode' | 'kmsKey' | 'next'>>([
  { mode: 'sse-s3', next: { mode: 'sse-kms', kmsKey: KEY } },
  { mode: 'sse-kms', kmsKey: KEY, next: { mode: 'sse-kms', kmsKey: OTHER } },
  { mode: 'sse-kms', kmsKey: KEY, next: { mode: 'dsse-kms', kmsKey: OTHER } },
  { mode: 'sse-c', next: { mode: 'sse-kms', kmsKey: KEY } },
  { mode: 'sse-s3', next: { mode: 'sse-c' } },
  { mode: 'client', next: { mode: 'sse-s3' } },
])('while objects move, both ways may be written, and nothing else: $mode to $next.mode', (moving) => {
  const guard: Guard = { prefix: 'docs/', ...moving };
  const rules = policy(...modeRules(ground, guard));
  for (const side of sides(guard))
    for (const question of ownQuestions(ground, side, '1.3'))
      expect(deniedBy(rules, question).coverage, `${side.mode} ${question.action}`).toBe('none');
  const refused = (...facts: Parameters<typeof writeFacts>): boolean =>
    deniedBy(rules, writeQuestion(ground, guard, writeFacts(...facts))).coverage === 'all';
  const modes = sides(guard).map(({ mode }) => mode);
  const free = modes.includes('client');
  expect(refused('plain')).toBe(!free);
  for (const mode of ['sse-s3', 'sse-c'] as const) expect(refused(mode)).toBe(!free && !modes.includes(mode));
  expect(refused('sse-kms', `${KEY}-of-nobody`)).toBe(!free);
});

test('of a statement for some principals nobody knows whether it is for us', () => {
  const question: Question = {
    ...ownQuestions(ground, { prefix: '', mode: 'client' }, '1.3')[0]!,
    principal: 'us',
  };
  const some = deny({ Principal: { AWS: '111122223333' }, Condition: undefined });
  expect(deniedBy(policy(some), question).coverage).toBe('unknown');
});
