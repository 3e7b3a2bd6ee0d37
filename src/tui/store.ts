import type { EngineHandle } from '../model/command.ts';
import type { Event } from '../model/event.ts';
import type { Clock } from '../model/ports.ts';
import { type Snapshot, foldAll } from '../model/snapshot.ts';
import { Meter } from './meter.ts';
import { Pacer } from './pacer.ts';

/** What the screen shows of one vault. A new object each time it is published. */
export interface Shown {
  readonly snapshot: Snapshot;
  readonly speed: number;
  readonly sparkline: string;
  /** Milliseconds left, where that can be known. */
  readonly left: number | undefined;
  /** Milliseconds until the store is tried again, counted down; null unless offline with a known time. */
  readonly retryIn: number | null;
  /** The store asked for a slower pace lately. */
  readonly throttled: boolean;
}

/** The speed falls and the wait runs out while nothing happens: they are looked at so often. */
const BEAT_MS = 1_000;
/** No Event says that a throttle is over: after so long without another it is. */
const THROTTLED_MS = 30_000;

/**
 * One vault's Events folded for React (`useSyncExternalStore`). However many come, the screen hears of them as often as
 * the Pacer lets it; stores that share one are shown together.
 */
export class ScreenStore {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  readonly #meter = new Meter();
  #waiting: Event[] = [];
  #retryAt: number | undefined;
  #throttledUntil = 0;
  #shown: Shown;
  readonly #pacer: Pacer;
  readonly #publish = (): void => this.#publishNow();
  #cancelBeat: (() => void) | undefined;
  readonly #unsubscribe: () => void;

  constructor(handle: Pick<EngineHandle, 'subscribe' | 'snapshot'>, clock: Clock, pacer = new Pacer(clock)) {
    this.#clock = clock;
    this.#pacer = pacer;
    const first = handle.snapshot();
    if (first.retryIn !== null) this.#retryAt = clock.ticks() + first.retryIn;
    this.#shown = this.#show(first);
    this.#unsubscribe = handle.subscribe((event) => this.#hear(event));
    this.#beat();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly get = (): Shown => this.#shown;

  close(): void {
    this.#unsubscribe();
    this.#pacer.drop(this.#publish);
    this.#cancelBeat?.();
  }

  #hear(event: Event): void {
    this.#waiting.push(event);
    if (event.event === 'state') {
      this.#retryAt = event.retryIn === undefined ? undefined : this.#clock.ticks() + event.retryIn;
    }
    if (event.event === 'throttle') this.#throttledUntil = this.#clock.ticks() + THROTTLED_MS;
    this.#pacer.soon(this.#publish);
  }

  #publishNow(): void {
    const events = this.#waiting;
    this.#waiting = [];
    this.#shown = this.#show(foldAll(this.#shown.snapshot, events));
    for (const listener of this.#listeners) listener();
  }

  #beat(): void {
    this.#cancelBeat = this.#clock.after(BEAT_MS, () => {
      const { snapshot, speed, retryIn, throttled } = this.#shown;
      this.#meter.note(this.#clock.ticks(), snapshot.acknowledged);
      const moves = speed > 0 || throttled || (retryIn ?? 0) > 0;
      if (moves && this.#waiting.length === 0) this.#publish();
      this.#beat();
    });
  }

  #show(snapshot: Snapshot): Shown {
    const now = this.#clock.ticks();
    this.#meter.note(now, snapshot.acknowledged);
    const { speed, sparkline } = this.#meter;
    const retryAt = snapshot.state === 'offline' ? this.#retryAt : undefined;
    const retryIn = retryAt === undefined ? null : Math.max(0, retryAt - now);
    const throttled = snapshot.throttle !== null && now < this.#throttledUntil;
    const working = snapshot.state === 'working' || snapshot.state === 'scanning';
    const left = working ? this.#meter.left(bytesLeft(snapshot)) : undefined;
    return { snapshot, speed, sparkline, left, retryIn, throttled };
  }
}

/** Plaintext bytes of the Plan that are not acknowledged yet. */
export function bytesLeft({ plan, done, active }: Snapshot): number {
  let sent = 0;
  for (const transfer of active.values()) sent += transfer.sent;
  return Math.max(0, plan.bytes - done.bytes - sent);
}
