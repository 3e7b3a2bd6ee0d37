import { type NameKey, relPath } from '../model/brands.ts';
import type { RefusedBook, RefusedRemoval } from '../model/refused.ts';
import type { Row, Sql } from './sql.ts';

/** Removals that a person said no to, in the Index. */
export function openRefused(sql: Sql): RefusedBook {
  const all = sql.prepare('SELECT * FROM refused ORDER BY key');
  const put = sql.prepare(
    'INSERT OR REPLACE INTO refused (key, path, kind, etag, digest) VALUES (?, ?, ?, ?, ?)',
  );
  const remove = sql.prepare('DELETE FROM refused WHERE key = ?');
  const clear = sql.prepare('DELETE FROM refused');
  return {
    all: () => all.all().map(toRemoval),
    put: (removals) => {
      if (removals.length === 0) return;
      sql.transaction(() => {
        for (const { key, path, kind, etag, digest } of removals)
          put.run(key, path, kind, etag, digest ?? null);
      });
    },
    remove: (keys) => {
      if (keys.length === 0) return;
      sql.transaction(() => {
        for (const key of keys) remove.run(key);
      });
    },
    clear: () => clear.run(),
  };
}

function toRemoval({ key, path, kind, etag, digest }: Row): RefusedRemoval {
  return {
    key: String(key) as NameKey,
    path: relPath(String(path)),
    kind: kind === 'remove-local' ? kind : 'remove-remote',
    etag: String(etag),
    ...(digest instanceof Uint8Array ? { digest } : {}),
  };
}
