import { type NameKey, relPath } from '../model/brands.ts';
import type { LeftOutBook, LeftOutFile, LeftOutKind } from '../model/left-out.ts';
import type { Row, Sql } from './sql.ts';

/** What a person took out of the queue, in the Index. */
export function openLeftOut(sql: Sql): LeftOutBook {
  // An Index of an older schema can still be looked at.
  const known = sql.prepare("SELECT 1 FROM sqlite_master WHERE name = 'left_out'").get();
  if (known === undefined) return { all: () => [], put: () => undefined, remove: () => undefined };
  const all = sql.prepare('SELECT * FROM left_out ORDER BY key');
  // Not before it is needed: one without the newer columns can be looked at, too.
  let put: ReturnType<Sql['prepare']> | undefined;
  const remove = sql.prepare('DELETE FROM left_out WHERE key = ?');
  return {
    all: () => all.all().map(toFile),
    put: ({ key, path, kind, local: { size, mtime, ctime, mode } = {}, etag }) => {
      put ??= sql.prepare(
        'INSERT OR REPLACE INTO left_out (key, path, kind, size, mtime, ctime, mode, etag) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      );
      const stamp = [size, mtime, ctime, mode].map((value) => value ?? null);
      put.run(key, path, kind, ...stamp, etag ?? null);
    },
    remove: (key) => remove.run(key),
  };
}

function toFile(row: Row): LeftOutFile {
  const { etag } = row;
  const local = localOf(row);
  return {
    key: String(row['key']) as NameKey,
    path: relPath(String(row['path'])),
    kind: String(row['kind']) as LeftOutKind,
    ...(local === undefined ? {} : { local }),
    ...(typeof etag === 'string' ? { etag } : {}),
  };
}

function localOf({ size, mtime, ctime, mode }: Row): LeftOutFile['local'] {
  if (typeof size !== 'number' || typeof mtime !== 'number') return undefined;
  return {
    size,
    mtime,
    ...(typeof ctime === 'number' ? { ctime } : {}),
    ...(typeof mode === 'number' ? { mode } : {}),
  };
}
