import { useEffect, useRef, useState } from 'react';
import type { PostureDesk, PostureMark } from '../model/posture.ts';
import type { Clock } from '../model/ports.ts';

export const UNKNOWN: readonly PostureMark[] = [{ state: 'unknown', words: 'unknown' }];

/** Others change buckets, too. */
const AGAIN_MS = 3_600_000;

/**
 * What was found of a vault's bucket; undefined until it was looked at. It is looked at once, again when the store can
 * be reached after it could not, and every hour.
 */
export function usePosture(
  desk: PostureDesk | undefined,
  offline: boolean,
  clock: Pick<Clock, 'after' | 'ticks'>,
): readonly PostureMark[] | undefined {
  const [found, setFound] = useState<ReadonlyMap<PostureDesk, readonly PostureMark[]>>(new Map());
  const [hour, setHour] = useState(0);
  const asked = useRef(new Map<PostureDesk, number>());
  useEffect(() => clock.after(AGAIN_MS, () => setHour(hour + 1)), [clock, hour]);
  useEffect(() => {
    if (desk === undefined) return;
    if (offline) {
      asked.current.delete(desk);
      return;
    }
    if (asked.current.get(desk) === hour) return;
    asked.current.set(desk, hour);
    const note = (marks: readonly PostureMark[]): void =>
      setFound((before) => new Map(before).set(desk, marks));
    desk.look().then(note, () => note(UNKNOWN));
  }, [desk, offline, hour]);
  return desk === undefined ? undefined : (found.get(desk) ?? (offline ? UNKNOWN : undefined));
}
