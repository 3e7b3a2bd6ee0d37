/** What a terminal sends, as keys and texts. */
import { type PressedKey, keyName, pressesIn } from '../bindings.ts';

/** A screen on which some views take text. */
export interface Taker {
  readonly get: () => { readonly view: { readonly kind: string } };
  press(key: string, page: number): void;
  type(text: string, pasted: boolean): void;
}

/** Hands on one piece of input. Where something is typed, printable characters are text; elsewhere they are keys. */
export function feed(store: Taker, input: string, key: PressedKey, page: number): void {
  const { kind } = store.get().view;
  const name = keyName(input, key);
  if (kind === 'typing' || kind === 'hidden') {
    if (isText(input, key, name)) feedText(store, input, page);
    else store.press(name, page);
    return;
  }
  const names = input.length > 1 && name === input ? pressesIn(input) : [name];
  for (const one of names) store.press(one === '\n' ? 'return' : one, page);
}

const isText = (input: string, key: PressedKey, name: string): boolean =>
  input !== '' && !key.ctrl && !key.meta && (name === input || name === 'space');

/** A line that came in one piece with its end is typed and entered; with more after it, it was pasted. */
function feedText(store: Taker, input: string, page: number): void {
  const [, text = '', end = ''] = /^(.*?)([\r\n]?)$/s.exec(input) ?? [];
  if (/[\r\n]/.test(text)) return store.type(input, true);
  if (text !== '') store.type(text, false);
  if (end !== '') store.press('return', page);
}
