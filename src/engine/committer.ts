import { type VaultError, asVaultError } from '../model/errors.ts';
import type { Event } from '../model/event.ts';
import type { Clock, Index, IndexChange } from '../model/ports.ts';
import type { Emitter } from './emitter.ts';
import { History } from './history.ts';

/** Changes waiting at most, and for how long: one durable transaction serves many transfers. */
const BATCH = 512;
const BATCH_MS = 40;

interface Waiting {
  readonly change: IndexChange;
  readonly resolve: () => void;
  readonly reject: (error: VaultError) => void;
}

/** What happened is written with the next changes; where none come, after so long, or when so many lines wait. */
const HISTORY_MS = 2_000;
const HISTORY_LINES = 4_096;

/** The one writer of the Index: gathers changes and commits them together, and what happened with them. */
export class Committer {
  readonly #index: Index;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #timed = false;
  #later: (() => void) | undefined;
  readonly history: History;

  constructor(index: Index, clock: Clock, emitter: Pick<Emitter, 'subscribe'>) {
    this.#index = index;
    this.#clock = clock;
    this.history = new History(index, clock);
    emitter.subscribe((event) => this.#hear(event));
  }

  #hear(event: Event): void {
    if (!this.history.hear(event)) return;
    if (this.history.waiting >= HISTORY_LINES) this.flush();
    else this.#later ??= this.#clock.after(HISTORY_MS, () => this.flush());
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
    this.#later?.();
    this.#later = undefined;
    const batch = this.#waiting;
    const ended = this.history.take();
    if (batch.length + ended.length === 0) return;
    this.#waiting = [];
    try {
      this.#index.commit(
        batch.map((waiting) => waiting.change),
        ended,
      );
    } catch (thrown) {
      const error = asVaultError(thrown);
      // Lines of the history alone are no reason to end anything; what has to be remembered says why it is not.
      for (const waiting of batch) waiting.reject(error);
      return;
    }
    for (const waiting of batch) waiting.resolve();
  }
}
