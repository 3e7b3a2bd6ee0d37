import * as fc from 'fast-check';
import widthOf from 'string-width';
import { expect, test } from 'vitest';
import { shownName } from '../../src/tui/names.ts';

/** What a terminal takes that knows nothing of joined pictures: each code point by itself. */
const apart = (text: string): number => Array.from(text).reduce((sum, char) => sum + widthOf(char), 0);

test.each([
  '🏔️ alps',
  '❤️',
  '👍🏽',
  '🇩🇪',
  '1️⃣',
  '👩‍👩‍👧',
  '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
  '漢字',
  'e\u0301',
  '각',
  'नमस्ते क्षत्रिय.txt',
  'กำแพง',
  'a\ufff9b\u115fc\u3164d',
  'z\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308',
])('is as wide in every terminal: %s', (name) => {
  expect(widthOf(shownName(name))).toBe(apart(shownName(name)));
});

test('is as wide in every terminal, whatever pictures are joined', () => {
  const part = fc.constantFrom(
    'a',
    '🏔',
    '❤',
    '👍',
    '\ufe0f',
    '\u200d',
    '🏽',
    '🇩',
    '🇪',
    '1',
    '\u20e3',
    '漢',
    '\u0301',
    'क',
    '\u094d',
    '\u093f',
    'ก',
    '\u0e33',
    '\u115f',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const shown = shownName(parts.join(''));
      expect(widthOf(shown)).toBe(apart(shown));
    }),
  );
});

test('plain names stay as they are', () => {
  expect(shownName('photos/Füße 漢字 😀.jpg')).toBe('photos/Füße 漢字 😀.jpg');
});

test('a syllable of Hangul letters stays one, marks are few, conjuncts fall apart', () => {
  expect(shownName('\u1100\u1161')).toBe('\u1100\u1161');
  expect(shownName(`e${'\u0301'.repeat(12)}`)).toBe(`e${'\u0301'.repeat(4)}`);
  expect(shownName('नमस्ते क्षत्रिय')).toBe('नमसते कषतरिय');
  expect(shownName('กำ')).toBe('ก\u0e4d\u0e32');
});
