/** What the full-screen dialogs have in common around their middle. */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { shownName } from './names.ts';
import { Fixed, Gap, Line, Name, colour } from './parts.tsx';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export function TooSmall({
  size,
  least,
  what,
}: {
  readonly size: Size;
  readonly least: Size;
  readonly what: string;
}): ReactNode {
  return (
    <Box width={size.columns} height={size.rows} overflow="hidden">
      <Text wrap="wrap">
        the window is too small: it has {size.columns} columns and {size.rows} rows, and {what}{' '}
        {least.columns} and {least.rows}. Make it larger, or press q to quit
      </Text>
    </Box>
  );
}

/** Where one is at the left, something about it at the right. */
export function TitleLine({ title, remark }: { readonly title: string; readonly remark: string }): ReactNode {
  return (
    <Line>
      <Fixed>
        <Text bold> {title}</Text>
      </Fixed>
      <Name text="" />
      <Fixed>
        <Text>{remark} </Text>
      </Fixed>
    </Line>
  );
}

export interface Saying {
  readonly text: string;
  readonly hint?: string | undefined;
  readonly sign: string;
  readonly tone: 'green' | 'red' | 'cyan' | undefined;
}

const SIGNS = {
  good: { sign: '✓', tone: 'green' },
  bad: { sign: '!', tone: 'red' },
  plain: { sign: '', tone: undefined },
} as const;

/** What the last key led to. */
export const sayingOf = (said: {
  readonly tone: keyof typeof SIGNS;
  readonly text: string;
  readonly hint?: string;
}): Saying => ({ text: said.text, hint: said.hint, ...SIGNS[said.tone] });

/** Two lines for one sentence. */
export function SaidLines({ text, hint, sign, tone }: Saying): ReactNode {
  return (
    <Box height={2} flexShrink={0} overflow="hidden">
      <Gap cells={1} />
      {sign !== '' && (
        <Fixed>
          <Text {...colour(tone)}>{sign} </Text>
        </Fixed>
      )}
      <Box flexGrow={1} flexShrink={1} height={2} overflow="hidden">
        <Text wrap="wrap">{shownName(hint === undefined ? text : `${text} → ${hint}`)}</Text>
      </Box>
    </Box>
  );
}
