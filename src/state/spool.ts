import type { NameKey } from '../model/brands.ts';
import type { PlanSpool, SpoolLine, SpoolPart } from '../model/ports.ts';
import type { Sql } from './sql.ts';

/**
 * Where a Plan too long for memory waits. What is looked through stands apart from the lines, which are much longer: all of
 * it is read with each look.
 */
export function openSpool(sql: Sql): PlanSpool {
  const statements = prepare(sql);
  let count = Number(statements.count.get()?.['lines'] ?? 0);
  const seqOf = (key: NameKey): number => Number(statements.find.get(key)?.['seq'] ?? 0);
  const lineOf = (seq: number): string | undefined => {
    const line = statements.line.get(seq)?.['line'];
    return line === undefined ? undefined : String(line);
  };
  const push = ({ key, find, line }: SpoolLine): void => {
    statements.push.run(key, find);
    statements.pushLine.run(line);
  };
  const drop = (from: number, to: number): void =>
    sql.transaction(() => {
      statements.drop.run(from, to);
      statements.dropLines.run(from, to);
    });
  /** Without a text nothing needs to be looked through. */
  const everything = (after: number, held: number): SpoolPart | undefined => {
    if (count === 0 || after > 0) return undefined;
    const before = held === 0 ? {} : { held: Number(statements.before.get(held)?.['lines']) };
    return { after, last: Number(statements.last.get()?.['seq']), count, ...before };
  };
  return {
    get count() {
      return count;
    },
    push: (lines) => {
      if (lines.length === 0) return;
      sql.transaction(() => lines.forEach(push));
      count += lines.length;
    },
    shift: (limit) => {
      const rows = statements.shift.all(limit);
      const last = rows.at(-1)?.['seq'];
      if (last !== undefined) drop(0, Number(last));
      count -= rows.length;
      return rows.map((row) => String(row['line']));
    },
    get: (key) => lineOf(seqOf(key)),
    take: (key) => {
      const seq = seqOf(key);
      const line = lineOf(seq);
      if (line === undefined) return undefined;
      drop(seq, seq);
      count--;
      return line;
    },
    scan: (after, limit, text, key) => {
      const held = key === undefined ? 0 : seqOf(key);
      if (text === '') return everything(after, held);
      const row = statements.scan.get(held, held, text, after, limit);
      if (row === undefined || Number(row['lines']) === 0) return undefined;
      const before = Number(row['held']) > 0 ? { held: Number(row['before']) } : {};
      return { after, last: Number(row['last']), count: Number(row['fits']), ...before };
    },
    lines: ({ after, last }, text, skip, limit) =>
      statements.lines.all(after, last, text, limit, skip).map((row) => String(row['line'])),
    clear: () => {
      drop(0, Number.MAX_SAFE_INTEGER);
      count = 0;
    },
  };
}

const prepare = (sql: Sql) => ({
  count: sql.prepare('SELECT count(*) AS lines FROM spool'),
  last: sql.prepare('SELECT max(seq) AS seq FROM spool'),
  before: sql.prepare('SELECT count(*) AS lines FROM spool WHERE seq < ?'),
  find: sql.prepare('SELECT seq FROM spool WHERE key = ? ORDER BY seq LIMIT 1'),
  line: sql.prepare('SELECT line FROM spool_lines WHERE seq = ?'),
  push: sql.prepare('INSERT INTO spool (key, find) VALUES (?, ?)'),
  pushLine: sql.prepare('INSERT INTO spool_lines (seq, line) VALUES (last_insert_rowid(), ?)'),
  shift: sql.prepare('SELECT seq, line FROM spool_lines ORDER BY seq LIMIT ?'),
  drop: sql.prepare('DELETE FROM spool WHERE seq BETWEEN ? AND ?'),
  dropLines: sql.prepare('DELETE FROM spool_lines WHERE seq BETWEEN ? AND ?'),
  scan: sql.prepare(
    `SELECT max(seq) AS last, count(*) AS lines, sum(fits) AS fits, sum(fits AND seq < ?) AS before, sum(fits AND seq = ?) AS held
    FROM (SELECT seq, instr(find, ?) > 0 AS fits FROM spool WHERE seq > ? ORDER BY seq LIMIT ?)`,
  ),
  lines: sql.prepare(
    `SELECT line FROM
      (SELECT seq FROM spool WHERE seq > ? AND seq <= ? AND instr(find, ?) > 0 ORDER BY seq LIMIT ? OFFSET ?)
    JOIN spool_lines USING (seq) ORDER BY seq`,
  ),
});
