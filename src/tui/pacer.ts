import type { Clock } from '../model/ports.ts';

/** What is new waits so long, so that what comes together is shown together. */
const GATHER_MS = 50;
/** Under load the screen changes eight times a second at most: ten are allowed, and cost more. Keys don't wait. */
const APART_MS = 125;
/** Large windows and slow machines: fewer frames, so that drawing keeps below this share of a processor. */
const SHARE = 0.07;
const MOST_APART_MS = 500;

/** Lets all that wants to be shown be shown together, and not too often. */
export class Pacer {
  readonly #clock: Pick<Clock, 'after' | 'ticks'>;
  readonly #waiting = new Set<() => void>();
  #last = Number.NEGATIVE_INFINITY;
  #apart = APART_MS;
  #cancel: (() => void) | undefined;

  constructor(clock: Pick<Clock, 'after' | 'ticks'>) {
    this.#clock = clock;
  }

  /** Calls `show` soon, once, however often it is asked for until then. */
  soon(show: () => void): void {
    this.#waiting.add(show);
    const wait = Math.max(GATHER_MS, this.#last + this.#apart - this.#clock.ticks());
    this.#cancel ??= this.#clock.after(wait, () => this.#show());
  }

  drop(show: () => void): void {
    this.#waiting.delete(show);
    if (this.#waiting.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #show(): void {
    this.#cancel = undefined;
    this.#last = this.#clock.ticks();
    const now = [...this.#waiting];
    this.#waiting.clear();
    for (const show of now) show();
    // React draws once this has returned, before the next timer.
    this.#clock.after(0, () => {
      const took = this.#clock.ticks() - this.#last;
      this.#apart = Math.min(MOST_APART_MS, Math.max(APART_MS, took / SHARE));
    });
  }
}
