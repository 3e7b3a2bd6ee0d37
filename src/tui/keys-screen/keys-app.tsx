import { Box, useInput, usePaste, useWindowSize } from 'ink';
import { type ReactNode, useSyncExternalStore } from 'react';
import type { Clock } from '../../model/ports.ts';
import { type Hint, Footer, Help } from '../frame.tsx';
import { shownName } from '../names.ts';
import { Rule } from '../parts.tsx';
import { type Saying, SaidLines, TitleLine, TooSmall, sayingOf } from '../screen-parts.tsx';
import { type Binding, type Order, KEY_BINDINGS } from './bindings.ts';
import { KeyDetail } from './detail.tsx';
import { Choice, HiddenView, Page, Question, Report, Sentence, TypingView } from './dialogs.tsx';
import { feed } from './input.ts';
import { KeyList } from './list.tsx';
import { Results, Rotation } from './progress.tsx';
import { selectedRow, summaryOf } from './rows.ts';
import { WordsView } from './secrets.tsx';
import type { KeysStore } from './store.ts';
import { severalLines } from './typing.ts';
import type { Ui, View } from './ui.ts';

export interface KeysAppProps {
  readonly store: KeysStore;
  /** Where keys are kept, in words. */
  readonly place: string;
  readonly clock: Pick<Clock, 'now'>;
  /** It stands inside another screen: `esc` in the list leaves it, too. */
  readonly inside?: boolean;
}

/** Title, rule, two lines of what is said, rule, two lines of footer. */
const FRAME = 7;
/** The words with what is said of them need so much. */
const SMALLEST = { columns: 60, rows: 18 } as const;

export function KeysApp({ store, place, clock, inside = false }: KeysAppProps): ReactNode {
  const { columns, rows: all } = useWindowSize();
  const rows = process.platform === 'win32' ? all - 1 : all;
  const ui = useSyncExternalStore(store.subscribe, store.get);
  const small = columns < SMALLEST.columns || rows < SMALLEST.rows;
  const height = Math.max(1, rows - FRAME);
  const page = Math.max(1, height - 2);
  useInput((input, key) => {
    // What cannot be seen must not be answered.
    if (inside && key.escape && (small || isTop(store.get()))) store.end();
    else if (!small) feed(store, input, key, page);
    else if (input === 'q' || (key.ctrl && input === 'c')) store.end();
  });
  usePaste((text) => {
    if (!small) store.type(text, true);
  });
  if (small) return <TooSmall size={{ columns, rows }} least={SMALLEST} what="the keys need" />;
  const now = clock.now();
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <TitleLine title="s3vault › keys" remark={ui.rows === undefined ? `${place} (locked)` : place} />
      <Rule width={columns} />
      <Body ui={ui} typed={store.typed} width={columns} height={height} now={now} />
      <SaidLines {...saidOf(ui, now)} />
      <Rule width={columns} />
      <Footer hints={hintsOf(ui, inside)} lines={2} />
    </Box>
  );
}

/** Nothing to go back from. */
const isTop = ({ view, filter }: Ui): boolean =>
  view.kind === 'locked' || (view.kind === 'list' && filter === '');

interface BodyProps {
  readonly ui: Ui;
  readonly typed: () => string;
  readonly width: number;
  readonly height: number;
  readonly now: number;
}

function Body({ ui, typed, width, height, now }: BodyProps): ReactNode {
  const { view } = ui;
  const list = <KeyList ui={ui} width={width} height={height} now={now} />;
  const row = rowOf(view, ui);
  switch (view.kind) {
    case 'list':
      return list;
    case 'detail':
      return row === undefined ? list : <KeyDetail row={row} line={view.line} height={height} now={now} />;
    case 'help':
      return <Help bindings={KEY_BINDINGS} selected={view.line} height={height} />;
    case 'locked':
      return <Locked view={view} height={height} />;
    case 'choice':
      return <Choice view={view} height={height} />;
    case 'typing':
      return view.for.what === 'filter' ? list : <TypingView view={view} row={row} height={height} />;
    case 'hidden':
      return <HiddenView view={view} typed={typed} height={height} />;
    case 'question':
      return <Question view={view} row={row} height={height} />;
    case 'words':
      return <WordsView view={view} height={height} />;
    case 'rotation':
      return <Rotation view={view} width={width} height={height} />;
    case 'results':
      return <Results view={view} height={height} />;
    case 'report':
      return <Report view={view} height={height} />;
    default:
      return view satisfies never;
  }
}

/** The key that a view is about: the one it names, else the selected one. */
function rowOf(view: View, ui: Ui): ReturnType<typeof selectedRow> {
  const name = 'for' in view && 'name' in view.for ? view.for.name : undefined;
  return name === undefined ? selectedRow(ui) : ui.rows?.find((row) => row.name === name);
}

function Locked({
  view,
  height,
}: {
  readonly view: Extract<View, { kind: 'locked' }>;
  readonly height: number;
}): ReactNode {
  const { error } = view;
  return (
    <Page title={error === undefined ? 'LOCKED' : 'NOT OPENED'} height={height}>
      {error === undefined ? (
        <Sentence text="Nothing is open. Enter opens the keys again." />
      ) : (
        <>
          <Sentence text={shownName(error.message)} />
          {error.hint !== undefined && <Sentence text={`→ ${shownName(error.hint)}`} />}
        </>
      )}
    </Page>
  );
}

/** What the last key led to, else what is under way, else the selected key. */
function saidOf(ui: Ui, now: number): Saying {
  const { said, busy, leaving, view } = ui;
  if (leaving) return { text: `ending: ${busy ?? 'done'}; ctrl+c ends at once`, sign: '⟳', tone: 'cyan' };
  if (said !== undefined) return sayingOf(said);
  if (busy !== undefined && view.kind !== 'rotation') return { text: `${busy}…`, sign: '⟳', tone: 'cyan' };
  const row = view.kind === 'list' ? selectedRow(ui) : undefined;
  return { text: row === undefined ? '' : summaryOf(row, now), sign: '', tone: undefined };
}

const ALWAYS: ReadonlySet<Order> = new Set<Order>(['help', 'quit', 'leave']);

/** The keys of this view that do something here, with a word that fits. */
function hintsOf(ui: Ui, inside: boolean): readonly Hint[] {
  return KEY_BINDINGS.flatMap((binding) => {
    const { order, keys, views } = binding;
    const word = inside && (order === 'quit' || order === 'leave') ? 'back' : wordOf(binding, ui);
    if (word === undefined || views?.includes(ui.view.kind) !== true) return [];
    return [{ order, key: keys[0], word, always: ALWAYS.has(order) }];
  });
}

/** Words that depend on the state; undefined where the key is not worth a hint. */
const WORDS: { readonly [K in Order]?: (ui: Ui, footer: string | undefined) => string | undefined } = {
  back: ({ view, filter }, footer) => {
    if (view.kind !== 'list') return footer;
    return filter === '' ? undefined : 'show all';
  },
  see: ({ view }, footer) => (view.kind === 'hidden' && view.seen ? 'hide' : footer),
  end: ({ view }, footer) => (view.kind === 'hidden' && severalLines(view) ? footer : undefined),
  delete: (ui, footer) => ((selectedRow(ui)?.uses.length ?? 0) > 0 ? 'delete (in use)' : footer),
  rotate: (ui, footer) => (selectedRow(ui)?.rotatingTo === undefined ? footer : 'go on rotating'),
};

const wordOf = ({ order, footer }: Binding, ui: Ui): string | undefined => {
  const word = WORDS[order];
  return word === undefined ? footer : word(ui, footer);
};
