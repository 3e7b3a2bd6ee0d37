import type { KeyDesk } from '../../model/key-desk.ts';
import type { Clock } from '../../model/ports.ts';
import { type ScreenStreams, openScreen } from '../full-screen.ts';
import { asBuilt } from '../production.ts';
import { KeysStore } from './store.ts';

export interface KeysScreenOptions extends ScreenStreams {
  readonly desk: KeyDesk;
  readonly clock: Clock;
  /** Ends the screen in order, as `q` does: what is under way is interrupted and waited for. */
  readonly signal?: AbortSignal;
}

/**
 * Shows the keys of a desk until the user quits; gives whether they could be read at all. The terminal is as before
 * afterwards, however it ends. Rejects only with what React threw.
 */
export async function runKeysScreen(options: KeysScreenOptions): Promise<{ readonly opened: boolean }> {
  const { desk, clock, signal } = options;
  const [{ KeysApp }, { createElement }] = await asBuilt(() =>
    Promise.all([import('./keys-app.tsx'), import('react')]),
  );
  const store = new KeysStore(desk, clock);
  const screen = await openScreen(createElement(KeysApp, { store, place: desk.place, clock }), options);
  store.start(() => screen.waitUntilRenderFlush());
  const end = (): void => store.end();
  signal?.addEventListener('abort', end, { once: true });
  // The last frame, without any secret, is drawn before the terminal is put back.
  void store.left.then(() => screen.waitUntilRenderFlush()).then(() => screen.unmount());
  try {
    await screen.waitUntilExit();
  } finally {
    signal?.removeEventListener('abort', end);
    desk.ask = undefined;
    desk.lock();
  }
  return { opened: store.opened };
}
