import type { RecentLine } from './snapshot.ts';

/** What happened and is remembered across runs: each Transfer that ended, the newest with the highest number. */
export interface HistoryLine extends RecentLine {
  readonly id: number;
}

/** A window over what happened, newest first. */
export interface HistoryAsk {
  /** Only lines with this text, whatever its case; empty for all. */
  readonly filter: string;
  readonly from: number;
  readonly count: number;
  /** A line that stood at `line`. Where it stands now is said, and the window moves with it. */
  readonly held?: { readonly id: number; readonly line: number };
}

export interface HistoryWindow {
  /** Lines that fit the filter. */
  readonly total: number;
  /** Where `lines` begin among them. */
  readonly from: number;
  readonly lines: readonly HistoryLine[];
  readonly held?: number;
}

/** Lines newest first. */
export interface HistoryBook {
  /** The number of the newest line, 0 where there is none. */
  readonly last: number;
  /** Counts what has `text` in at most `limit` lines before the number `before`; undefined where there are none. */
  scan(before: number, limit: number, text: string, held?: number): HistoryPart | undefined;
  /** Lines of a part that have `text`, `skip` of them left out. */
  lines(part: HistoryPart, text: string, skip: number, limit: number): readonly HistoryLine[];
}

/** Lines before `before` down to `first`; the rest as in `SpoolPart`. */
export interface HistoryPart {
  readonly before: number;
  readonly first: number;
  readonly count: number;
  readonly held?: number;
}

/** How a Transfer ended, as it is shown. */
export const OUTCOME_WORDS: { readonly [K in RecentLine['outcome']]: string } = {
  written: 'sent',
  restored: 'restored',
  verified: 'verified',
  differs: 'not what was sent',
  opened: 'opened',
  rewrapped: 'key exchanged',
  copied: 'copied in the store',
  resent: 'fetched and sent again',
  updated: 'encrypted anew in place',
  removed: 'removed',
  unchanged: 'unchanged, nothing sent',
  failed: 'failed',
};

/** What a filter is looked for in. The words of the outcome count, too: `failed` finds what failed. */
export const findableEnd = ({
  path,
  message,
  outcome,
}: Pick<RecentLine, 'path' | 'message' | 'outcome'>): string =>
  `${path}\n${message ?? ''}\n${outcome} ${OUTCOME_WORDS[outcome]}`.toLowerCase();
