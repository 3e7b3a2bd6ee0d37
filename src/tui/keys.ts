/** The keys of the screen as data: what they do, where, and why one does nothing now. Help and README come from here. */
import type { Snapshot } from '../model/snapshot.ts';
import { type Binding as BindingOf, bindingIn } from './bindings.ts';

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

export type Binding = BindingOf<Order, View, KeyContext>;

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
export const bindingOf = (key: string, view: View): Binding | undefined => bindingIn(BINDINGS, key, view);
