import type { Action } from '../model/plan.ts';
import type { Index, Intent } from '../model/ports.ts';
import type { Record } from '../model/record.ts';
import type { EngineParts } from './world.ts';
import { keyIn } from './world.ts';

/** Intents noted in one transaction. */
const TOGETHER = 128;

/** Hands the Actions on, with an Intent noted for each object that may be new in the bucket. */
export function* withIntents(actions: Iterable<Action>, index: Index): Iterable<Action> {
  let waiting: Action[] = [];
  const flush = function* (): Iterable<Action> {
    index.intents().add(waiting.filter(isFirst).map(({ key, path }) => ({ key, path })));
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

const isFirst = (action: Action): boolean => action.kind === 'put' && action.record === undefined;

/**
 * After a crash: objects that were sent without a Record, and whose file is gone since, get a Record of what the bucket
 * says of them, so that they are removed, or reported, like any other. Where the file is still there it is sent again.
 */
export async function adoptStrays(parts: EngineParts, signal: AbortSignal): Promise<void> {
  const { index, tree, store, clock } = parts;
  for (const intent of index.intents().all()) {
    if (index.get(intent.key) !== undefined) index.intents().remove(intent.key);
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
    modeFingerprint: '',
    seenAt,
  };
}
