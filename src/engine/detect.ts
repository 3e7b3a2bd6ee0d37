import { type Entry, sameStamp } from '../model/entry.ts';
import type { Record } from '../model/record.ts';

/**
 * What the stamps of a file say against what the Index remembers.
 * `same`: provably unchanged. `doubt`: the bytes must be hashed to know. `changed`: size, time, kind or permissions
 * differ, so the object no longer says what the file says.
 */
export type Difference = 'same' | 'doubt' | 'changed';

/** A file system stores times no finer than this; a write within one grain of the last look leaves no trace. */
const FINE_GRAIN_MS = 50;
/** FAT and some network file systems: two seconds. Assumed where both times are whole seconds. */
const COARSE_GRAIN_MS = 2_000;

export function difference(local: Entry, record: Record): Difference {
  if (local.kind !== record.kind || local.size !== record.size) return 'changed';
  if (local.mtime !== record.mtime || local.mode !== record.mode || local.path !== record.path)
    return 'changed';
  if (!sameStamp(local, record)) return 'doubt';
  return isRacy(record) ? 'doubt' : 'same';
}

/**
 * The racy-clean rule: where the file was changed so shortly before it was read that a later change could carry the
 * same times, an equal stamp proves nothing. `seenAt` is when reading began. An mtime after that comes from another machine's
 * clock and says nothing: a write here would give another one.
 */
export function isRacy(record: Record): boolean {
  const newest = record.mtime > record.seenAt ? record.ctime : Math.max(record.mtime, record.ctime);
  const coarse = record.mtime % 1000 === 0 && record.ctime % 1000 === 0;
  return record.seenAt - newest < (coarse ? COARSE_GRAIN_MS : FINE_GRAIN_MS);
}
