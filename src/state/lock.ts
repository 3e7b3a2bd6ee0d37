import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VaultError } from '../model/errors.ts';
import { loadSqlite } from './database.ts';

const SQLITE_BUSY = 5;

/** What to say where another process was first; `who` is the subject of a sentence. */
export type Held = (who: string, cause: unknown) => VaultError;

const vaultHeld: Held = (who, cause) =>
  new VaultError('held', 'vault-held', `${who} holds this vault`, {
    hint: 'end it first, or wait until it is done; one vault is synced by one process at a time',
    cause,
  });

/**
 * The one-process lock of a vault [LOCK-1]: a second SQLite file held in an exclusive transaction. The operating system
 * lets go of it however the process ends, and readers of the Index are not in its way.
 */
export async function takeLock(folder: string, held: Held = vaultHeld): Promise<() => void> {
  const { DatabaseSync } = await loadSqlite();
  const file = join(folder, 'lock.sqlite');
  const pidFile = join(folder, 'lock.pid');
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE;');
  } catch (thrown) {
    database.close();
    if (((thrown as { readonly errcode?: number }).errcode ?? 0) % 256 !== SQLITE_BUSY) throw thrown;
    const holder = await readFile(pidFile, 'utf8').catch(() => '');
    const who = /^\d+$/.test(holder) ? `process ${holder}` : 'another process';
    throw held(who, thrown);
  }
  await chmod(file, 0o600);
  await writeFile(pidFile, String(process.pid), { mode: 0o600 });
  return () => database.close();
}
