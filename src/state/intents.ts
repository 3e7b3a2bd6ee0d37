import type { DatabaseSync } from 'node:sqlite';
import type { NameKey, RelPath } from '../model/brands.ts';
import type { Intents } from '../model/ports.ts';
import { inTransaction } from './database.ts';

/** What is about to be sent for the first time. */
export function openIntents(database: DatabaseSync): Intents {
  const add = database.prepare('INSERT OR REPLACE INTO intents (key, path) VALUES (?, ?)');
  const all = database.prepare('SELECT key, path FROM intents ORDER BY key');
  const remove = database.prepare('DELETE FROM intents WHERE key = ?');
  return {
    add: (intents) => {
      if (intents.length === 0) return;
      inTransaction(database, () => {
        for (const { key, path } of intents) add.run(key, path);
      });
    },
    all: () =>
      all.all().map(({ key, path }) => ({ key: String(key) as NameKey, path: String(path) as RelPath })),
    remove: (key) => void remove.run(key),
  };
}
