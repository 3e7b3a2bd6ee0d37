import { type NameKey, nameKey, relPath } from '../model/brands.ts';
import type { Command, EngineHandle, Outcome } from '../model/command.ts';
import { EXIT, type VaultError, asVaultError, report } from '../model/errors.ts';
import type { EngineState, Event } from '../model/event.ts';
import type { Hint } from '../model/hint.ts';
import type { Action, RemoteEntry } from '../model/plan.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { DEFAULT_SETTLE_MS, DEFAULT_TRANSFERS } from '../model/vault.ts';
import { Brake } from './brake.ts';
import { sweepUploads } from './clean.ts';
import { type CollectedPlan, collectPlan } from './collect.ts';
import { Committer } from './committer.ts';
import { meetRemote } from './describe.ts';
import { Emitter } from './emitter.ts';
import { checkSource, lostSource, takeSource } from './guard.ts';
import { Hints } from './hints.ts';
import { Online } from './online.ts';
import { Performer } from './perform.ts';
import { previewPlan } from './preview.ts';
import { Retries, isFinal } from './retries.ts';
import {
  type RoundOptions,
  type RoundSources,
  markListed,
  mustList,
  planAll,
  planHints,
  roundSources,
} from './rounds.ts';
import { type RunHooks, Schedule } from './schedule.ts';
import { type SkipAction, Skips } from './skips.ts';
import { adoptStrays, withIntents } from './strays.ts';
import { type EngineParts, worldOf } from './world.ts';

export interface EngineOptions {
  /** Ends when in step; else keeps watching. */
  readonly once: boolean;
  /** Consent given beforehand (`--yes`). */
  readonly consent: boolean;
  /** Takes the folder as it is, after a lost-source refusal. */
  readonly acceptSource: boolean;
  /** Compares with the bucket's listing even where the Index is fresh. */
  readonly checkRemote: boolean;
  /** Called once the store has answered for this vault, before anything is sent. */
  readonly onMet?: () => Promise<void>;
}

