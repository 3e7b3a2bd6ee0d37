import { systemClock } from '../clock.ts';

/** A run that only waits (for the next try, for a file to be still) has no open handle: Node would end in its middle. */
export function holdProcess(): () => void {
  const hold = new AbortController();
  systemClock.sleep(Number.MAX_SAFE_INTEGER, { signal: hold.signal }).catch(() => undefined);
  return () => hold.abort();
}
