/** What the screens have in common: keys as data, their names, and the tables that are printed from them. */

/** One line of a table of keys. */
export interface KeyLine<View extends string = string> {
  readonly order: string;
  /** Names as `keyName` gives them; the first one is shown in the footer. */
  readonly keys: readonly [string, ...string[]];
  /** What it does, for help and README. */
  readonly says: string;
  /** A word for the footer; without one it is only in the help. */
  readonly footer?: string;
  /** Where it works; everywhere if left out. */
  readonly views?: readonly View[];
  /** `views` in a word or two, where they are many; empty where they need no words. */
  readonly place?: string;
}

export interface Binding<Order extends string, View extends string, Context> extends KeyLine<View> {
  readonly order: Order;
  /** Why it does nothing now. */
  readonly idle?: (context: Context) => string | undefined;
}

/** The binding that a key has in a view. */
export function bindingIn<View extends string, B extends KeyLine<View>>(
  table: readonly B[],
  key: string,
  view: View,
): B | undefined {
  return table.find(({ keys, views }) => keys.includes(key) && (views?.includes(view) ?? true));
}

/** The part of Ink's key that is looked at. */
export interface PressedKey {
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly pageUp: boolean;
  readonly pageDown: boolean;
  readonly home: boolean;
  readonly end: boolean;
  readonly return: boolean;
  readonly escape: boolean;
  readonly tab: boolean;
  readonly backspace: boolean;
  readonly delete: boolean;
  readonly ctrl: boolean;
  readonly meta: boolean;
}

/** One name for what was pressed. */
export function keyName(input: string, key: PressedKey): string {
  if (key.upArrow) return 'up';
  if (key.downArrow) return 'down';
  if (key.pageUp) return 'pageup';
  if (key.pageDown) return 'pagedown';
  if (key.home) return 'home';
  if (key.end) return 'end';
  if (key.return) return 'return';
  if (key.escape) return 'escape';
  if (key.tab) return 'tab';
  if (key.backspace || key.delete) return 'backspace';
  // `esc` and a letter in one piece: never taken for the letter.
  if (key.meta) return `alt+${input}`;
  if (input === ' ') return 'space';
  if (input === '\r') return 'return';
  if (input === '\t') return 'tab';
  return key.ctrl ? `ctrl+${input}` : input;
}

/**
 * The presses in one chunk of input: a held or doubled key can come as `qq`. Different characters at once are a paste
 * from a terminal that does not say so, and are nothing.
 */
export function pressesIn(input: string): readonly string[] {
  const chars = Array.from(input);
  return chars.every((char) => char === chars[0]) ? chars : [];
}

/** Longer than this is no typing, however slow the line. */
const MOST_TYPED = 12;
/** What answers, ends or removes is never taken out of a chunk that could be a paste. */
const GRAVE = /[yYqQdx]/;

/**
 * As `pressesIn`; keys typed over a slow line come together, and each of them counts. Not so where one of them answers or
 * ends something: then all of it is nothing, and `undefined` says that it is to be said.
 */
export function typedIn(input: string): readonly string[] | undefined {
  const same = pressesIn(input);
  if (same.length > 0) return same;
  return input.length > MOST_TYPED || GRAVE.test(input) ? undefined : Array.from(input);
}

const SIGNS: { readonly [name: string]: string } = { return: 'enter', escape: 'esc', up: '↑', down: '↓' };

/** A key as people read it. */
export const keySign = (key: string): string => SIGNS[key] ?? key;

/** What is said of a key that no binding has. */
export const unknownKey = (key: string): string =>
  /^[!-~]$/.test(key) ? `${key} does nothing here; ? shows the keys` : '';

/** What a binding does and where, for help and README. */
export const saysWhere = ({ says, views, place = views?.join(', ') }: KeyLine): string =>
  place === undefined || place === '' ? says : `${says} (in ${place})`;

/** A table of the README. */
export function keysTable(table: readonly KeyLine[]): string {
  const rows = table.map(
    (line) => `| ${line.keys.map((key) => `\`${keySign(key)}\``).join(' ')} | ${saysWhere(line)} |`,
  );
  return ['| key | what it does |', '|---|---|', ...rows].join('\n');
}
