import { type VaultError, asVaultError } from '../model/errors.ts';
import type { Clock, Index, IndexChange } from '../model/ports.ts';

/** Changes waiting at most, and for how long: one durable transaction serves many transfers. */
const BATCH = 512;
const BATCH_MS = 40;

interface Waiting {
  readonly change: IndexChange;
  readonly resolve: () => void;
  readonly reject: (error: VaultError) => void;
}

/** The one writer of the Index: gathers changes and commits them together. */
export class Committer {
  readonly #index: Index;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #timed = false;

  constructor(index: Index, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
  }

  /** Resolves when the change is durable. */
  commit(change: IndexChange): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject });
      if (this.#waiting.length >= BATCH) this.flush();
      else if (!this.#timed) this.#flushSoon();
    });
  }

  /** A timer that keeps the process alive: somebody waits for this commit. */
  #flushSoon(): void {
    this.#timed = true;
    void this.#clock.sleep(BATCH_MS).then(() => {
      this.#timed = false;
      this.flush();
    });
  }

  flush(): void {
    const batch = this.#waiting;
    if (batch.length === 0) return;
    this.#waiting = [];
    try {
      this.#index.commit(batch.map((waiting) => waiting.change));
    } catch (thrown) {
      const error = asVaultError(thrown);
      for (const waiting of batch) waiting.reject(error);
      return;
    }
    for (const waiting of batch) waiting.resolve();
  }
}
