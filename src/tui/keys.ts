/** The keys of the screen as data: what they do, where, and why one does nothing now. Help and README come from here. */
import type { Snapshot } from '../model/snapshot.ts';
import { type Binding as BindingOf, bindingIn } from './bindings.ts';

export type View = 'dashboard' | 'activity' | 'problems' | 'queue' | 'plan' | 'settings' | 'help';

export const VIEWS: readonly View[] = [
  'dashboard',
  'activity',
  'problems',
  'queue',
  'plan',
  'settings',
  'help',
];

export type Order =
  | 'pause'
  | 'retry'
  | 'retry-one'
  | 'rescan'
  | 'problems'
  | 'activity'
  | 'queue'
  | 'plan'
  | 'settings'
  | 'raise'
  | 'skip'
  | 'change'
  | 'filter'
  | 'yes'
  | 'no'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'top'
  | 'bottom'
  | 'next-vault'
  | 'back'
  | 'help'
  | 'quit';

/** What a binding may look at to say that it has nothing to do. */
export interface KeyContext {
  readonly snapshot: Snapshot;
  readonly vaults: number;
  /** Lines of the list of this view. */
  readonly lines: number;
}

export type Binding = BindingOf<Order, View, KeyContext>;

const LISTS: readonly View[] = ['activity', 'problems', 'queue', 'plan', 'settings', 'help'];
/** Lists that can be long. */
const FILTERED: readonly View[] = ['activity', 'problems', 'queue', 'plan'];

const noProblems = ({ snapshot }: KeyContext): string | undefined =>
  snapshot.problems.size === 0 ? 'there are no problems' : undefined;
const noQuestion = ({ snapshot }: KeyContext): string | undefined =>
  snapshot.consent === null ? 'there is no question to answer' : undefined;
const noLine = ({ lines }: KeyContext): string | undefined =>
  lines === 0 ? 'there is nothing here to choose' : undefined;

export const BINDINGS: readonly Binding[] = [
  { order: 'pause', keys: ['p'], says: 'pause, and go on', footer: 'pause' },
  { order: 'problems', keys: ['P'], says: 'show the problems, each with what to do', footer: 'problems' },
  { order: 'activity', keys: ['a', 'l'], says: 'show what happened, newest first', footer: 'activity' },
  { order: 'queue', keys: ['t'], says: 'show what waits, and change its order', footer: 'queue' },
  { order: 'plan', keys: ['v'], says: 'show the plan: counts, requests, cost, removals', footer: 'plan' },
  { order: 'settings', keys: ['e'], says: 'show and change the settings of the vault', footer: 'settings' },
  { order: 'retry', keys: ['r'], says: 'try all that failed again now', idle: noProblems },
  {
    order: 'retry-one',
    keys: ['return'],
    says: 'try the selected file again now',
    footer: 'try again',
    views: ['problems'],
    idle: noLine,
  },
  {
    order: 'raise',
    keys: ['return', 'f'],
    says: 'send the selected file first',
    footer: 'first',
    views: ['queue'],
    idle: noLine,
  },
  {
    order: 'skip',
    keys: ['x'],
    says: 'leave the selected file out until it changes',
    footer: 'leave out',
    views: ['queue'],
    idle: noLine,
  },
  {
    order: 'change',
    keys: ['return'],
    says: 'change the selected setting',
    footer: 'change',
    views: ['settings'],
    idle: noLine,
  },
  { order: 'rescan', keys: ['s'], says: 'scan the folder now' },
  { order: 'yes', keys: ['y'], says: 'agree to what is asked', idle: noQuestion },
  { order: 'no', keys: ['n'], says: 'refuse what is asked', idle: noQuestion },
  {
    order: 'filter',
    keys: ['/'],
    says: 'show only lines with a text',
    footer: 'filter',
    views: FILTERED,
    place: 'long lists',
  },
  { order: 'up', keys: ['up', 'k'], says: 'one line up', views: LISTS, place: 'lists' },
  { order: 'down', keys: ['down', 'j'], says: 'one line down', views: LISTS, place: 'lists' },
  { order: 'page-up', keys: ['pageup'], says: 'one page up', views: LISTS, place: 'lists' },
  { order: 'page-down', keys: ['pagedown', 'space'], says: 'one page down', views: LISTS, place: 'lists' },
  { order: 'top', keys: ['home', 'g'], says: 'to the first line', views: LISTS, place: 'lists' },
  { order: 'bottom', keys: ['end', 'G'], says: 'to the last line', views: LISTS, place: 'lists' },
  {
    order: 'next-vault',
    keys: ['tab'],
    says: 'select the next vault',
    idle: ({ vaults }) => (vaults < 2 ? 'there is only one vault' : undefined),
  },
  {
    order: 'back',
    keys: ['escape'],
    says: 'end the filter, else back to the dashboard',
    footer: 'back',
    views: LISTS,
    place: 'lists',
  },
  { order: 'help', keys: ['?'], says: 'show all keys', footer: 'help' },
  {
    order: 'quit',
    keys: ['q', 'ctrl+c'],
    says: 'quit once what is under way has ended; again: at once',
    footer: 'quit',
  },
];

/** The binding that a key has in a view. */
export const bindingOf = (key: string, view: View): Binding | undefined => bindingIn(BINDINGS, key, view);
