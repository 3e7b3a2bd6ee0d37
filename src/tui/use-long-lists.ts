import { useEffect, useMemo, useState } from 'react';
import type { EngineHandle } from '../model/command.ts';
import type { HistoryAsk, HistoryLine, HistoryWindow } from '../model/history.ts';
import type { PlannedLine } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import type { QueueAsk, QueueWindow } from '../model/queue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { View } from './keys.ts';
import { type ActivityShown, type QueueShown, activityShown, queueShown } from './long-lists.ts';
import type { Ui } from './ui.ts';
import { type Answer, type WindowOptions, WindowStore } from './window-store.ts';

/** What there is to show now, which may be newer than the last frame. */
export interface LongLists {
  queue(snapshot: Snapshot, filter: string): QueueShown;
  activity(snapshot: Snapshot, filter: string): ActivityShown;
  /** Something was done to the queue. */
  changed(): void;
}

export interface Around {
  readonly height: number;
  readonly clock: Pick<Clock, 'after' | 'ticks'>;
  /** Of the vault, as it is shown. */
  readonly snapshot: Snapshot | undefined;
  /** The selected line of a view stands so much further down. */
  readonly moved: (view: View, by: number) => void;
}

/** The lists of the selected vault, each while it is looked at. */
export function useLongLists(handle: EngineHandle | undefined, ui: Ui, around: Around): LongLists {
  const { snapshot } = around;
  const queue = useWindow<PlannedLine, QueueWindow>('queue', queueAsk(handle), snapshot?.queue, ui, {
    ...around,
    handle,
    follows: false,
  });
  const activity = useWindow<HistoryLine, HistoryWindow>(
    'activity',
    historyAsk(handle),
    snapshot?.recent[0],
    ui,
    { ...around, handle, follows: true },
  );
  return {
    queue: (now, filter) => queueShown(queue, now, filter),
    activity: (now, filter) => activityShown(activity, now, filter),
    changed: () => queue?.changed(),
  };
}

type AskOf<Line, A extends Answer<Line>> = WindowOptions<Line, A>['ask'] | undefined;

function queueAsk(handle: EngineHandle | undefined): AskOf<PlannedLine, QueueWindow> {
  const queue = handle?.queue?.bind(handle);
  if (queue === undefined) return undefined;
  return (ask, held) => {
    const by: Pick<QueueAsk, 'held'> =
      held === undefined ? {} : { held: { path: held.of.path, line: held.line } };
    return queue({ ...ask, ...by });
  };
}

function historyAsk(handle: EngineHandle | undefined): AskOf<HistoryLine, HistoryWindow> {
  const history = handle?.history?.bind(handle);
  if (history === undefined) return undefined;
  return (ask, held) => {
    const by: Pick<HistoryAsk, 'held'> =
      held === undefined ? {} : { held: { id: held.of.id, line: held.line } };
    return history({ ...ask, ...by });
  };
}

/** One list. `list` is something else each time it has changed. */
function useWindow<Line, A extends Answer<Line>>(
  view: View,
  ask: AskOf<Line, A>,
  list: unknown,
  { view: shown, filter, line }: Ui,
  {
    handle,
    height,
    clock,
    moved,
    follows,
  }: Around & { readonly handle: EngineHandle | undefined; readonly follows: boolean },
): WindowStore<Line, A> | undefined {
  const [, setAnswers] = useState(0);
  const store = useMemo(() => {
    if (ask === undefined) return undefined;
    // Both in one frame: the lines, and which of them is selected.
    const show = (by: number): void => {
      setAnswers((count) => count + 1);
      if (by !== 0) moved(view, by);
    };
    return new WindowStore<Line, A>({ ask, follows, clock, show });
    // `ask` is the handle's, `moved` does the same each time.
  }, [handle, clock]);
  const looked = shown === view;
  useEffect(() => {
    if (looked) store?.look({ filter, line, height }, list);
  }, [looked, store, filter, line, height, list]);
  useEffect(() => (looked ? () => store?.leave() : undefined), [looked, store]);
  return store;
}
