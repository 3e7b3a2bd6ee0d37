/** What the lists of the screen hold, after their filter: the same for those who draw them and for the keys that move in them. */
import type { BrowseLine } from '../model/browser.ts';
import type { Conflict } from '../model/conflicts.ts';
import type { PlannedLine } from '../model/plan.ts';
import { findableEnd } from '../model/history.ts';
import { findable } from '../model/queue.ts';
import type { Problem, RecentLine, Snapshot } from '../model/snapshot.ts';
import type { View } from './keys.ts';

const matches = (filter: string, ...texts: readonly (string | null | undefined)[]): boolean => {
  if (filter === '') return true;
  const wanted = filter.toLowerCase();
  return texts.some((text) => text?.toLowerCase().includes(wanted) ?? false);
};

export const problemsOf = ({ problems }: Snapshot, filter: string): readonly Problem[] =>
  [...problems.values()].filter(({ path, message, code }) => matches(filter, path, message, code));

/** It is about the vault: it stands under its code, where that of a file stands under its path. */
export const isOfVault = ({ path, code }: Pick<Problem, 'path' | 'code'>): boolean => path === code;

/** Newest first, behind what is recent the failures before it: as far as Events say. */
export function activityOf({ recent, failures }: Snapshot, filter: string): readonly RecentLine[] {
  const known = recent.reduce((count, { outcome }) => count + (outcome === 'failed' ? 1 : 0), 0);
  const all = failures.length > known ? [...recent, ...failures.slice(known)] : recent;
  return ending(all, filter);
}

export function ending<Line extends RecentLine>(lines: readonly Line[], filter: string): readonly Line[] {
  const text = filter.toLowerCase();
  return text === '' ? lines : lines.filter((line) => findableEnd(line).includes(text));
}

export function fitting(lines: readonly PlannedLine[], filter: string): readonly PlannedLine[] {
  const text = filter.toLowerCase();
  return text === '' ? lines : lines.filter((line) => findable(line).includes(text));
}

/** The beginning of the queue, as Events tell it. */
export const queueOf = ({ queue }: Snapshot, filter: string): readonly PlannedLine[] =>
  fitting(queue.next, filter);

/** The lines of a Plan that waits for an answer; none where nothing is asked. */
export function planOf({ consent }: Snapshot, filter: string): readonly PlannedLine[] {
  const first = consent === null || consent.kind === 'lost-source' ? [] : (consent.first ?? []);
  return fitting(first, filter);
}

/** The name of what stands in a folder, without the folder; a folder's ends in `/`. */
export const nameIn = (path: string): string => path.slice(path.lastIndexOf('/', path.length - 2) + 1);

export const filesOf = (lines: readonly BrowseLine[], filter: string): readonly BrowseLine[] =>
  filter === '' ? lines : lines.filter(({ path }) => matches(filter, nameIn(path)));

export const conflictsOf = (conflicts: readonly Conflict[], filter: string): readonly Conflict[] =>
  filter === '' ? conflicts : conflicts.filter(({ path, host }) => matches(filter, path, host));

/** Lines of a list that is made of the Snapshot; undefined for a view that is none. */
export function countOf(view: View, snapshot: Snapshot, filter: string): number | undefined {
  switch (view) {
    case 'problems':
      return problemsOf(snapshot, filter).length;
    case 'plan':
      return planOf(snapshot, filter).length;
    case 'dashboard':
    case 'activity':
    case 'queue':
    case 'browse':
    case 'conflicts':
    case 'settings':
    case 'help':
      return undefined;
    default:
      return view satisfies never;
  }
}
