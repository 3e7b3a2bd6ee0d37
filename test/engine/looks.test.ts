/** Which objects are to be looked at, and when that is done. */
import { expect, test } from 'vitest';
import { type NameKey, type RelPath, relPath } from '../../src/model/brands.ts';
import { Looks } from '../../src/engine/looks.ts';
import { ManualClock } from '../support/manual-clock.ts';

const key = (path: string): NameKey => path as NameKey;

function asked(...paths: readonly string[]): { readonly looks: Looks; readonly clock: ManualClock } {
  const clock = new ManualClock();
  const looks = new Looks(clock);
  for (const path of paths) looks.ask(key(path), relPath(path));
  return { looks, clock };
}

test('one that was made for a plan that never came to be is asked again', () => {
  const { looks } = asked('a', 'b');
  looks.begin();
  looks.made(key('a'));
  expect([looks.asked(key('a')), looks.isMade(key('a')), looks.asked(key('b'))]).toEqual([false, true, true]);
  looks.begin();
  expect([looks.asked(key('a')), looks.isMade(key('a'))]).toEqual([true, false]);
});

test('one that is asked again while its plan is being made stays', () => {
  const { looks } = asked('a');
  looks.begin();
  looks.made(key('a'));
  looks.ask(key('a'), relPath('a'));
  looks.planned();
  expect(looks.asked(key('a'))).toBe(true);
});

test('below a folder are those whose time has come', () => {
  const { looks, clock } = asked('d', 'd/a', 'dd/a');
  looks.ask(key('d/later'), relPath('d/later'), 1_000);
  const under = (): readonly RelPath[] => looks.under(relPath('d'));
  expect(under()).toEqual(['d', 'd/a']);
  clock.advance(1_000);
  expect(under()).toEqual(['d', 'd/a', 'd/later']);
});

test('a listing stands for those whose time has come, and for all that nothing leads to', () => {
  const { looks } = asked('a');
  looks.ask(key('later'), relPath('later'), 1_000);
  expect(looks.listed(true)).toEqual(['a']);
  expect(looks.listed(false)).toEqual(['a', 'later']);
  looks.done(looks.listed(false));
  expect(looks.some).toBe(false);
});
