import type { EngineHandle } from '../model/command.ts';
import type { ModeKind } from '../model/mode.ts';
import type { Clock } from '../model/ports.ts';
import type { SettingsDesk } from '../model/settings-desk.ts';
import { type ScreenStreams, openScreen } from './full-screen.ts';
import { Pacer } from './pacer.ts';
import { ScreenStore } from './store.ts';

/** One vault on the screen; the handle is an engine in this process or at the other end of a socket. */
export interface ScreenVault {
  /** The folder. */
  readonly title: string;
  /** `s3://BUCKET/PREFIX`. */
  readonly target: string;
  readonly mode: ModeKind;
  /** Name of the key, empty where there is none. */
  readonly key: string;
  readonly handle: EngineHandle;
  readonly settings?: SettingsDesk;
}

export interface ScreenOptions extends ScreenStreams {
  readonly vaults: readonly ScreenVault[];
  readonly clock: Clock;
  /** A sentence that stays. */
  readonly note?: string;
  /** The engines live elsewhere: leaving the screen is only that, and stops none of them. */
  readonly attached?: boolean;
  /** Takes the screen down. */
  readonly signal?: AbortSignal;
}

/**
 * Shows vaults until all of their engines have ended. The terminal is as before afterwards, however it ends: Ink puts it
 * back on a crash and on signals, too. Rejects only with what React threw.
 */
export async function runScreen(options: ScreenOptions): Promise<void> {
  const { vaults, clock, note, attached, signal } = options;
  const [{ App }, { createElement }] = await Promise.all([import('./app.tsx'), import('react')]);
  const pacer = new Pacer(clock);
  const stores = vaults.map(({ handle }) => new ScreenStore(handle, clock, pacer));
  const leave = (): void => screen.unmount();
  const app = createElement(App, {
    vaults,
    stores,
    ...(note === undefined ? {} : { note }),
    ...(attached === true ? { onQuit: leave } : {}),
  });
  const screen = await openScreen(app, options);
  const ended = Promise.all(vaults.map(({ handle }) => handle.ended));
  void ended.then(leave, leave);
  signal?.addEventListener('abort', leave, { once: true });
  if (signal?.aborted === true) leave();
  try {
    await screen.waitUntilExit();
  } finally {
    signal?.removeEventListener('abort', leave);
    for (const store of stores) store.close();
  }
}
