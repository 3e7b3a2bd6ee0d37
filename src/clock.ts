/** Time and chance as they are. The only home of `Date.now` and `setTimeout` outside tests and the embedded server. */
import { VaultError } from './model/errors.ts';
import type { Clock, Waits } from './model/ports.ts';

/** `setTimeout` fires at once for longer waits than this (Node.js documentation, "setTimeout"). */
const LONGEST_MS = 2 ** 31 - 1;

const cancelled = (): VaultError => new VaultError('cancelled', 'cancelled', 'called off');

function sleep(ms: number, { signal }: Waits = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(cancelled());
    const end = (): void => {
      signal?.removeEventListener('abort', stop);
      resolve();
    };
    const stop = (): void => {
      callOff();
      reject(cancelled());
    };
    const callOff = wait(ms, end, true);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Calls `fn` after `ms`, however long that is; gives the function that calls it off. */
function wait(ms: number, fn: () => void, keepsAlive: boolean): () => void {
  const started = performance.now();
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const left = Math.max(0, ms - (performance.now() - started));
    timer = setTimeout(left > LONGEST_MS ? arm : fn, Math.min(left, LONGEST_MS));
    if (!keepsAlive) timer.unref();
  };
  arm();
  return () => clearTimeout(timer);
}

export const systemClock: Clock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  sleep,
  after: (ms, fn) => wait(ms, fn, false),
  random: () => Math.random(),
};

/** CLOCK_MONOTONIC in microseconds, which systemd compares with its own (sd_notify(3), MONOTONIC_USEC). */
export const monotonicMicroseconds = (): bigint => process.hrtime.bigint() / 1_000n;
