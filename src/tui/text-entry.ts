/** What a line of text takes while it is typed, and what it does not. Pure; the text of a secret is never here. */
import type { Secret } from '../model/secret.ts';

/** Longest visible text: a path. */
const LONGEST = 4_096;

/** Line breaks inside what was pasted: part of it would be lost. */
export const hasBreaks = (text: string): boolean => /[\r\n]/.test(text.trim());

/** Control characters cannot be part of a line. */
export const withMore = (text: string, more: string): string =>
  `${text}${more.replace(/[\u0000-\u001f\u007f]/g, '')}`.slice(0, LONGEST);

export const withoutLast = (text: string): string => Array.from(text).slice(0, -1).join('');

/** What of a hidden text is taken; `lines`: it may have line breaks. */
export function hiddenText(text: string, lines: boolean, pasted: boolean): string {
  const clean = text
    .replace(/\r\n?/g, '\n')
    .replace(lines ? /[\u0000-\u0009\u000b-\u001f\u007f]/g : /[\u0000-\u001f\u007f]/g, lines ? '' : ' ');
  // A passphrase may end in a blank that was typed, but not in the line break of what was copied.
  return lines || !pasted ? clean : clean.trimEnd();
}

/** Whether the word at a position is what somebody typed. */
export const isWord = (words: Secret, position: number, text: string): boolean =>
  words.use((bytes) => bytes.toString('utf8').split(' ')[position] === text.toLowerCase());
