/** bench/RESULTS.md: a table of whole processes and sections below it. What a run leaves out keeps the figures it had. */
import { readFileSync, writeFileSync } from 'node:fs';

export const SECTIONS = ['The screen', 'KMS under quota'] as const;
type Section = (typeof SECTIONS)[number];

export interface Results {
  /** Above the table. */
  readonly head: string;
  /** Rows by their first cell, in the order they are to stand in. */
  readonly rows: ReadonlyMap<string, string>;
  readonly sections: ReadonlyMap<Section, string>;
}

const TABLE = [
  '| work | target | s3vault: wall s / CPU s / peak MB | peer | peer: wall s / CPU s / peak MB | wall ratio | CPU ratio |',
  '|---|---|---|---|---|---|---|',
] as const;

export function readResults(file: string): Results {
  const [processes = '', ...rest] = readFileSync(file, 'utf8').split(/^## /m);
  const lines = processes.trimEnd().split('\n');
  const table = lines.indexOf(TABLE[0]);
  const rows = lines.slice(table + TABLE.length).map((line): [string, string] => [workOf(line), line]);
  const sections = rest.flatMap((text): [Section, string][] => {
    const title = SECTIONS.find((one) => text.startsWith(`${one}\n`));
    return title === undefined ? [] : [[title, text.slice(title.length).trim()]];
  });
  return { head: lines.slice(0, table).join('\n'), rows: new Map(rows), sections: new Map(sections) };
}

export function writeResults(file: string, { head, rows, sections }: Results): void {
  const parts = SECTIONS.flatMap((title) => {
    const text = sections.get(title);
    return text === undefined ? [] : [`\n## ${title}\n\n${text.trim()}\n`];
  });
  writeFileSync(file, `${head.trim()}\n\n${[...TABLE, ...rows.values()].join('\n')}\n${parts.join('')}`);
}

export const workOf = (line: string): string => line.split(' | ')[0]?.replace(/^\| /, '') ?? '';
