import { describe, expect, test } from 'vitest';
import { decide } from '../../src/engine/plan.ts';
import type { PlanRules, Sides } from '../../src/engine/sides.ts';
import { nameKey } from '../../src/model/brands.ts';
import type { Direction } from '../../src/model/vault.ts';
import { entry, record, remote } from '../support/facts.ts';

const key = nameKey('a');

const rules = (direction: Direction, removals: boolean): PlanRules => ({
  direction,
  removals,
  listed: true,
  modeFingerprint: 'client:k',
  maxSize: 1_000_000,
  ignores: () => false,
});

/** Each side against the Record: `=` as remembered, `≠` changed, `?` in doubt, `-` not there. */
const LOCAL = {
  '-': {},
  '=': { local: entry('a') },
  '?': { local: entry('a', { inode: 7 }) },
  '≠': { local: entry('a', { size: 11 }) },
};
const REMOTE = { '-': {}, '=': { remote: remote('a') }, '≠': { remote: remote('a', { etag: 'new' }) } };
type L = keyof typeof LOCAL;
type R = keyof typeof REMOTE;

/** All of it, in the order: local, remote, Record; then what both and pull make of it. `!` marks what --delete lets through. */
const TABLE = `
- - no   | .                      | .
- ≠ no   | get new                | get new
≠ - no   | put new                | skip local-only
≠ ≠ no   | conflict first-contact | conflict first-contact
- - yes  | forget gone-on-both    | forget gone-on-both
- = yes  | !remove-remote gone-locally | get missing-locally
- ≠ yes  | get changed            | get changed
= - yes  | !remove-local gone-remotely | !remove-local gone-remotely
= = yes  | .                      | .
= ≠ yes  | get changed            | get changed
? - yes  | !remove-local gone-remotely | !remove-local gone-remotely
? = yes  | put touched            | .
? ≠ yes  | conflict both-changed  | conflict both-changed
≠ - yes  | put missing-remotely   | skip local-changed
≠ = yes  | put changed            | skip local-changed
≠ ≠ yes  | conflict both-changed  | conflict both-changed
`;

const lines = TABLE.trim()
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()));
const cases = lines.flatMap(([sides = '', both = '', pull = '']) => {
  const [local = '-', remoteSide = '-', known] = sides.split(/\s+/);
  return (
    [
      ['both', both],
      ['pull', pull],
    ] as const
  ).flatMap(([direction, wanted]) =>
    [true, false].map((removals) => ({ local, remote: remoteSide, known, direction, removals, wanted })),
  );
});

const KEPT: { readonly [removal: string]: string } = {
  '!remove-remote gone-locally': 'skip removal-off',
  '!remove-local gone-remotely': 'skip kept-here',
};

describe('local × remote × Index', () => {
  test.each(cases)('$direction: $local $remote, Record: $known, --delete $removals', (one) => {
    const sides: Sides = {
      key,
      ...LOCAL[one.local as L],
      ...REMOTE[one.remote as R],
      ...(one.known === 'yes' ? { record: record('a') } : {}),
    };
    const action = decide(sides, rules(one.direction, one.removals));
    const wanted = one.removals ? one.wanted.replace('!', '') : (KEPT[one.wanted] ?? one.wanted);
    expect(action === undefined ? '.' : `${action.kind} ${action.reason}`).toBe(wanted);
  });

  test('the table names every combination', () => {
    expect(lines).toHaveLength(16);
    expect(new Set(lines.map(([sides]) => sides))).toHaveProperty('size', 16);
  });
});

describe('what nobody has looked at in the bucket', () => {
  const unlisted = { ...rules('both', true), listed: false };

  test.each([
    ['a new file is sent, if there is none', { local: entry('a') }, 'put new'],
    [
      'a changed file is sent, if there is the old one',
      { local: entry('a', { size: 11 }), record: record('a') },
      'put changed',
    ],
    [
      'a file that is gone is removed, if there is the old one',
      { record: record('a') },
      'remove-remote gone-locally',
    ],
    ['a file in step stays', { local: entry('a'), record: record('a') }, '.'],
  ])('%s', (_name, sides, wanted) => {
    const action = decide({ key, ...sides }, unlisted);
    expect(action === undefined ? '.' : `${action.kind} ${action.reason}`).toBe(wanted);
  });

  test('pull does nothing', () => {
    for (const local of Object.values(LOCAL)) {
      for (const known of [{}, { record: record('a') }]) {
        expect(decide({ key, ...local, ...known }, { ...unlisted, direction: 'pull' })).toBeUndefined();
      }
    }
  });
});

describe('names that anybody may have put into the bucket', () => {
  test.each([
    '../a',
    'a/../../b',
    '/etc/passwd',
    'a//b',
    './a',
    'a/.',
    '.s3vault/vault.json',
    '.S3VAULT/x',
    'a\0b',
    'cafe\u0301',
    'x'.repeat(256),
    '\ud800',
  ])('%j is reported, never fetched', (name) => {
    const sides = { key: name as typeof key, remote: { ...remote('a'), key: name as typeof key } };
    expect(decide(sides, rules('both', true))).toMatchObject({ kind: 'skip', reason: 'remote-name' });
  });

  test('a folder marker of another program is nothing', () => {
    const marker = { ...remote('a'), key: 'photos/' as typeof key, size: 0 };
    expect(decide({ key: marker.key, remote: marker }, rules('both', true))).toBeUndefined();
  });

  test('what the ignore rules leave out is neither fetched nor removed', () => {
    const leftOut = { ...rules('both', true), ignores: () => true };
    expect(decide({ key, remote: remote('a') }, leftOut)).toBeUndefined();
    expect(decide({ key, remote: remote('a'), record: record('a') }, leftOut)).toBeUndefined();
    expect(decide({ key, record: record('a') }, leftOut)).toBeUndefined();
  });
});
