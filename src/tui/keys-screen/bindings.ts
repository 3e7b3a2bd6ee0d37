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
  | 'stop'
  | 'back'
  | 'help'
  | 'quit'
  | 'leave';

export type Binding = BindingOf<Order, Place, KeyContext>;

const KEYS: readonly Place[] = ['list', 'detail'];
const LINES: readonly Place[] = ['list', 'detail', 'help', 'choice', 'results'];
const PAGES: readonly Place[] = ['list', 'detail', 'help', 'results'];
const TYPING: readonly Place[] = ['typing', 'hidden'];
const SHOWN: readonly Place[] = [
  'list',
  'detail',
  'help',
  'locked',
  'choice',
  'question',
  'words',
  'rotation',
  'results',
];

export const KEY_BINDINGS: readonly Binding[] = [
  {
    order: 'open',
    keys: ['return'],
    says: 'show all about the selected key',
    footer: 'open',
    views: ['list'],
    idle: noKey,
  },
  { order: 'create', keys: ['c'], says: 'create a key', footer: 'create', views: KEYS, idle: oneMoment },
  {
    order: 'import',
    keys: ['i'],
    says: 'bring a key in, also from its recovery words',
    footer: 'import',
    views: KEYS,
    idle: oneMoment,
  },
  {
    order: 'export',
    keys: ['e'],
    says: 'write the key to a new file',
    footer: 'export',
    views: KEYS,
    idle: noExport,
  },
  {
    order: 'words',
    keys: ['w'],
    says: 'show its recovery words',
    footer: 'words',
    views: KEYS,
    idle: noWords,
  },
  {
    order: 'test',
    keys: ['t'],
    says: 'open one object of each vault that uses it',
    footer: 'test',
    views: KEYS,
    idle: noTest,
  },
  {
    order: 'rotate',
    keys: ['r'],
    says: 'move all objects to a new key, or go on with that',
    footer: 'rotate',
    views: KEYS,
    idle: noRotation,
  },
  { order: 'delete', keys: ['d'], says: 'delete the key', footer: 'delete', views: KEYS, idle: noDelete },
  {
    order: 'lock',
    keys: ['l'],
    says: 'forget what was opened; a passphrase is asked for again',
    footer: 'lock',
    views: KEYS,
    idle: oneMoment,
  },
  {
    order: 'filter',
    keys: ['/'],
    says: 'show only what fits',
    footer: 'filter',
    views: ['list'],
    idle: noFilter,
  },
  { order: 'reload', keys: ['R'], says: 'read the keys again', views: KEYS, idle: oneMoment },
  {
    order: 'unlock',
    keys: ['return'],
    says: 'open again',
    footer: 'open',
    views: ['locked'],
    idle: oneMoment,
  },
  { order: 'up', keys: ['up', 'k'], says: 'one line up', views: LINES },
  { order: 'down', keys: ['down', 'j'], says: 'one line down', views: LINES },
  { order: 'page-up', keys: ['pageup'], says: 'one page up', views: PAGES },
  { order: 'page-down', keys: ['pagedown', 'space'], says: 'one page down', views: PAGES },
  { order: 'choose', keys: ['return'], says: 'take the selected one', footer: 'choose', views: ['choice'] },
  { order: 'yes', keys: ['y'], says: 'agree to what is asked', footer: 'yes', views: ['question'] },
  { order: 'no', keys: ['n'], says: 'refuse what is asked', footer: 'no', views: ['question'] },
  { order: 'done', keys: ['return'], says: 'go on with what was typed', footer: 'go on', views: TYPING },
  {
    order: 'end',
    keys: ['ctrl+d'],
    says: 'end a text of several lines',
    footer: 'end of text',
    views: ['hidden'],
  },
  { order: 'see', keys: ['tab'], says: 'show what is typed, and hide it', footer: 'show', views: ['hidden'] },
  { order: 'erase', keys: ['backspace'], says: 'erase the last character', views: TYPING },
  { order: 'clear', keys: ['ctrl+u'], says: 'erase all that was typed', footer: 'erase all', views: TYPING },
  {
    order: 'check',
    keys: ['return'],
    says: 'hide the words and be asked for three of them',
    footer: 'I have them: ask me',
    views: ['words'],
  },
  {
    order: 'stop',
    keys: ['s', 'escape'],
    says: 'interrupt; it goes on where it was',
    footer: 'interrupt',
    views: ['rotation'],
  },
  {
    order: 'back',
    keys: ['escape'],
    says: 'back; nothing is done',
    footer: 'back',
    views: ['list', 'detail', 'help', 'choice', 'typing', 'hidden', 'question', 'words', 'results'],
  },
  { order: 'help', keys: ['?'], says: 'show all keys', footer: 'help', views: SHOWN },
  { order: 'quit', keys: ['q', 'ctrl+c'], says: 'quit', footer: 'quit', views: SHOWN },
  { order: 'leave', keys: ['ctrl+c'], says: 'quit', footer: 'quit', views: TYPING },
];

/** The binding that a key has in a view. */
export const bindingOf = (key: string, place: Place): Binding | undefined =>
  bindingIn(KEY_BINDINGS, key, place);
