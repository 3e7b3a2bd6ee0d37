import { Box, Text, useInput, usePaste, useWindowSize } from 'ink';
import { type ReactNode, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { Dashboard, Overall } from './dashboard.tsx';
import type { Command, EngineHandle } from '../model/command.ts';
import { formatCount } from '../model/display.ts';
import { type VaultError, asVaultError } from '../model/errors.ts';
import { problemCount } from '../model/in-step.ts';
import type { Clock } from '../model/ports.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { keyName, typedIn } from './bindings.ts';
import { type Hint, Footer, Help, TitleLine } from './frame.tsx';
import { type Order, type View, BINDINGS } from './keys.ts';
import { Browse } from './browse/view.tsx';
import { Conflicts } from './conflicts.tsx';
import type { HiddenLine } from './hidden-line.ts';
import { type KeysAccess, KeysInside } from './keys-inside.tsx';
import { press } from './orders.ts';
import type { Pacer } from './pacer.ts';
import { type Memory, type Ui, resumed } from './ui.ts';
import { Rule } from './parts.tsx';
import type { ScreenVault } from './run.tsx';
import type { ScreenStore, Shown } from './store.ts';
import { Said } from './said.tsx';
import { pasteText } from './typing.ts';
import { type Desks, useDesks } from './use-desks.ts';
import { refusedWords } from './words.ts';
import { Activity, PlanView, Problems, Queue, Settings } from './views.tsx';

export interface AppProps {
  readonly vaults: readonly ScreenVault[];
  readonly stores: readonly ScreenStore[];
  readonly pacer: Pick<Pacer, 'soon'>;
  readonly clock: Pick<Clock, 'after' | 'ticks'>;
  /** A sentence that stays, such as the demo's. */
  readonly note?: string;
  /** What `quit` does where the engines are not this screen's to stop. */
  readonly onQuit?: () => void;
  readonly keys?: KeysAccess;
  readonly memory?: Memory;
  /** Told of work that the screen is not to be taken from, other than by who looks at it. */
  readonly during?: (work: Promise<unknown>) => void;
}

const titleOf = ({ title }: ScreenVault): string => title;

/** Title, rule, rule and footer; a line for what is said. On Windows a full window is cleared at each frame: one less. */
const FRAME = 5;

/** Below this nothing can be read. */
const LEAST = { columns: 40, rows: 10 } as const;

const QUITS: ReadonlySet<string> = new Set(BINDINGS.find(({ order }) => order === 'quit')?.keys);

export function App(props: AppProps): ReactNode {
  const { vaults, stores, pacer, clock, note, onQuit, keys, memory, during } = props;
  const { columns, rows: all } = useWindowSize();
  const rows = process.platform === 'win32' ? all - 1 : all;
  const shown = useAll(stores);
  const [ui, setUi] = useState(() => resumed(memory ?? {}, vaults.map(titleOf)));
  // Keys can come faster than frames: each starts from where the last one led.
  const latest = useRef(ui);
  const show = (next: Ui): void => {
    latest.current = next;
    if (memory !== undefined) memory.last = { ui: next, title: vaults[next.vault]?.title ?? '' };
    setUi(next);
  };
  const height = Math.max(4, rows - FRAME);
  const snapshot = shown[ui.vault]?.snapshot;
  const sayAtOnce = (message: string): void => show({ ...latest.current, message });
  const moved = (view: View, by: number): void => {
    const { line } = latest.current;
    if (latest.current.view === view) show({ ...latest.current, line: Math.max(0, line + by) });
  };
  const desks = useDesks(vaults, ui, height, sayAtOnce, { pacer, clock, snapshot, moved, during });
  const small = columns < LEAST.columns || rows < LEAST.rows;
  const obey = (name: string): void => {
    if (small) {
      // Nothing can be read: what is pressed answers nothing, and is typed nowhere.
      if (!QUITS.has(name)) return;
      latest.current = { ...latest.current, asked: undefined, typing: undefined };
    }
    const { vault } = latest.current;
    const store = stores[vault];
    // The key screen is on its way: what is pressed is for it.
    if (store === undefined || latest.current.keys) return;
    const now = store.get().snapshot;
    const led = press(name, latest.current, {
      snapshot: now,
      vaults: vaults.length,
      page: Math.max(1, height - 2),
      settings: desks.settings.lines,
      browse: desks.store?.get(),
      conflicts: desks.conflicts?.conflicts,
      queue: desks.lists.queue(now, latest.current.filter),
      activity: desks.lists.activity(now, latest.current.filter),
      keys: keys !== undefined,
    });
    if (onQuit !== undefined && led.ui.quits > latest.current.quits) {
      onQuit();
      return;
    }
    show(led.ui);
    desks.obey(led);
    for (const command of led.commands) {
      const handles = command.command === 'stop' ? vaults : vaults.slice(vault, vault + 1);
      for (const { handle } of handles) commanded(handle, command, (why) => sayAtOnce(refusedWords(why)));
    }
    if (led.commands.some(({ command }) => command === 'first' || command === 'skip')) desks.lists.changed();
  };
  useTyped(latest, small ? undefined : desks.store?.hidden, obey, show, small);
  const current = shown[ui.vault];
  if (current === undefined) return null;
  if (ui.keys && keys !== undefined)
    return (
      <KeysInside access={keys} onEnd={(message) => show({ ...latest.current, keys: false, message })} />
    );
  if (small) return <TooSmall columns={columns} rows={rows} />;
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <Title shown={shown} selected={current} />
      <Rule width={columns} />
      <Body ui={ui} vaults={vaults} shown={shown} desks={desks} width={columns} height={height} />
      <Said ui={ui} shown={shown} hidden={desks.browse?.hidden} {...(note === undefined ? {} : { note })} />
      <Rule width={columns} />
      <Footer hints={hintsOf(ui.view, current.snapshot)} />
    </Box>
  );
}

