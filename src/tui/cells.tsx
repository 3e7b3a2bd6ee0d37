/** A line of columns, laid out here: a Box for each column of each row that changes costs several times as much. */
import cliTruncate from 'cli-truncate';
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import widthOf from 'string-width';
import { colour } from './parts.tsx';
import type { Tone } from './words.ts';

export interface Part {
  /** Must have gone through `shownName` where it comes from outside. */
  readonly text: string;
  /** Its width; what is too long is cut, what is too short filled with blanks. Without it the part takes what is left. */
  readonly cells?: number;
  /** To the right of its cells. */
  readonly end?: boolean;
  /** What is too long is cut in its middle, as names are. */
  readonly middle?: boolean;
  readonly tone?: Tone;
  readonly bold?: boolean;
  /** A picture of what is said beside it: not for screen readers. */
  readonly silent?: boolean;
}

/** `text` in exactly `cells` cells. */
export function fit(text: string, cells: number, { end, middle }: Pick<Part, 'end' | 'middle'> = {}): string {
  const width = widthOf(text);
  if (width > cells) {
    const cut = cliTruncate(text, cells, { position: middle === true ? 'middle' : 'end' });
    return cut + blanks(cells - widthOf(cut));
  }
  return end === true ? blanks(cells - width) + text : text + blanks(cells - width);
}

const blanks = (cells: number): string => ' '.repeat(Math.max(0, cells));

/** Least cells of the part that takes what is left; where not even these are there, the last parts are cut. */
const LEAST = 8;

interface Run {
  text: string;
  readonly tone: Tone;
  readonly bold: boolean;
  readonly silent: boolean;
}

/** Parts that look alike are one text. Those beyond ASCII stand alone: their width is costly to find, often kept. */
function runsOf(parts: readonly Part[], width: number): readonly Run[] {
  const fixed = parts.reduce((sum, { cells = 0 }) => sum + cells, 0);
  const runs: Run[] = [];
  let left = width;
  let joins = false;
  for (const { text, cells = Math.max(LEAST, width - fixed), silent, bold, tone, ...how } of parts) {
    const own = Math.min(cells, left);
    left -= own;
    if (own === 0) continue;
    const shown = fit(text, own, how);
    const plain = silent !== true && bold !== true && tone === undefined && /^[ -~]*$/.test(shown);
    const last = runs.at(-1);
    if (plain && joins && last !== undefined) last.text += shown;
    else runs.push({ text: shown, silent: silent === true, bold: bold === true, tone });
    joins = plain;
  }
  return runs;
}

export function Cells({
  width,
  parts,
}: {
  readonly width: number;
  readonly parts: readonly Part[];
}): ReactNode {
  return (
    <Box height={1} flexShrink={0}>
      {runsOf(parts, width).map(({ text, silent, bold, tone }, at) => (
        <Text key={at} aria-hidden={silent} bold={bold} {...colour(tone)}>
          {text}
        </Text>
      ))}
    </Box>
  );
}
