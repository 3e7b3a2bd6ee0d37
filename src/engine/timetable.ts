/** When the folder is scanned and the bucket listed again, without anything having been heard of either. */
import type { Clock } from '../model/ports.ts';

const HOUR_MS = 3_600_000;

export interface TimetableOptions {
  readonly clock: Pick<Clock, 'after' | 'random'>;
  /** Time from one listing to the next; undefined: nothing comes from the bucket. */
  readonly pollMs: number | undefined;
  readonly onScan: () => void;
  readonly onBucket: () => void;
}

export class Timetable {
  readonly #options: TimetableOptions;
  #callOffScan: (() => void) | undefined;
  #callOffPoll: (() => void) | undefined;

  constructor(options: TimetableOptions) {
    this.#options = options;
  }

  start(): void {
    this.#scanLater();
    this.#listLater();
  }

  stop(): void {
    this.#callOffScan?.();
    this.#callOffPoll?.();
  }

  #scanLater(): void {
    this.#callOffScan = this.#later(HOUR_MS, () => {
      this.#options.onScan();
      this.#scanLater();
    });
  }

  #listLater(): void {
    const { pollMs } = this.#options;
    if (pollMs === undefined) return;
    this.#callOffPoll = this.#later(pollMs, () => {
      this.#options.onBucket();
      this.#listLater();
    });
  }

  /** Jittered: machines that were started together do not stay together. */
  #later(ms: number, then: () => void): () => void {
    const { clock } = this.#options;
    return clock.after(ms * (0.9 + clock.random() * 0.2), then);
  }
}
