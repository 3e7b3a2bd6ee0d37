import type PQueue from 'p-queue';
import type { NameKey } from '../model/brands.ts';
import type { Action } from '../model/plan.ts';
import type { Upcoming } from './upcoming.ts';

/** Actions waiting in the queue at most; the rest stays in the Plan (in memory or in the spool). */
const AHEAD = 256;
/** Successes after which a lowered pace climbs by one. */
const CLIMB_AFTER = 32;

export interface ScheduleOptions {
  /** Transfers at a time, at most. */
  readonly transfers: number;
  /**
   * Runs one Action to its end. Must not reject. `freeSlot` lets the next one start before that: what is left is waiting
   * for the Index, not for the store.
   */
  readonly run: (action: Action, freeSlot: () => void) => Promise<void>;
  /** Kept true of what waits for a slot. */
  readonly upcoming?: Upcoming;
  /** Told when the pace changes. */
  /** It is queued or under way already, and looked at again afterwards. */
  readonly onKnown?: (action: Action) => void;
  readonly onPace: (transfers: number) => void;
}

/** What belongs to one run of Actions. */
export interface RunHooks {
  /** Awaited before the first Action; where it rejects, none is run. */
  readonly before?: () => Promise<void>;
  /** Called when all Actions have ended, unless the engine stops. */
  readonly onDone?: () => void;
}

/**
 * Runs Actions through p-queue, drawing them lazily so that a million Actions are never a million promises. The pace
 * (transfers at a time) halves when a store says it is too much, and climbs back one by one.
 */
export class Schedule {
  readonly #queue: PQueue;
  readonly #options: ScheduleOptions;
  /** Keys queued or under way, and whether to look at them again afterwards. */
  readonly #busy = new Map<NameKey, { again: boolean }>();
  /** Keys that go first once they come. */
  readonly #wanted = new Set<NameKey>();
  #successes = 0;
  #stopped = false;

  constructor(queue: PQueue, options: ScheduleOptions) {
    this.#queue = queue;
    this.#options = options;
    queue.concurrency = options.transfers;
  }

  static async create(options: ScheduleOptions): Promise<Schedule> {
    const { default: Queue } = await import('p-queue');
    return new Schedule(new Queue({ concurrency: options.transfers }), options);
  }

  get busy(): number {
    return this.#busy.size;
  }

  /** Transfers at a time now. */
  get pace(): number {
    return this.#queue.concurrency;
  }

  /**
   * Queues all Actions but those that are not admitted when there is room for them; resolves when the last one has ended.
   * `onAgain` gets keys that were hinted meanwhile.
   */
  async runAll(
    actions: AsyncIterable<Action> | Iterable<Action>,
    onAgain: (action: Action) => void,
    admit: (action: Action) => boolean = () => true,
  ): Promise<void> {
    const running: Set<Promise<void>> = new Set();
    for await (const action of actions) {
      if (this.#stopped) break;
      if (this.#queue.size >= AHEAD && !this.#wanted.has(action.key))
        await this.#queue.onSizeLessThan(AHEAD / 2);
      if (!admit(action)) continue;
      const ended = this.#add(action, onAgain);
      if (ended === undefined) continue;
      running.add(ended);
      void ended.then(() => running.delete(ended));
    }
    await Promise.all(running);
  }

  #add(action: Action, onAgain: (action: Action) => void): Promise<void> | undefined {
    const known = this.#busy.get(action.key);
    const wanted = this.#wanted.delete(action.key);
    if (known !== undefined) {
      known.again = true;
      this.#options.onKnown?.(action);
      if (wanted) this.#toFront(action.key);
      return undefined;
    }
    const state = { again: false };
    this.#busy.set(action.key, state);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const inSlot = (): Promise<void> =>
      new Promise((freeSlot) => {
        this.#options.upcoming?.remove(action.key);
        const run = this.#stopped ? Promise.resolve() : this.#options.run(action, freeSlot);
        void run.finally(freeSlot).then(end, end);
      });
    this.#options.upcoming?.add(action);
    if (wanted) this.#options.upcoming?.raise(action.key);
    void this.#queue.add(inSlot, { id: action.key, priority: wanted ? 1 : 0 });
    return ended.then(() => this.#ended(action, state.again, onAgain));
  }

  #ended(action: Action, again: boolean, onAgain: (action: Action) => void): void {
    this.#busy.delete(action.key);
    if (again && !this.#stopped) onAgain(action);
  }

  /** A queued key goes first, now or when it comes. False where it is not queued. */
  first(key: NameKey): boolean {
    const queued = this.#toFront(key);
    if (!queued) this.#wanted.add(key);
    return queued;
  }

  #toFront(key: NameKey): boolean {
    try {
      this.#queue.setPriority(key, 1);
      this.#options.upcoming?.raise(key);
      return true;
    } catch (thrown) {
      if (thrown instanceof ReferenceError) return false;
      throw thrown;
    }
  }

  slower(): void {
    this.#setPace(Math.max(1, Math.floor(this.#queue.concurrency / 2)));
    this.#successes = 0;
  }

  succeeded(): void {
    if (this.#queue.concurrency >= this.#options.transfers) return;
    this.#successes++;
    if (this.#successes % CLIMB_AFTER === 0) this.#setPace(this.#queue.concurrency + 1);
  }

  #setPace(transfers: number): void {
    if (transfers === this.#queue.concurrency) return;
    this.#queue.concurrency = transfers;
    this.#options.onPace(transfers);
  }

  pause(): void {
    this.#queue.pause();
  }

  resume(): void {
    if (!this.#stopped) this.#queue.start();
  }

  /** No further Action starts; what runs goes on. Queued ones end at once without running. */
  stop(): void {
    this.#stopped = true;
    this.#queue.start();
  }
}
