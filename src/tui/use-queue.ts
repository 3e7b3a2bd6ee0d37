import { useEffect, useMemo, useState } from 'react';
import type { EngineHandle } from '../model/command.ts';
import type { Clock } from '../model/ports.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type QueueShown, QueueStore, fromSnapshot } from './queue-store.ts';
import type { Ui } from './ui.ts';

export interface QueueHook {
  /** What there is to show now, which may be newer than the last frame. */
  shown(snapshot: Snapshot, filter: string): QueueShown;
  /** Something was done to the queue. */
  changed(): void;
}

const FROM_EVENTS: QueueHook = { shown: fromSnapshot, changed: () => undefined };

/** The queue of the selected vault while it is looked at. `moved`: the selected file stands so much further down. */
export function useQueue(
  handle: EngineHandle | undefined,
  { view, filter, line }: Pick<Ui, 'view' | 'filter' | 'line'>,
  height: number,
  {
    clock,
    queue,
    moved,
  }: {
    readonly clock: Pick<Clock, 'after' | 'ticks'>;
    readonly queue: unknown;
    readonly moved: (by: number) => void;
  },
): QueueHook {
  const [, setAnswers] = useState(0);
  const store = useMemo(() => {
    if (handle?.queue === undefined) return undefined;
    // Both in one frame: the lines, and which of them is selected.
    return new QueueStore(
      (ask) => handle.queue?.(ask) ?? Promise.reject(new Error('it cannot be asked')),
      clock,
      (by) => {
        setAnswers((count) => count + 1);
        if (by !== 0) moved(by);
      },
    );
    // `moved` does the same each time.
  }, [handle, clock]);
  const looked = view === 'queue';
  useEffect(() => {
    if (looked) store?.look({ filter, line, height }, queue);
  }, [looked, store, filter, line, height, queue]);
  useEffect(() => (looked ? () => store?.leave() : undefined), [looked, store]);
  return store ?? FROM_EVENTS;
}
