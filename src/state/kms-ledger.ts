import { existsSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { KmsLedger } from '../model/kms.ts';
import { isDamage, loadSqlite, makeFolder, stateError } from './database.ts';

const FILE = 'kms.sqlite';
const SQLITE_BUSY = 5;
const OPEN_PATIENCE_MS = 5_000;

/**
 * The ledger of all s3vault processes that share a state folder. It holds the last second and what can be asked again, so it
 * is never synced to disk, and one that is damaged is begun anew.
 */
export async function openKmsLedger(folder: string): Promise<KmsLedger> {
  await makeFolder(folder);
  const { DatabaseSync } = await loadSqlite();
  const file = join(folder, FILE);
  const open = async (): Promise<KmsLedger> => {
    const database = new DatabaseSync(file);
    try {
      return ledgerOn(await prepared(database, file), folder);
    } catch (thrown) {
      database.close();
      throw thrown;
    }
  };
  try {
    return await open();
  } catch (thrown) {
    if (!isDamage(thrown)) throw stateError(thrown, folder);
    for (const ending of ['', '-wal', '-shm']) rmSync(file + ending, { force: true });
    return open();
  }
}

/** What the ledger says, without making one. */
export async function readKmsLedger(folder: string): Promise<Pick<KmsLedger, 'read' | 'close'> | undefined> {
  return existsSync(join(folder, FILE)) ? openKmsLedger(folder) : undefined;
}

async function prepared(database: DatabaseSync, file: string): Promise<DatabaseSync> {
  database.exec(
    `PRAGMA busy_timeout = ${OPEN_PATIENCE_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS books (scope TEXT PRIMARY KEY, book TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA busy_timeout = 0;`,
  );
  await chmod(file, 0o600);
  return database;
}

function ledgerOn(database: DatabaseSync, folder: string): KmsLedger {
  const get = database.prepare('SELECT book FROM books WHERE scope = ?');
  const put = database.prepare('INSERT OR REPLACE INTO books (scope, book) VALUES (?, ?)');
  const bookOf = (scope: string): string | undefined => {
    const book = get.get(scope)?.['book'];
    return typeof book === 'string' ? book : undefined;
  };
  const told = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (thrown) {
      if (database.isTransaction) database.exec('ROLLBACK');
      if (((thrown as { readonly errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY) return undefined;
      throw stateError(thrown, folder);
    }
  };
  return {
    change: (scope, change) =>
      told(() => {
        database.exec('BEGIN IMMEDIATE');
        const { book, result } = change(bookOf(scope));
        put.run(scope, book);
        database.exec('COMMIT');
        return { result };
      }),
    read: (scope) => told(() => bookOf(scope)),
    close: () => database.close(),
  };
}
