import type { Places } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import { makeFolder } from '../state/database.ts';
import { takeLock } from '../state/lock.ts';
import { join } from 'node:path';

/** What belongs to the daemon of this user alone: its lock, and the note that says how to reach it. */
export const daemonFolder = (places: Places): string => join(places.state, 'daemon');

/**
 * Makes this process the one daemon over these vaults; gives what lets go of that. Rejects with kind `held` (exit 7) where
 * another one runs. The operating system lets go by itself however the process ends.
 */
export async function takeDaemonLock(places: Places): Promise<() => void> {
  const folder = daemonFolder(places);
  await makeFolder(folder);
  return takeLock(
    folder,
    (who, cause) =>
      new VaultError('held', 'daemon-runs', `a daemon runs already: ${who}`, {
        hint: 'see it with: s3vault daemon status; end it with: s3vault daemon stop',
        cause,
      }),
  );
}
