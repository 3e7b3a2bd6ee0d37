/** What the lists of the screen hold, after their filter: the same for those who draw them and for the keys that move in them. */
import type { PlannedLine } from '../model/plan.ts';
import type { Problem, RecentLine, Snapshot } from '../model/snapshot.ts';
import type { View } from './keys.ts';
import { outcomeOf } from './words.ts';

const matches = (filter: string, ...texts: readonly (string | null | undefined)[]): boolean => {
  if (filter === '') return true;
  const wanted = filter.toLowerCase();
  return texts.some((text) => text?.toLowerCase().includes(wanted) ?? false);
};

export const problemsOf = ({ problems }: Snapshot, filter: string): readonly Problem[] =>
  [...problems.values()].filter(({ path, message, code }) => matches(filter, path, message, code));

/** Newest first. The words of the outcome count, too: `failed` finds what failed. */
export const activityOf = ({ recent }: Snapshot, filter: string): readonly RecentLine[] =>
  filter === ''
    ? recent
    : recent.filter((line) => matches(filter, line.path, line.message, line.outcome, outcomeOf(line).word));

export const queueOf = ({ queue }: Snapshot, filter: string): readonly PlannedLine[] =>
  filter === ''
    ? queue.next
    : queue.next.filter(({ path, kind, reason }) => matches(filter, path, kind, reason));

/** The lines of a Plan that waits for an answer; none where nothing is asked. */
export function planOf({ consent }: Snapshot, filter: string): readonly PlannedLine[] {
  const first = consent === null || consent.kind === 'lost-source' ? [] : (consent.first ?? []);
  return filter === ''
    ? first
    : first.filter(({ path, kind, reason }) => matches(filter, path, kind, reason));
}

/** Lines of a list that is made of the Snapshot; undefined for a view that is none. */
export function countOf(view: View, snapshot: Snapshot, filter: string): number | undefined {
  switch (view) {
    case 'problems':
      return problemsOf(snapshot, filter).length;
    case 'activity':
      return activityOf(snapshot, filter).length;
    case 'queue':
      return queueOf(snapshot, filter).length;
    case 'plan':
      return planOf(snapshot, filter).length;
    case 'dashboard':
    case 'settings':
    case 'help':
      return undefined;
    default:
      return view satisfies never;
  }
}