/** Whatever refuses it says why. */
function commanded(handle: EngineHandle, command: Command, onRefused: (why: VaultError) => void): void {
  try {
    handle.command(command, onRefused);
  } catch (thrown) {
    onRefused(asVaultError(thrown));
  }
}

/** What a terminal sends: keys, and text where something is typed. While the key screen is open all of it is for that one. */
function useTyped(
  latest: { readonly current: Ui },
  hidden: HiddenLine | undefined,
  obey: (name: string) => void,
  show: (next: Ui) => void,
  small: boolean,
): void {
  useInput((input, key) => {
    if (latest.current.keys) return;
    const asked = hidden?.shown !== undefined;
    const text = !small && (asked || latest.current.typing !== undefined);
    const names = input.length <= 1 ? [input] : text ? Array.from(input) : typedIn(input);
    if (names === undefined) {
      show({ ...latest.current, message: 'several keys came at once and were ignored; press them again' });
      return;
    }
    for (const name of names) {
      if (asked) hidden.press(keyName(name, key));
      else obey(keyName(name, key));
    }
  });
  // Pasted text must not answer questions; in a line that is being typed it is text.
  usePaste((text) => {
    const { typing, keys } = latest.current;
    if (keys || small) return;
    if (hidden?.shown !== undefined) hidden.type(text);
    else if (typing === undefined) show({ ...latest.current, message: 'pasted text is ignored' });
    else {
      const next = pasteText(text, typing);
      show({
        ...latest.current,
        typing: next,
        ...(next.for === 'filter' ? { filter: next.text, line: 0 } : {}),
      });
    }
  });
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

function Title({
  shown,
  selected,
}: {
  readonly shown: readonly Shown[];
  readonly selected: Shown;
}): ReactNode {
  return (
    <TitleLine>
      <Overall shown={shown} selected={selected} />
    </TitleLine>
  );
}

interface BodyProps {
  readonly ui: Ui;
  readonly vaults: readonly ScreenVault[];
  readonly shown: readonly Shown[];
  readonly desks: Desks;
  readonly width: number;
  readonly height: number;
}

function Body({ ui, vaults, shown, desks, width, height }: BodyProps): ReactNode {
  const snapshot = shown[ui.vault]?.snapshot;
  const vault = vaults[ui.vault];
  if (snapshot === undefined || vault === undefined) return null;
  const place = { selected: ui.line, filter: ui.filter, width, height };
  switch (ui.view) {
    case 'dashboard':
      return (
        <Dashboard
          vaults={vaults}
          shown={shown}
          selected={ui.vault}
          posture={desks.posture}
          width={width}
          height={height}
        />
      );
    case 'problems':
      return <Problems snapshot={snapshot} {...place} />;
    case 'activity':
      return <Activity activity={desks.lists.activity(snapshot, ui.filter)} {...place} />;
    case 'queue':
      return <Queue queue={desks.lists.queue(snapshot, ui.filter)} {...place} />;
    case 'browse':
      return desks.browse === undefined ? null : <Browse place={ui.browse} shown={desks.browse} {...place} />;
    case 'conflicts':
      return desks.conflicts === undefined ? null : <Conflicts shown={desks.conflicts} {...place} />;
    case 'plan':
      return <PlanView snapshot={snapshot} mode={vault.mode} {...place} />;
    case 'settings':
      return <Settings settings={desks.settings.lines} typing={ui.typing} {...place} />;
    case 'help':
      return <Help bindings={BINDINGS} {...place} />;
    default:
      return ui.view satisfies never;
  }
}

/** The footer's hints of a view; a word says more where there is more to say. */
function hintsOf(view: View, snapshot: Snapshot): readonly Hint[] {
  const problems = problemCount(snapshot);
  const wordOf = (order: Order, footer: string): string => {
    if (order === 'problems' && problems > 0) return `${footer} ${formatCount(problems)}`;
    return order === 'pause' && snapshot.state === 'paused' ? 'go on' : footer;
  };
  // What a list alone has comes first: what does not fit is hidden.
  const here = BINDINGS.filter(({ views }) => views?.includes(view) ?? true);
  const own = here.filter(({ views }) => views !== undefined && view !== 'dashboard');
  const everywhere = here.filter((binding) => !own.includes(binding));
  return [...own, ...everywhere].flatMap(({ order, keys, footer }) =>
    footer === undefined
      ? []
      : [{ order, key: keys[0], word: wordOf(order, footer), always: ALWAYS.has(order) }],
  );
}

const ALWAYS: ReadonlySet<Order> = new Set<Order>(['help', 'quit']);
