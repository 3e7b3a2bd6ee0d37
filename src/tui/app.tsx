import { Box, Text, useInput, usePaste, useWindowSize } from 'ink';
import { type ReactNode, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { Dashboard, Overall } from './dashboard.tsx';
import type { Snapshot } from '../model/snapshot.ts';
import { keyName, pressesIn } from './bindings.ts';
import { type Hint, Footer, Help } from './frame.tsx';
import { type Order, type View, BINDINGS } from './keys.ts';
import { type Ui, START, press, quitWords } from './orders.ts';
import { shownName } from './names.ts';
import { Fixed, Gap, Line, Name, Rule, colour } from './parts.tsx';
import type { ScreenVault } from './run.tsx';
import type { ScreenStore, Shown } from './store.ts';
import { pasteText, shownTyping } from './typing.ts';
import { type SettingsShown, useSettings } from './use-settings.ts';
import { Activity, PlanView, Problems, Queue, Settings } from './views.tsx';
import { questionOf } from './words.ts';

export interface AppProps {
  readonly vaults: readonly ScreenVault[];
  readonly stores: readonly ScreenStore[];
  /** A sentence that stays, such as the demo's. */
  readonly note?: string;
  /** What `quit` does where the engines are not this screen's to stop. */
  readonly onQuit?: () => void;
}

/** Title, rule, rule and footer; a line for what is said. On Windows a full window is cleared at each frame: one less. */
const FRAME = 5;

/** Below this nothing can be read. */
const LEAST = { columns: 40, rows: 10 } as const;

export function App({ vaults, stores, note, onQuit }: AppProps): ReactNode {
  const { columns, rows: all } = useWindowSize();
  const rows = process.platform === 'win32' ? all - 1 : all;
  const shown = useAll(stores);
  const [ui, setUi] = useState(START);
  // Keys can come faster than frames: each starts from where the last one led.
  const latest = useRef(ui);
  const show = (next: Ui): void => {
    latest.current = next;
    setUi(next);
  };
  const settings = useSettings(vaults[ui.vault]?.settings, ui.view === 'settings', (message) =>
    show({ ...latest.current, message }),
  );
  const height = Math.max(4, rows - FRAME);
  const obey = (name: string): void => {
    const { vault } = latest.current;
    const store = stores[vault];
    if (store === undefined) return;
    const { snapshot } = store.get();
    const page = Math.max(1, height - 2);
    const led = press(name, latest.current, {
      snapshot,
      vaults: vaults.length,
      page,
      settings: settings.lines,
    });
    if (onQuit !== undefined && led.ui.quits > latest.current.quits) {
      onQuit();
      return;
    }
    show(led.ui);
    if (led.set !== undefined) settings.change(led.set.name, led.set.value);
    for (const command of led.commands) {
      const handles = command.command === 'stop' ? vaults : vaults.slice(vault, vault + 1);
      for (const { handle } of handles) handle.command(command);
    }
  };
  useInput((input, key) => {
    const typing = latest.current.typing !== undefined;
    const names = input.length <= 1 ? [input] : typing ? Array.from(input) : pressesIn(input);
    for (const name of names) obey(keyName(name, key));
  });
  // Pasted text must not answer questions; in a line that is being typed it is text.
  usePaste((text) => {
    const { typing } = latest.current;
    if (typing === undefined) show({ ...latest.current, message: 'pasted text is ignored' });
    else {
      const next = pasteText(text, typing);
      show({ ...latest.current, typing: next, ...(next.for === 'filter' ? { filter: next.text } : {}) });
    }
  });
  const current = shown[ui.vault];
  if (current === undefined) return null;
  if (columns < LEAST.columns || rows < LEAST.rows) return <TooSmall columns={columns} rows={rows} />;
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <Title vaults={vaults.length} shown={current} />
      <Rule width={columns} />
      <Body ui={ui} vaults={vaults} shown={shown} settings={settings} width={columns} height={height} />
      <Said ui={ui} shown={shown} {...(note === undefined ? {} : { note })} />
      <Rule width={columns} />
      <Footer hints={hintsOf(ui.view, current.snapshot)} />
    </Box>
  );
}

function TooSmall({ columns, rows }: { readonly columns: number; readonly rows: number }): ReactNode {
  return (
    <Box width={columns} height={rows} overflow="hidden" flexDirection="column">
      <Text wrap="truncate-end">{`window too small: ${columns} × ${rows}`}</Text>
      <Text wrap="truncate-end">{`s3vault needs ${LEAST.columns} × ${LEAST.rows}; q quits`}</Text>
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
  readonly settings: SettingsShown;
  readonly width: number;
  readonly height: number;
}

function Body({ ui, vaults, shown, settings, width, height }: BodyProps): ReactNode {
  const snapshot = shown[ui.vault]?.snapshot;
  const vault = vaults[ui.vault];
  if (snapshot === undefined || vault === undefined) return null;
  const place = { selected: ui.line, filter: ui.filter, width, height };
  switch (ui.view) {
    case 'dashboard':
      return <Dashboard vaults={vaults} shown={shown} selected={ui.vault} width={width} height={height} />;
    case 'problems':
      return <Problems snapshot={snapshot} {...place} />;
    case 'activity':
      return <Activity snapshot={snapshot} {...place} />;
    case 'queue':
      return <Queue snapshot={snapshot} {...place} />;
    case 'plan':
      return <PlanView snapshot={snapshot} mode={vault.mode} {...place} />;
    case 'settings':
      return <Settings settings={settings.lines} typing={ui.typing} {...place} />;
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
  if (ui.typing?.for === 'filter') {
    return (
      <Line>
        <Gap cells={1} />
        <Name text={`/${shownTyping(ui.typing)}`} />
        <Fixed>
          <Text dimColor>enter keeps it, esc drops it </Text>
        </Fixed>
      </Line>
    );
  }
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
  // What a view alone has comes first: what does not fit is hidden.
  const own = BINDINGS.filter(({ views }) => views?.includes(view));
  const everywhere = BINDINGS.filter(({ views }) => views === undefined);
  return [...own, ...everywhere].flatMap(({ order, keys, footer }) =>
    footer === undefined
      ? []
      : [{ order, key: keys[0], word: wordOf(order, footer), always: ALWAYS.has(order) }],
  );
}

const ALWAYS: ReadonlySet<Order> = new Set<Order>(['help', 'quit']);
