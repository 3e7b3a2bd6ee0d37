import { systemClock } from '../clock.ts';

/** A run that only waits (for the next try, for a file to be still) has no open handle: Node would end in its middle. */
export function holdProcess(): () => void {
  const hold = new AbortController();
  systemClock.sleep(Number.MAX_SAFE_INTEGER, { signal: hold.signal }).catch(() => undefined);
  return () => hold.abort();
}

/** Keeps the process alive while `work` goes on; closes what it used however it ends. */
export async function heldOpen<T>(
  work: () => Promise<T>,
  close: () => Promise<void> = () => Promise.resolve(),
): Promise<T> {
  const letGo = holdProcess();
  try {
    return await work();
  } finally {
    await close();
    letGo();
  }
}
