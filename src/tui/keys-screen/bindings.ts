/** The keys of the key screen as data. Help, footer and README come from here. */
import { type Binding as BindingOf, bindingIn } from '../bindings.ts';
import {
  type KeyContext,
  noDelete,
  noExport,
  noFilter,
  noKey,
  noRotation,
  noTest,
  noWords,
  oneMoment,
} from './reasons.ts';
import type { Place } from './ui.ts';

export type Order =
  | 'open'
  | 'create'
  | 'import'
  | 'export'
  | 'words'
  | 'test'
  | 'rotate'
  | 'delete'
  | 'lock'
  | 'filter'
  | 'reload'
  | 'unlock'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'choose'
  | 'yes'
  | 'no'
  | 'done'
  | 'end'
  | 'see'
  | 'erase'
  | 'clear'
  | 'check'
  | 'close'
  | 'stop'
  | 'back'
  | 'help'
  | 'quit'
  | 'leave';

export type Binding = BindingOf<Order, Place, KeyContext>;

interface Where {
  readonly views: readonly Place[];
  readonly place: string;
}

const LIST: Where = { views: ['list'], place: 'the list' };
const KEYS: Where = { views: ['list', 'detail'], place: '' };
/** Also where a new key was reported. */
const REPORTED: Where = { views: ['list', 'detail', 'report'], place: '' };
const LINES: Where = { views: ['list', 'detail', 'help', 'choice', 'results'], place: '' };
const PAGES: Where = { views: ['list', 'detail', 'help', 'results'], place: '' };
const TYPING: Where = { views: ['typing', 'hidden'], place: 'text' };
const HIDDEN: Where = { views: ['hidden'], place: 'hidden text' };
const ASKED: Where = { views: ['question'], place: '' };
const LEFT: Where = {
  views: ['list', 'detail', 'help', 'choice', 'typing', 'hidden', 'question', 'words', 'results', 'report'],
  place: '',
};
/** Where letters are keys. */
const SHOWN: Where = {
  views: ['list', 'detail', 'help', 'locked', 'choice', 'question', 'words', 'rotation', 'results', 'report'],
  place: '',
};

export const KEY_BINDINGS: readonly Binding[] = [
  {
    order: 'open',
    keys: ['return'],
    says: 'show all about the selected key',
    footer: 'open',
    ...LIST,
    idle: noKey,
  },
  { order: 'create', keys: ['c'], says: 'create a key', footer: 'create', ...KEYS, idle: oneMoment },
  {
    order: 'import',
    keys: ['i'],
    says: 'bring a key in, also from its recovery words',
    footer: 'import',
    ...KEYS,
    idle: oneMoment,
  },
  {
    order: 'export',
    keys: ['e'],
    says: 'write the key to a new file',
    footer: 'export',
    ...KEYS,
    idle: noExport,
  },
  {
    order: 'words',
    keys: ['w'],
    says: 'show its recovery words',
    footer: 'words',
    ...REPORTED,
    idle: noWords,
  },
  {
    order: 'test',
    keys: ['t'],
    says: 'open one object of each vault that uses it',
    footer: 'test',
    ...KEYS,
    idle: noTest,
  },
  {
    order: 'rotate',
    keys: ['r'],
    says: 'move all objects to a new key, or go on with that',
    footer: 'rotate',
    ...KEYS,
    idle: noRotation,
  },
  { order: 'delete', keys: ['d'], says: 'delete the key', footer: 'delete', ...KEYS, idle: noDelete },
  {
    order: 'lock',
    keys: ['l'],
    says: 'forget what was opened; a passphrase is asked for again',
    footer: 'lock',
    ...KEYS,
    idle: oneMoment,
  },
  {
    order: 'filter',
    keys: ['/'],
    says: 'show only what fits',
    footer: 'filter',
    ...LIST,
    idle: noFilter,
  },
  { order: 'reload', keys: ['R'], says: 'read the keys again', ...KEYS, idle: oneMoment },
  {
    order: 'unlock',
    keys: ['return'],
    says: 'open again',
    footer: 'open',
    views: ['locked'],
    place: 'a locked screen',
    idle: oneMoment,
  },
  { order: 'up', keys: ['up', 'k'], says: 'one line up', ...LINES },
  { order: 'down', keys: ['down', 'j'], says: 'one line down', ...LINES },
  { order: 'page-up', keys: ['pageup'], says: 'one page up', ...PAGES },
  { order: 'page-down', keys: ['pagedown', 'space'], says: 'one page down', ...PAGES },
  {
    order: 'choose',
    keys: ['return'],
    says: 'take the selected one',
    footer: 'choose',
    views: ['choice'],
    place: 'choices',
  },
  { order: 'yes', keys: ['y'], says: 'agree to what is asked', footer: 'yes', ...ASKED },
  { order: 'no', keys: ['n'], says: 'refuse what is asked', footer: 'no', ...ASKED },
  { order: 'done', keys: ['return'], says: 'go on with what was typed', footer: 'go on', ...TYPING },
  {
    order: 'end',
    keys: ['ctrl+d'],
    says: 'end a text of several lines',
    footer: 'end of text',
    ...HIDDEN,
  },
  { order: 'see', keys: ['tab'], says: 'show what is typed, and hide it', footer: 'show', ...HIDDEN },
  { order: 'erase', keys: ['backspace'], says: 'erase the last character', ...TYPING },
  { order: 'clear', keys: ['ctrl+u'], says: 'erase all that was typed', footer: 'erase all', ...TYPING },
  {
    order: 'check',
    keys: ['return'],
    says: 'hide the words and ask for three',
    footer: 'I have them: ask me',
    views: ['words'],
    place: 'the words',
  },
  {
    order: 'close',
    keys: ['return'],
    says: 'go on',
    footer: 'go on',
    views: ['report'],
    place: 'reports',
  },
  {
    order: 'stop',
    keys: ['s', 'escape'],
    says: 'interrupt; it goes on where it was',
    footer: 'interrupt',
    views: ['rotation'],
    place: 'a rotation',
  },
  {
    order: 'back',
    keys: ['escape'],
    says: 'back; nothing is done',
    footer: 'back',
    ...LEFT,
  },
  { order: 'help', keys: ['?'], says: 'show all keys', footer: 'help', ...SHOWN },
  { order: 'quit', keys: ['q', 'ctrl+c'], says: 'quit', footer: 'quit', ...SHOWN },
  { order: 'leave', keys: ['ctrl+c'], says: 'quit', footer: 'quit', ...TYPING },
];

/** The binding that a key has in a view. */
export const bindingOf = (key: string, place: Place): Binding | undefined =>
  bindingIn(KEY_BINDINGS, key, place);
