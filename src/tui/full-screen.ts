import type { Instance } from 'ink';
import type { ReactElement, ReactNode } from 'react';

/** For tests; the process's own otherwise. */
export interface ScreenStreams {
  readonly stdout?: NodeJS.WriteStream;
  readonly stdin?: NodeJS.ReadStream;
}

/** Ink holds a frame back for so long, twice: short, for keys. What happens by itself comes slower, by the Pacer. */
const MAX_FPS = 500;

/** DECAWM: a name that is wider in the terminal than Ink thinks is cut at the edge, and scrolls nothing away. */
const NO_WRAP = '\u001b[?7l';
const WRAP = '\u001b[?7h';

/** The alternate screen, kept while one thing that is drawn in it gives way to another. */
export interface Stage {
  /** Draws it, anew, in place of what stood there. */
  show(node: ReactNode): void;
  /** Resolves when what was to be seen by now is on the screen. */
  drawn(): Promise<void>;
  /** Resolves when it is closed, also by a signal; rejects with what React threw. */
  readonly over: Promise<unknown>;
  /** Puts the terminal back. */
  close(): void;
}

export async function openStage(node: ReactNode, streams: ScreenStreams): Promise<Stage> {
  const { createElement, Fragment } = await import('react');
  let shown = 0;
  const anew = (what: ReactNode): ReactNode => createElement(Fragment, { key: shown++ }, what);
  const { screen, around } = await opened(anew(node), streams);
  return {
    show: (next) => screen.rerender(around(anew(next))),
    drawn: () => screen.waitUntilRenderFlush(),
    over: screen.waitUntilExit(),
    close: () => screen.unmount(),
  };
}

/** Draws in the alternate screen. The terminal is put back when it ends, on a crash and on signals, too. */
export const openScreen = async (node: ReactNode, streams: ScreenStreams): Promise<Instance> =>
  (await opened(node, streams)).screen;

interface Opened {
  readonly screen: Instance;
  readonly around: (node: ReactNode) => ReactElement;
}

async function opened(node: ReactNode, { stdout, stdin }: ScreenStreams): Promise<Opened> {
  // What is typed meanwhile is for the screen: an echo of it would shift the first frame, as a cursor amid a line would.
  const keys = stdin ?? process.stdin;
  if (keys.isTTY) keys.setRawMode(true);
  (stdout ?? process.stdout).write('\r');
  const [{ render }, { createElement, useLayoutEffect }] = await Promise.all([
    import('ink'),
    import('react'),
  ]);
  const terminal = stdout ?? process.stdout;
  function Unwrapped({ children }: { readonly children: ReactNode }): ReactNode {
    // Ink unmounts in order also on a crash and on signals.
    useLayoutEffect(() => {
      terminal.write(NO_WRAP);
      return () => void terminal.write(WRAP);
    }, []);
    return children;
  }
  const around = (what: ReactNode): ReactElement => createElement(Unwrapped, null, what);
  const screen = render(around(node), {
    alternateScreen: true,
    exitOnCtrlC: false,
    incrementalRendering: true,
    maxFps: MAX_FPS,
    ...(stdout === undefined ? {} : { stdout, interactive: true, patchConsole: false }),
    ...(stdin === undefined ? {} : { stdin }),
  });
  return { screen, around };
}
