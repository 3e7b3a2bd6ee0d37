import { type VaultError, asVaultError } from '../model/errors.ts';
import type { Clock, Waits } from '../model/ports.ts';

/** Waits between tries to find a daemon again: from the first on twice as long each time. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
/** A connection that lasted so long was a good one: what comes after it is waited for anew. */
const STEADY_MS = 10_000;
/** A daemon that starts or ends may answer anything, or nothing; after this it is no passing trouble. */
const GRACE_MS = 30_000;
/** What no waiting mends. */
const FINAL: ReadonlySet<string> = new Set(['other-protocol']);

export interface ComebackOptions<Client> {
  readonly clock: Clock;
  /** Undefined where no daemon runs. */
  readonly connect: (options: Waits) => Promise<Client | undefined>;
  /** The user leaves. */
  readonly signal: AbortSignal;
  /** Called before each wait; `trouble` is what was in the way last, where something answers that is no daemon yet. */
  readonly onWaiting: (trouble: VaultError | undefined) => Promise<void> | void;
}

/** Finds the daemon that comes after one that ended: at once, then more and more seldom, also where each one ends at once. */
export class Comeback<Client extends { close(): void }> {
  readonly #options: ComebackOptions<Client>;
  #wait = 0;
  #since: number;
  #trouble: { readonly since: number; readonly why: VaultError } | undefined;

  /** Made when the first connection begins. */
  constructor(options: ComebackOptions<Client>) {
    this.#options = options;
    this.#since = options.clock.ticks();
  }

  /**
   * The next daemon; undefined where the user leaves first. `why`: why the last connection ended, where it was said.
   * Rejects with what is in the way once that has been so for half a minute.
   */
  async next(why?: VaultError): Promise<Client | undefined> {
    const { clock, connect, signal, onWaiting } = this.#options;
    if (clock.ticks() - this.#since >= STEADY_MS) {
      this.#wait = 0;
      this.#trouble = undefined;
    }
    if (why !== undefined) this.#met(why);
    while (!signal.aborted) {
      await onWaiting(this.#trouble?.why);
      await this.#rest();
      if (signal.aborted) break;
      const client = await this.#unlessLeft(connect({ signal }));
      if (client === undefined) continue;
      this.#since = clock.ticks();
      return client;
    }
    return undefined;
  }

  /** Who leaves waits for nothing: the connection is closed if it comes. */
  async #unlessLeft(connecting: Promise<Client | undefined>): Promise<Client | undefined> {
    const { signal } = this.#options;
    const left = Promise.withResolvers<'left'>();
    const leave = (): void => left.resolve('left');
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      const found = await Promise.race([connecting, left.promise]);
      if (found === 'left' || signal.aborted) {
        void connecting.then((late) => late?.close()).catch(() => undefined);
        return undefined;
      }
      // Nobody is there: whoever was in the way is gone.
      if (found === undefined) this.#trouble = undefined;
      return found;
    } catch (thrown) {
      return this.#met(asVaultError(thrown));
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #met(why: VaultError): undefined {
    const now = this.#options.clock.ticks();
    const since = this.#trouble?.since ?? now;
    this.#trouble = { since, why };
    if (FINAL.has(why.code) || now - since >= GRACE_MS) throw why;
    return undefined;
  }

  async #rest(): Promise<void> {
    const { clock, signal } = this.#options;
    const wait = this.#wait;
    this.#wait = Math.min(LONGEST_WAIT_MS, wait === 0 ? FIRST_WAIT_MS : 2 * wait);
    if (wait > 0) await clock.sleep(wait, { signal }).catch(() => undefined);
  }
}
