import type { EngineHandle } from '../model/command.ts';
import type { Event } from '../model/event.ts';
import type { Clock } from '../model/ports.ts';
import { type Snapshot, foldAll } from '../model/snapshot.ts';
import { Meter } from './meter.ts';

/** What the screen shows of one vault. A new object each time it is published. */
export interface Shown {
  readonly snapshot: Snapshot;
  readonly speed: number;
  readonly sparkline: string;
  /** Milliseconds left, where that can be known. */
  readonly left: number | undefined;
}

/** Events wait so long before they are shown together. */
const PUBLISH_MS = 50;
/** The speed falls while nothing happens: it is looked at so often. */
const BEAT_MS = 1_000;

/**
 * One vault's Events folded for React (`useSyncExternalStore`). However many come, the screen hears of them every
 * 50 ms at most.
 */
export class ScreenStore {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  readonly #meter = new Meter();
  #waiting: Event[] = [];
  #shown: Shown;
  #cancelPublish: (() => void) | undefined;
  #cancelBeat: (() => void) | undefined;
  readonly #unsubscribe: () => void;

  constructor(handle: Pick<EngineHandle, 'subscribe' | 'snapshot'>, clock: Clock) {
    this.#clock = clock;
    this.#shown = this.#show(handle.snapshot());
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
    this.#cancelPublish?.();
    this.#cancelBeat?.();
  }

  #hear(event: Event): void {
    this.#waiting.push(event);
    this.#cancelPublish ??= this.#clock.after(PUBLISH_MS, () => this.#publish());
  }

  #publish(): void {
    this.#cancelPublish = undefined;
    const events = this.#waiting;
    this.#waiting = [];
    this.#shown = this.#show(foldAll(this.#shown.snapshot, events));
    for (const listener of this.#listeners) listener();
  }

  #beat(): void {
    this.#cancelBeat = this.#clock.after(BEAT_MS, () => {
      if (this.#shown.speed > 0 && this.#waiting.length === 0) this.#publish();
      this.#beat();
    });
  }

  #show(snapshot: Snapshot): Shown {
    this.#meter.note(this.#clock.ticks(), snapshot.acknowledged);
    const { speed, sparkline } = this.#meter;
    const working = snapshot.state === 'working' || snapshot.state === 'scanning';
    const left = working ? this.#meter.left(bytesLeft(snapshot)) : undefined;
    return { snapshot, speed, sparkline, left };
  }
}

/** Plaintext bytes of the Plan that are not acknowledged yet. */
export function bytesLeft({ plan, done, active }: Snapshot): number {
  let sent = 0;
  for (const transfer of active.values()) sent += transfer.sent;
  return Math.max(0, plan.bytes - done.bytes - sent);
}
