/** Work that must be ended in order although its caller has been called off: it gets a short time more. */
import { VaultError, asVaultError } from '../model/errors.ts';
import type { Clock, Waits } from '../model/ports.ts';

/**
 * Runs `work` with a signal of its own, which fires `ms` after that of the caller. Rejects with code `no-answer` where even
 * that was not enough.
 */
export async function inGrace<T>(
  clock: Pick<Clock, 'after'>,
  ms: number,
  { signal }: Waits,
  work: (waits: Waits) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  let callOff: (() => void) | undefined;
  const begin = (): void => {
    callOff = clock.after(ms, () => own.abort());
  };
  if (signal?.aborted === true) begin();
  else signal?.addEventListener('abort', begin, { once: true });
  try {
    return await work({ signal: own.signal });
  } catch (thrown) {
    throw own.signal.aborted && asVaultError(thrown).kind === 'cancelled' ? noAnswer(thrown) : thrown;
  } finally {
    signal?.removeEventListener('abort', begin);
    callOff?.();
  }
}

/** The same for work that has so long from now on, whoever called it off. */
export const withinMs = <T>(
  clock: Pick<Clock, 'after'>,
  ms: number,
  work: (waits: Waits) => Promise<T>,
): Promise<T> => inGrace(clock, ms, { signal: AbortSignal.abort() }, work);

export const noAnswer = (cause: unknown): VaultError =>
  new VaultError('offline', 'no-answer', 'the store did not answer in time', {
    cause,
    hint: 'check the network, then run the same command again',
  });

/** Rejects once the signal has fired: nothing new is begun then. */
export function refuseCalledOff({ signal }: Waits): void {
  if (signal?.aborted === true) throw new VaultError('cancelled', 'cancelled', 'called off');
}
