/** The log file of a daemon without journald: what has grown is set aside while it is written to. */
import { copyFile, fstat, stat, truncate } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from '../model/ports.ts';

/** A log past this is set aside as `daemon.log.1`. */
export const LOG_BYTES = 10 * 2 ** 20;
const LOOK_EVERY_MS = 15 * 60_000;
const STDERR = 2;

/**
 * Looks at it from time to time, where this process writes to that very file; else it is somebody else's. It is copied and
 * emptied, as it is open for appending here and in launchd: a line in between may get lost. Gives the function that ends it.
 */
export function keepLogSmall(path: string, clock: Clock, fd = STDERR, limit = LOG_BYTES): () => void {
  let callOff: () => void = () => undefined;
  let over = false;
  const look = async (): Promise<void> => {
    await turnOver(path, fd, limit).catch(() => undefined);
    if (!over) callOff = clock.after(LOOK_EVERY_MS, () => void look());
  };
  void look();
  return () => {
    over = true;
    callOff();
  };
}

/** True where it was set aside. */
export async function turnOver(path: string, fd: number, limit: number): Promise<boolean> {
  const [own, file] = await Promise.all([promisify(fstat)(fd), promisify(stat)(path)]);
  if (own.ino !== file.ino || own.dev !== file.dev || file.size <= limit) return false;
  await promisify(copyFile)(path, `${path}.1`);
  await promisify(truncate)(path, 0);
  return true;
}
