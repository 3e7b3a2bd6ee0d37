import type { InitDesk } from '../../model/init-desk.ts';
import type { Clock } from '../../model/ports.ts';
import { type ScreenStreams, openScreen } from '../full-screen.ts';
import { asBuilt } from '../production.ts';
import { WizardStore } from './store.ts';

export interface WizardOptions extends ScreenStreams {
  readonly desk: InitDesk;
  readonly clock: Clock;
  /** Ends it in order, as `q` does. */
  readonly signal?: AbortSignal;
}

export interface WizardEnd {
  /** The id of the vault; undefined where none was registered. */
  readonly registered: string | undefined;
  /** Names of keys that were created; they stay. */
  readonly created: readonly string[];
}

/**
 * Asks for all that a vault needs, until it is registered or the user leaves. The terminal is as before afterwards,
 * however it ends. Rejects only with what React threw.
 */
export async function runWizard(options: WizardOptions): Promise<WizardEnd> {
  const { desk, clock, signal } = options;
  const [{ WizardApp }, { createElement }] = await asBuilt(() =>
    Promise.all([import('./wizard-app.tsx'), import('react')]),
  );
  const store = new WizardStore(desk, clock);
  const harden = desk.hardenCommand.bind(desk);
  const screen = await openScreen(createElement(WizardApp, { store, harden }), options);
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
  }
  const { registered, created } = store.get();
  return { registered, created };
}
