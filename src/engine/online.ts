import { type VaultError, asVaultError } from '../model/errors.ts';
import type { Clock, ObjectStore } from '../model/ports.ts';

const FIRST_MS = 500;
const MAX_MS = 60_000;
/** Attempts at one thing, where patience ends. */
const TRIES = 5;

const backoff = (tries: number): number => Math.min(FIRST_MS * 2 ** (tries - 1), MAX_MS);

/** Worth another try by itself, later. */
const passes = ({ kind }: VaultError): boolean =>
  kind === 'offline' || kind === 'transient' || kind === 'throttled';

export interface OnlineOptions {
  readonly clock: Clock;
  readonly store: ObjectStore;
  readonly signal: AbortSignal;
  /** Milliseconds after which waiting is given up; undefined: never. */
  readonly patienceMs: number | undefined;
  readonly onOffline: (retryIn: number) => void;
  readonly onOnline: () => void;
}

/** Offline is a state, not a failure: everything waits here until the store answers again. */
export class Online {
  readonly #options: OnlineOptions;
  #probing: Promise<void> | undefined;
  #offline = false;
  #nextAt = 0;

  constructor(options: OnlineOptions) {
    this.#options = options;
  }

  get offline(): boolean {
    return this.#offline;
  }

  /** Milliseconds until the store is tried again. */
  get retryIn(): number {
    return Math.max(0, this.#nextAt - this.#options.clock.ticks());
  }

  /** Resolves when the store answers; rejects with `error` when patience ends. One probe at a time, whoever asks. */
  wait(error: VaultError): Promise<void> {
    this.#probing ??= this.#probe(error).finally(() => {
      this.#offline = false;
      this.#probing = undefined;
    });
    return this.#probing;
  }

  /** Runs `work` again and again until it does not fail for what passes by itself; with patience, so many times. */
  async reaching<T>(work: () => Promise<T>): Promise<T> {
    const { clock, signal, patienceMs } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (thrown) {
        const error = asVaultError(thrown);
        if (!passes(error) || (patienceMs !== undefined && tries >= TRIES)) throw error;
        if (error.kind === 'offline') await this.wait(error);
        else await clock.sleep(Math.max(error.retryAfter ?? 0, this.#jittered(backoff(tries))), { signal });
      }
    }
  }

  #jittered(ms: number): number {
    return Math.round(ms * (0.5 + this.#options.clock.random() / 2));
  }

  async #probe(error: VaultError): Promise<void> {
    const { clock, store, signal, patienceMs, onOffline, onOnline } = this.#options;
    const since = clock.ticks();
    this.#offline = true;
    for (let tries = 1; ; tries++) {
      if (patienceMs !== undefined && clock.ticks() - since > patienceMs) throw error;
      const ms = this.#jittered(backoff(tries));
      this.#nextAt = clock.ticks() + ms;
      onOffline(ms);
      await clock.sleep(ms, { signal });
      try {
        await store.reach({ signal });
        break;
      } catch (thrown) {
        if (!passes(asVaultError(thrown))) throw thrown;
      }
    }
    this.#offline = false;
    onOnline();
  }
}
