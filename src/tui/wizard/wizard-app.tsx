import { Box, useInput, usePaste, useWindowSize } from 'ink';
import { type ReactNode, useSyncExternalStore } from 'react';
import type { InitChoice } from '../../model/init-desk.ts';
import { type Hint, Footer, Help } from '../frame.tsx';
import { HiddenView, Page } from '../keys-screen/dialogs.tsx';
import { feed } from '../keys-screen/input.ts';
import { WordsView } from '../keys-screen/secrets.tsx';
import { Rule } from '../parts.tsx';
import { type Saying, SaidLines, TitleLine, TooSmall, sayingOf } from '../screen-parts.tsx';
import { type Order, WIZARD_BINDINGS } from './bindings.ts';
import { ChoicePage, FoundPage, SummaryPage, TypingPage } from './pages.tsx';
import type { WizardStore } from './store.ts';
import type { Ui } from './ui.ts';
import { STEP_TITLES, partOf } from './words.ts';

export interface WizardAppProps {
  readonly store: WizardStore;
  /** The command that would mend a bucket. */
  readonly harden: (choice: InitChoice) => string;
}

/** Title, rule, two lines of what is said, rule, two lines of footer. */
const FRAME = 7;
/** The words with what is said of them need so much. */
const SMALLEST = { columns: 60, rows: 18 } as const;

export function WizardApp({ store, harden }: WizardAppProps): ReactNode {
  const { columns, rows: all } = useWindowSize();
  const rows = process.platform === 'win32' ? all - 1 : all;
  const ui = useSyncExternalStore(store.subscribe, store.get);
  const small = columns < SMALLEST.columns || rows < SMALLEST.rows;
  const height = Math.max(1, rows - FRAME);
  useInput((input, key) => {
    // What cannot be seen must not be answered.
    if (!small) feed(store, input, key, Math.max(1, height - 2));
    else if (input === 'q' || (key.ctrl && input === 'c')) store.end();
  });
  usePaste((text) => {
    if (!small) store.type(text, true);
  });
  if (small) return <TooSmall size={{ columns, rows }} least={SMALLEST} what="this needs" />;
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <TitleLine title="s3vault › a new vault" remark={partOf(ui.step)} />
      <Rule width={columns} />
      <Body ui={ui} typed={store.typed} harden={harden} height={height} />
      <SaidLines {...saidOf(ui)} />
      <Rule width={columns} />
      <Footer hints={hintsOf(ui)} lines={2} />
    </Box>
  );
}

interface BodyProps {
  readonly ui: Ui;
  readonly typed: () => string;
  readonly harden: WizardAppProps['harden'];
  readonly height: number;
}

function Body({ ui, typed, harden, height }: BodyProps): ReactNode {
  const { view } = ui;
  switch (view.kind) {
    case 'typing':
      return <TypingPage ui={ui} view={view} height={height} />;
    case 'choice':
      return <ChoicePage ui={ui} view={view} height={height} />;
    case 'found':
      return <FoundPage ui={ui} view={view} harden={harden} height={height} />;
    case 'summary':
      return <SummaryPage ui={ui} height={height} />;
    case 'words':
      return <WordsView view={view} height={height} />;
    case 'hidden': {
      const { question, count, seen } = view;
      const what = { what: 'answer', question, under: { kind: 'list' } } as const;
      const hidden = { kind: 'hidden', for: what, count, seen, pasted: false } as const;
      return <HiddenView view={hidden} typed={typed} height={height} />;
    }
    case 'wait':
      return (
        <Page title={STEP_TITLES[ui.step]} height={height}>
          {null}
        </Page>
      );
    case 'help':
      return <Help bindings={WIZARD_BINDINGS} selected={view.line} height={height} />;
    default:
      return view satisfies never;
  }
}

/** What the last key led to, else what is under way. */
function saidOf({ said, busy, leaving }: Ui): Saying {
  if (leaving) return { text: `ending: ${busy ?? 'done'}; ctrl+c ends at once`, sign: '⟳', tone: 'cyan' };
  if (said !== undefined) return sayingOf(said);
  if (busy !== undefined) return { text: `${busy}…`, sign: '⟳', tone: 'cyan' };
  return { text: '', sign: '', tone: undefined };
}

const ALWAYS: ReadonlySet<Order> = new Set<Order>(['help', 'quit', 'leave']);

/** The keys of this view, with a word that fits. */
const hintsOf = (ui: Ui): readonly Hint[] =>
  WIZARD_BINDINGS.flatMap(({ order, keys, views, footer }) => {
    if (footer === undefined || !(views?.includes(ui.view.kind) ?? true)) return [];
    const word = order === 'see' && ui.view.kind === 'hidden' && ui.view.seen ? 'hide' : footer;
    return [{ order, key: keys[0], word, always: ALWAYS.has(order) }];
  });
