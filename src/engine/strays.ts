import type { Action } from '../model/plan.ts';
import type { Index, IndexChange, Intent } from '../model/ports.ts';
import type { Record } from '../model/record.ts';
import type { EngineParts } from './world.ts';
import { keyIn } from './world.ts';

/** The fingerprint of no Mode: the file is sent whatever its stamp says. */
export const NOT_IN_STEP = '';
/** Intents noted in one transaction. */
const TOGETHER = 128;

/**
 * Hands the Actions on, with an Intent noted for each object that may be new in the bucket, and with the Record taken
 * back of each object that the listing did not show as remembered: whatever happens next, it is not in step.
 */
export function* withIntents(actions: Iterable<Action>, index: Index): Iterable<Action> {
  let waiting: Action[] = [];
  const flush = function* (): Iterable<Action> {
    index.intents().add(waiting.filter(isFirst).map(({ key, path }) => ({ key, path })));
    index.commit(waiting.flatMap((action) => takenBack(action, index)));
    const noted = waiting;
    waiting = [];
    yield* noted;
  };
  for (const action of actions) {
    waiting.push(action);
    if (waiting.length === TOGETHER) yield* flush();
  }
  yield* flush();
}

/** The Record stays, so that the object is still removed when its file is. */
function takenBack(action: Action, index: Index): readonly IndexChange[] {
  if (action.kind !== 'put' || action.record === undefined) return [];
  if (action.reason !== 'missing-remotely' && action.reason !== 'changed-remotely') return [];
  if (index.get(action.key)?.etag !== action.record.etag) return [];
  return [{ kind: 'put', record: { ...action.record, modeFingerprint: NOT_IN_STEP } }];
}

const isFirst = (action: Action): boolean => action.kind === 'put' && action.record === undefined;

/**
 * After a crash: objects that were sent without a Record, and whose file is gone since, get a Record of what the bucket
 * says of them, so that they are removed, or reported, like any other. Where the file is still there it is sent again.
 */
export async function adoptStrays(parts: EngineParts, signal: AbortSignal): Promise<void> {
  const { index, tree, store, clock, vault } = parts;
  for (const intent of index.intents().all()) {
    // Others write too: what stands there may be theirs, and the listing shows it.
    if (vault.direction !== 'push' || index.get(intent.key) !== undefined) {
      index.intents().remove(intent.key);
      continue;
    }
    if ((await tree.look(intent.path)) !== undefined) continue;
    const stat = await store.head(keyIn({ prefix: parts.vault.remote.prefix }, intent.key), { signal });
    if (stat === undefined) index.intents().remove(intent.key);
    else index.commit([{ kind: 'put', record: strayRecord(intent, stat, clock.now()) }]);
  }
}

/** Nothing is known of the file: a stamp that no file has. */
function strayRecord(
  { key, path }: Intent,
  stat: { readonly etag: string; readonly size: number; readonly versionId?: string },
  seenAt: number,
): Record {
  const { etag, size: storedSize, versionId } = stat;
  return {
    key,
    path,
    kind: 'file',
    size: storedSize,
    mtime: 0,
    ctime: 0,
    inode: 0,
    mode: 0,
    etag,
    ...(versionId === undefined ? {} : { versionId }),
    storedSize,
    modeFingerprint: NOT_IN_STEP,
    seenAt,
  };
}
