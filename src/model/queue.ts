import type { PlannedLine } from './plan.ts';

/** What is asked of the queue: a window over the files that wait and fit a filter, in the order of sending. */
export interface QueueAsk {
  /** Only lines with this text, whatever its case; empty for all. */
  readonly filter: string;
  /** The first line that is wanted, and how many. */
  readonly from: number;
  readonly count: number;
  /** A file that stood at `line`. Where it stands now is said, and the window moves with it. */
  readonly held?: { readonly path: string; readonly line: number };
}

export interface QueueWindow {
  /** Files that wait and fit the filter; those that wait in all. */
  readonly total: number;
  readonly waiting: number;
  /** Where `lines` begin among those that fit. */
  readonly from: number;
  readonly lines: readonly PlannedLine[];
  /** Where the file that was asked for stands now; left out where it does not wait any more. */
  readonly held?: number;
}

/** Lines that one answer has at most. */
export const MOST_LINES = 1_000;

export const EMPTY_WINDOW: QueueWindow = { total: 0, waiting: 0, from: 0, lines: [] };

/** What a filter is looked for in: the path, and what is to be done and why, as it is called and as it is shown. */
export const findable = ({ path, kind, reason }: Pick<PlannedLine, 'path' | 'kind' | 'reason'>): string =>
  `${path}\n${kind} ${reason} ${reason.replaceAll('-', ' ')}`.toLowerCase();
