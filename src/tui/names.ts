import { width as widthOf } from './width.ts';
import { escapeChar, safeName } from '../model/display.ts';

/** Variation selectors: they only ask for another look of the character before. */
const LOOKS = /[\ufe00-\ufe0f]/g;
/** Skin tones, flag letters, keycaps and tags: one picture with what is beside them in some terminals only. */
const JOINING = /[\u{1f3fb}-\u{1f3ff}\u{1f1e6}-\u{1f1ff}\u{e0020}-\u{e007f}]|\u20e3/gu;
/** Not to be seen, or as wide as a word: terminals take them to be of any width. */
const UNSEEN = /[\p{Cf}\p{Default_Ignorable_Code_Point}\ufdfd]/gu;
/** Thai and Lao am: two characters by their own definition (NFKD), which some terminals draw in two cells. */
const DOUBLE = /[\u0e33\u0eb3]/g;

/** Marks on one character: terminals keep few, and what is beyond is drawn over other lines. */
const MOST_MARKS = 4;

/**
 * A text from outside as the screen shows it: safe to print, and as wide in the terminal as Ink takes it to be.
 * Terminals disagree about joined characters; where one is wider than thought, what is drawn after it lands beside its
 * place and leaves remains. Without what joins them two names can look alike here; lines and JSON keep them apart.
 */
export function shownName(text: string): string {
  const safe = safeName(text);
  if (/^[ -~]*$/.test(safe)) return safe;
  return even(
    safe
      .replace(LOOKS, '')
      .replace(JOINING, escapeChar)
      .replace(UNSEEN, escapeChar)
      .replace(DOUBLE, (char) => char.normalize('NFKD')),
  );
}

const CLUSTERS = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** A syllable of Hangul letters: two cells in every terminal. */
const HANGUL = /^[\u1100-\u115f\ua960-\ua97c]/;

/** Joined characters, such as the conjuncts of Indic scripts, fall apart where terminals disagree about their width. */
function even(text: string): string {
  let shown = '';
  for (const { segment } of CLUSTERS.segment(text)) {
    const points = Array.from(segment);
    if (points.length === 1 || HANGUL.test(segment)) {
      shown += segment;
      continue;
    }
    const widths = points.map((point) => widthOf(point));
    const apart = widths.reduce((sum, width) => sum + width, 0);
    const agreed = widthOf(segment) === apart;
    const last = widths.findLastIndex((width) => width > 0);
    // What joins stands between two that are seen; marks at the end stay.
    let marks = 0;
    shown += points
      .filter((_, at) => (widths[at] ?? 0) > 0 || ((agreed || at > last) && ++marks <= MOST_MARKS))
      .join('');
  }
  return shown;
}
