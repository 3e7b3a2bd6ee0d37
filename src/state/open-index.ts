import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { LeftOutBook } from '../model/left-out.ts';
import type { RefusedBook } from '../model/refused.ts';
import type { Index, IndexChange, Intents, PlanSpool } from '../model/ports.ts';
import { indexFile, loadSqlite, makeFolder, memoryDatabase, openDatabase, stateError } from './database.ts';
import { openHistory } from './history.ts';
import { openIntents } from './intents.ts';
import { openJournals } from './journals.ts';
import { openLeftOut } from './left-out.ts';
import { takeLock } from './lock.ts';
import { recordStatements, toRecord, toRow } from './records.ts';
import { openRefused } from './refused.ts';
import { openSpool } from './spool.ts';
import { openSql } from './sql.ts';

export interface IndexOptions {
  /** The state folder of one vault; made with permissions 0700. */
  readonly folder: string;
}

/**
 * The Index of one vault, held by this process alone. Rejects with kind `held` (exit 7) where another process has it,
 * `usage` where it was made by a newer version or the folder can't be written. A damaged Index is set aside and an
 * empty one begun: the engine rebuilds it from the bucket.
 */
export async function openIndex({ folder }: IndexOptions): Promise<Index> {
  await makeFolder(folder);
  const release = await takeLock(folder).catch((thrown: unknown) => {
    throw stateError(thrown, folder);
  });
  try {
    return indexOn(await openDatabase(folder), release, folder);
  } catch (thrown) {
    release();
    throw thrown;
  }
}

/** An Index that lives in memory, for tests and dry runs. */
export async function memoryIndex(): Promise<Index> {
  return indexOn(await memoryDatabase(), () => undefined, ':memory:');
}

/** What can be looked at without holding the vault. */
export type IndexView = Pick<
  Index,
  'count' | 'get' | 'page' | 'under' | 'journal' | 'leftOut' | 'refused' | 'close' | 'meta'
>;

/** Opens an Index for reading only, also while another process holds the vault. Undefined where there is none. */
export async function readIndex({ folder }: IndexOptions): Promise<IndexView | undefined> {
  if (!existsSync(indexFile(folder))) return undefined;
  const { DatabaseSync } = await loadSqlite();
  try {
    const database = new DatabaseSync(indexFile(folder), { readOnly: true });
    database.exec('PRAGMA busy_timeout = 5000');
    return indexOn(database, () => undefined, folder);
  } catch (thrown) {
    throw stateError(thrown, folder);
  }
}

function indexOn(database: DatabaseSync, release: () => void, folder: string): Index {
  const sql = openSql(database, folder);
  const records = recordStatements(sql);
  const getMeta = sql.prepare('SELECT value FROM meta WHERE name = ?');
  const putMeta = sql.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)');
  const dropMeta = sql.prepare('DELETE FROM meta WHERE name = ?');
  const journals = openJournals(sql);
  // Not before it is needed: an Index of an older schema can still be read.
  let intents: Intents | undefined;
  let leftOut: LeftOutBook | undefined;
  let refused: RefusedBook | undefined;
  let spool: PlanSpool | undefined;
  let history: ReturnType<typeof openHistory> | undefined;
  const historyOf = () => (history ??= openHistory(sql));
  const intentsOf = (): Intents => (intents ??= openIntents(sql));
  return {
    meta: (name) => {
      const value = getMeta.get(name)?.['value'];
      return typeof value === 'string' ? value : undefined;
    },
    setMeta: (name, value) => (value === undefined ? dropMeta.run(name) : putMeta.run(name, value)),
    page: (after, limit) =>
      (after === undefined ? records.first.all(limit) : records.after.all(after, limit)).map(toRecord),
    under: (key) => {
      if (key === '') return records.first.all(-1).map(toRecord);
      // '0' is the character after '/': all keys that begin with `key/` lie between.
      return records.under.all(key, `${key}/`, `${key}0`).map(toRecord);
    },
    get: (key) => {
      const row = records.get.get(key);
      return row === undefined ? undefined : toRecord(row);
    },
    count: () => {
      const row = records.count.get();
      return { files: Number(row?.['files'] ?? 0), bytes: Number(row?.['bytes'] ?? 0) };
    },
    commit: (changes, ended = []) =>
      sql.transaction(() => {
        commitAll(records, intentsOf(), changes);
        if (ended.length > 0) historyOf().add(ended);
      }),
    history: historyOf,
    journal: () => journals,
    intents: intentsOf,
    leftOut: () => (leftOut ??= openLeftOut(sql)),
    refused: () => (refused ??= openRefused(sql)),
    spool: () => (spool ??= openSpool(sql)),
    close: () => {
      sql.close();
      release();
    },
  };
}

function commitAll(
  records: ReturnType<typeof recordStatements>,
  intents: Intents,
  changes: readonly IndexChange[],
): void {
  for (const change of changes) {
    if (change.kind === 'put') records.put(...toRow(change.record));
    else records.remove.run(change.key);
    intents.remove(change.kind === 'put' ? change.record.key : change.key);
  }
}
