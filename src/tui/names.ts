import { safeName } from '../model/display.ts';

/** Variation selectors: they only ask for another look of the character before. */
const LOOKS = /[\ufe00-\ufe0f]/g;
/** Skin tones, flag letters, keycaps and tags: one picture with what is beside them in some terminals only. */
const JOINING = /[\u{1f3fb}-\u{1f3ff}\u{1f1e6}-\u{1f1ff}\u{e0020}-\u{e007f}]|\u20e3/gu;

/**
 * A text from outside as the screen shows it: safe to print, and as wide in the terminal as Ink takes it to be.
 * Terminals disagree about joined pictures; where one is wider than thought, what is drawn after it lands beside its
 * place and leaves remains. Without variation selectors two names can look alike here; lines and JSON keep them apart.
 */
export const shownName = (text: string): string =>
  safeName(text)
    .replace(LOOKS, '')
    .replace(JOINING, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
