import type { Event, EventBody, ProblemSource } from '../model/event.ts';
import type { Clock } from '../model/ports.ts';
import { EMPTY_SNAPSHOT, foldAll, type Snapshot } from '../model/snapshot.ts';

/** Events folded at a time, when nobody asks for the Snapshot before. */
const FOLD_AT = 1_024;
/** Problems that one Event clears at most. */
const CLEARED_AT = 1_000;

/** Stamps, hands out and folds Events. A listener that throws hears no more; it ends nobody else's. */
export class Emitter {
  readonly #clock: Clock;
  readonly #listeners = new Set<(event: Event) => void>();
  #snapshot: Snapshot = EMPTY_SNAPSHOT;
  #unfolded: Event[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get snapshot(): Snapshot {
    if (this.#unfolded.length > 0) {
      this.#snapshot = foldAll(this.#snapshot, this.#unfolded);
      this.#unfolded = [];
    }
    return this.#snapshot;
  }

  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** See the event `cleared`. */
  cleared(problems: readonly string[], of: ProblemSource): void {
    for (let at = 0; at < problems.length; at += CLEARED_AT)
      this.emit({ event: 'cleared', problems: problems.slice(at, at + CLEARED_AT), of });
  }

  emit(body: EventBody): void {
    const event: Event = { ...body, time: new Date(this.#clock.now()).toISOString() };
    this.#unfolded.push(event);
    if (this.#unfolded.length >= FOLD_AT) void this.snapshot;
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch {
        // A screen that fails must not take the sync down with it.
        this.#listeners.delete(listener);
      }
    }
  }
}
