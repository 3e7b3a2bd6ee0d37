import { type NameKey, relPath } from '../model/brands.ts';
import type { Record } from '../model/record.ts';
import type { SQLInputValue } from 'node:sqlite';
import type { Row, Sql, Statement } from './sql.ts';

const COLUMNS =
  'key, path, kind, size, mtime, ctime, inode, mode, digest, etag, version_id, stored_size, mode_fingerprint, seen_at, received';

/** The prepared statements on the records table. */
export function recordStatements(sql: Sql) {
  // Not before it is needed: an Index of an older schema can still be read.
  let put: Statement | undefined;
  return {
    first: sql.prepare(`SELECT * FROM records ORDER BY key LIMIT ?`),
    after: sql.prepare(`SELECT * FROM records WHERE key > ? ORDER BY key LIMIT ?`),
    under: sql.prepare(`SELECT * FROM records WHERE key = ? OR (key > ? AND key < ?) ORDER BY key`),
    get: sql.prepare(`SELECT * FROM records WHERE key = ?`),
    count: sql.prepare('SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM records'),
    put: (...row: SQLInputValue[]): void => {
      put ??= sql.prepare(
        `INSERT OR REPLACE INTO records (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      );
      put.run(...row);
    },
    remove: sql.prepare('DELETE FROM records WHERE key = ?'),
  };
}

export function toRecord(row: Row): Record {
  const { digest, version_id } = row;
  return {
    key: String(row['key']) as NameKey,
    path: relPath(String(row['path'])),
    kind: row['kind'] === 'link' ? 'link' : 'file',
    size: Number(row['size']),
    mtime: Number(row['mtime']),
    ctime: Number(row['ctime']),
    inode: Number(row['inode']),
    mode: Number(row['mode']),
    ...(digest instanceof Uint8Array ? { digest } : {}),
    etag: String(row['etag']),
    ...(typeof version_id === 'string' ? { versionId: version_id } : {}),
    storedSize: Number(row['stored_size']),
    modeFingerprint: String(row['mode_fingerprint']),
    seenAt: Number(row['seen_at']),
    ...(row['received'] === 1 ? { received: true as const } : {}),
  };
}

export function toRow(record: Record): (string | number | Uint8Array | null)[] {
  const { key, path, kind, size, mtime, ctime, inode, mode, digest, etag, versionId } = record;
  const { storedSize, modeFingerprint, seenAt } = record;
  return [
    key,
    path,
    kind,
    size,
    mtime,
    ctime,
    inode,
    mode,
    digest ?? null,
    etag,
    versionId ?? null,
    storedSize,
    modeFingerprint,
    seenAt,
    record.received === true ? 1 : 0,
  ];
}
