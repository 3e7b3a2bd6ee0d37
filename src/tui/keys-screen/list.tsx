import { Box, Text, useIsScreenReaderEnabled } from 'ink';
import type { ReactNode } from 'react';
import { plural } from '../../model/display.ts';
import type { KeyRow } from '../../model/key-desk.ts';
import { shownName } from '../names.ts';
import { Cell, Fixed, Gap, Heading, Line, Name, StateSign } from '../parts.tsx';
import { windowOf } from '../rows.ts';
import {
  KINDS,
  STORES,
  clippedPrint,
  dateOf,
  grouped,
  objectsOf,
  objectsWord,
  selectedRow,
  shownRows,
  since,
  vaultsWord,
  wordsSign,
} from './rows.ts';
import type { Ui } from './ui.ts';

export interface ListProps {
  readonly ui: Ui;
  readonly width: number;
  readonly height: number;
  readonly now: number;
}

/** A column with its title; `from` is the width of the window from which on there is room for it. */
interface Column {
  readonly title: string;
  readonly cells: number;
  readonly from: number;
  readonly end?: boolean;
  readonly text: (row: KeyRow, now: number) => string;
}

const COLUMNS: readonly Column[] = [
  { title: 'KIND', cells: 9, from: 0, text: ({ kind }) => KINDS[kind] },
  {
    title: 'FINGERPRINT',
    cells: 12,
    from: 0,
    text: clippedPrint,
  },
  { title: 'STORE', cells: 13, from: 120, text: ({ store }) => STORES[store] },
  { title: 'CREATED', cells: 11, from: 0, text: ({ created }) => dateOf(created) },
  {
    title: 'LAST USED',
    cells: 13,
    from: 100,
    text: ({ lastUsed }, now) => (lastUsed === undefined ? 'never here' : since(lastUsed, now)),
  },
  { title: 'USED BY', cells: 10, from: 0, text: vaultsWord },
  { title: 'OBJECTS', cells: 8, from: 0, end: true, text: objectsWord },
];
/** The whole fingerprint. */
const WIDE = 110;
const WHOLE = 21;
const RECOVERY = 13;

/** One line for each key. */
export function KeyList({ ui, width, height, now }: ListProps): ReactNode {
  const spoken = useIsScreenReaderEnabled();
  const shown = shownRows(ui);
  const selected = selectedRow(ui);
  const at = shown.findIndex(({ name }) => name === selected?.name);
  const { from, to } = windowOf(at, shown.length, height - 1);
  const columns = COLUMNS.filter((column) => width >= column.from);
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <ListHead ui={ui} columns={columns} width={width} spoken={spoken} />
      {shown
        .slice(from, to)
        .map((row) =>
          spoken ? (
            <SpokenRow key={row.name} row={row} selected={row.name === selected?.name} now={now} />
          ) : (
            <Row
              key={row.name}
              row={row}
              selected={row.name === selected?.name}
              columns={columns}
              width={width}
              now={now}
            />
          ),
        )}
      {shown.length === 0 && <Empty ui={ui} />}
    </Box>
  );
}

const cellsOf = ({ title, cells }: Column, width: number): number =>
  title === 'FINGERPRINT' && width >= WIDE ? WHOLE : cells;

function ListHead({
  ui,
  columns,
  width,
  spoken,
}: {
  readonly ui: Ui;
  readonly columns: readonly Column[];
  readonly width: number;
  readonly spoken: boolean;
}): ReactNode {
  const filtering = ui.view.kind === 'typing' && ui.view.for.what === 'filter';
  if (filtering || ui.filter !== '') {
    const count = `${shownRows(ui).length} of ${plural(ui.rows?.length ?? 0, 'key')}`;
    return (
      <Heading title={`filter: ${shownName(ui.filter)}${filtering && !spoken ? '▏' : ''}`} remark={count} />
    );
  }
  if (spoken) return <Heading title={ui.rows === undefined ? 'keys' : plural(ui.rows.length, 'key')} />;
  return (
    <Line>
      <Gap cells={3} />
      <Name text="NAME" />
      {columns.map((column) => (
        <Cell key={column.title} width={cellsOf(column, width)} end={column.end ?? false}>
          {column.title}
        </Cell>
      ))}
      <Gap cells={2} />
      <Cell width={RECOVERY}>RECOVERY</Cell>
    </Line>
  );
}

function Row({
  row,
  selected,
  columns,
  width,
  now,
}: {
  readonly row: KeyRow;
  readonly selected: boolean;
  readonly columns: readonly Column[];
  readonly width: number;
  readonly now: number;
}): ReactNode {
  const whole = width >= WIDE;
  return (
    <Line>
      <Fixed>
        <Text>{selected ? ' ▶ ' : '   '}</Text>
      </Fixed>
      <Name text={shownName(row.name)} />
      {columns.map((column) => (
        <Cell key={column.title} width={cellsOf(column, width)} end={column.end ?? false}>
          {column.title === 'FINGERPRINT' && whole ? grouped(row.fingerprint) : column.text(row, now)}
        </Cell>
      ))}
      <Gap cells={2} />
      <Box width={RECOVERY} flexShrink={0} height={1} overflow="hidden">
        <StateSign sign={wordsSign(row)} />
      </Box>
    </Line>
  );
}

/** The same as a sentence. */
function SpokenRow({
  row,
  selected,
  now,
}: {
  readonly row: KeyRow;
  readonly selected: boolean;
  readonly now: number;
}): ReactNode {
  const { name, kind, fingerprint, created, lastUsed, uses, store } = row;
  const used = lastUsed === undefined ? 'never used here' : `last used ${since(lastUsed, now)}`;
  const by =
    uses.length === 0
      ? 'used by no vault'
      : `used by ${vaultsWord(row)}, ${plural(objectsOf(row), 'object')}`;
  const parts = [
    shownName(name),
    KINDS[kind].replace('pub.', 'public half'),
    `fingerprint ${grouped(fingerprint)}`,
    store === 'kms' ? 'held by AWS KMS' : `in the ${STORES[store]}`,
    `created ${dateOf(created)}`,
    used,
    by,
    `recovery words: ${kind === 'kms' ? 'none' : wordsSign(row).word}`,
  ];
  return (
    <Box aria-state={{ selected }} flexShrink={0}>
      <Text>{parts.join(', ')}</Text>
    </Box>
  );
}

function Empty({ ui: { rows, filter, busy } }: { readonly ui: Ui }): ReactNode {
  const text =
    rows === undefined
      ? `${busy ?? 'nothing was read yet'}…`
      : filter === ''
        ? 'no keys yet: c creates one, i brings one in'
        : 'no key fits the filter; esc shows all';
  return (
    <Line>
      <Gap cells={3} />
      <Name text={text} />
    </Line>
  );
}
