/** Files that both sides changed, one line each; the selected one with both sides beside each other. */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import type { Conflict, ConflictSide } from '../model/conflicts.ts';
import { formatBytes } from '../model/display.ts';
import { conflictsOf, nameIn } from './lists.ts';
import { shownName } from './names.ts';
import { Fixed, Line, Name } from './parts.tsx';
import type { ConflictsShown } from './use-conflicts.ts';
import { type ListProps, List, Mark, placeOf, titled } from './views.tsx';
import { dateTime } from './words.ts';

export function Conflicts({ shown, ...list }: ListProps & { readonly shown: ConflictsShown }): ReactNode {
  const lines = conflictsOf(shown.conflicts, list.filter);
  const place = placeOf(list.selected, lines.length, list.filter, 'none');
  return (
    <List<Conflict>
      {...list}
      title={titled('CONFLICTS', list.filter)}
      remark={shown.reading && lines.length === 0 ? 'looking…' : place}
      lines={lines}
      details={5}
      row={({ path, copy, host, since }, chosen) => (
        <Line key={copy}>
          <Mark chosen={chosen} sign="!" />
          <Name text={shownName(path)} />
          <Fixed>
            <Text>{`  ${shownName(host)}  ${since} UTC `}</Text>
          </Fixed>
        </Line>
      )}
      more={(conflict) => <Sides conflict={conflict} width={list.width - 2} />}
    />
  );
}

function Sides({ conflict, width }: { readonly conflict: Conflict; readonly width: number }): ReactNode {
  const { path, copy, host, mine, theirs } = conflict;
  const half = Math.floor(width / 2);
  const rows = [
    [`mine: what ${shownName(host)} had`, 'theirs: what came from the bucket'],
    [factsOf(mine, theirs), factsOf(theirs, mine)],
    [shownName(nameIn(copy)), theirs === undefined ? '' : shownName(nameIn(path))],
  ] as const;
  return (
    <>
      {rows.map(([left, right]) => (
        <Box key={left} height={1} flexShrink={0}>
          <Box width={half - 2} flexShrink={0} height={1}>
            <Name text={left} />
          </Box>
          <Fixed>
            <Text>{' │ '}</Text>
          </Fixed>
          <Name text={right} />
        </Box>
      ))}
    </>
  );
}

function factsOf(side: ConflictSide | undefined, other: ConflictSide | undefined): string {
  if (side === undefined) return 'gone';
  const newer = other !== undefined && side.mtime > other.mtime ? ', newer' : '';
  return `${formatBytes(side.size)}, ${dateTime(side.mtime)}${newer}`;
}
