import { existsSync, renameSync } from 'node:fs';
import { mkdir, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { VaultError } from '../model/errors.ts';

/** One step per schema version: `MIGRATIONS[n]` brings version n to n + 1. Only ever appended to. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE records (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, size INTEGER NOT NULL, mtime REAL NOT NULL,
    ctime REAL NOT NULL, inode REAL NOT NULL, mode INTEGER NOT NULL, digest BLOB, etag TEXT NOT NULL,
    version_id TEXT, stored_size INTEGER NOT NULL, mode_fingerprint TEXT NOT NULL, seen_at REAL NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE uploads (key TEXT PRIMARY KEY, upload_id TEXT, subject TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE parts (
    key TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL, answer TEXT, PRIMARY KEY (key, number)
  ) WITHOUT ROWID;
  CREATE TABLE spool (seq INTEGER PRIMARY KEY, line TEXT NOT NULL);
  `,
  'CREATE TABLE intents (key TEXT PRIMARY KEY, path TEXT NOT NULL) WITHOUT ROWID;',
  'ALTER TABLE records ADD COLUMN received INTEGER NOT NULL DEFAULT 0;',
  // What waits in the spool belongs to one run: nothing is lost with it.
  `
  DROP TABLE spool;
  CREATE TABLE spool (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, find TEXT NOT NULL);
  CREATE INDEX spool_key ON spool (key);
  CREATE TABLE spool_lines (seq INTEGER PRIMARY KEY, line TEXT NOT NULL);
  `,
  `
  CREATE TABLE history (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, find TEXT NOT NULL);
  CREATE TABLE history_lines (seq INTEGER PRIMARY KEY, line TEXT NOT NULL);
  `,
  `
  CREATE TABLE left_out (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, size INTEGER, mtime REAL, etag TEXT
  ) WITHOUT ROWID;
  `,
  'ALTER TABLE left_out ADD COLUMN ctime REAL; ALTER TABLE left_out ADD COLUMN mode INTEGER;',
  `
  CREATE TABLE refused (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, etag TEXT NOT NULL, digest BLOB
  ) WITHOUT ROWID;
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

const FILE = 'index.sqlite';

export const indexFile = (folder: string): string => join(folder, FILE);

/** Loaded when needed: not every command has an Index. */
export const loadSqlite = () => import('node:sqlite');

export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new VaultError('usage', 'state-unwritable', `the state folder ${folder} cannot be made`, {
      cause,
      hint: 'check its permissions and free space, or set S3VAULT_HOME',
    });
  }
}

/** Opens the Index's file, brings it to the newest schema; a damaged one is set aside and begun anew. */
export async function openDatabase(folder: string): Promise<DatabaseSync> {
  const { DatabaseSync } = await loadSqlite();
  const file = indexFile(folder);
  try {
    return await prepared(new DatabaseSync(file), file);
  } catch (thrown) {
    if (!isDamage(thrown)) throw stateError(thrown, folder);
    setAside(file);
    return prepared(new DatabaseSync(file), file);
  }
}

async function prepared(database: DatabaseSync, file: string): Promise<DatabaseSync> {
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;');
    migrate(database);
    if (file !== ':memory:') await chmod(file, 0o600);
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

export async function memoryDatabase(): Promise<DatabaseSync> {
  const { DatabaseSync } = await loadSqlite();
  return prepared(new DatabaseSync(':memory:'), ':memory:');
}

/** SQLITE_CORRUPT (11) and SQLITE_NOTADB (26). */
export function isDamage(thrown: unknown): boolean {
  const code = (thrown as { readonly errcode?: number }).errcode;
  return code !== undefined && (code % 256 === 11 || code % 256 === 26);
}

/** Keeps what was there for a person to look at; the Index is rebuilt from the bucket. */
function setAside(file: string): void {
  let number = 1;
  while (existsSync(`${file}.damaged-${number}`)) number++;
  for (const ending of ['', '-wal', '-shm']) {
    if (existsSync(file + ending)) renameSync(file + ending, `${file}.damaged-${number}${ending}`);
  }
}

function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version > SCHEMA_VERSION) {
    throw new VaultError(
      'usage',
      'index-newer',
      `the Index was made by a newer s3vault (schema ${version})`,
      {
        hint: 'update s3vault on this machine',
      },
    );
  }
  for (let step = version; step < SCHEMA_VERSION; step++) {
    database.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[step] ?? ''} PRAGMA user_version = ${step + 1}; COMMIT;`);
  }
}

/** SQLite's errors with a way out: full disk, read-only folder. */
export function stateError(thrown: unknown, folder: string): unknown {
  if (thrown instanceof VaultError) return thrown;
  const code = ((thrown as { readonly errcode?: number }).errcode ?? -1) % 256;
  const [name, message] = STATE_ERRORS.get(code) ?? [];
  if (name === undefined || message === undefined) return thrown;
  return new VaultError('usage', name, `${message}: ${folder}`, {
    cause: thrown,
    hint: 'make room or fix its permissions; nothing is lost, what is not remembered is sent again',
  });
}

const STATE_ERRORS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [8, ['state-unwritable', 'the state folder is read-only']],
  [10, ['state-unwritable', 'the state folder cannot be read or written']],
  [11, ['index-damaged', 'the Index is damaged; remove index.sqlite and it is rebuilt from the bucket']],
  [13, ['state-full', 'no room left for the Index']],
  [14, ['state-unwritable', 'the Index cannot be opened']],
]);
