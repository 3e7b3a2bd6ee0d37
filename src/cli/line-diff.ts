/** A line by line comparison of two small texts, as `diff -u` shows it. */

interface Line {
  readonly sign: ' ' | '-' | '+';
  readonly text: string;
}

const CONTEXT = 2;

/** Lines with their sign in front; what is far from every change is left out and said so by `...`. */
export function lineDiff(before: string, after: string): readonly string[] {
  const lines = compared(before === '' ? [] : before.split('\n'), after === '' ? [] : after.split('\n'));
  const near = lines.map((_, at) =>
    lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ sign }) => sign !== ' '),
  );
  const shown: string[] = [];
  for (const [at, { sign, text }] of lines.entries()) {
    if (near[at] === true) shown.push(`${sign} ${text}`);
    else if (at === 0 || near[at - 1] === true) shown.push('  ...');
  }
  return shown;
}

/** By the longest common subsequence: a policy has some hundred lines at most. */
function compared(a: readonly string[], b: readonly string[]): readonly Line[] {
  const length = lengths(a, b);
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      lines.push({ sign: ' ', text: left });
      i++;
      j++;
    } else if (right === undefined || (left !== undefined && at(length, i + 1, j) >= at(length, i, j + 1))) {
      lines.push({ sign: '-', text: left ?? '' });
      i++;
    } else {
      lines.push({ sign: '+', text: right });
      j++;
    }
  }
  return lines;
}

const at = (table: readonly (readonly number[])[], i: number, j: number): number => table[i]?.[j] ?? 0;

/** `[i][j]`: lines that `a` from i on and `b` from j on have in common, in order. */
function lengths(a: readonly string[], b: readonly string[]): readonly (readonly number[])[] {
  const table: number[][] = [];
  for (let i = a.length - 1; i >= 0; i--) {
    const row: number[] = [];
    for (let j = b.length - 1; j >= 0; j--)
      row[j] = a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), row[j + 1] ?? 0);
    table[i] = row;
  }
  return table;
}
