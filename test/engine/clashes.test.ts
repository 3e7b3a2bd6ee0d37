/** Removals that make room go before what needs it. */
import { expect, test } from 'vitest';
import { clashing } from '../../src/engine/clashes.ts';
import { relPath } from '../../src/model/brands.ts';
import type { Action } from '../../src/model/plan.ts';

const of = (kind: 'remove-local' | 'get', path: string): Action => ({ kind, path: relPath(path) }) as Action;
const clash = (gone: string, comes: string): boolean =>
  clashing([of('remove-local', gone)], { beginning: [of('get', comes)], spooled: false });

test.each([
  ['a', 'a/x'],
  ['a/x', 'a'],
  ['Note', 'note'],
  ['A/x', 'a/x'],
  ['A/x', 'a/y'],
  ['top/A/x', 'top/a/deep/y'],
  ['a', 'A/x'],
  ['A/x', 'a'],
  ['cafe\u0301/x', 'CAF\u00c9/x'],
])('%s goes before %s comes', (gone, comes) => expect(clash(gone, comes)).toBe(true));

test.each([
  ['a', 'b'],
  ['A/x', 'A/y'],
  ['a/x', 'ab'],
])('%s and %s have nothing to do with each other', (gone, comes) => expect(clash(gone, comes)).toBe(false));

test('where not all of it is at hand, removals go first', () => {
  expect(clashing([of('remove-local', 'a')], { beginning: [], spooled: true })).toBe(true);
  expect(clashing([], { beginning: [], spooled: true })).toBe(false);
});
