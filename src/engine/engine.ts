import { type RelPath, relPath } from '../model/brands.ts';
import type { Command, EngineHandle, Outcome } from '../model/command.ts';
import { EXIT, type VaultError, asVaultError, report } from '../model/errors.ts';
import type { EngineState, Event, EventBody } from '../model/event.ts';
import type { HistoryAsk, HistoryWindow } from '../model/history.ts';
import type { Action } from '../model/plan.ts';
import type { QueueAsk, QueueWindow } from '../model/queue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { DEFAULT_POLL_REMOTE_MS, DEFAULT_SETTLE_MS } from '../model/vault.ts';
import { Committer } from './committer.ts';
import { meetRemote } from './describe.ts';
import { Emitter } from './emitter.ts';
import { checkSource, takeSource } from './guard.ts';
import { Hints } from './hints.ts';
import { bindLinks } from './kind.ts';
import { Online } from './online.ts';
import { previewPlan } from './preview.ts';
import { ending, notLookedAt, pathIn } from './refusals.ts';
import { Runs } from './runs.ts';
import { Scanning } from './scanning.ts';
import { Skips } from './skips.ts';
import { adoptStrays } from './strays.ts';
import { Standing } from './standing.ts';
import { Timetable } from './timetable.ts';
import { prepareTwoWay } from './two-way.ts';
import type { EngineParts } from './world.ts';

export interface EngineOptions {
  /** Ends when in step; else keeps watching. */
  readonly once: boolean;
  /** Consent given beforehand (`--yes`). */
  readonly consent: boolean;
  /** The first Plan waits until a person has seen it. */
  readonly review?: boolean;
  /** Takes the folder as it is, after a lost-source refusal. */
  readonly acceptSource: boolean;
  /** Compares with the bucket's listing even where the Index is fresh. */
  readonly checkRemote: boolean;
  /** Called once the store has answered for this vault, before anything is sent. */
  readonly onMet?: () => Promise<void>;
  /** Lines of a plan file (`planFileLine`): exactly these Actions are done, or none. */
  readonly planned?: readonly string[] | undefined;
  /** Actions of a Plan kept in memory, what is more waits in the Index; default 20,000. */
  readonly inMemory?: number;
}

/** After `stop`, single requests under way may end; then everything is called off (uploads go on another time). */
const STOP_GRACE_MS = 3_000;
/** Without watching, a store that can't be reached for this long ends the run. */
const OFFLINE_PATIENCE_MS = 15_000;
const ROOT = relPath('');

/**
 * One vault's engine: hint → entry → plan → transfer → receipt → record → event, over and over. Everything outside
 * comes in through ports; only this folder writes the Index, and only with a Receipt in hand.
 */
export class Engine implements EngineHandle {
  readonly #parts: EngineParts;
  readonly #options: EngineOptions;
  readonly #emitter: Emitter;
  readonly #hints: Hints;
  readonly #committer: Committer;
  readonly #skips: Skips;
  readonly #runs: Runs;
  readonly #online: Online;
  readonly #standing: Standing;
  readonly #timetable: Timetable;
  readonly #scanning: Scanning;
  readonly #abort = new AbortController();
  readonly #started: number;
  #paused = false;
  /** A person did not agree to the first Plan: nothing is looked at before they go on. */
  #declined = false;
  #stopping = false;
  /** It ends, and what is under way may take its time. */
  #patient = false;
  #interrupted = false;
  #fatal: VaultError | undefined;
  #wake: (() => void) | undefined;
  #idle = false;
  readonly ended: Promise<Outcome>;
  #end: (outcome: Outcome) => void = () => undefined;

