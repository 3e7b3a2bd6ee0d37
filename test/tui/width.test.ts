import * as fc from 'fast-check';
import widthOf from 'string-width';
import { expect, test } from 'vitest';
import { width } from '../../src/tui/width.ts';

const UNITS = Array.from({ length: 0x1_0000 }, (_, unit) => String.fromCharCode(unit));

test('is that of string-width for every code unit, and for every third after a letter', () => {
  const wrong = UNITS.flatMap((unit, at) => [
    unit,
    at % 3 === 0 ? `a${unit}` : at % 3 === 1 ? `${unit}\u0301` : '',
  ]).filter((text) => width(text) !== widthOf(text));
  expect(wrong).toEqual([]);
});

test('is that of string-width for any text, styled or not', () => {
  const part = fc.oneof(
    fc.constantFrom(
      '\u001b[1m',
      '\u001b[38;5;12m',
      '\u001b[39m',
      '\u001b[',
      '│',
      '█',
      '▶',
      '…',
      '\ufe0f',
      '漢',
      '👍',
      'é',
    ),
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.string({ maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      expect(width(parts.join(''))).toBe(widthOf(parts.join('')));
    }),
    { numRuns: 2_000 },
  );
});

test('options are handed on', () => {
  expect(width('±', { ambiguousIsNarrow: false })).toBe(2);
});
