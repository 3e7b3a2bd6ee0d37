import { asVaultError, type VaultError } from '../model/errors.ts';
import { type Described, checkDescription, placeOf } from './describe.ts';
import { readDescription } from './description.ts';
import type { Emitter } from './emitter.ts';
import { acceptingCommand } from './guard.ts';
import type { Online } from './online.ts';

/** Milliseconds that a look at the description is good for while something is written. */
export const LOOK_MS = 30_000;

export interface StandingOptions {
  readonly described: Described;
  readonly online: Online;
  readonly emitter: Emitter;
  readonly signal: AbortSignal;
  /** Ends the engine with this error. */
  readonly fail: (error: VaultError) => void;
}

/**
 * Whether the vault in the bucket is still what it was at start. Another machine may begin a rekey at any time: who went on
 * under the old key would write what the others cannot open [MOVE-3]. One request a look, however many wait for it; rejects as
 * `meetRemote` does. A store that does not answer is waited for.
 */
export class Standing {
  readonly #options: StandingOptions;
  /** When the last answer was asked for; undefined before the start and after a lost connection. */
  #asked: { readonly ticks: number; readonly now: number } | undefined;
  #met = false;
  #missing = false;
  #looking: Promise<void> | undefined;
  #going = 0;
  #callOff: (() => void) | undefined;

  constructor(options: StandingOptions) {
    this.#options = options;
  }

  /** The vault was met a moment ago, with the same checks. */
  met(): void {
    this.#met = true;
    this.#asked = this.#time();
  }

  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Looks, unless the last look is still good. */
  async fresh(): Promise<void> {
    if (this.#left() <= 0) await this.look();
  }

  /** The connection was lost for a while: what was seen before is worth nothing. */
  cameOnline(): void {
    if (!this.#met) return;
    this.#asked = undefined;
    void this.look().catch((thrown: unknown) => this.#options.fail(asVaultError(thrown)));
  }

  /** Looks before the work where need be, and again and again as long as it takes. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    await this.fresh();
    if (this.#going++ === 0) this.#lookOn();
    try {
      return await work();
    } finally {
      if (--this.#going === 0) this.#callOff?.();
    }
  }

  #lookOn(): void {
    const { described, fail } = this.#options;
    this.#callOff = described.clock.after(Math.max(1, this.#left()), () => {
      void this.fresh().then(
        () => {
          if (this.#going > 0) this.#lookOn();
        },
        (thrown: unknown) => fail(asVaultError(thrown)),
      );
    });
  }

  /** Milliseconds for which the last look is good. By both clocks: one stands still while a machine sleeps, one is set. */
  #left(): number {
    if (this.#asked === undefined) return 0;
    const { ticks, now } = this.#time();
    return LOOK_MS - Math.max(ticks - this.#asked.ticks, Math.abs(now - this.#asked.now));
  }

  #time(): { readonly ticks: number; readonly now: number } {
    const { clock } = this.#options.described;
    return { ticks: clock.ticks(), now: clock.now() };
  }

  async #look(): Promise<void> {
    const { described, online, signal } = this.#options;
    const { store, vault, keyFingerprint } = described;
    await online.reaching(async () => {
      const asked = this.#time();
      const found = await readDescription(store, vault.remote.prefix, signal);
      if (found === undefined) this.#tellMissing();
      else checkDescription(found, vault, keyFingerprint);
      this.#missing = found === undefined;
      this.#asked = asked;
    });
  }

  #tellMissing(): void {
    if (this.#missing) return;
    const { emitter, described } = this.#options;
    const { vault } = described;
    emitter.emit({
      event: 'warning',
      code: 'description-missing',
      message: `${placeOf(vault)} no longer says which vault it is: .s3vault/vault.json is gone`,
      hint:
        vault.direction === 'push'
          ? 'sync goes on; the next start writes it again and compares the whole bucket'
          : `no file is removed here for it; is it the right bucket? to fill it again, leave this and run: ${acceptingCommand(vault)}`,
    });
  }
}
