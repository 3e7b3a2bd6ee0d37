import { type NameKey, relPath } from '../model/brands.ts';
import type { RefusedBook, RefusedRemoval } from '../model/refused.ts';
import type { Row, Sql } from './sql.ts';

/** Removals that a person said no to, in the Index. */
export function openRefused(sql: Sql): RefusedBook {
  // An Index of an older schema can still be looked at.
  const known = sql.prepare("SELECT 1 FROM sqlite_master WHERE name = 'refused'").get();
  if (known === undefined) return NONE;
  const count = sql.prepare('SELECT count(*) AS count FROM refused');
  const all = sql.prepare('SELECT * FROM refused ORDER BY key');
  const page = sql.prepare('SELECT * FROM refused WHERE key > ? ORDER BY key LIMIT ?');
  const put = sql.prepare(
    'INSERT OR REPLACE INTO refused (key, path, kind, etag, digest) VALUES (?, ?, ?, ?, ?)',
  );
  const remove = sql.prepare('DELETE FROM refused WHERE key = ?');
  const clear = sql.prepare('DELETE FROM refused');
  return {
    count: () => Number(count.get()?.['count']),
    all: () => all.all().map(toRemoval),
    // No key is empty.
    page: (after, limit) => page.all(after ?? '', limit).map(toRemoval),
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

const NONE: RefusedBook = {
  count: () => 0,
  all: () => [],
  page: () => [],
  put: () => undefined,
  remove: () => undefined,
  clear: () => undefined,
};

function toRemoval({ key, path, kind, etag, digest }: Row): RefusedRemoval {
  return {
    key: String(key) as NameKey,
    path: relPath(String(path)),
    kind: kind === 'remove-local' ? kind : 'remove-remote',
    etag: String(etag),
    ...(digest instanceof Uint8Array ? { digest } : {}),
  };
}
