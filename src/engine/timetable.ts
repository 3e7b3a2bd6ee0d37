/** When the folder is scanned and the bucket listed again, without anything having been heard of either. */
import type { Clock } from '../model/ports.ts';

const HOUR_MS = 3_600_000;
/** After own writes the bucket is listed so soon; one listing for all of them, a tenth of the time at most, and so far apart. */
const SOON_MS = 1_000;
const APART_MS = 15_000;
const SHARE = 10;

export interface TimetableOptions {
  readonly clock: Pick<Clock, 'after' | 'random' | 'ticks'>;
  /** Time from one listing to the next; undefined: nothing comes from the bucket. */
  readonly pollMs: number | undefined;
  readonly onScan: () => void;
  readonly onBucket: () => void;
}

export class Timetable {
  readonly #options: TimetableOptions;
  #callOffScan: (() => void) | undefined;
  #callOffPoll: (() => void) | undefined;
  #callOffSoon: (() => void) | undefined;
  #sent = 0;
  #listed = { at: Number.NEGATIVE_INFINITY, ms: 0 };

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
    this.#callOffSoon?.();
  }

  /** Runs a listing of the bucket. */
  async listing(list: () => Promise<void>): Promise<void> {
    const { clock } = this.#options;
    this.#callOffSoon?.();
    this.#callOffSoon = undefined;
    const began = clock.ticks();
    await list();
    this.#listed = { at: clock.ticks(), ms: clock.ticks() - began };
  }

  /** Nothing is under way. `sent`: what this machine has written to the bucket or removed there so far, in all. */
  quiet(sent: number): void {
    const { clock, pollMs, onBucket } = this.#options;
    if (pollMs === undefined || sent === this.#sent) return;
    this.#sent = sent;
    const { at, ms } = this.#listed;
    const wait = Math.max(SOON_MS, at + Math.max(APART_MS, SHARE * ms) - clock.ticks());
    // The next one is as near.
    if (wait < pollMs) this.#callOffSoon ??= clock.after(wait, onBucket);
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
