/** The keys of the screen as data: what they do, where, and why one does nothing now. Help and README come from here. */
import { problemCount } from '../model/in-step.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type Binding as BindingOf, bindingIn } from './bindings.ts';

export type View =
  | 'dashboard'
  | 'activity'
  | 'problems'
  | 'queue'
  | 'browse'
  | 'plan'
  | 'conflicts'
  | 'settings'
  | 'help';

export const VIEWS: readonly View[] = [
  'dashboard',
  'activity',
  'problems',
  'queue',
  'browse',
  'plan',
  'conflicts',
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
  | 'browse'
  | 'plan'
  | 'conflicts'
  | 'settings'
  | 'keys'
  | 'take-back'
  | 'raise'
  | 'skip'
  | 'change'
  | 'open'
  | 'restore'
  | 'stop-restore'
  | 'undelete'
  | 'removed'
  | 'folder-up'
  | 'keep-mine'
  | 'keep-theirs'
  | 'keep-both'
  | 'filter'
  | 'yes'
  | 'no'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'top'
  | 'top-too'
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
  /** What this screen was given beside the engine. */
  readonly has: { readonly browser: boolean; readonly conflicts: boolean; readonly keys: boolean };
  /** A restore is under way. */
  readonly restoring: boolean;
  /** The selected line is a file that was removed. */
  readonly removed: boolean;
  /** The selected problem is a file that was left out. */
  readonly leftOut: boolean;
}

export type Binding = BindingOf<Order, View, KeyContext>;

const LISTS: readonly View[] = [
  'activity',
  'problems',
  'queue',
  'browse',
  'plan',
  'conflicts',
  'settings',
  'help',
];
/** Lists that can be long. */
const FILTERED: readonly View[] = ['activity', 'problems', 'queue', 'browse', 'plan', 'conflicts'];

const noProblems = ({ snapshot }: KeyContext): string | undefined =>
  problemCount(snapshot) === 0 ? 'there are no problems' : undefined;
const noQuestion = ({ snapshot }: KeyContext): string | undefined =>
  snapshot.consent === null ? 'there is no question to answer' : undefined;
const noLine = ({ lines }: KeyContext): string | undefined =>
  lines === 0 ? 'there is nothing here to choose' : undefined;

export const BINDINGS: readonly Binding[] = [
  { order: 'pause', keys: ['p'], says: 'pause, and go on', footer: 'pause' },
  { order: 'problems', keys: ['P'], says: 'show the problems, each with what to do', footer: 'problems' },
  { order: 'activity', keys: ['a', 'l'], says: 'show what happened, newest first', footer: 'activity' },
  { order: 'queue', keys: ['t'], says: 'show what waits, and change its order', footer: 'queue' },
  {
    order: 'browse',
    keys: ['b'],
    says: 'browse the files in the bucket: versions, restore, undelete',
    footer: 'browse',
    idle: ({ has }) => (has.browser ? undefined : 'the files in the bucket cannot be seen from here'),
  },
  {
    order: 'keys',
    keys: ['k'],
    says: 'open the keys',
    footer: 'keys',
    views: ['dashboard'],
    idle: ({ has }) => (has.keys ? undefined : 'the keys are not at hand here: s3vault keys'),
  },
  { order: 'plan', keys: ['v'], says: 'show the plan: counts, requests, cost, removals', footer: 'plan' },
  {
    order: 'conflicts',
    keys: ['c'],
    says: 'show files that both sides changed, and choose',
    footer: 'conflicts',
    idle: ({ has }) => (has.conflicts ? undefined : 'conflicts cannot be seen from here'),
  },
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
    order: 'take-back',
    keys: ['u'],
    says: 'take back that the selected file was left out',
    views: ['problems'],
    idle: ({ leftOut }) => (leftOut ? undefined : 'only a file that you left out can be taken back'),
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
  {
    order: 'open',
    keys: ['return'],
    says: 'open the folder, or show versions of the file',
    footer: 'open',
    views: ['browse'],
    idle: noLine,
  },
  {
    order: 'restore',
    keys: ['g'],
    says: 'restore what is selected into another folder',
    footer: 'restore',
    views: ['browse'],
    idle: (context) => (context.restoring ? 'a restore is under way; x stops it' : noLine(context)),
  },
  {
    order: 'stop-restore',
    keys: ['x'],
    says: 'stop the restore that is under way',
    views: ['browse'],
    idle: ({ restoring }) => (restoring ? undefined : 'no restore is under way'),
  },
  {
    order: 'removed',
    keys: ['d'],
    says: 'show removed files, too; again: hide them',
    footer: 'removed',
    views: ['browse'],
  },
  {
    order: 'undelete',
    keys: ['u'],
    says: 'bring the selected removed file back',
    footer: 'undelete',
    views: ['browse'],
    idle: ({ removed }) => (removed ? undefined : 'only a removed file can be undeleted; d shows them'),
  },
  { order: 'folder-up', keys: ['backspace'], says: 'one folder up', views: ['browse'] },
  {
    order: 'keep-mine',
    keys: ['m'],
    says: 'keep mine: the copy takes the name back',
    footer: 'mine',
    views: ['conflicts'],
    idle: noLine,
  },
  {
    order: 'keep-theirs',
    keys: ['o'],
    says: 'keep theirs: the copy is removed',
    footer: 'theirs',
    views: ['conflicts'],
    idle: noLine,
  },
  {
    order: 'keep-both',
    keys: ['x'],
    says: 'keep both: it leaves the list',
    footer: 'both',
    views: ['conflicts'],
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
  { order: 'top', keys: ['home'], says: 'to the first line', views: LISTS, place: 'lists' },
  {
    order: 'top-too',
    keys: ['g'],
    says: 'to the first line',
    views: LISTS.filter((view) => view !== 'browse'),
    place: 'lists but browse',
  },
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
    says: 'end the filter, else go back',
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
