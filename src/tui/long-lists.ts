/** The lists that only the engine has whole: what is known of them, and before and without that what Events say. */
import type { HistoryLine, HistoryWindow } from '../model/history.ts';
import { type PlannedLine, filesOf } from '../model/plan.ts';
import type { QueueWindow } from '../model/queue.ts';
import type { RecentLine, Snapshot } from '../model/snapshot.ts';
import { activityOf, ending, fitting, queueOf } from './lists.ts';
import type { Lines, WindowStore } from './window-store.ts';

export interface LongList<Line> extends Lines<Line> {
  /** The answer is on its way: these are the lines that are known and fit. */
  readonly reading: boolean;
}

export interface QueueShown extends LongList<PlannedLine> {
  /** Files that wait in all. */
  readonly waiting: number;
}

export type ActivityShown = LongList<RecentLine>;

export type QueueStore = WindowStore<PlannedLine, QueueWindow>;
export type ActivityStore = WindowStore<HistoryLine, HistoryWindow>;

export function queueShown(store: QueueStore | undefined, snapshot: Snapshot, filter: string): QueueShown {
  const answer = store?.answer;
  if (answer?.filter === filter) return { ...answer, reading: false };
  if (answer !== undefined)
    return { ...listed(fitting(answer.lines, filter), true), waiting: answer.waiting };
  const lines = queueOf(snapshot, filter);
  const { plan, done, active, queue, state } = snapshot;
  const waiting = Math.max(queue.waiting, filesOf(plan) - done.files - active.size, lines.length);
  const over = state === 'idle' || state === 'stopped';
  return { ...listed(lines, isReading(store) && !over), waiting };
}

export function activityShown(
  store: ActivityStore | undefined,
  snapshot: Snapshot,
  filter: string,
): ActivityShown {
  const answer = store?.answer;
  if (answer?.filter === filter) return { ...answer, reading: false };
  if (answer !== undefined) return listed(ending(answer.lines, filter), true);
  return listed(activityOf(snapshot, filter), isReading(store));
}

const isReading = (store: { readonly failed: boolean } | undefined): boolean =>
  store !== undefined && !store.failed;

const listed = <Line>(lines: readonly Line[], reading: boolean): LongList<Line> => ({
  total: lines.length,
  from: 0,
  lines,
  reading,
});
