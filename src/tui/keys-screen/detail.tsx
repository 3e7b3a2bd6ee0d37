import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { plural } from '../../model/display.ts';
import type { KeyRow } from '../../model/key-desk.ts';
import { shownName } from '../names.ts';
import { Cell, Gap, Heading, Line, Name } from '../parts.tsx';
import {
  KINDS_LONG,
  STORES,
  dateOf,
  grouped,
  needsOf,
  objectsOf,
  since,
  testWord,
  wordsSign,
} from './rows.ts';

const LABEL = 14;

/** All that is known of one key, and what needs it. */
export function KeyDetail({
  row,
  line,
  height,
  now,
}: {
  readonly row: KeyRow;
  readonly line: number;
  readonly height: number;
  readonly now: number;
}): ReactNode {
  const facts = factsOf(row, now);
  const needs = needsOf(row);
  const room = Math.max(0, height - facts.length - 3);
  const count =
    row.uses.length === 0 ? '' : `${plural(row.uses.length, 'vault')}, ${plural(objectsOf(row), 'object')}`;
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Heading title={`KEY ${shownName(row.name)}`} />
      {facts.map(([label, text]) => (
        <Line key={label}>
          <Gap cells={3} />
          <Cell width={LABEL}>{label}</Cell>
          <Name text={shownName(text)} />
        </Line>
      ))}
      <Line>
        <Text> </Text>
      </Line>
      <Heading
        title={needs.length === 0 ? 'NEEDED BY nothing that is known here' : 'NEEDED BY'}
        remark={count}
      />
      {needs.slice(line, line + room).map((need) => (
        <Line key={need}>
          <Gap cells={3} />
          <Name text={shownName(need)} />
        </Line>
      ))}
    </Box>
  );
}

function factsOf(row: KeyRow, now: number): readonly (readonly [label: string, text: string])[] {
  const { kind, fingerprint, store, created, lastUsed, rotatingTo } = row;
  const { sign, word } = wordsSign(row);
  return [
    ['kind', KINDS_LONG[kind]],
    ['fingerprint', grouped(fingerprint)],
    ['kept in', STORES[store]],
    ['created', dateOf(created)],
    ['last used', lastUsed === undefined ? 'never here' : since(lastUsed, now)],
    ['last test', testWord(row, now).replace(/^test /, '')],
    ['24 words', `${sign} ${word}`],
    ...(rotatingTo === undefined
      ? []
      : ([['rotation', `on its way to key ${rotatingTo}; r goes on`]] as const)),
  ];
}
