/** Merging into a policy: statements of others keep every byte. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  OWN_SID,
  isOwn,
  mergePolicy,
  readPolicy,
  sameStatement,
} from '../../../src/s3/posture/policy-text.ts';
import { type Ground, belongsTo, isTlsSid, modeRules, plainHttpRule } from '../../../src/s3/posture/rules.ts';

const ground: Ground = { bucket: 'acme', region: 'eu-west-1', isAws: true };
const guards = [{ prefix: 'docs/', mode: 'sse-s3' } as const];
const wanted = [plainHttpRule(ground), ...guards.flatMap((guard) => modeRules(ground, guard))];
const replaces = (sid: string): boolean => isTlsSid(sid) || belongsTo(sid, guards);
const merge = (text: string | undefined): string => mergePolicy(text, wanted, replaces) ?? '';

/** JSON text with blanks wherever JSON lets them be, and strings full of brackets, quotes and escapes. */
const blank = fc.constantFrom('', ' ', '\n', '\t', '  \r\n ');
const text = fc
  .oneof(fc.string({ maxLength: 12 }), fc.constantFrom('"]}', '{[', '\\"', ',', '\u2028', '\ud83d\ude00'))
  .map((value) => JSON.stringify(value));
const spelled = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.constantFrom('true', 'null', '-1.50e+2', '0'),
    fc
      .tuple(blank, fc.array(tie('value'), { maxLength: 3 }), blank)
      .map(([open, values, close]) => `[${open}${values.join(`${close},${open}`)}${close}]`),
    fc
      .tuple(
        blank,
        fc.uniqueArray(fc.tuple(text, tie('value')), { maxLength: 3, selector: ([name]) => name }),
        blank,
      )
      .map(
        ([a, members, b]) =>
          `{${a}${members.map(([name, value]) => `${name}${b}:${a}${value}`).join(`${b},${a}`)}${b}}`,
      ),
  ),
})).value;

const statement = fc
  .tuple(blank, spelled, fc.integer({ min: 0, max: 999 }))
  .map(([b, value, n]) => `{${b}"Sid"${b}:"theirs ${n}",${b}"Effect":"Allow","Condition":${b}${value}${b}}`);
const policyText = fc
  .tuple(
    blank,
    fc.array(statement, { minLength: 1, maxLength: 4 }),
    fc.boolean(),
    fc.constantFrom('2012-10-17', '2008-10-17', undefined),
  )
  .map(([b, statements, single, version]) => {
    const head = version === undefined ? '' : `"Version"${b}:${b}"${version}"${b},${b}`;
    const [first = ''] = statements;
    const body = single ? first : `[${b}${statements.join(`${b},${b}`)}${b}]`;
    return {
      text: `${b}{${b}${head}"Statement"${b}:${b}${body}${b},"Id":"x"${b}}${b}`,
      statements: single ? [first] : statements,
    };
  });

describe('merging', () => {
  test('keeps every byte of foreign statements, in their order, and adds the own ones once [BUCKET-1]', () => {
    fc.assert(
      fc.property(policyText, ({ text: before, statements }) => {
        const after = merge(before);
        const pieces = readPolicy(after).pieces;
        expect(pieces.filter((piece) => !isOwn(piece)).map((piece) => piece.text)).toEqual(statements);
        expect(pieces.filter(isOwn).map(({ sid }) => sid)).toEqual(wanted.map(({ Sid }) => Sid));
        expect((JSON.parse(after) as { Id: string }).Id).toBe('x');
        expect(merge(after)).toBe(after);
      }),
    );
  });

  test('taking the own ones out again leaves the foreign ones', () => {
    fc.assert(
      fc.property(policyText, ({ text: before, statements }) => {
        const without = mergePolicy(merge(before), [], replaces) ?? '';
        expect(readPolicy(without).pieces.map((piece) => piece.text)).toEqual(statements);
      }),
    );
  });

  test('an empty bucket gets a policy of its own, and loses it again', () => {
    const after = merge(undefined);
    expect(JSON.parse(after)).toMatchObject({ Version: '2012-10-17' });
    expect(mergePolicy(after, [], replaces)).toBeUndefined();
    expect(mergePolicy(undefined, [], replaces)).toBeUndefined();
  });

  test('own statements of other prefixes stay', () => {
    const other = modeRules(ground, { prefix: 'photos/', mode: 'sse-c' });
    const before = mergePolicy(undefined, other, () => false) ?? '';
    expect(readPolicy(merge(before)).pieces.map(({ sid }) => sid)).toEqual(
      [...other, ...wanted].map(({ Sid }) => Sid),
    );
  });

  test('a changed rule takes the place of the old one', () => {
    const before = merge(undefined);
    const now = modeRules(ground, { prefix: 'docs/', mode: 'sse-kms', kmsKey: 'arn:k' });
    const after = mergePolicy(before, [plainHttpRule(ground), ...now], replaces) ?? '';
    const pieces = readPolicy(after).pieces;
    expect(pieces.map(({ sid }) => sid?.replace(OWN_SID, '').replace(/[0-9a-f]{8}$/, ''))).toEqual([
      'DenyPlainHttp',
      'RequireHeader',
      'RequireKey',
    ]);
    expect(after).not.toContain('AES256');
  });

  test('an older Version is raised, but not where variables would come to life', () => {
    const old = (value: string): string =>
      `{"Version":"2008-10-17","Statement":[{"Sid":"a","Effect":"Allow","Resource":"${value}"}]}`;
    expect(readPolicy(merge(old('x'))).version).toBe('2012-10-17');
    expect(readPolicy(merge(old('${aws:username}'))).version).toBe('2008-10-17');
  });

  test('the store may spell a statement otherwise: it is the same one', () => {
    const [own] = wanted;
    const respelled = {
      ...own,
      Principal: { AWS: '*' },
      Action: ['s3:*'],
      Resource: [own?.Resource ?? []].flat().toReversed(),
    };
    expect(sameStatement(own, respelled)).toBe(true);
    expect(sameStatement(own, { ...own, Effect: 'Allow' })).toBe(false);
    const before = JSON.stringify({ Version: '2012-10-17', Statement: [respelled, ...wanted.slice(1)] });
    expect(merge(before)).toBe(before);
  });

  test.each([
    ['is not JSON', '{"Version"'],
    ['is not a JSON object', '[]'],
    ['names a member twice', '{"Statement":[],"Statement":[]}'],
    ['has no Statement', '{"Version":"2012-10-17"}'],
  ])('what %s is not rewritten', (words, before) => {
    expect(() => merge(before)).toThrow(words);
  });

  test('what is larger than a bucket takes is refused', () => {
    const sid = 'a'.repeat(20_000);
    expect(() => merge(`{"Statement":[{"Sid":"${sid}","Effect":"Allow"}]}`)).toThrow('a bucket takes 20480');
  });
});
