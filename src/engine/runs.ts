import type { NameKey } from '../model/brands.ts';
import { type VaultError, asVaultError } from '../model/errors.ts';
import type { EngineState } from '../model/event.ts';
import type { Action, RemoteEntry } from '../model/plan.ts';
import { DEFAULT_TRANSFERS } from '../model/vault.ts';
import { Brake } from './brake.ts';
import type { CollectedPlan } from './collect.ts';
import type { Committer } from './committer.ts';
import type { Emitter } from './emitter.ts';
import { checkSource } from './guard.ts';
import type { Hints } from './hints.ts';
import type { Online } from './online.ts';
import { Performer } from './perform.ts';
import { Retries, isFinal } from './retries.ts';
import { type RunHooks, Schedule } from './schedule.ts';
import type { Skips } from './skips.ts';
import { withIntents } from './strays.ts';
import { type EngineParts, worldOf } from './world.ts';

/** Answers to requests that were under way together are one answer. */
const SLOWER_AT_MOST_EVERY_MS = 1_000;

export interface RunsOptions {
  readonly parts: EngineParts;
  readonly emitter: Emitter;
  readonly hints: Hints;
  readonly skips: Skips;
  readonly online: Online;
  readonly committer: Committer;
  readonly signal: AbortSignal;
  readonly once: boolean;
  /** Consent to removals given beforehand. */
  readonly consent: boolean;
  readonly stopping: () => boolean;
  /** Ends the engine with this error. */
  readonly fail: (error: VaultError) => void;
  readonly state: (state: EngineState) => void;
  /** Called when something has ended. */
  readonly awake: () => void;
}

/** Carries Plans out: holds removals back, runs Actions through the schedule, and draws the conclusions from each end. */
export class Runs {
  readonly #options: RunsOptions;
  readonly #performer: Performer;
  readonly #retries: Retries;
  readonly #brake: Brake;
  #schedule: Schedule | undefined;
  #running = 0;
  #plans = 0;
  #slowedAt = Number.NEGATIVE_INFINITY;
  readonly totals = { done: { files: 0, bytes: 0 }, failed: 0 };

  constructor(options: RunsOptions) {
    this.#options = options;
    const { parts, committer, emitter, signal, once, consent, stopping } = options;
    this.#retries = new Retries(parts.clock, once);
    this.#brake = new Brake(parts.clock, consent);
    this.#performer = new Performer(worldOf(parts), committer, emitter, {
      mode: parts.vault.mode.kind,
      signal,
      again: (action, error) => this.#retries.willRetry(action.key, error),
      attempts: (action) => this.#retries.attempts(action.key) + 1,
      overlapping: () => this.#plans > 1,
      stopping,
    });
  }

  async open(paused: boolean): Promise<void> {
    const { vault } = this.#options.parts;
    this.#schedule = await Schedule.create({
      transfers: vault.rules.transfers ?? DEFAULT_TRANSFERS,
      run: (action, freeSlot) => this.#perform(action, freeSlot),
      onPace: () => undefined,
    });
    if (paused) this.#schedule.pause();
  }

  /** Plans being carried out. */
  get running(): number {
    return this.#running;
  }

  /** Removals wait for a person. */
  get holding(): boolean {
    return this.#brake.holding;
  }

  /** Paths whose last try failed. */
  failedPaths(): readonly Action['path'][] {
    return this.#retries.paths();
  }

  /** See `Retries.remote`. */
  remoteOf(key: NameKey): RemoteEntry | undefined {
    return this.#retries.remote(key);
  }

  /** Everything is in step: what failed has resolved itself. */
  forgetTroubles(): void {
    this.#retries.clear();
  }

  /** A new scan finds again what is held. */
  forgetHeld(): void {
    this.#brake.reset();
  }

  pause(): void {
    this.#schedule?.pause();
  }

  resume(): void {
    this.#schedule?.resume();
  }

  stop(): void {
    this.#schedule?.stop();
  }

  /** True where the key is queued, and goes first now. */
  first(key: NameKey): boolean {
    return this.#schedule?.first(key) !== false;
  }

  /** Sets a Plan going; removals only with consent where there are too many. */
  start(plan: CollectedPlan, known: number, hooks: RunHooks = {}): void {
    const { parts, emitter, state } = this.#options;
    const { go: removals, reason } = this.#brake.pass(plan.removals, known);
    if (reason !== undefined) {
      emitter.emit({ event: 'consent', reason });
      state('needs-you');
    }
    if (removals.length + plan.totals.put > 0) state('working');
    this.#plans++;
    if (removals.length > 0) void this.#runActions(removals);
    void this.#runActions(withIntents(plan.actions(), parts.index), hooks);
  }

  /** A person answered. */
  consented(yes: boolean): void {
    const { parts, state, awake } = this.#options;
    const removals = this.#brake.answered(yes);
    state(removals.length > 0 ? 'working' : 'idle');
    if (removals.length > 0) void this.#runActions(removals, { before: () => checkSource(parts) });
    awake();
  }

  async #runActions(actions: Iterable<Action>, hooks: RunHooks = {}): Promise<void> {
    const { hints, stopping, fail, awake } = this.#options;
    this.#running++;
    try {
      await hooks.before?.();
      await this.#schedule?.runAll(actions, (action) => hints.add({ kind: 'path', path: action.path }));
      if (!stopping()) hooks.onDone?.();
    } catch (thrown) {
      fail(asVaultError(thrown));
    } finally {
      this.#running--;
      awake();
    }
  }

  async #perform(action: Action, freeSlot: () => void): Promise<void> {
    const { stopping, fail, skips } = this.#options;
    if (stopping()) return;
    const performed = await this.#performer.perform(action, freeSlot).catch((thrown: unknown) => {
      fail(asVaultError(thrown));
    });
    if (performed === undefined) return;
    if (performed.ended === 'failed') {
      this.#failed(action, performed.error);
      return;
    }
    this.#retries.forget(action.key);
    skips.forget(action.path);
    if (performed.ended === 'nothing') return;
    this.#schedule?.succeeded();
    this.totals.done.files++;
    this.totals.done.bytes += action.kind === 'put' ? action.local.size : 0;
  }

  #failed(action: Action, error: VaultError): void {
    const { stopping, fail, online, hints } = this.#options;
    if (isFinal(error)) {
      if (error.kind === 'security') this.totals.failed++;
      fail(error);
      return;
    }
    if (error.kind === 'cancelled' && stopping()) return;
    if (error.kind === 'throttled') this.throttled(error);
    if (error.kind === 'offline') {
      void online.wait(error).catch((thrown: unknown) => fail(asVaultError(thrown)));
    }
    const delay = this.#retries.failed(action, error);
    if (delay === undefined) this.totals.failed++;
    else hints.add({ kind: 'path', path: action.path }, delay);
  }

  /** The store said that it is too much, also where a request was repeated below the engine and went through. */
  throttled(error: VaultError): void {
    const { parts, emitter } = this.#options;
    const now = parts.clock.ticks();
    if (now - this.#slowedAt < SLOWER_AT_MOST_EVERY_MS) return;
    this.#slowedAt = now;
    this.#schedule?.slower();
    emitter.emit({
      event: 'throttle',
      resource: error.resource ?? 's3',
      rate: this.#schedule?.pace ?? 1,
      quota: null,
    });
  }
}
