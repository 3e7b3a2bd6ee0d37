import { nameKey, relPath } from '../../src/model/brands.ts';
import type { Entry } from '../../src/model/entry.ts';
import type { RemoteEntry } from '../../src/model/plan.ts';
import type { Record } from '../../src/model/record.ts';

const T = 1_700_000_000_123.25;

/** An Entry with plausible values; give what matters. */
export function entry(path: string, over: Partial<Entry> = {}): Entry {
  return {
    path: relPath(path),
    key: nameKey(path),
    kind: 'file',
    size: 10,
    mtime: T,
    ctime: T + 1,
    inode: 42,
    mode: 0o100644,
    ...over,
  };
}

/** The Record that puts `entry(path, over)` in step. */
export function record(path: string, over: Partial<Record> = {}): Record {
  return {
    ...entry(path),
    etag: `etag-${path}`,
    storedSize: 26,
    modeFingerprint: 'client:k',
    seenAt: T + 60_000,
    ...over,
  };
}

export function remote(path: string, over: Partial<RemoteEntry> = {}): RemoteEntry {
  return { key: nameKey(path), etag: `etag-${path}`, size: 26, modified: T + 60_000, ...over };
}

export async function* batches<T>(all: readonly T[], size = 3): AsyncIterable<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

export async function gather<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}
