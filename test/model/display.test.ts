import { describe, expect, test } from 'vitest';
import { formatBytes, formatDuration, safeName, safeText } from '../../src/model/display.ts';

describe('names that can be printed', () => {
  test.each([
    ['plain.txt', 'plain.txt'],
    ['träume 🏔.flac', 'träume 🏔.flac'],
    ['line\nbreak', 'line\\nbreak'],
    ['\u001b[31mred', '\\e[31mred'],
    ['back\\slash', 'back\\\\slash'],
    ['right\u202eleft', 'right\\u{202e}left'],
    ['lone\ud800', 'lone\\u{d800}'],
  ])('%j is shown as %j', (name, shown) => {
    expect(safeName(name)).toBe(shown);
  });
});

test('a sentence with names in it is safe, and does not escape a safe name twice', () => {
  const sentence = `${safeName('a\\b\u001b[31m')} and \u001b[32m/raw\n`;
  expect(safeText(sentence)).toBe('a\\\\b\\e[31m and \\e[32m/raw\\n');
  expect(safeText(safeText(sentence))).toBe(safeText(sentence));
});

describe('numbers with units', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 KB'],
    [999_949, '999.9 KB'],
    [999_950, '1.0 MB'],
    [38_200_000, '38.2 MB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test.each([
    [850, '850 ms'],
    [4_200, '4.2 s'],
    [125_000, '2 min 5 s'],
    [11_520_000, '3 h 12 min'],
  ])('%i ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
