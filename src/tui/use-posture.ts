import { useEffect, useRef, useState } from 'react';
import type { PostureDesk, PostureMark } from '../model/posture.ts';

export const UNKNOWN: readonly PostureMark[] = [{ state: 'unknown', words: 'unknown' }];

/** What was found of a vault's bucket; undefined until it was looked at, which is done once. */
export function usePosture(desk: PostureDesk | undefined): readonly PostureMark[] | undefined {
  const [found, setFound] = useState<ReadonlyMap<PostureDesk, readonly PostureMark[]>>(new Map());
  const asked = useRef(new Set<PostureDesk>());
  useEffect(() => {
    if (desk === undefined || asked.current.has(desk)) return;
    asked.current.add(desk);
    const note = (marks: readonly PostureMark[]): void =>
      setFound((before) => new Map(before).set(desk, marks));
    desk.look().then(note, () => note(UNKNOWN));
  }, [desk]);
  return desk === undefined ? undefined : found.get(desk);
}
