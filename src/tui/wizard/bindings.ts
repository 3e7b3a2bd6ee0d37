/** The keys of the wizard as data. Help, footer and README come from here. */
import { type Binding as BindingOf, bindingIn } from '../bindings.ts';
import type { Place } from './ui.ts';

export type Order =
  | 'choose'
  | 'done'
  | 'go-on'
  | 'begin'
  | 'again'
  | 'check'
  | 'see'
  | 'erase'
  | 'clear'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'back'
  | 'help'
  | 'quit'
  | 'leave';

export interface KeyContext {
  readonly busy: string | undefined;
}

export type Binding = BindingOf<Order, Place, KeyContext>;

interface Where {
  readonly views: readonly Place[];
  readonly place: string;
}

const TYPING: Where = { views: ['typing', 'hidden'], place: 'text' };
const LINES: Where = { views: ['choice', 'found', 'help'], place: 'lists' };
/** Where letters are keys. */
const SHOWN: Where = { views: ['choice', 'found', 'words', 'summary', 'wait', 'help'], place: '' };

const oneMoment = ({ busy }: KeyContext): string | undefined =>
  busy === undefined ? undefined : `one moment: ${busy}`;

export const WIZARD_BINDINGS: readonly Binding[] = [
  {
    order: 'choose',
    keys: ['return'],
    says: 'take the selected one',
    footer: 'choose',
    views: ['choice'],
    place: 'choices',
    idle: oneMoment,
  },
  { order: 'done', keys: ['return'], says: 'go on with what was typed', footer: 'go on', ...TYPING },
  {
    order: 'go-on',
    keys: ['return'],
    says: 'go on',
    footer: 'go on',
    views: ['found'],
    place: 'what was found',
    idle: oneMoment,
  },
  {
    order: 'again',
    keys: ['r'],
    says: 'look again',
    footer: 'look again',
    views: ['found'],
    place: 'what was found',
    idle: oneMoment,
  },
  {
    order: 'check',
    keys: ['return'],
    says: 'hide the words and ask for three',
    footer: 'I have them: ask me',
    views: ['words'],
    place: 'the words',
  },
  {
    order: 'begin',
    keys: ['return'],
    says: 'register the vault and show its first plan',
    footer: 'register it',
    views: ['summary'],
    place: 'the summary',
    idle: oneMoment,
  },
  {
    order: 'see',
    keys: ['tab'],
    says: 'show what is typed, and hide it',
    footer: 'show',
    views: ['hidden'],
    place: 'hidden text',
  },
  { order: 'erase', keys: ['backspace'], says: 'erase the last character', ...TYPING },
  { order: 'clear', keys: ['ctrl+u'], says: 'erase all that was typed', footer: 'erase all', ...TYPING },
  { order: 'up', keys: ['up', 'k'], says: 'one line up', ...LINES },
  { order: 'down', keys: ['down', 'j'], says: 'one line down', ...LINES },
  { order: 'page-up', keys: ['pageup'], says: 'one page up', ...LINES },
  { order: 'page-down', keys: ['pagedown', 'space'], says: 'one page down', ...LINES },
  { order: 'back', keys: ['escape'], says: 'one step back; what was entered stays', footer: 'back' },
  { order: 'help', keys: ['?'], says: 'show all keys', footer: 'help', ...SHOWN },
  {
    order: 'quit',
    keys: ['q', 'ctrl+c'],
    says: 'leave; nothing is registered',
    footer: 'leave',
    ...SHOWN,
  },
  { order: 'leave', keys: ['ctrl+c'], says: 'leave; nothing is registered', footer: 'leave', ...TYPING },
];

/** The binding that a key has in a view. */
export const bindingOf = (key: string, place: Place): Binding | undefined =>
  bindingIn(WIZARD_BINDINGS, key, place);
