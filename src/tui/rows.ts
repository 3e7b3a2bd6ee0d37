/** Which row shows which transfer: one that is shown stays where it is until it ends, so that nothing jumps. */
export type Rows = readonly (number | undefined)[];

/**
 * The rows after `before`, at most `limit` of them: transfers that ended leave a gap, which the oldest not shown fills.
 * Rows only become more while there is work; once `ids` is empty and nothing is `awaited` they are gone. The same array
 * where nothing changed.
 */
export function keepRows(before: Rows, ids: readonly number[], limit: number, awaited: boolean): Rows {
  if (ids.length === 0 && !awaited) return before.length === 0 ? before : [];
  const left = new Set(ids);
  const rows: (number | undefined)[] = before
    .slice(0, limit)
    .map((id) => (id !== undefined && left.delete(id) ? id : undefined));
  for (const id of left) {
    const gap = rows.indexOf(undefined);
    if (gap >= 0) rows[gap] = id;
    else if (rows.length < limit) rows.push(id);
    else break;
  }
  const same = rows.length === before.length && rows.every((id, at) => id === before[at]);
  return same ? before : rows;
}

/** A window of `height` lines over a list of `count`, so that `selected` is in it. */
export function windowOf(
  selected: number,
  count: number,
  height: number,
): { readonly from: number; readonly to: number } {
  const from = Math.max(0, Math.min(selected - Math.floor(height / 2), count - height));
  return { from, to: Math.min(count, from + Math.max(0, height)) };
}
