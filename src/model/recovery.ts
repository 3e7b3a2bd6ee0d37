/** Recovery words as they are shown and asked back. */
import type { Clock } from './ports.ts';

const ASKED = 3;
const COLUMNS = 4;

/** The positions of the words that are asked back: different ones, in order. */
export function positions(count: number, clock: Pick<Clock, 'random'>): readonly number[] {
  const left = Array.from({ length: count }, (_, at) => at);
  const chosen = Array.from({ length: Math.min(ASKED, count) }, () =>
    left.splice(Math.floor(clock.random() * left.length), 1),
  ).flat();
  return chosen.sort((a, b) => a - b);
}

/** The words with their numbers, in columns that are read downwards. */
export function wordColumns(words: readonly string[]): readonly string[] {
  const cells = words.map((word, at) => `${String(at + 1).padStart(2)} ${word.padEnd(9)}`);
  const rows = Math.ceil(words.length / COLUMNS);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: COLUMNS }, (_, column) => cells[row + column * rows] ?? '')
      .join('  ')
      .trimEnd(),
  );
}
