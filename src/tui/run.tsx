import type { ReactNode } from 'react';
import type { Browser } from '../model/browser.ts';
import type { EngineHandle } from '../model/command.ts';
import type { ConflictDesk } from '../model/conflicts.ts';
import type { KeyDesk } from '../model/key-desk.ts';
import type { ModeKind } from '../model/mode.ts';
import type { Clock } from '../model/ports.ts';
import type { PostureDesk } from '../model/posture.ts';
import type { SettingsDesk } from '../model/settings-desk.ts';
import { type ScreenStreams, type Stage, openStage } from './full-screen.ts';
import type { KeysAccess } from './keys-inside.tsx';
import { Pacer } from './pacer.ts';
import { asBuilt } from './production.ts';
import { ScreenStore } from './store.ts';
import type { Memory } from './ui.ts';
import type { WaitingProps } from './waiting.tsx';

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
  readonly browser?: Browser;
  readonly conflicts?: ConflictDesk;
  readonly posture?: PostureDesk;
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
  /** Takes it down as soon as the key screen inside it is closed and no restore is under way. */
  readonly changed?: AbortSignal;
  /** The keys of this machine; asked for when they are to be shown. */
  readonly keyDesk?: () => Promise<KeyDesk>;
  /** Begins where a screen with this ended. */
  readonly memory?: Memory;
  /** Where to draw; it stays as it is afterwards. Left out: a stage of its own. */
  readonly stage?: Stage;
}

/**
 * Shows vaults until all of their engines have ended. The terminal is as before afterwards, however it ends: Ink puts it
 * back on a crash and on signals, too. Rejects only with what React threw.
 */
export async function runScreen(options: ScreenOptions): Promise<void> {
  const { vaults, clock, note, attached, signal, changed, keyDesk, memory } = options;
  const [{ App }, { createElement }] = await asBuilt(() =>
    Promise.all([import('./app.tsx'), import('react')]),
  );
  const pacer = new Pacer(clock);
  const stores = vaults.map(({ handle }) => new ScreenStore(handle, clock, pacer));
  const left = Promise.withResolvers<void>();
  const leave = (): void => left.resolve();
  const gate = new Gate(leave);
  const drawn = async (): Promise<void> => (await stage).drawn();
  const keys: KeysAccess | undefined =
    keyDesk === undefined ? undefined : { desk: keyDesk, clock, drawn, onOpen: gate.hold };
  const app = createElement(App, {
    vaults,
    stores,
    pacer,
    clock,
    ...(note === undefined ? {} : { note }),
    ...(attached === true ? { onQuit: leave } : {}),
    during: gate.during,
    ...(keys === undefined ? {} : { keys }),
    ...(memory === undefined ? {} : { memory }),
  });
  const stage = onStage(app, options);
  const { over } = await stage;
  const ended = Promise.all(vaults.map(({ handle }) => handle.ended));
  // A vault at the other end that is let go of for a change of its keys is no end of the change; nor of a restore, which
  // needs no daemon.
  const end = attached === true ? gate.leave : leave;
  void ended.then(end, end);
  const stopHearing = [hear(signal, leave), hear(changed, gate.leave)];
  try {
    await Promise.race([left.promise, over]);
    if (options.stage === undefined) {
      (await stage).close();
      await over;
    }
  } finally {
    for (const stop of stopHearing) stop();
    for (const store of stores) store.close();
  }
}

async function onStage(node: ReactNode, options: ScreenOptions): Promise<Stage> {
  if (options.stage === undefined) return openStage(node, options);
  options.stage.show(node);
  return options.stage;
}

/** A stage for screens that follow one another; blank at first. */
export const blankStage = (streams: ScreenStreams = {}): Promise<Stage> =>
  asBuilt(() => openStage(null, streams));

/** Draws why there is nothing to be seen just now, until something else is shown. */
export async function showWaiting(stage: Stage, options: WaitingProps): Promise<void> {
  const [{ Waiting }, { createElement }] = await asBuilt(() =>
    Promise.all([import('./waiting.tsx'), import('react')]),
  );
  stage.show(createElement(Waiting, options));
}

function hear(signal: AbortSignal | undefined, fn: () => void): () => void {
  signal?.addEventListener('abort', fn, { once: true });
  if (signal?.aborted === true) fn();
  return () => signal?.removeEventListener('abort', fn);
}

/** Leaves at once, or when nothing holds it any longer. */
class Gate {
  readonly #leave: () => void;
  #holds = 0;
  #wanted = false;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  readonly hold = (held: boolean): void => {
    this.#holds += held ? 1 : -1;
    if (this.#holds === 0 && this.#wanted) this.#leave();
  };

  /** Held until it has settled. */
  readonly during = (work: Promise<unknown>): void => {
    this.hold(true);
    const over = (): void => this.hold(false);
    work.then(over, over);
  };

  readonly leave = (): void => {
    this.#wanted = true;
    if (this.#holds === 0) this.#leave();
  };
}
