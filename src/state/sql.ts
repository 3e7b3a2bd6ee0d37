import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { stateError } from './database.ts';

export type Row = { readonly [column: string]: SQLOutputValue };

export interface Statement {
  run(...values: SQLInputValue[]): void;
  get(...values: SQLInputValue[]): Row | undefined;
  all(...values: SQLInputValue[]): Row[];
}

/** One database of a vault; whatever SQLite throws comes as a VaultError with a way out (`stateError`). */
export interface Sql {
  prepare(sql: string): Statement;
  /** All of it or nothing. */
  transaction(work: () => void): void;
  close(): void;
}

export function openSql(database: DatabaseSync, folder: string): Sql {
  const told = <T>(work: () => T): T => {
    try {
      return work();
    } catch (thrown) {
      throw stateError(thrown, folder);
    }
  };
  return {
    prepare: (sql) => {
      const statement = told(() => database.prepare(sql));
      return {
        run: (...values) => void told(() => statement.run(...values)),
        get: (...values) => told(() => statement.get(...values)),
        all: (...values) => told(() => statement.all(...values)),
      };
    },
    transaction: (work) => told(() => inTransaction(database, work)),
    close: () => database.close(),
  };
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    work();
    database.exec('COMMIT');
  } catch (thrown) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw thrown;
  }
}
