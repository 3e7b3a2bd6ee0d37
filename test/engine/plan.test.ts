import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { braked, decide, planActions, totalsOf } from '../../src/engine/plan.ts';
import type { PlanRules } from '../../src/engine/sides.ts';
import { compareUtf8, nameKey, relPath } from '../../src/model/brands.ts';
import type { Oddity, Seen } from '../../src/model/entry.ts';
import { batches, entry, gather, record, remote } from '../support/facts.ts';

const rules: PlanRules = {
  direction: 'push',
  removals: true,
  listed: false,
  modeFingerprint: 'client:k',
  maxSize: 1_000_000,
  ignores: () => false,
};
const key = nameKey('a');

describe('one key, push', () => {
  test('a file nobody knows is sent', () => {
    expect(decide({ key, local: entry('a') }, rules)).toMatchObject({ kind: 'put', reason: 'new' });
  });

  test('a file in step is left alone', () => {
    expect(decide({ key, local: entry('a'), record: record('a') }, rules)).toBeUndefined();
  });

  test.each([
    ['size', { size: 11 }],
    ['mtime', { mtime: 1 }],
    ['permissions', { mode: 0o100600 }],
    ['kind', { kind: 'link' as const }],
  ])('a file with another %s is sent', (_name, over) => {
    expect(decide({ key, local: entry('a', over), record: record('a') }, rules)).toMatchObject({
      kind: 'put',
      reason: 'changed',
    });
  });

  test.each([
    ['ctime', { ctime: 1 }],
    ['inode', { inode: 1 }],
  ])('another %s alone leaves a doubt: compare before sending [DETECT-1]', (_name, over) => {
    expect(decide({ key, local: entry('a', over), record: record('a') }, rules)).toMatchObject({
      kind: 'put',
      reason: 'touched',
      doubt: 'stamp',
    });
  });

  test('a racy stamp proves nothing, however equal [DETECT-1]', () => {
    const same = entry('a');
    const racy = record('a', { seenAt: same.ctime + 1 });
    expect(decide({ key, local: same, record: racy }, rules)).toMatchObject({ doubt: 'stamp' });
  });

  test('whole-second times are racy for two seconds', () => {
    const times = { mtime: 5_000, ctime: 5_000 };
    const sides = (seenAt: number) => ({
      key,
      local: entry('a', times),
      record: record('a', { ...times, seenAt }),
    });
    expect(decide(sides(6_900), rules)).toMatchObject({ doubt: 'stamp' });
    expect(decide(sides(7_100), rules)).toBeUndefined();
  });

  test('an object where the Index knows nothing is looked at before anything is sent [INDEX-1]', () => {
    const listed = { ...rules, listed: true };
    expect(decide({ key, local: entry('a'), remote: remote('a') }, listed)).toMatchObject({
      kind: 'put',
      doubt: 'index-lost',
    });
  });

  test('an object that vanished or changed in the bucket is sent again', () => {
    const listed = { ...rules, listed: true };
    const sides = { key, local: entry('a'), record: record('a') };
    expect(decide(sides, listed)).toMatchObject({ reason: 'missing-remotely' });
    expect(decide({ ...sides, remote: remote('a', { etag: 'x' }) }, listed)).toMatchObject({
      reason: 'changed-remotely',
    });
    expect(decide({ ...sides, remote: remote('a') }, listed)).toBeUndefined();
  });

  test('a removed file is removed only where that was asked for [DEL-3]', () => {
    expect(decide({ key, record: record('a') }, rules)).toMatchObject({ kind: 'remove-remote' });
    expect(decide({ key, record: record('a') }, { ...rules, removals: false })).toMatchObject({
      kind: 'skip',
      reason: 'removal-off',
      stays: record('a'),
    });
  });

  test('an ignored file is not gone [DEL-2]', () => {
    expect(decide({ key, record: record('a') }, { ...rules, ignores: () => true })).toBeUndefined();
  });

  test('objects that s3vault did not write are left alone', () => {
    expect(decide({ key, remote: remote('a') }, { ...rules, listed: true })).toBeUndefined();
  });

  test('a Record under another Mode, or one that was taken back, is not in step', () => {
    for (const modeFingerprint of ['sse-s3', '']) {
      const sides = { key, local: entry('a'), record: record('a', { modeFingerprint }) };
      expect(decide(sides, rules)).toMatchObject({ kind: 'put', reason: 'other-mode' });
    }
  });

  test('a file larger than the mode can hold is skipped with the reason', () => {
    expect(decide({ key, local: entry('a', { size: 1_000_001 }) }, rules)).toMatchObject({
      reason: 'too-large',
    });
  });
});

describe('a whole tree', () => {
  const plan = (locals: readonly Seen[], records: readonly ReturnType<typeof record>[]) =>
    gather(planActions(batches(locals), undefined, [records], rules));

  test('nothing below an unreadable folder is taken for gone [DEL-1]', async () => {
    const odd: Oddity = { kind: 'oddity', path: relPath('d'), key: nameKey('d/'), reason: 'unreadable' };
    const actions = await plan([entry('a'), odd, entry('e')], [record('d/x'), record('d/y/z'), record('da')]);
    expect(actions.map((action) => [action.kind, action.path])).toEqual([
      ['put', 'a'],
      ['skip', 'd'],
      ['remove-remote', 'da'],
      ['put', 'e'],
    ]);
  });

  test('an unreadable file keeps its object', async () => {
    const odd: Oddity = { kind: 'oddity', path: relPath('d'), key: nameKey('d'), reason: 'unreadable' };
    expect(await plan([odd], [record('d')])).toMatchObject([{ kind: 'skip', reason: 'unreadable' }]);
  });

  test('merging decides every key once and in order, whatever the batches', async () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, unit: 'binary' }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(names, names, fc.integer({ min: 1, max: 9 }), async (here, known, size) => {
        const byKey = (a: { key: string }, b: { key: string }) => compareUtf8(a.key, b.key);
        const unique = <T extends { key: string }>(all: readonly T[]) =>
          [...new Map(all.map((one) => [one.key, one])).values()].sort(byKey);
        const locals = unique(here.map((name) => entry(name)));
        const records = unique(known.map((name) => record(name)));
        const actions = await gather(planActions(batches(locals, size), undefined, [records], rules));
        const inBoth = new Set(
          records
            .map((one) => one.key)
            .filter((k) =>
              locals.some((l) => l.key === k && l.path === records.find((r) => r.key === k)?.path),
            ),
        );
        const expected = unique([...locals, ...records]).filter((one) => !inBoth.has(one.key));
        expect(actions.map((action) => action.key)).toEqual(expected.map((one) => one.key));
      }),
    );
  });

  test('totals count what moves', async () => {
    const actions = await plan([entry('a'), entry('b', { size: 5 })], [record('c')]);
    expect(totalsOf(actions)).toMatchObject({
      put: 2,
      bytes: 15,
      putBytes: 15,
      getBytes: 0,
      removeRemote: 1,
    });
  });
});

describe('the delete brake [DEL-4]', () => {
  test.each([
    [0, 0, false],
    [1, 4, false],
    [2, 4, true],
    [25, 100, false],
    [26, 100, true],
    [1_000, 100_000, false],
    [1_001, 100_000, true],
  ])('%i removals of %i files: consent needed %s', (removals, known, needed) => {
    expect(braked(removals, known)).toBe(needed);
  });
});
