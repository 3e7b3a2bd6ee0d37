/** The keys of the screen as data: what they do, where, and why one does nothing now. Help and README come from here. */
import type { Snapshot } from '../model/snapshot.ts';

export type View = 'dashboard' | 'problems' | 'log' | 'help';

export type Order =
  | 'pause'
  | 'retry'
  | 'retry-one'
  | 'rescan'
  | 'problems'
  | 'log'
  | 'yes'
  | 'no'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'next-vault'
  | 'back'
  | 'help'
  | 'quit';

/** What a binding may look at to say that it has nothing to do. */
export interface KeyContext {
  readonly snapshot: Snapshot;
  readonly vaults: number;
}

export interface Binding {
  readonly order: Order;
  /** Names as `keyName` gives them; the first one is shown in the footer. */
  readonly keys: readonly [string, ...string[]];
  /** What it does, for help and README. */
  readonly says: string;
  /** A word for the footer; without one it is only in the help. */
  readonly footer?: string;
  /** Where it works; everywhere if left out. */
  readonly views?: readonly View[];
  /** Why it does nothing now. */
  readonly idle?: (context: KeyContext) => string | undefined;
}

const LISTS: readonly View[] = ['problems', 'log', 'help'];

const noProblems = ({ snapshot }: KeyContext): string | undefined =>
  snapshot.problems.size === 0 ? 'there are no problems' : undefined;
const noQuestion = ({ snapshot }: KeyContext): string | undefined =>
  snapshot.consent === null ? 'there is no question to answer' : undefined;

export const BINDINGS: readonly Binding[] = [
  { order: 'pause', keys: ['p'], says: 'pause, and go on', footer: 'pause' },
  { order: 'problems', keys: ['P'], says: 'show the problems, each with what to do', footer: 'problems' },
  { order: 'log', keys: ['l'], says: 'show what happened', footer: 'log' },
  { order: 'retry', keys: ['r'], says: 'try all that failed again now', idle: noProblems },
  {
    order: 'retry-one',
    keys: ['return'],
    says: 'try the selected file again now',
    footer: 'try again',
    views: ['problems'],
    idle: noProblems,
  },
  { order: 'rescan', keys: ['s'], says: 'scan the folder now' },
  { order: 'yes', keys: ['y'], says: 'agree to what is asked', idle: noQuestion },
  { order: 'no', keys: ['n'], says: 'refuse what is asked', idle: noQuestion },
  { order: 'up', keys: ['up', 'k'], says: 'one line up', views: LISTS },
  { order: 'down', keys: ['down', 'j'], says: 'one line down', views: LISTS },
  { order: 'page-up', keys: ['pageup'], says: 'one page up', views: LISTS },
  { order: 'page-down', keys: ['pagedown', 'space'], says: 'one page down', views: LISTS },
  {
    order: 'next-vault',
    keys: ['tab'],
    says: 'select the next vault',
    idle: ({ vaults }) => (vaults < 2 ? 'there is only one vault' : undefined),
  },
  { order: 'back', keys: ['escape'], says: 'back to the dashboard', footer: 'back', views: LISTS },
  { order: 'help', keys: ['?'], says: 'show all keys', footer: 'help' },
  {
    order: 'quit',
    keys: ['q', 'ctrl+c'],
    says: 'quit once what is under way has ended; again: at once',
    footer: 'quit',
  },
];

/** The binding that a key has in a view. */
export function bindingOf(key: string, view: View): Binding | undefined {
  return BINDINGS.find(({ keys, views }) => keys.includes(key) && (views?.includes(view) ?? true));
}

/** The part of Ink's key that is looked at. */
export interface PressedKey {
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly pageUp: boolean;
  readonly pageDown: boolean;
  readonly return: boolean;
  readonly escape: boolean;
  readonly tab: boolean;
  readonly ctrl: boolean;
}

/** One name for what was pressed. */
export function keyName(input: string, key: PressedKey): string {
  if (key.upArrow) return 'up';
  if (key.downArrow) return 'down';
  if (key.pageUp) return 'pageup';
  if (key.pageDown) return 'pagedown';
  if (key.return) return 'return';
  if (key.escape) return 'escape';
  if (key.tab) return 'tab';
  if (input === ' ') return 'space';
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

const SIGNS: { readonly [name: string]: string } = { return: 'enter', escape: 'esc', up: '↑', down: '↓' };

/** A key as people read it. */
export const keySign = (key: string): string => SIGNS[key] ?? key;

/** The table of the README. */
export function keysTable(): string {
  const rows = BINDINGS.map(
    ({ keys, says, views }) =>
      `| ${keys.map((key) => `\`${keySign(key)}\``).join(' ')} | ${says}${views === undefined ? '' : ` (in ${views.join(', ')})`} |`,
  );
  return ['| key | what it does |', '|---|---|', ...rows].join('\n');
}
