import type { Instance } from 'ink';
import type { ReactNode } from 'react';

/** For tests; the process's own otherwise. */
export interface ScreenStreams {
  readonly stdout?: NodeJS.WriteStream;
  readonly stdin?: NodeJS.ReadStream;
}

/** Ink holds a frame back for so long, twice: short, for keys. What happens by itself comes slower, by the Pacer. */
const MAX_FPS = 500;

/** Draws in the alternate screen. Ink puts the terminal back on a crash and on signals, too. */
export async function openScreen(node: ReactNode, { stdout, stdin }: ScreenStreams): Promise<Instance> {
  const { render } = await import('ink');
  return render(node, {
    alternateScreen: true,
    exitOnCtrlC: false,
    incrementalRendering: true,
    maxFps: MAX_FPS,
    ...(stdout === undefined ? {} : { stdout, interactive: true, patchConsole: false }),
    ...(stdin === undefined ? {} : { stdin }),
  });
}
