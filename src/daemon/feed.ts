import type { Event, EventBody } from '../model/event.ts';
import type { Clock } from '../model/ports.ts';
import { EMPTY_SNAPSHOT, type Snapshot, foldAll } from '../model/snapshot.ts';

const FOLD_AT = 1_024;

/**
 * What happened to one vault, from one engine after another and from the daemon in between: the Events in their order,
 * and all of them folded. Who joins late takes the Snapshot and goes on with the Events.
 */
export class Feed {
  readonly #clock: Clock;
  readonly #onEvent: (event: Event) => void;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;
  #unfolded: Event[] = [];

  constructor(clock: Clock, onEvent: (event: Event) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  get snapshot(): Snapshot {
    if (this.#unfolded.length > 0) {
      this.#snapshot = foldAll(this.#snapshot, this.#unfolded);
      this.#unfolded = [];
    }
    return this.#snapshot;
  }

  /** An Event of an engine, as it is. */
  pass(event: Event): void {
    this.#unfolded.push(event);
    if (this.#unfolded.length >= FOLD_AT) void this.snapshot;
    this.#onEvent(event);
  }

  /** A fact of the daemon's own. */
  say(body: EventBody): void {
    this.pass({ ...body, time: new Date(this.#clock.now()).toISOString() });
  }
}
