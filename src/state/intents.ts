import type { NameKey, RelPath } from '../model/brands.ts';
import type { Intents } from '../model/ports.ts';
import type { Sql } from './sql.ts';

/** What is about to be sent for the first time. */
export function openIntents(sql: Sql): Intents {
  const add = sql.prepare('INSERT OR REPLACE INTO intents (key, path) VALUES (?, ?)');
  const all = sql.prepare('SELECT key, path FROM intents ORDER BY key');
  const remove = sql.prepare('DELETE FROM intents WHERE key = ?');
  return {
    add: (intents) => {
      if (intents.length === 0) return;
      sql.transaction(() => {
        for (const { key, path } of intents) add.run(key, path);
      });
    },
    all: () =>
      all.all().map(({ key, path }) => ({ key: String(key) as NameKey, path: String(path) as RelPath })),
    remove: (key) => remove.run(key),
  };
}
