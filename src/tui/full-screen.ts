import type { Instance } from 'ink';
import type { ReactNode } from 'react';

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

/** Draws in the alternate screen. The terminal is put back when it ends, on a crash and on signals, too. */
export async function openScreen(node: ReactNode, { stdout, stdin }: ScreenStreams): Promise<Instance> {
  // What is typed meanwhile is for the screen: an echo of it would shift the first frame, as a cursor amid a line would.
  const keys = stdin ?? process.stdin;
  if (keys.isTTY) keys.setRawMode(true);
  (stdout ?? process.stdout).write('\r');
  const [{ render }, { createElement, useLayoutEffect }] = await Promise.all([
    import('ink'),
    import('react'),
  ]);
  const terminal = stdout ?? process.stdout;
  function Unwrapped(): ReactNode {
    // Ink unmounts in order also on a crash and on signals.
    useLayoutEffect(() => {
      terminal.write(NO_WRAP);
      return () => void terminal.write(WRAP);
    }, []);
    return node;
  }
  return render(createElement(Unwrapped), {
    alternateScreen: true,
    exitOnCtrlC: false,
    incrementalRendering: true,
    maxFps: MAX_FPS,
    ...(stdout === undefined ? {} : { stdout, interactive: true, patchConsole: false }),
    ...(stdin === undefined ? {} : { stdin }),
  });
}
