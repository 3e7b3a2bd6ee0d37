/** A line of columns, laid out here as one text: a Box or a text for each column of each row costs several times as much. */
import cliTruncate from 'cli-truncate';
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { width as widthOf } from './width.ts';
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

interface Look {
  readonly tone: Tone;
  readonly bold: boolean;
  readonly silent: boolean;
}

interface Run extends Look {
  text: string;
}

const alike = (one: Look, other: Look): boolean =>
  one.tone === other.tone && one.bold === other.bold && one.silent === other.silent;

const plain = ({ tone, bold, silent }: Look): boolean => tone === undefined && !bold && !silent;

/** Parts that look alike are one run. */
function runsOf(parts: readonly Part[], width: number): readonly Run[] {
  const fixed = parts.reduce((sum, { cells = 0 }) => sum + cells, 0);
  const runs: Run[] = [];
  let left = width;
  for (const { text, cells = Math.max(LEAST, width - fixed), silent, bold, tone, ...how } of parts) {
    const own = Math.min(cells, left);
    left -= own;
    if (own === 0) continue;
    const shown = fit(text, own, how);
    const run: Run = { text: shown, silent: silent === true, bold: bold === true, tone };
    const last = runs.at(-1);
    if (last !== undefined && alike(last, run)) last.text += shown;
    else runs.push(run);
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
  const runs = runsOf(parts, width);
  return (
    <Box height={1} flexShrink={0}>
      <Text>
        {runs.map(({ text, ...look }, at) =>
          plain(look) ? text : <Styled key={at} text={text} {...look} />,
        )}
      </Text>
    </Box>
  );
}

function Styled({ text, silent, bold, tone }: Run): ReactNode {
  return (
    <Text aria-hidden={silent} bold={bold} {...colour(tone)}>
      {text}
    </Text>
  );
}
