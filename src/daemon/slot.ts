import type { Command, EngineHandle, Outcome } from '../model/command.ts';
import { EXIT, type ErrorReport, VaultError, asVaultError, goingOn, report } from '../model/errors.ts';
import { isInStep } from '../model/in-step.ts';
import type { Event } from '../model/event.ts';
import type { HistoryAsk, HistoryWindow } from '../model/history.ts';
import type { Clock, Waits } from '../model/ports.ts';
import { EMPTY_WINDOW, type QueueAsk, type QueueWindow } from '../model/queue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Vault } from '../model/vault.ts';
import { againIn, kindOfExit } from './again.ts';
import { Feed } from './feed.ts';
import type { Phase } from './protocol.ts';

/** An opened vault, as the composition root gives it. */
export interface Opened {
  readonly engine: EngineHandle;
  run(): Promise<Outcome>;
  /** One cheap request: rejects where the store does not answer, or not to us. */
  reach?(options?: Waits): Promise<void>;
}

export interface SlotWorld {
  readonly clock: Clock;
  readonly open: (vault: Vault) => Promise<Opened>;
  readonly onEvent: (vault: Vault, event: Event) => void;
}

/** What the daemon wants of a vault: run it, keep its key out of memory, leave it to another process, be done with it. */
export type Wanted = 'run' | 'locked' | 'released' | 'gone';

/** A vault with another configuration lets its transfers end for so long before it takes that over. */
const PATIENCE_MS = 120_000;
/** After `stop` an engine ends within seconds; then it is told once more. */
const STOP_AGAIN_MS = 6_000;
/** Opening waits for key stores and commands, each with limits of its own; longer than this nothing is alive any more. */
const STUCK_MS = 300_000;

/**
 * One vault's life in the daemon: opened, run, tried again when it could not be, stopped and opened anew as is wanted.
 * What is done is done one after the other, so that a vault is never open twice.
 */
export class Slot {
  readonly #world: SlotWorld;
  readonly #feed: Feed;
  #vault: Vault;
  /** Its configuration once what runs under the old one has ended. */
  #coming: Vault | undefined;
  #hurry: (() => void) | undefined;
  #wanted: Wanted = 'run';
  #phase: Phase = 'opening';
  #running:
    | { readonly engine: EngineHandle; readonly opened: Opened; readonly ended: Promise<void> }
    | undefined;
  #turn: Promise<void> = Promise.resolve();
  #since: number;
  #failures = 0;
  #why: ErrorReport | undefined;
  #exit: number = EXIT.inStep;
  #wait: (() => void) | undefined;
  #paused = false;
  #barred = false;

  constructor(vault: Vault, world: SlotWorld) {
    this.#vault = vault;
    this.#world = world;
    this.#since = world.clock.ticks();
    this.#feed = new Feed(world.clock, (event) => world.onEvent(this.#vault, event));
  }

  get vault(): Vault {
    return this.#vault;
  }