const HOUR_MS = 3_600_000;
/** After `stop`, single requests under way may end; then everything is called off (uploads go on another time). */
const STOP_GRACE_MS = 3_000;
/** Without watching, a store that can't be reached for this long ends the run. */
const OFFLINE_PATIENCE_MS = 15_000;
/** Answers to requests that were under way together are one answer. */
const SLOWER_AT_MOST_EVERY_MS = 1_000;
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
  readonly #performer: Performer;
  readonly #retries: Retries;
  readonly #skips: Skips;
  readonly #brake: Brake;
  readonly #online: Online;
  readonly #abort = new AbortController();
  readonly #started: number;
  #schedule: Schedule | undefined;
  #running = 0;
  #plans = 0;
  #paused = false;
  #stopping = false;
  #interrupted = false;
  #fatal: VaultError | undefined;
  #sweep: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #idle = false;
  #slowedAt = Number.NEGATIVE_INFINITY;
  #rescanAll = true;
  #scanAlone = false;
  readonly ended: Promise<Outcome>;
  #end: (outcome: Outcome) => void = () => undefined;

  constructor(parts: EngineParts, options: EngineOptions) {
    this.#parts = parts;
    this.#options = options;
    const { clock, index, vault } = parts;
    this.#started = clock.ticks();
    this.#emitter = new Emitter(clock);
    this.#hints = new Hints(clock, vault.rules.settleMs ?? DEFAULT_SETTLE_MS, () => this.#awake());
    this.#committer = new Committer(index, clock);
    this.#retries = new Retries(clock, options.once);
    this.#skips = new Skips(this.#emitter);
    this.#brake = new Brake(clock, options.consent);
    this.#online = new Online({
      clock,
      store: parts.store,
      signal: this.#abort.signal,
      patienceMs: options.once ? OFFLINE_PATIENCE_MS : undefined,
      onOffline: (retryIn) => this.#wentOffline(retryIn),
      onOnline: () => this.#cameOnline(),
    });
    this.#performer = new Performer(worldOf(parts), this.#committer, this.#emitter, {
      mode: vault.mode.kind,
      signal: this.#abort.signal,
      again: (action, error) => this.#retries.willRetry(action.key, error),
      attempts: (action) => this.#retries.attempts(action.key) + 1,
      overlapping: () => this.#plans > 1,
      stopping: () => this.#stopping,
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

  command(command: Command): void {
    switch (command.command) {
      case 'pause':
        this.#paused = true;
        this.#schedule?.pause();
        this.#state('paused');
        return;
      case 'resume':
        if (!this.#paused) return;
        this.#paused = false;
        if (!this.#online.offline) this.#schedule?.resume();
        this.#state('working');
        this.#awake();
        return;
      case 'rescan':
        this.#hints.add({ kind: 'under', path: ROOT }, 0);
        return;
      case 'retry':
        for (const path of command.paths ?? this.#retries.paths()) {
          this.#hints.add({ kind: 'path', path: relPath(path) }, 0);
        }
        return;
      case 'first':
        // What still waits in the Plan is looked at now, and its Action goes first then.
        if (this.#schedule?.first(nameKey(command.path)) === false)
          this.#hints.add({ kind: 'path', path: relPath(command.path) }, 0);
        return;
      case 'consent':
        this.#consented(command.yes);
        return;
      case 'stop':
        this.#stop();
        return;
      default:
        command satisfies never;
    }
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
    const { done, failed } = this.#totals;
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

  readonly #totals = { done: { files: 0, bytes: 0 }, failed: 0 };

  async #prepare(): Promise<void> {
    this.#state('starting');
    const { vault, watcher } = this.#parts;
    await takeSource(this.#parts, this.#options.acceptSource);
    this.#schedule = await Schedule.create({
      transfers: vault.rules.transfers ?? DEFAULT_TRANSFERS,
      run: (action, freeSlot) => this.#perform(action, freeSlot),
      onPace: () => undefined,
    });
    if (this.#paused) this.#schedule.pause();
    await this.#online.reaching(() => meetRemote(this.#parts, this.#abort.signal));
    await this.#options.onMet?.();
    await this.#online.reaching(() => adoptStrays(this.#parts, this.#abort.signal));
    if (watcher !== undefined && !this.#stopping) {
      await watcher.start({
        hint: (hint) => this.#hints.add(hint),
        state: (state) => this.#emitter.emit({ event: 'watch', state }),
        warning: (code, message, hint) => this.#emitter.emit({ event: 'warning', code, message, hint }),
      });
      this.#scanLater();
    }
  }

  #scanLater(): void {
    const { clock } = this.#parts;
    clock.after(HOUR_MS * (0.9 + clock.random() * 0.2), () => {
      if (this.#stopping) return;
      this.#hints.add({ kind: 'under', path: ROOT }, 0);
      this.#scanLater();
    });
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      if (this.#mayScan()) await this.#roundAll();
      const hints = this.#hints.take();
      if (hints.length > 0) await this.#roundHints(hints);
      else if (this.#isQuiet()) {
        if (this.#options.once) return;
        this.#becomeIdle();
        await this.#sleepUntilWoken();
      } else if (!this.#mayScan()) await this.#sleepUntilWoken();
    }
  }

  /** A large file under way holds no scan back, unless the scan needs the spool, or a listing that nothing runs ahead of. */
  #mayScan(): boolean {
    if (!this.#rescanAll || this.#running === 0) return this.#rescanAll;
    return !this.#scanAlone && !mustList(this.#parts, this.#options.checkRemote);
  }

  #isQuiet(): boolean {
    return this.#running === 0 && this.#hints.size === 0 && !this.#rescanAll;
  }

  #becomeIdle(): void {
    if (this.#idle || this.#paused || this.#brake.holding) return;
    this.#idle = true;
    this.#retries.clear();
    this.#emitter.emit({ event: 'idle' });
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

  async #roundAll(): Promise<void> {
    const { index } = this.#parts;
    this.#rescanAll = false;
    this.#scanAlone = false;
    const listed = mustList(this.#parts, this.#options.checkRemote);
    this.#brake.reset();
    this.#state('scanning');
    this.#emitter.emit({ event: 'scan', state: 'start', files: 0 });
    let files = 0;
    let plan: CollectedPlan | undefined;
    await this.#online.reaching(async () => {
      this.#skips.restart();
      const onSeen = (seen: number): void => {
        files = seen;
        this.#emitter.emit({ event: 'scan', state: 'progress', files });
      };
      plan = await this.#collect(planAll(this.#sources({ listed, onSeen })));
    });
    this.#emitter.emit({ event: 'scan', state: 'done', files });
    if (plan === undefined) {
      this.#rescanAll = true;
      this.#scanAlone = true;
      return;
    }
    const known = index.count().files;
    if (files === 0 && known > 0 && !this.#options.acceptSource) {
      throw lostSource(this.#parts.vault, { kind: 'lost-source', why: 'empty-root' });
    }
    if (plan.removals.length > 0) await checkSource(this.#parts);
    this.#emitter.emit({ event: 'plan', ...plan.totals });
    this.#skips.report();
    // Marked when all of it is done or known to the Index: a listing that led to nothing is made again.
    this.#start(plan, known, listed ? { onDone: () => markListed(this.#parts) } : {});
    this.#sweep = sweepUploads(worldOf(this.#parts), this.#abort.signal).catch((thrown: unknown) => {
      const error = asVaultError(thrown);
      if (error.kind !== 'cancelled') this.#emitter.emit({ event: 'warning', ...report(error) });
    });
  }

  async #roundHints(hints: readonly Hint[]): Promise<void> {
    if (hints.some((hint) => hint.kind === 'under' && hint.path === ROOT)) {
      this.#rescanAll = true;
      return;
    }
    const remoteOf = (key: NameKey): RemoteEntry | undefined => this.#retries.remote(key);
    const plan = await this.#collect(planHints(this.#sources({ listed: false, remoteOf }), hints));
    if (plan === undefined) {
      this.#rescanAll = true;
      return;
    }
    this.#skips.report();
    if (plan.totals.put + plan.totals.removeRemote === 0) return;
    if (plan.removals.length > 0) await checkSource(this.#parts);
    this.#emitter.emit({ event: 'plan', ...plan.totals });
    this.#start(plan, this.#parts.index.count().files);
  }

  #sources(options: Omit<RoundOptions, 'signal'>): RoundSources {
    return roundSources(this.#parts, { ...options, signal: this.#abort.signal });
  }

  #collect(actions: AsyncIterable<Action>): Promise<CollectedPlan | undefined> {
    const onSkip = (skip: SkipAction): void => this.#skips.add(skip);
    return collectPlan(actions, { index: this.#parts.index, onSkip, spoolTaken: this.#running > 0 });
  }

  /** Sets a Plan going; removals only with consent where there are too many. */
  #start(plan: CollectedPlan, known: number, hooks: RunHooks = {}): void {
    const { go: removals, reason } = this.#brake.pass(plan.removals, known);
    if (reason !== undefined) {
      this.#emitter.emit({ event: 'consent', reason });
      this.#state('needs-you');
    }
    if (removals.length + plan.totals.put > 0) this.#state('working');
    this.#plans++;
    if (removals.length > 0) void this.#runActions(removals);
    void this.#runActions(withIntents(plan.actions(), this.#parts.index), hooks);
  }

  #consented(yes: boolean): void {
    const removals = this.#brake.answered(yes);
    this.#state(removals.length > 0 ? 'working' : 'idle');
    if (removals.length > 0) void this.#runActions(removals, { before: () => checkSource(this.#parts) });
    this.#awake();
  }

  async #runActions(actions: Iterable<Action>, hooks: RunHooks = {}): Promise<void> {
    this.#running++;
    try {
      await hooks.before?.();
      await this.#schedule?.runAll(actions, (action) => this.#hints.add({ kind: 'path', path: action.path }));
      if (!this.#stopping) hooks.onDone?.();
    } catch (thrown) {
      this.#fail(asVaultError(thrown));
    } finally {
      this.#running--;
      this.#awake();
    }
  }

  async #perform(action: Action, freeSlot: () => void): Promise<void> {
    if (this.#stopping) return;
    const performed = await this.#performer.perform(action, freeSlot).catch((thrown: unknown) => {
      this.#fail(asVaultError(thrown));
    });
    if (performed === undefined) return;
    if (performed.ended === 'failed') {
      this.#failed(action, performed.error);
      return;
    }
    this.#retries.forget(action.key);
    this.#skips.forget(action.path);
    if (performed.ended === 'nothing') return;
    this.#schedule?.succeeded();
    this.#totals.done.files++;
    this.#totals.done.bytes += action.kind === 'put' ? action.local.size : 0;
  }

  #failed(action: Action, error: VaultError): void {
    if (isFinal(error)) {
      if (error.kind === 'security') this.#totals.failed++;
      this.#fail(error);
      return;
    }
    if (error.kind === 'cancelled' && this.#stopping) return;
    if (error.kind === 'throttled') this.throttled(error);
    if (error.kind === 'offline') {
      void this.#online.wait(error).catch((thrown: unknown) => this.#fail(asVaultError(thrown)));
    }
    const delay = this.#retries.failed(action, error);
    if (delay === undefined) this.#totals.failed++;
    else this.#hints.add({ kind: 'path', path: action.path }, delay);
  }

  /** The store said that it is too much, also where a request was repeated below the engine and went through. */
  throttled(error: VaultError): void {
    const now = this.#parts.clock.ticks();
    if (now - this.#slowedAt < SLOWER_AT_MOST_EVERY_MS) return;
    this.#slowedAt = now;
    this.#schedule?.slower();
    this.#emitter.emit({
      event: 'throttle',
      resource: error.resource ?? 's3',
      rate: this.#schedule?.pace ?? 1,
      quota: null,
    });
  }

  #wentOffline(retryIn: number): void {
    this.#schedule?.pause();
    this.#state('offline', retryIn);
  }

  #cameOnline(): void {
    if (!this.#paused) this.#schedule?.resume();
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

  #stop(): void {
    this.#interrupted = true;
    if (this.#stopping) {
      this.#abort.abort();
      return;
    }
    this.#stopSoon();
  }

  #stopSoon(): void {
    if (!this.#stopping) this.#parts.clock.after(STOP_GRACE_MS, () => this.#abort.abort());
    this.#stopping = true;
    this.#schedule?.stop();
    this.#awake();
  }

  async #finish(): Promise<void> {
    this.#stopping = true;
    this.#hints.clear();
    this.#schedule?.stop();
    while (this.#running > 0) await this.#sleepUntilWoken();
    await this.#sweep;
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
    if (this.#brake.holding) return EXIT.consent;
    return this.#totals.failed > 0 || this.#skips.unprotected > 0 ? EXIT.someFailed : EXIT.inStep;
  }

  /** Whatever else goes on, a pause and a question that waits are what a person must see. */
  #state(state: EngineState, retryIn?: number): void {
    if (state !== 'idle') this.#idle = false;
    const quiet = state === 'working' || state === 'idle';
    const asking = this.#brake.holding && quiet;
    const told = this.#paused && (quiet || state === 'scanning') ? 'paused' : asking ? 'needs-you' : state;
    this.#emitter.emit({ event: 'state', state: told, ...(retryIn === undefined ? {} : { retryIn }) });
  }
}
