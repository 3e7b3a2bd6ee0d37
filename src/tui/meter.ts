/** Speed and time left, counted on bytes that the store has acknowledged. */

/** Time that the speed is an average of. */
const WINDOW_MS = 10_000;
/** Shorter than this is no measure: one small file would look like a fast line. */
const LEAST_MS = 1_000;
/** One bar of the sparkline. */
const BAR_MS = 1_000;
const BARS = 8;
const SIGNS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

interface Sample {
  readonly at: number;
  readonly bytes: number;
}

export class Meter {
  #samples: readonly Sample[] = [];
  #bars: readonly number[] = [];
  #barSince: Sample | undefined;

  /** `bytes` acknowledged in all, at monotonic `at` ms. To be called every second or oftener, also while nothing moves. */
  note(at: number, bytes: number): void {
    const last = this.#samples.at(-1);
    // Work that begins after a pause is measured from its beginning.
    if (last !== undefined && this.speed === 0) this.#samples = [last];
    if (last?.at === at) this.#samples = [...this.#samples.slice(0, -1), { at, bytes }];
    else this.#samples = [...this.#samples, { at, bytes }];
    // The one before the window stays: the average begins there.
    const first = this.#samples.findLastIndex((sample) => sample.at <= at - WINDOW_MS);
    if (first > 0) this.#samples = this.#samples.slice(first);
    this.#noteBar(at, bytes);
  }

  #noteBar(at: number, bytes: number): void {
    const since = this.#barSince;
    if (since === undefined) {
      this.#barSince = { at, bytes };
      return;
    }
    const elapsed = at - since.at;
    if (elapsed < BAR_MS) return;
    this.#bars = [...this.#bars, ((bytes - since.bytes) * 1_000) / elapsed].slice(-BARS);
    this.#barSince = { at, bytes };
  }

  /** Bytes a second; 0 where nothing moved. */
  get speed(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined) return 0;
    return ((last.bytes - first.bytes) * 1_000) / Math.max(LEAST_MS, last.at - first.at);
  }

  /** The last seconds, the highest bar being the fastest of them. */
  get sparkline(): string {
    const most = Math.max(...this.#bars, 0);
    if (most === 0) return '';
    return this.#bars
      .map((bar) => SIGNS[Math.min(SIGNS.length - 1, Math.round((bar / most) * (SIGNS.length - 1)))])
      .join('');
  }

  /** Milliseconds until `bytes` more have gone; undefined where that cannot be known. */
  left(bytes: number): number | undefined {
    const { speed } = this;
    return speed > 0 && bytes > 0 ? (bytes * 1_000) / speed : undefined;
  }
}
