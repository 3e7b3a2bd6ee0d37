import type { NameKey, RelPath } from '../model/brands.ts';
import type { Command } from '../model/command.ts';
import { type VaultError, asVaultError } from '../model/errors.ts';
import type { EventBody } from '../model/event.ts';
import type { Hint } from '../model/hint.ts';
import { type Action, EMPTY_TOTALS, type RemoteEntry, bytesOf } from '../model/plan.ts';
import type { QueueAsk, QueueWindow } from '../model/queue.ts';
import { DEFAULT_TRANSFERS } from '../model/vault.ts';
import { type Agreed, Asking } from './asking.ts';
import { type CollectedPlan, moves } from './collect.ts';
import { clashing } from './clashes.ts';
import type { Brake } from './brake.ts';
import type { Committer } from './committer.ts';
import { checkBucket } from './describe.ts';
import { Failures } from './failures.ts';
import { checkSource } from './guard.ts';
import { coveredBy } from './hints.ts';
import { LeftOut } from './left-out.ts';
import { Looks } from './looks.ts';
import { Performer } from './perform.ts';
import { addToTotals } from './plan.ts';
import { notWaiting } from './refusals.ts';
import { Copying, type Renames, mayBeRenamed } from './renames.ts';
import { Rest } from './rest.ts';
import { Retries, isFinal } from './retries.ts';
import type { Shared } from './shared.ts';
import { type RunHooks, Schedule } from './schedule.ts';
import { withIntents } from './strays.ts';
import { Upcoming } from './upcoming.ts';
import { namesOf, worldOf } from './world.ts';

/** Answers to requests that were under way together are one answer. */
const SLOWER_AT_MOST_EVERY_MS = 1_000;

export interface RunsOptions extends Shared {
  readonly committer: Committer;
  readonly once: boolean;
  /** Consent to removals given beforehand. */
  readonly consent: boolean;
  /** The first Plan with something to do waits for a person. */
  readonly review: boolean;
  readonly stopping: () => boolean;
  /** A person did not agree to the first Plan. */
  readonly declined: () => void;
  /** Called when something has ended. */
  readonly awake: () => void;
}

/** Carries Plans out: holds removals back, runs Actions through the schedule, and draws the conclusions from each end. */
export class Runs {
  readonly #options: RunsOptions;
  readonly #performer: Performer;
  readonly #renames: Renames;
  readonly #copying = new Copying();
  readonly #retries: Retries;
  readonly #asking: Asking;
  readonly #upcoming: Upcoming;
  readonly #leftOut: LeftOut;
  readonly #failures: Failures;
  /** What was said last of what is short of being in step. */
  #short = '';
  #schedule: Schedule | undefined;
  #running = 0;
  #plans = 0;
  #slowedAt = Number.NEGATIVE_INFINITY;
  readonly looks: Looks;
  /** `sent`: what was written to the bucket or removed there. `distrusted`: objects that could not be opened or proved; they count as failed too. */
  readonly totals = { done: { files: 0, bytes: 0 }, sent: 0, failed: 0, distrusted: 0 };

