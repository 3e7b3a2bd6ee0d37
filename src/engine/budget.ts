import type { Clock } from '../model/ports.ts';

/**
 * A bound on bytes in memory: transfers take what they will hold and give it back. One that wants more than the
 * whole budget gets it alone, so nothing waits for ever. First come, first served.
 */
export class Budget {
  readonly #limit: number;
  #used = 0;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  async take(bytes: number): Promise<() => void> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((go) => this.#waiting.push({ bytes, go }));
    } else {
      this.#used += bytes;
    }
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#used -= bytes;
      this.#wake();
    };
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit;
  }

  #wake(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.bytes;
      next.go();
    }
  }
}

/** Bytes a second, shared by all who take. Undefined rate: no limit. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #rate: number | undefined;
  #free = 0;

  constructor(clock: Clock, bytesPerSecond: number | undefined) {
    this.#clock = clock;
    this.#rate = bytesPerSecond;
  }

  /** Waits until `bytes` may pass; `onWait` hears where that is not at once. */
  async take(bytes: number, signal?: AbortSignal, onWait?: () => void): Promise<void> {
    if (this.#rate === undefined) return;
    const now = this.#clock.ticks();
    const start = Math.max(now, this.#free);
    this.#free = start + (bytes / this.#rate) * 1_000;
    if (start <= now) return;
    onWait?.();
    await this.#clock.sleep(start - now, { signal });
  }
}
