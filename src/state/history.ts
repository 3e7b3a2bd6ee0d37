import { type HistoryBook, type HistoryLine, type HistoryPart, findableEnd } from '../model/history.ts';
import type { Sql } from './sql.ts';

/** Lines kept, and for how long. */
const KEPT = 100_000;
const KEPT_MS = 90 * 24 * 3_600_000;
/** Lines after which what is too old is removed, and how much of it at a time. */
const TRIM_EVERY = 1_000;
const TRIMMED = 2_000;

/** The history in the Index. `add` belongs into a transaction. What is looked through stands apart from the longer lines. */
export function openHistory(
  sql: Sql,
): HistoryBook & { readonly add: (lines: readonly HistoryLine[]) => void } {
  const statements = prepare(sql);
  let last = Number(statements.last.get()?.['seq'] ?? 0);
  // The first lines of a run trim, too.
  let untrimmed = TRIM_EVERY;
  const trim = (now: number): void => {
    const old = Number(statements.old.get(TRIMMED, now - KEPT_MS)?.['seq'] ?? 0);
    const upTo = Math.max(old, last - KEPT);
    statements.drop.run(upTo);
    statements.dropLines.run(upTo);
    untrimmed = 0;
  };
  const add = (line: HistoryLine): void => {
    const { id, ...rest } = line;
    statements.add.run(id, Date.parse(line.time), findableEnd(line));
    statements.addLine.run(id, JSON.stringify(rest));
    last = id;
  };
  return {
    get last() {
      return last;
    },
    add: (lines) => {
      const newest = lines.at(-1);
      if (newest === undefined) return;
      for (const line of lines) add(line);
      untrimmed += lines.length;
      if (untrimmed >= TRIM_EVERY) trim(Date.parse(newest.time));
    },
    scan: (before, limit, text, held = 0) => {
      const row = statements.scan.get(held, held, text, before, limit);
      if (row === undefined || Number(row['lines']) === 0) return undefined;
      const place = Number(row['held']) > 0 ? { held: Number(row['above']) } : {};
      return { before, first: Number(row['first']), count: Number(row['fits']), ...place };
    },
    lines: ({ before, first }: HistoryPart, text, skip, limit) =>
      statements.lines.all(before, first, text, limit, skip).map((row) => {
        const line = JSON.parse(String(row['line'])) as Omit<HistoryLine, 'id'>;
        return { ...line, id: Number(row['seq']) };
      }),
  };
}

const prepare = (sql: Sql) => ({
  last: sql.prepare('SELECT max(seq) AS seq FROM history'),
  add: sql.prepare('INSERT OR REPLACE INTO history (seq, time, find) VALUES (?, ?, ?)'),
  addLine: sql.prepare('INSERT OR REPLACE INTO history_lines (seq, line) VALUES (?, ?)'),
  old: sql.prepare(
    'SELECT max(seq) AS seq FROM (SELECT seq, time FROM history ORDER BY seq LIMIT ?) WHERE time < ?',
  ),
  drop: sql.prepare('DELETE FROM history WHERE seq <= ?'),
  dropLines: sql.prepare('DELETE FROM history_lines WHERE seq <= ?'),
  scan: sql.prepare(
    `SELECT min(seq) AS first, count(*) AS lines, sum(fits) AS fits, sum(fits AND seq > ?) AS above, sum(fits AND seq = ?) AS held
    FROM (SELECT seq, instr(find, ?) > 0 AS fits FROM history WHERE seq < ? ORDER BY seq DESC LIMIT ?)`,
  ),
  lines: sql.prepare(
    `SELECT seq, line FROM
      (SELECT seq FROM history WHERE seq < ? AND seq >= ? AND instr(find, ?) > 0 ORDER BY seq DESC LIMIT ? OFFSET ?)
    JOIN history_lines USING (seq) ORDER BY seq DESC`,
  ),
});
