import { Box, Text, useInput, useWindowSize } from 'ink';
import { type ReactNode, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { safeName } from '../model/display.ts';
import { Dashboard, overall } from './dashboard.tsx';
import { type View, BINDINGS, keyName, keySign } from './keys.ts';
import { Help, Log, Problems } from './lists.tsx';
import { type Ui, START, press } from './orders.ts';
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

/** Title, rule, rule and footer; a line for what is said. */
const FRAME = 5;

export function App({ vaults, stores, note }: AppProps): ReactNode {
  const { columns, rows } = useWindowSize();
  const shown = useAll(stores);
  const [ui, setUi] = useState(START);
  // Keys can come faster than frames: each starts from where the last one led.
  const latest = useRef(ui);
  const height = Math.max(4, rows - FRAME);
  useInput((input, key) => {
    const { vault } = latest.current;
    const store = stores[vault];
    if (store === undefined) return;
    const around = { snapshot: store.get().snapshot, vaults: vaults.length, page: Math.max(1, height - 2) };
    const led = press(keyName(input, key), latest.current, around);
    latest.current = led.ui;
    setUi(led.ui);
    for (const command of led.commands) {
      const handles = command.command === 'stop' ? vaults : vaults.slice(vault, vault + 1);
      for (const { handle } of handles) handle.command(command);
    }
  });
  const current = shown[ui.vault];
  if (current === undefined) return null;
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <Title vaults={vaults.length} shown={current} />
      <Rule width={columns} />
      <Body ui={ui} vaults={vaults} shown={shown} width={columns} height={height} />
      <Said ui={ui} shown={current} {...(note === undefined ? {} : { note })} />
      <Rule width={columns} />
      <Footer
        view={ui.view}
        problems={current.snapshot.problems.size}
        paused={current.snapshot.state === 'paused'}
      />
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
        <Text>{overall(vaults, shown)} </Text>
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
  switch (ui.view) {
    case 'dashboard':
      return <Dashboard vaults={vaults} shown={shown} selected={ui.vault} width={width} height={height} />;
    case 'problems':
      return <Problems problems={[...(snapshot?.problems.values() ?? [])]} {...place} />;
    case 'log':
      return <Log lines={snapshot?.recent ?? []} {...place} />;
    case 'help':
      return <Help {...place} />;
    default:
      return ui.view satisfies never;
  }
}

/** One line: the question that waits, else what the last key led to, else the note. */
function Said({
  ui,
  shown,
  note,
}: {
  readonly ui: Ui;
  readonly shown: Shown;
  readonly note?: string;
}): ReactNode {
  const { consent } = shown.snapshot;
  if (consent !== null) {
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
      <Name text={safeName(ui.message === '' ? (note ?? '') : ui.message)} />
    </Line>
  );
}

function Footer({
  view,
  problems,
  paused,
}: {
  readonly view: View;
  readonly problems: number;
  readonly paused: boolean;
}): ReactNode {
  const hints = BINDINGS.filter(
    ({ footer, views }) => footer !== undefined && (views?.includes(view) ?? true),
  );
  const wordOf = (order: string, footer: string): string => {
    if (order === 'problems' && problems > 0) return `${footer} ${problems}`;
    return order === 'pause' && paused ? 'go on' : footer;
  };
  return (
    <Line>
      {hints.map(({ order, keys: [first], footer = '' }) => (
        <Box key={order} flexShrink={0} height={1}>
          <Text>
            {' '}
            <Text bold>{keySign(first)}</Text> {wordOf(order, footer)}{' '}
          </Text>
        </Box>
      ))}
    </Line>
  );
}