  constructor(parts: EngineParts, options: EngineOptions) {
    this.#parts = parts;
    this.#options = options;
    const { clock, index, vault } = parts;
    this.#started = clock.ticks();
    this.#emitter = new Emitter(clock);
    this.#hints = new Hints(clock, vault.rules.settleMs ?? DEFAULT_SETTLE_MS, () => this.#awake());
    this.#committer = new Committer(index, clock, this.#emitter);
    this.#skips = new Skips(this.#emitter);
    this.#online = new Online({
      clock,
      store: parts.store,
      signal: this.#abort.signal,
      patienceMs: options.once ? OFFLINE_PATIENCE_MS : undefined,
      onOffline: (retryIn) => this.#wentOffline(retryIn),
      onOnline: () => this.#cameOnline(),
    });
    this.#standing = new Standing({
      described: parts,
      online: this.#online,
      emitter: this.#emitter,
      signal: this.#abort.signal,
      fail: (error) => this.#fail(error),
    });
    this.#timetable = new Timetable({
      clock,
      pollMs: vault.direction === 'push' ? undefined : (vault.rules.pollRemoteMs ?? DEFAULT_POLL_REMOTE_MS),
      onScan: () => this.#hints.add({ kind: 'under', path: ROOT }, 0),
      onBucket: () => {
        this.#scanning.wantBucket();
        this.#awake();
      },
    });
    const shared = {
      parts,
      emitter: this.#emitter,
      hints: this.#hints,
      skips: this.#skips,
      online: this.#online,
      standing: this.#standing,
      signal: this.#abort.signal,
      fail: (error: VaultError) => this.#fail(error),
      state: (state: EngineState) => this.#state(state),
    };
    this.#runs = new Runs({
      ...shared,
      committer: this.#committer,
      once: options.once,
      consent: options.consent,
      review: options.review ?? false,
      stopping: () => this.#stopping,
      declined: () => this.#decline(),
      awake: () => this.#awake(),
    });
    this.#scanning = new Scanning({
      ...shared,
      timetable: this.#timetable,
      runs: this.#runs,
      acceptSource: options.acceptSource,
      checkRemote: options.checkRemote,
      planned: options.planned,
      inMemory: options.inMemory,
      once: options.once,
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  subscribe(listener: (event: Event) => void): () => void {
    return this.#emitter.subscribe(listener);
  }

  snapshot(): Snapshot {
    return this.#emitter.snapshot;
  }

  queue(ask: QueueAsk): Promise<QueueWindow> {
    return this.#runs.queue(ask);
  }

  history(ask: HistoryAsk): Promise<HistoryWindow> {
    return this.#committer.history.window(ask);
  }

  /** Says what others know of this work. */
  readonly announce = (body: EventBody): void => this.#emitter.emit(body);

  command(command: Command): void {
    if (this.#stopping && command.command !== 'stop') throw ending();
    switch (command.command) {
      case 'pause':
        this.#paused = true;
        this.#runs.pause();
        this.#state('paused');
        return;
      case 'resume':
        if (!this.#paused) return;
        this.#paused = false;
        this.#declined = false;
        if (!this.#online.offline) this.#runs.resume();
        this.#state('working');
        this.#awake();
        return;
      case 'rescan':
        if (this.#declined) throw notLookedAt();
        this.#scanning.wantScan();
        this.#awake();
        return;
      case 'retry':
        this.#retry(command.paths?.map(pathIn));
        return;
      case 'first':
        this.#runs.first(pathIn(command.path));
        return;
      case 'skip':
        this.#runs.skip(pathIn(command.path));
        return;
      case 'consent':
        this.#runs.consented(command);
        return;
      case 'stop':
        this.#stop(command.patient === true);
        return;
      default:
        command satisfies never;
    }
  }

  #decline(): void {
    this.#declined = true;
    this.#scanning.wantScan();
    this.command({ command: 'pause' });
  }

  #retry(paths: readonly RelPath[] = this.#runs.failedPaths()): void {
    this.#runs.takeIn(paths);
    for (const path of paths) this.#runs.lookAgain(path);
  }

  /** Runs to the end; never rejects. The Outcome also comes through `ended`. */
  async run(): Promise<Outcome> {
    try {
      await this.#prepare();
      await this.#loop();
    } catch (thrown) {
      this.#fail(asVaultError(thrown));
    }
    await this.#finish();
    // Nobody waits any more for what may still wait: probes of the store, timers.
    this.#abort.abort();
    const exit = this.#exit();
    const { done, failed } = this.#runs.totals;
    this.#emitter.emit({
      event: 'summary',
      files: done.files,
      bytes: done.bytes,
      failed,
      skipped: this.#skips.count,
      ms: Math.round(this.#parts.clock.ticks() - this.#started),
      exit,
    });
    this.#end({ exit });
    return { exit };
  }

  /** See `previewPlan`. */
  preview(onAction: (action: Action) => void): Promise<Outcome> {
    const options = {
      checkRemote: this.#options.checkRemote,
      acceptSource: this.#options.acceptSource,
      emitter: this.#emitter,
      signal: this.#abort.signal,
    };
    return previewPlan(this.#parts, options, onAction);
  }

  async #prepare(): Promise<void> {
    this.#state('starting');
    const { vault, watcher } = this.#parts;
    const { acceptSource, onMet } = this.#options;
    if (!acceptSource) await checkSource(this.#parts);
    await this.#runs.open();
    if (this.#paused) this.#runs.pause();
    const { signal } = this.#abort;
    if (vault.direction !== 'push')
      await this.#online.reaching(() => prepareTwoWay(this.#parts, this.#emitter, signal));
    await this.#online.reaching(() => meetRemote(this.#parts, acceptSource, signal));
    bindLinks(this.#parts);
    this.#standing.met();
    await onMet?.();
    // Not before: a folder that was turned away carries no mark of a vault that never came to be.
    await takeSource(this.#parts, acceptSource);
    await this.#online.reaching(() => adoptStrays(this.#parts, this.#abort.signal));
    if (watcher !== undefined && !this.#stopping) {
      await watcher.start({
        hint: (hint) => this.#hints.add(hint),
        state: (state) => this.#emitter.emit({ event: 'watch', state }),
        warning: (code, message, hint) => this.#emitter.emit({ event: 'warning', code, message, hint }),
      });
      this.#timetable.start();
    }
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      if (this.#mayScan()) await this.#scanning.all();
      const hints = this.#hints.take();
      if (hints.length > 0) await this.#scanning.hinted(hints);
      else if (this.#scanning.bucketDue && !this.#declined && !this.#runs.reviewing)
        await this.#scanning.bucket();
      else if (this.#isQuiet() && !this.#scanning.wantLooks()) {
        if (this.#options.once) return this.#runs.over();
        this.#timetable.quiet(this.#runs.totals.sent);
        this.#becomeIdle();
        await this.#sleepUntilWoken();
      } else if (!this.#mayScan()) await this.#sleepUntilWoken();
    }
  }

  #mayScan(): boolean {
    return !this.#declined && this.#scanning.mayScan;
  }

  #isQuiet(): boolean {
    return this.#runs.running === 0 && this.#hints.size === 0 && !this.#scanning.scanDue;
  }

  #becomeIdle(): void {
    if (this.#paused || this.#runs.holding) return;
    const news = this.#runs.settle(this.#idle);
    this.#idle = true;
    if (news !== undefined) this.#emitter.emit(news);
  }

  #sleepUntilWoken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** The store said that it is too much, also where a request was repeated below the engine and went through. */
  throttled(error: VaultError): void {
    this.#runs.throttled(error);
  }

  #wentOffline(retryIn: number): void {
    this.#runs.pause();
    this.#state('offline', retryIn);
  }

  #cameOnline(): void {
    this.#standing.cameOnline();
    if (!this.#paused) this.#runs.resume();
    this.#state('working');
  }

  /** The first fatal error decides; what is under way may end, nothing new starts. */
  #fail(error: VaultError): void {
    if (this.#stopping && error.kind === 'cancelled') return;
    if (this.#fatal === undefined || (error.kind === 'security' && this.#fatal.kind !== 'security')) {
      this.#fatal = error;
      this.#emitter.emit({ event: 'warning', ...report(error) });
    }
    this.#stopSoon();
  }

  #stop(patient: boolean): void {
    this.#interrupted = true;
    if (!this.#stopping || this.#patient) this.#stopSoon(patient);
    else if (!patient) this.#abort.abort();
  }

  #stopSoon(patient = false): void {
    const waits = !this.#stopping || this.#patient;
    if (waits && !patient) this.#parts.clock.after(STOP_GRACE_MS, () => this.#abort.abort());
    this.#patient = waits && patient;
    this.#stopping = true;
    this.#runs.stop();
    this.#awake();
  }

  async #finish(): Promise<void> {
    this.#stopping = true;
    this.#timetable.stop();
    this.#hints.clear();
    this.#runs.stop();
    while (this.#runs.running > 0) await this.#sleepUntilWoken();
    await this.#scanning.settled();
    await this.#runs.settled();
    this.#committer.flush();
    try {
      await this.#parts.watcher?.close();
    } catch (thrown) {
      this.#emitter.emit({ event: 'warning', ...report(asVaultError(thrown)) });
    }
  }

  #exit(): number {
    if (this.#fatal !== undefined) return this.#fatal.exit;
    if (this.#interrupted) return EXIT.interrupted;
    if (this.#runs.holding) return EXIT.consent;
    if (this.#runs.totals.distrusted > 0) return EXIT.security;
    const short = this.#runs.totals.failed + this.#skips.unprotected + this.#runs.leftOut;
    if (short > 0) return EXIT.someFailed;
    return this.#runs.declined > 0 ? EXIT.consent : EXIT.inStep;
  }

  /** Whatever else goes on, a pause and a question that waits are what a person must see. */
  #state(state: EngineState, retryIn?: number): void {
    if (state !== 'idle') this.#idle = false;
    const quiet = state === 'working' || state === 'idle';
    const asking = this.#runs.holding && quiet;
    const offline = this.#online.offline && quiet;
    const still = this.#paused && (quiet || state === 'scanning');
    const told = still ? 'paused' : asking ? 'needs-you' : offline ? 'offline' : state;
    // Said already, with the wait that is running out.
    if (told === 'offline' && state !== told && this.#emitter.snapshot.state === told) return;
    const wait = told === 'offline' ? (retryIn ?? this.#online.retryIn) : retryIn;
    this.#emitter.emit({ event: 'state', state: told, ...(wait === undefined ? {} : { retryIn: wait }) });
  }
}
