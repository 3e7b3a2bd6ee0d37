import { VaultError } from '../../src/model/errors.ts';
import type { Clock } from '../../src/model/ports.ts';

interface Timer {
  readonly due: number;
  readonly fire: () => void;
}

/** A Clock that stands still until told: tests own time. `random` is fixed at 0.5 unless given. */
export class ManualClock implements Clock {
  #now: number;
  readonly #start: number;
  readonly #random: () => number;
  #timers: Timer[] = [];

  constructor(start = 1_700_000_000_000, random: () => number = () => 0.5) {
    this.#now = start;
    this.#start = start;
    this.#random = random;
  }

  now(): number {
    return this.#now;
  }

  ticks(): number {
    return this.#now - this.#start;
  }

  random(): number {
    return this.#random();
  }

  get waiting(): number {
    return this.#timers.length;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { due: this.#now + ms, fire: fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  sleep(ms: number, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancelled = () => reject(new VaultError('cancelled', 'cancelled', 'called off'));
      if (options.signal?.aborted === true) return cancelled();
      const cancel = this.after(ms, resolve);
      options.signal?.addEventListener('abort', () => {
        cancel();
        cancelled();
      });
    });
  }

  /** Moves time on, firing timers in their order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.due);
      next.fire();
    }
    this.#now = end;
  }

  /** Lets pending promises run, then moves to the next timer; for code that sleeps again and again. */
  async run(ms: number, step = 50): Promise<void> {
    for (let passed = 0; passed < ms; passed += step) {
      this.advance(step);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
