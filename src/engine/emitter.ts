import type { Event, EventBody } from '../model/event.ts';
import type { Clock } from '../model/ports.ts';
import { EMPTY_SNAPSHOT, fold, type Snapshot } from '../model/snapshot.ts';

/** Stamps, hands out and folds Events. A listener that throws ends nobody else's. */
export class Emitter {
  readonly #clock: Clock;
  readonly #listeners = new Set<(event: Event) => void>();
  #snapshot: Snapshot = EMPTY_SNAPSHOT;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(body: EventBody): void {
    const event: Event = { ...body, time: new Date(this.#clock.now()).toISOString() };
    this.#snapshot = fold(this.#snapshot, event);
    for (const listener of this.#listeners) listener(event);
  }
}
