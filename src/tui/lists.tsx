import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import type { Problem, RecentLine } from '../model/snapshot.ts';
import { RecentRow, remarkCells } from './dashboard.tsx';
import { shownName } from './names.ts';
import { Fixed, Heading, Line, Name, colour } from './parts.tsx';
import { windowOf } from './rows.ts';
import { aboutPath, clockTime } from './words.ts';

export interface ListProps {
  readonly selected: number;
  readonly width: number;
  readonly height: number;
}

/** Each problem in one line; the selected one with its whole message and what to do. */
export function Problems({
  problems,
  selected,
  height,
}: ListProps & { readonly problems: readonly Problem[] }): ReactNode {
  const current = problems[selected];
  const details = current === undefined ? 0 : 4;
  const { from, to } = windowOf(selected, problems.length, height - 1 - details);
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Heading
        title="PROBLEMS"
        remark={problems.length === 0 ? 'none' : `${selected + 1} of ${problems.length}`}
      />
      {problems.slice(from, to).map((problem, at) => (
        <Line key={problem.path}>
          <Fixed>
            <Text {...colour('yellow')}>{from + at === selected ? ' ▶ ' : ' ! '}</Text>
          </Fixed>
          <Name text={`${shownName(problem.path)}: ${shownName(aboutPath(problem.message, problem.path))}`} />
          <Fixed>
            <Text>
              {problem.again ? '  trying again' : ''} {clockTime(problem.time)}{' '}
            </Text>
          </Fixed>
        </Line>
      ))}
      {current !== undefined && (
        <Box flexDirection="column" height={details} overflow="hidden" paddingX={1}>
          <Text> </Text>
          <Text wrap="wrap">{shownName(current.message)}</Text>
          {current.hint !== undefined && <Text wrap="wrap">→ {shownName(current.hint)}</Text>}
        </Box>
      )}
    </Box>
  );
}

/** The last transfers, newest first. */
export function Log({
  lines,
  selected,
  width,
  height,
}: ListProps & { readonly lines: readonly RecentLine[] }): ReactNode {
  const shown = lines.slice(selected, selected + Math.max(0, height - 1));
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Heading title="LOG" remark={lines.length === 0 ? 'nothing yet' : `the last ${lines.length}`} />
      {shown.map((line, at) => (
        <RecentRow key={at} line={line} remark={remarkCells(lines, width)} />
      ))}
    </Box>
  );
}
