/** Cells that a text takes in a terminal: as `string-width` says, which Ink asks several thousand times in a frame. */
import widthOf from 'string-width';

/** One code unit, one cell, never joined with a neighbour: ASCII, Latin, quotation marks, arrows, lines, blocks, shapes. */
const NARROW = /^[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2500-\u25fc\u2713]*$/;
/** Colours and weights, as chalk writes them. */
// oxlint-disable-next-line no-control-regex
const STYLES = /\u001b\[[\d;]*m/g;

/** The bundle gives this to the libraries, too (`scripts/bundle.ts`). */
export function width(text: string, options?: Parameters<typeof widthOf>[1]): number {
  if (options !== undefined) return widthOf(text, options);
  const bare = text.includes('\u001b') ? text.replace(STYLES, '') : text;
  return NARROW.test(bare) ? bare.length : widthOf(text);
}