  /** As the configuration has it: it may have to be taken over still. */
  get configured(): Vault {
    return this.#coming ?? this.#vault;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get snapshot(): Snapshot {
    return this.#feed.snapshot;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Why it is not running; undefined while it is. */
  get why(): ErrorReport | undefined {
    return this.#why;
  }

  /** It runs, and nothing is left to do for it. */
  get inStep(): boolean {
    return this.#phase === 'running' && isInStep(this.#feed.snapshot);
  }

  /** It waits for a person: time alone mends nothing. */
  get barred(): boolean {
    return this.#phase === 'waiting' && this.#barred;
  }

  /** The exit code of what keeps it from running. */
  get exit(): number {
    return this.#exit;
  }

  /** False where opening or closing hangs. */
  get alive(): boolean {
    const passing = this.#phase === 'opening' || this.#phase === 'closing';
    return !passing || this.#world.clock.ticks() - this.#since < STUCK_MS;
  }

  /** Resolves once what it was told so far is done, or was tried. */
  get tried(): Promise<void> {
    return this.#turn;
  }

  /** Resolves once it is so; for `run` once it was tried. */
  want(wanted: Wanted): Promise<void> {
    // Nothing that is still under way elsewhere brings it back.
    if (this.#wanted !== 'gone') this.#wanted = wanted;
    this.#wait?.();
    this.#wait = undefined;
    if (this.#wanted !== 'run') this.#hurry?.();
    return this.#next(() => this.#settle());
  }

  /** Another configuration of the same vault: the transfers under way end, two minutes at most, and all begins anew under it. */
  change(vault: Vault): Promise<void> {
    this.#coming = vault;
    return this.#next(async () => {
      // Taken over with an earlier one.
      if (this.#coming === undefined) return;
      await this.#close(true);
      this.#vault = this.#coming;
      this.#coming = undefined;
      this.#failures = 0;
      this.#wait?.();
      this.#wait = undefined;
      await this.#settle();
    });
  }

  /** Throws kind `usage` where the vault does not run, or is not to; what was refused has no effect later either. */
  command(command: Command): void {
    if (this.#wanted !== 'run' && command.command !== 'stop') throw refusal(HELD_BACK[this.#wanted]);
    // Its engine ends, but that is not the end of syncing, as the engine would say.
    if (this.#phase === 'closing' && command.command !== 'stop')
      throw this.#coming === undefined ? this.#notRunning() : refusal(TAKING_OVER);
    // A pause of what does not run would be seen by nobody, and hold it back later.
    if (this.#running !== undefined) this.#running.engine.command(command);
    else if (this.#phase === 'waiting' && WAKES.has(command.command)) void this.want('run');
    else throw this.#notRunning();
    if (command.command === 'pause' || command.command === 'resume')
      this.#paused = command.command === 'pause';
  }

  /** Rejects where the store does not answer, and with kind `usage` where the vault does not run. */
  async reach(options: Waits = {}): Promise<void> {
    if (this.#running === undefined || this.#phase !== 'running') throw this.#notRunning();
    await this.#running.opened.reach?.(options);
  }

  /** What waits; nothing where the vault does not run. */
  async queue(ask: QueueAsk): Promise<QueueWindow> {
    return (await this.#running?.engine.queue?.(ask)) ?? EMPTY_WINDOW;
  }

  /** What happened. Rejects with kind `usage` where the vault does not run. */
  async history(ask: HistoryAsk): Promise<HistoryWindow> {
    const window = await this.#running?.engine.history?.(ask);
    if (window === undefined) throw this.#notRunning();
    return window;
  }

  #notRunning(): VaultError {
    const hint = this.#why?.hint ?? 'see: s3vault daemon status';
    const message = this.#why?.message ?? `not synced just now: ${PHASES[this.#phase]}`;
    return new VaultError('usage', 'not-running', message, { hint });
  }

  #next(fn: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(fn);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #settle(): Promise<void> {
    if (this.#wanted !== 'run') {
      await this.#close();
      // Meanwhile it may be wanted otherwise; then another turn follows.
      if (this.#wanted === 'locked') this.#lock();
      if (this.#wanted === 'released') this.#release();
      return;
    }
    if (this.#running === undefined && this.#wait === undefined) await this.#open();
  }

  async #open(): Promise<void> {
    this.#begin();
    try {
      const opened = await this.#world.open(this.#vault);
      this.#why = undefined;
      this.#exit = EXIT.inStep;
      this.#enter('running');
      this.#run(opened);
    } catch (thrown) {
      this.#failed(asVaultError(thrown));
    }
  }

  /** What was said of its last life holds no longer; one that waits is tried again, and goes on saying why it waits. */
  #begin(): void {
    const again = this.#phase === 'waiting';
    this.#enter('opening');
    if (again || this.snapshot.state === 'starting') return;
    this.#why = undefined;
    this.#feed.say({ event: 'state', state: 'starting' });
  }

  #run(opened: Opened): void {
    const { engine } = opened;
    let last: ErrorReport | undefined;
    const leave = engine.subscribe((event) => {
      if (event.event === 'warning') last = event;
      if (event.event === 'idle') this.#failures = 0;
      // Its end is the daemon's business, not that of who looks.
      if (event.event !== 'summary') this.#feed.pass(event);
    });
    const over = (): boolean => {
      leave();
      this.#running = undefined;
      return this.#phase === 'running' && this.#wanted === 'run';
    };
    const ended = opened.run().then(
      ({ exit }) => {
        if (over()) this.#ended(exit, last);
      },
      // A full disk at its very end, say: the trouble of this vault, and of no other.
      (thrown: unknown) => {
        if (over()) this.#failed(asVaultError(thrown));
        else this.#feed.say({ event: 'warning', ...report(asVaultError(thrown)) });
      },
    );
    this.#running = { engine, ended, opened };
    if (this.#paused) engine.command({ command: 'pause' });
  }

  /** By itself: something was final for the engine. */
  #ended(exit: number, last: ErrorReport | undefined): void {
    const { code, message, hint } = last ?? { code: 'ended', message: 'the sync ended by itself' };
    this.#failed(new VaultError(kindOfExit(exit), code, message, hint === undefined ? {} : { hint }));
  }

  #failed(error: VaultError): void {
    const before = this.#why;
    this.#failures++;
    const again = againIn(error, this.#failures, this.#world.clock.random());
    this.#why = report(again === undefined ? error : goingOn(error));
    this.#exit = error.exit;
    this.#enter('waiting');
    const { message, hint } = this.#why;
    const known = before?.code === error.code && before.message === message;
    const shown = this.#feed.snapshot.problems.get(error.code);
    const same = shown?.message === message;
    // An engine that ends does not know that its vault is opened again.
    if (same ? shown?.hint !== hint : !known) this.#feed.say({ event: 'warning', ...this.#why });
    const state = error.kind === 'offline' ? 'offline' : 'needs-you';
    this.#feed.say({ event: 'state', state, ...(again === undefined ? {} : { retryIn: again }) });
    this.#barred = again === undefined;
    if (again === undefined) {
      // Nothing but a wish of somebody ends this wait.
      this.#wait = () => undefined;
      return;
    }
    this.#wait = this.#world.clock.after(again, () => {
      this.#wait = undefined;
      void this.#next(() => this.#settle());
    });
  }

  /** `patient`: lets transfers end, unless the vault is to be closed for another reason meanwhile. */
  async #close(patient = false): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#enter('closing');
    const { clock } = this.#world;
    const { engine, ended } = running;
    const stop = (): void => engine.command({ command: 'stop' });
    let callOff = (): void => undefined;
    const hurry = (): void => {
      this.#hurry = undefined;
      callOff();
      stop();
      callOff = clock.after(STOP_AGAIN_MS, stop);
    };
    const { active, state } = this.snapshot;
    // Nothing of it moves while the store is not reached.
    if (patient && this.#wanted === 'run' && active.size > 0 && state !== 'offline') {
      engine.command({ command: 'stop', patient: true });
      callOff = clock.after(PATIENCE_MS, hurry);
      this.#hurry = hurry;
    } else hurry();
    await ended;
    this.#hurry = undefined;
    callOff();
  }

  #lock(): void {
    if (this.#phase === 'locked') return;
    this.#enter('locked');
    this.#why = LOCKED;
    this.#feed.say({ event: 'warning', ...LOCKED });
    this.#feed.say({ event: 'state', state: 'needs-you' });
  }

  #release(): void {
    if (this.#phase === 'released') return;
    this.#enter('released');
    this.#why = RELEASED;
    this.#feed.say({ event: 'state', state: 'paused' });
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#since = this.#world.clock.ticks();
  }
}

/** What a person does who looks at a vault that waits: it is tried now. */
const WAKES: ReadonlySet<Command['command']> = new Set(['retry', 'rescan', 'resume']);

const PHASES: { readonly [P in Phase]: string } = {
  opening: 'it is being opened',
  running: 'it is being opened',
  waiting: 'it waits',
  locked: 'it is locked',
  released: 'another command works on it',
  closing: 'it is being closed',
};

const LOCKED: ErrorReport = {
  code: 'locked',
  message: 'locked: its key is out of memory',
  hint: 'go on with: s3vault daemon unlock',
};

const RELEASED: ErrorReport = {
  code: 'released',
  message: 'another s3vault command works on this vault',
  hint: 'the daemon goes on when that ends',
};

const TAKING_OVER: ErrorReport = {
  code: 'taking-over',
  message: 'its new settings are being taken over: what is under way ends first',
  hint: 'try again when that is done',
};

const GONE: ErrorReport = {
  code: 'gone',
  message: 'this vault is no longer one of the daemon',
  hint: 's3vault vaults lists those that are registered',
};

const HELD_BACK: { readonly [W in Exclude<Wanted, 'run'>]: ErrorReport } = {
  locked: LOCKED,
  released: RELEASED,
  gone: GONE,
};

const refusal = ({ code, message, hint }: ErrorReport): VaultError =>
  new VaultError('usage', code, message, hint === undefined ? {} : { hint });
