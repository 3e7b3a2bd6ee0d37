import { type NameKey, relPath } from '../model/brands.ts';
import type { LeftOutBook, LeftOutFile, LeftOutKind } from '../model/left-out.ts';
import type { Row, Sql } from './sql.ts';

/** What a person took out of the queue, in the Index. */
export function openLeftOut(sql: Sql): LeftOutBook {
  // An Index of an older schema can still be looked at.
  const known = sql.prepare("SELECT 1 FROM sqlite_master WHERE name = 'left_out'").get();
  if (known === undefined) return { all: () => [], put: () => undefined, remove: () => undefined };
  const all = sql.prepare('SELECT * FROM left_out ORDER BY key');
  const put = sql.prepare(
    'INSERT OR REPLACE INTO left_out (key, path, kind, size, mtime, etag) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const remove = sql.prepare('DELETE FROM left_out WHERE key = ?');
  return {
    all: () => all.all().map(toFile),
    put: ({ key, path, kind, local, etag }) =>
      put.run(key, path, kind, local?.size ?? null, local?.mtime ?? null, etag ?? null),
    remove: (key) => remove.run(key),
  };
}

function toFile(row: Row): LeftOutFile {
  const { size, mtime, etag } = row;
  return {
    key: String(row['key']) as NameKey,
    path: relPath(String(row['path'])),
    kind: String(row['kind']) as LeftOutKind,
    ...(size === null || mtime === null ? {} : { local: { size: Number(size), mtime: Number(mtime) } }),
    ...(typeof etag === 'string' ? { etag } : {}),
  };
}
