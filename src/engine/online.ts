import { type VaultError, asVaultError } from '../model/errors.ts';
import type { Clock, ObjectStore } from '../model/ports.ts';

const FIRST_MS = 500;
const MAX_MS = 60_000;

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

  constructor(options: OnlineOptions) {
    this.#options = options;
  }

  get offline(): boolean {
    return this.#probing !== undefined;
  }

  /** Resolves when the store answers; rejects with `error` when patience ends. One probe at a time, whoever asks. */
  wait(error: VaultError): Promise<void> {
    this.#probing ??= this.#probe(error).finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  /** Runs `work` again and again until it does not fail for being offline. */
  async reaching<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (thrown) {
        const error = asVaultError(thrown);
        if (error.kind !== 'offline') throw error;
        await this.wait(error);
      }
    }
  }

  async #probe(error: VaultError): Promise<void> {
    const { clock, store, signal, patienceMs, onOffline, onOnline } = this.#options;
    const since = clock.ticks();
    for (let wait = FIRST_MS; ; wait = Math.min(wait * 2, MAX_MS)) {
      if (patienceMs !== undefined && clock.ticks() - since > patienceMs) throw error;
      const ms = Math.round(wait * (0.5 + clock.random() / 2));
      onOffline(ms);
      await clock.sleep(ms, { signal });
      try {
        await store.reach({ signal });
        break;
      } catch (thrown) {
        if (asVaultError(thrown).kind !== 'offline') throw thrown;
      }
    }
    onOnline();
  }
}
