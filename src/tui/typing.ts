import { safeName } from '../model/display.ts';

/** A line of text that is being typed; until it ends, keys are text. */
export interface Typing {
  readonly for: 'filter' | 'setting' | 'out';
  readonly text: string;
  /** What stood there before: `escape` brings it back. */
  readonly before: string;
  /** What is to be restored into the folder that is typed (`out`). */
  readonly wish?: { readonly path: string; readonly versionId?: string | undefined };
}

export type Typed =
  | { readonly state: 'on'; readonly typing: Typing }
  | { readonly state: 'done'; readonly text: string }
  | { readonly state: 'dropped' };

const MOST = 200;

/** One pressed key, or pasted text, in a line that is being typed. Pure. */
export function typeKey(key: string, typing: Typing): Typed {
  if (key === 'return') return { state: 'done', text: typing.text };
  if (key === 'escape' || key === 'ctrl+c') return { state: 'dropped' };
  const chars = Array.from(typing.text);
  if (key === 'backspace') return on(typing, chars.slice(0, -1).join(''));
  if (key === 'ctrl+u') return on(typing, '');
  if (key === 'space') return on(typing, `${typing.text} `);
  return Array.from(key).length === 1 ? on(typing, addText(typing.text, key)) : { state: 'on', typing };
}

export const pasteText = (pasted: string, typing: Typing): Typing => ({
  ...typing,
  text: addText(typing.text, pasted),
});

const on = (typing: Typing, text: string): Typed => ({ state: 'on', typing: { ...typing, text } });

/** Line breaks and control characters cannot be part of a line. */
function addText(text: string, more: string): string {
  const clean = more.replace(/[\u0000-\u001f\u007f-\u009f]/g, '');
  return Array.from(text + clean)
    .slice(0, MOST)
    .join('');
}

/** The line as it stands on the screen, with a cursor that needs no colour. */
export const shownTyping = ({ text }: Typing): string => `${safeName(text)}▏`;