  constructor(options: RunsOptions) {
    this.#options = options;
    const { parts, committer, emitter, state, signal, once, consent, review, stopping } = options;
    this.#retries = new Retries(parts.clock, once);
    this.looks = new Looks(parts.clock);
    const asked = { ...parts, fail: options.fail };
    this.#asking = new Asking({ parts: asked, clock: parts.clock, emitter, state, consent, review });
    this.#upcoming = new Upcoming(parts.clock, emitter);
    this.#leftOut = new LeftOut(parts.index, emitter);
    this.#failures = new Failures(emitter);
    const world = worldOf(parts);
    this.#renames = world.renames;
    this.#performer = new Performer(world, committer, emitter, {
      mode: parts.vault.mode.kind,
      signal,
      again: (action, error) => this.#retries.willRetry(action.key, error),
      patient: !once,
      attempts: (action) => this.#retries.attempts(action.key) + 1,
      overlapping: () => this.#plans > 1,
      stopping,
      onNews: (path) => this.#hint({ key: this.#key(path), path }, true),
    });
  }

  async open(): Promise<void> {
    this.#leftOut.open();
    await this.#asking.open();
    const { vault } = this.#options.parts;
    this.#schedule = await Schedule.create({
      transfers: vault.rules.transfers ?? DEFAULT_TRANSFERS,
      run: (action, freeSlot) => this.#perform(action, freeSlot),
      upcoming: this.#upcoming,
      onKnown: (action) => this.#less(action),
      onPace: () => undefined,
    });
  }

  /** A Plan is being carried out. */
  get busy(): boolean {
    return this.#running > 0;
  }

  /** Plans being carried out, or waiting for a person. */
  get running(): number {
    return this.#running + (this.#asking.reviewing ? 1 : 0);
  }

  /** See `Asking.settled`. */
  settled(): Promise<void> {
    return this.#asking.settled(this.#options.signal);
  }

  /** Something waits for a person. */
  get holding(): boolean {
    return this.#asking.holding;
  }

  /** The first Plan waits for a person. What changes meanwhile must not take its place. */
  get reviewing(): boolean {
    return this.#asking.reviewing;
  }

  /** Looks at a path now, on both sides. */
  lookAgain(path: RelPath): void {
    this.#hint({ key: this.#key(path), path }, true, 0);
  }

  /** Paths whose last try failed, or that could not be read. What was left out is none of them: it is taken back by name. */
  failedPaths(): readonly Action['path'][] {
    const { skips } = this.#options;
    const failed = new Set([...this.#retries.paths(), ...this.#failures.paths(), ...skips.unreadable()]);
    return [...failed].filter((path) => !this.#leftOut.knows(this.#key(path)));
  }

  /** See `Retries.remote`. */
  remoteOf(key: NameKey): RemoteEntry | undefined {
    return this.#retries.remote(key);
  }

  /** Nothing is left to do: what was to be tried again has resolved itself. What there is to say; nothing twice where `said`. */
  settle(said: boolean): EventBody | undefined {
    this.#retries.clear();
    this.#failures.settle();
    this.#leftOut.settle(this.#options.parts);
    const { skips } = this.#options;
    const { unsent, others } = this.#leftOut.counts(
      ({ key, path }) => skips.isUnprotected(path) || this.#failures.has(key),
    );
    const unprotected = skips.unprotected + unsent;
    const short = this.#failures.short({ unprotected, declined: this.#asking.declined, leftOut: others });
    const before = this.#short;
    this.#short = JSON.stringify(short ?? '');
    if (said && this.#short === before) return undefined;
    const { files } = this.#options.parts.index.count();
    return { event: 'idle', files, ...(short === undefined ? {} : { short }) };
  }

  /** Nothing is left to do, and the run ends. */
  over(): void {
    this.#leftOut.settle(this.#options.parts);
  }

  /** A look at these paths begins: problems that are not found again are over. */
  lookingAt(hints: readonly Hint[]): void {
    const covers = coveredBy(hints);
    const { skips, parts } = this.#options;
    skips.lookingAt(covers);
    // What is the matter with its object is not over because the disk was looked at.
    const pushes = parts.vault.direction === 'push';
    const both = (path: RelPath): boolean => covers(path) && (pushes || this.looks.asked(this.#key(path)));
    this.#failures.lookingAt(both);
    this.#leftOut.lookingAt((path, kind) => (kind === 'put' ? covers(path) : both(path)));
  }

  /** What holds removals back. */
  get brake(): Brake {
    return this.#asking.brake;
  }

  /** A look is done; `keys`: what it would have found if it were still to be removed. `plan`: what comes of it. */
  looked(keys: Iterable<NameKey>, plan: Pick<CollectedPlan, 'empty'>): void {
    this.#asking.looked(keys);
    if (plan.empty) this.#asking.ended();
  }

  /** A new scan finds again what is held, and what is still wrong. */
  forgetHeld(): void {
    this.#failures.lookingAt(() => true);
    this.#leftOut.lookingAt(() => true);
    this.#asking.reset();
    // A Plan under way may still copy from what it offered.
    if (!this.busy) this.#renames.forget();
  }

  pause(): void {
    this.#schedule?.pause();
  }

  resume(): void {
    this.#schedule?.resume();
  }

  stop(): void {
    this.#upcoming.close();
    this.#asking.drop();
    this.#schedule?.stop();
  }

  /** Leaves a path out until it changes or is taken back. Throws kind `usage` where it does not wait. */
  skip(path: RelPath): void {
    const key = this.#key(path);
    const action = this.#upcoming.get(key);
    if (action === undefined || !this.#leftOut.add(action)) throw notWaiting(path);
    this.#failures.dismiss(key);
    if (this.#retries.attempts(key) > 0) this.#options.emitter.cleared([path], 'failed');
    this.#upcoming.drop(key);
    this.#less(action);
  }

  /** Whether nothing is to be done about an Action: it was left out or refused, waits for an answer, or is to be done already. */
  readonly passesOver = (action: Action): boolean => {
    const waits = this.#asking.brake.sees(action);
    return this.#leftOut.has(action) || waits || this.#upcoming.has(action);
  };

  /** It is not to be done any more. */
  #less(action: Action): void {
    this.#options.emitter.emit({ event: 'plan.less', ...addToTotals(EMPTY_TOTALS, action) });
  }

  /** Files that a person took out of the queue. */
  get leftOut(): number {
    return this.#leftOut.count;
  }

  /** Removals that a person did not want. */
  get declined(): number {
    return this.#asking.declined;
  }

  /** These are not left out any more. */
  takeIn(paths: readonly RelPath[]): void {
    for (const key of paths.map((path) => this.#key(path))) {
      this.#leftOut.forget(key);
      this.#retries.release(key);
    }
  }

  /** What waits goes first now; anything else is looked at now, and what comes of it goes first. */
  first(path: RelPath): void {
    const key = this.#key(path);
    if (this.#schedule?.first(key) !== false) return;
    const rest = this.#upcoming.restOf(key);
    if (rest === undefined) {
      this.lookAgain(path);
      return;
    }
    // Else something has to be done before it; it goes first when that is so.
    const action = rest.begun ? rest.take(key) : undefined;
    if (action === undefined) return;
    // Shown there from now on.
    this.#upcoming.add(action);
    this.#upcoming.raise(key);
    rest.runsApart(this.#runActions(new Rest([action])));
  }

  /** A window over everything that waits. */
  queue(ask: QueueAsk): Promise<QueueWindow> {
    const { held } = ask;
    return this.#upcoming.window(ask, held === undefined ? undefined : this.#key(held.path as RelPath));
  }

  /** Says what a Plan comes to. While another one is under way, or removals wait for an answer, it comes on top. */
  announce({ totals }: CollectedPlan): void {
    const adds = this.#running > 0 || this.#asking.holdsRemovals;
    this.#options.emitter.emit({ event: 'plan', ...totals, ...(adds ? { adds } : {}) });
  }

  /** Sets a Plan going; removals only with consent where there are too many. */
  start(plan: CollectedPlan, known: number, hooks: RunHooks = {}): void {
    if (this.#asking.holds({ plan, known, hooks })) return;
    const removals = this.#asking.pass(plan.removals, known);
    if (removals.length + moves(plan) > 0) this.#options.state('working');
    this.#plans++;
    const isRenamed = mayBeRenamed(plan);
    // Those that wait for consent stand in the bucket, too.
    this.#renames.offer(plan.removals.filter(isRenamed).map(({ record }) => record));
    this.#renames.offer(plan.staying);
    const renamed = removals.filter(isRenamed);
    const gone = removals.filter((action) => !isRenamed(action));
    const clash = clashing(gone, plan);
    if (gone.length > 0 && !clash) void this.#runActions(new Rest(gone));
    this.#passOver(plan.rest);
    const ended = this.#runInTurn(new Rest(clash ? gone : []), plan.rest, hooks, new Rest(renamed));
    this.#copying.until(ended, isRenamed);
  }

  /** What was left out does not wait any more. */
  #passOver(rest: Rest): void {
    for (const key of this.#leftOut.keys()) {
      const action = rest.get(key);
      if (action !== undefined && this.#leftOut.has(action)) rest.take(key);
    }
  }

  /** A person answered: see `Asking.answered`. */
  consented(answer: Pick<Extract<Command, { command: 'consent' }>, 'yes' | 'question'>): void {
    const agreed = this.#asking.answered(answer);
    this.#goOn(agreed);
    this.#options.awake();
  }

  #goOn(agreed: Agreed): void {
    if (agreed.to === 'plan') return this.start(agreed.held.plan, agreed.held.known, agreed.held.hooks);
    if (agreed.to === 'refused') return this.#options.declined();
    // What else is under way goes on; whether all is in step, only the end of it tells.
    this.#options.state('working');
    for (const { after, some } of this.#copying.parts(agreed.removals))
      void this.#runActions(new Rest(some), {
        before: () => after.then(() => this.#options.online.reaching(() => this.checkSides(some))),
      });
  }

  /** Both sides are what they were before anything is removed or written over. Rejects with kind `consent`. */
  async checkSides(removals: readonly Action[]): Promise<void> {
    const { parts, signal } = this.#options;
    await checkSource(parts);
    if (removals.some(({ kind }) => kind === 'remove-local')) await checkBucket(parts, signal);
  }

  #key(path: RelPath): NameKey {
    return namesOf(this.#options.parts).keyOf(path);
  }

  /** A path that may have news. `remotely`: its object is looked at first. */
  #hint({ key, path }: Pick<Action, 'key' | 'path'>, remotely: boolean, delayMs?: number): void {
    const { parts, hints } = this.#options;
    if (remotely && parts.vault.direction !== 'push') this.looks.ask(key, path, delayMs);
    hints.add({ kind: 'path', path }, delayMs);
  }

  /** What is in the way goes first; what was renamed is copied before its old object goes. */
  async #runInTurn(before: Rest, actions: Rest, hooks: RunHooks, then: Rest): Promise<void> {
    const { stopping, awake } = this.#options;
    this.#running++;
    // All of it waits from now on.
    const leave = this.#upcoming.join(before, actions, then);
    try {
      if (before.size > 0) await this.#runActions(before);
      await this.#runActions(actions, hooks);
      if (then.size > 0 && !stopping()) await this.#runActions(then);
    } finally {
      leave();
      this.#running--;
      awake();
    }
  }

  async #runActions(rest: Rest, hooks: RunHooks = {}): Promise<void> {
    const { stopping, fail, awake } = this.#options;
    this.#running++;
    const leave = this.#upcoming.join(rest);
    try {
      await hooks.before?.();
      rest.begun = true;
      const again = (action: Action): void => this.#hint(action, true);
      await this.#schedule?.runAll(this.#noted(rest), again, (action) => rest.admit(action));
      await rest.settled();
      if (!stopping()) hooks.onDone?.();
    } catch (thrown) {
      fail(asVaultError(thrown));
    } finally {
      leave();
      this.#running--;
      awake();
    }
  }

  /** Where others write too, an object without a Record is nobody's in particular: it is compared, not claimed. */
  #noted(rest: Rest): Iterable<Action> {
    const { vault, index } = this.#options.parts;
    return vault.direction === 'push' ? withIntents(rest.draw(), index) : rest.draw();
  }

  async #perform(action: Action, freeSlot: () => void): Promise<void> {
    const { stopping, fail, skips, standing } = this.#options;
    const mayGo = (): boolean => !stopping() && !this.#leftOut.has(action) && !this.#retries.holds(action);
    if (!mayGo()) {
      // Of what is left out it was said at once.
      if (!stopping() && !this.#leftOut.has(action)) this.#less(action);
      if (this.#retries.holds(action)) this.#failures.kept(action.key);
      return;
    }
    const performed = await standing
      .during(async () => (mayGo() ? this.#performer.perform(action, freeSlot) : undefined))
      .catch((thrown: unknown) => {
        fail(asVaultError(thrown));
      });
    if (performed === undefined) return;
    if (performed.ended === 'failed') {
      this.#failed(action, performed.error);
      return;
    }
    this.#retries.forget(action.key);
    this.#failures.forget(action.key);
    this.#leftOut.done(action);
    skips.forget(action.path);
    if (performed.ended === 'nothing') {
      this.#less(action);
      return;
    }
    this.#schedule?.succeeded();
    if (action.kind === 'put' || action.kind === 'remove-remote') this.totals.sent++;
    this.totals.done.files++;
    this.totals.done.bytes += bytesOf(action);
  }

  #failed(action: Action, error: VaultError): void {
    const { stopping, fail, online } = this.#options;
    if (error.kind === 'security' && receives(action)) {
      // One object that cannot be trusted is no reason to leave the others: nothing of it was written.
      this.totals.failed++;
      this.totals.distrusted++;
      this.#failures.add(action, error);
      this.#retries.failed(action, error);
      return;
    }
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
    if (delay !== undefined) return this.#hint(action, true, delay);
    this.totals.failed++;
    this.#failures.add(action, error);
  }

  /** The store said that it is too much, also where a request was repeated below the engine and went through. */
  throttled(error: VaultError): void {
    const { parts, emitter } = this.#options;
    if (error.resource === 'kms' && parts.kmsPaced?.() === true) return;
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

const receives = ({ kind }: Action): boolean => kind === 'get' || kind === 'conflict';
