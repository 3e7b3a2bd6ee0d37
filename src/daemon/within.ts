import type { Clock } from '../model/ports.ts';

/** What the promise gives, or undefined after `ms`. Leaves no timer behind that would keep the process. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const callOff = clock.after(ms, () => late.resolve(undefined));
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    callOff();
  }
}
