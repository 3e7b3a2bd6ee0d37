import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { keepRows, windowOf } from '../../src/tui/rows.ts';

test('a transfer keeps its row, and a gap is filled by the next one', () => {
  const first = keepRows([], [1, 2, 3], 4, true);
  expect(first).toEqual([1, 2, 3]);
  const second = keepRows(first, [1, 3], 4, true);
  expect(second).toEqual([1, undefined, 3]);
  expect(keepRows(second, [1, 3, 9], 4, true)).toEqual([1, 9, 3]);
  expect(keepRows(second, [1, 3], 4, true)).toBe(second);
});

test('rows are gone once there is nothing to do', () => {
  expect(keepRows([1, 2], [], 4, true)).toEqual([undefined, undefined]);
  expect(keepRows([1, 2], [], 4, false)).toEqual([]);
});

test('for any course of transfers: no row jumps, none is shown twice, none waits beside a gap', () => {
  const step = fc.record({
    ids: fc.uniqueArray(fc.nat(30), { maxLength: 16 }),
    limit: fc.integer({ min: 0, max: 12 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let rows: readonly (number | undefined)[] = [];
      for (const { ids, limit } of steps) {
        const next = keepRows(rows, ids, limit, true);
        const shown = next.filter((id) => id !== undefined);
        expect(next.length).toBeLessThanOrEqual(limit);
        expect(new Set(shown).size).toBe(shown.length);
        expect(shown.length).toBe(Math.min(ids.length, limit));
        rows.slice(0, limit).forEach((id, at) => {
          if (id !== undefined && ids.includes(id)) expect(next[at]).toBe(id);
        });
        rows = next;
      }
    }),
  );
});

test('a window has what is selected in it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.nat(49),
      fc.integer({ min: 1, max: 60 }),
      (count, at, height) => {
        const selected = Math.min(at, count - 1);
        const { from, to } = windowOf(selected, count, height);
        expect(from <= selected && selected < to).toBe(true);
        expect(to - from).toBe(Math.min(count, height));
      },
    ),
  );
});
