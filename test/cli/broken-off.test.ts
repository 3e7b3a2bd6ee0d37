import { expect, test } from 'vitest';
import { type BrokenOff, brokenOffLines, exitWith } from '../../src/cli/broken-off.ts';
import { placeFor } from '../../src/cli/place.ts';
import { vault } from '../daemon/fakes.ts';

const A = vault('a');

const broken = (path: string, over: Partial<BrokenOff['end']> = {}, versionId?: string): BrokenOff => ({
  wish: { path, out: '~/back', versionId },
  end: {
    out: '/home/x/back',
    files: 12,
    bytes: 3_000_000,
    failed: 0,
    stopped: true,
    whole: false,
    problems: [],
    ...over,
  },
  from: A.root,
});

test('what is there, and what goes on from there', () => {
  expect(brokenOffLines(broken('notes/'))).toEqual([
    '! the restore was broken off: 12 files restored into /home/x/back, 3.0 MB so far',
    '  this goes on from there: s3vault restore notes --from /files/a --out /home/x/back',
  ]);
  expect(brokenOffLines(broken("it's", { failed: 1_200 }, 'v1'))).toEqual([
    '! the restore was broken off: 12 files restored into /home/x/back, 3.0 MB so far; 1,200 failed',
    String.raw`  this goes on from there: s3vault restore 'it'\''s' --from /files/a --out /home/x/back --version v1`,
  ]);
  expect(brokenOffLines({ ...broken(''), from: undefined })).toHaveLength(1);
  expect(brokenOffLines(broken('', { whole: true }))).toEqual([
    '12 files restored into /home/x/back, 3.0 MB',
  ]);
});

test.each(['', 'notes/', '-rf', 'a/b c'])('the command means the same: %j', (path) => {
  const said = brokenOffLines(broken(path))[1] ?? '';
  const name = /restore (.*?) ?--from/.exec(said)?.[1]?.replaceAll("'", '') ?? '';
  expect(name).not.toMatch(/^-/);
  const config = { version: 1, vaults: [A] } as const;
  const place = placeFor(name === '' ? [] : [name], { from: A.root }, config);
  expect(place.names).toEqual([path.replace(/\/$/, '')]);
});

test('it is an interruption, unless something worse is the matter', () => {
  expect(exitWith([broken('')], 0)).toBe(130);
  expect(exitWith([broken('')], 6)).toBe(6);
  expect(exitWith([broken('', { whole: true })], 0)).toBe(0);
  expect(exitWith([], 0)).toBe(0);
});
