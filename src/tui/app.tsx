import { Box, Text, useInput, usePaste, useWindowSize } from 'ink';
import { type ReactNode, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { Dashboard, Overall } from './dashboard.tsx';
import type { Snapshot } from '../model/snapshot.ts';
import { keyName, pressesIn } from './bindings.ts';
import { type Hint, Footer, Help } from './frame.tsx';
import { type Order, type View, BINDINGS } from './keys.ts';
import { Log, Problems } from './lists.tsx';
import { type Ui, START, press, quitWords } from './orders.ts';
import { shownName } from './names.ts';
import { Fixed, Gap, Line, Name, Rule, colour } from './parts.tsx';
import type { ScreenVault } from './run.tsx';
import type { ScreenStore, Shown } from './store.ts';
import { questionOf } from './words.ts';

export interface AppProps {
  readonly vaults: readonly ScreenVault[];
  readonly stores: readonly ScreenStore[];
  /** A sentence that stays, such as the demo's. */
  readonly note?: string;
}

/** Title, rule, rule and footer; a line for what is said. On Windows a full window is cleared at each frame: one less. */
const FRAME = 5;

export function App({ vaults, stores, note }: AppProps): ReactNode {
  const { columns, rows: all } = useWindowSize();
  const rows = process.platform === 'win32' ? all - 1 : all;
  const shown = useAll(stores);
  const [ui, setUi] = useState(START);
  // Keys can come faster than frames: each starts from where the last one led.
  const latest = useRef(ui);
  const height = Math.max(4, rows - FRAME);
  const obey = (name: string): void => {
    const { vault } = latest.current;
    const store = stores[vault];
    if (store === undefined) return;
    const around = { snapshot: store.get().snapshot, vaults: vaults.length, page: Math.max(1, height - 2) };
    const led = press(name, latest.current, around);
    latest.current = led.ui;
    setUi(led.ui);
    for (const command of led.commands) {
      const handles = command.command === 'stop' ? vaults : vaults.slice(vault, vault + 1);
      for (const { handle } of handles) handle.command(command);
    }
  };
  useInput((input, key) => {
    const names = input.length > 1 ? pressesIn(input) : [input];
    for (const name of names) obey(keyName(name, key));
  });
  // Pasted text must not answer questions.
  usePaste(() => {
    latest.current = { ...latest.current, message: 'pasted text is ignored' };
    setUi(latest.current);
  });
  const current = shown[ui.vault];
  if (current === undefined) return null;
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <Title vaults={vaults.length} shown={current} />
      <Rule width={columns} />
      <Body ui={ui} vaults={vaults} shown={shown} width={columns} height={height} />
      <Said ui={ui} shown={shown} {...(note === undefined ? {} : { note })} />
      <Rule width={columns} />
      <Footer hints={hintsOf(ui.view, current.snapshot)} />
    </Box>
  );
}

/** What all stores show; a new array only when one of them changed. */
function useAll(stores: readonly ScreenStore[]): readonly Shown[] {
  const source = useMemo(() => {
    let last: readonly Shown[] = stores.map((store) => store.get());
    return {
      subscribe: (listener: () => void) => {
        const ends = stores.map((store) => store.subscribe(listener));
        return () => ends.forEach((end) => end());
      },
      get: () => {
        const now = stores.map((store) => store.get());
        if (now.some((one, at) => one !== last[at])) last = now;
        return last;
      },
    };
  }, [stores]);
  return useSyncExternalStore(source.subscribe, source.get);
}

function Title({ vaults, shown }: { readonly vaults: number; readonly shown: Shown }): ReactNode {
  return (
    <Line>
      <Fixed>
        <Text bold> s3vault</Text>
      </Fixed>
      <Name text="" />
      <Fixed>
        <Overall vaults={vaults} shown={shown} />
      </Fixed>
    </Line>
  );
}

interface BodyProps {
  readonly ui: Ui;
  readonly vaults: readonly ScreenVault[];
  readonly shown: readonly Shown[];
  readonly width: number;
  readonly height: number;
}

function Body({ ui, vaults, shown, width, height }: BodyProps): ReactNode {
  const snapshot = shown[ui.vault]?.snapshot;
  const place = { selected: ui.line, width, height };
  const problems = [...(snapshot?.problems.values() ?? [])];
  switch (ui.view) {
    case 'dashboard':
      return <Dashboard vaults={vaults} shown={shown} selected={ui.vault} width={width} height={height} />;
    case 'problems':
      return (
        <Problems
          problems={problems}
          {...place}
          selected={Math.max(0, Math.min(ui.line, problems.length - 1))}
        />
      );
    case 'log':
      return <Log lines={snapshot?.recent ?? []} {...place} />;
    case 'help':
      return <Help bindings={BINDINGS} {...place} />;
    default:
      return ui.view satisfies never;
  }
}

/** One line: that it ends, else the question that waits, else what the last key led to, else the note. */
function Said({
  ui,
  shown,
  note,
}: {
  readonly ui: Ui;
  readonly shown: readonly Shown[];
  readonly note?: string;
}): ReactNode {
  const consent = shown[ui.vault]?.snapshot.consent ?? null;
  const underWay = shown.reduce((sum, { snapshot }) => sum + snapshot.active.size, 0);
  const ending = quitWords(ui.quits, underWay);
  if (consent !== null && ending === '') {
    return (
      <Line>
        <Fixed>
          <Text {...colour('red')}> ! </Text>
        </Fixed>
        <Name text={questionOf(consent)} />
        <Fixed>
          <Text bold> y yes n no </Text>
        </Fixed>
      </Line>
    );
  }
  return (
    <Line>
      <Gap cells={1} />
      <Name text={shownName(ending || ui.message || (note ?? ''))} />
    </Line>
  );
}

/** The footer's hints of a view; a word says more where there is more to say. */
function hintsOf(view: View, { problems, state }: Snapshot): readonly Hint[] {
  const wordOf = (order: Order, footer: string): string => {
    if (order === 'problems' && problems.size > 0) return `${footer} ${problems.size}`;
    return order === 'pause' && state === 'paused' ? 'go on' : footer;
  };
  return BINDINGS.filter(({ views }) => views?.includes(view) ?? true).flatMap(({ order, keys, footer }) =>
    footer === undefined
      ? []
      : [{ order, key: keys[0], word: wordOf(order, footer), always: ALWAYS.has(order) }],
  );
}

const ALWAYS: ReadonlySet<Order> = new Set<Order>(['help', 'quit']);
