/**
 * When versions were written in the first place. A rekey of all versions writes them anew, and S3's time is then that of the
 * rekey: what was meant by `--at` stands in their own metadata (see `chain.ts`).
 */
import { VaultError } from '../model/errors.ts';
import type { ListedVersion, ObjectStore, Waits } from '../model/ports.ts';
import { writtenAt } from './chain.ts';

/** Looks at a time. */
const TOGETHER = 16;

/**
 * Of all versions of one key, the newest first, the one that stood at a time. One look (HEAD) where something is younger than
 * that, more only where it is a copy. A removal that was written anew has no metadata, and so no time of its own: where that
 * leaves it open whether the file was there, it is taken to have been.
 */
export async function versionAt(
  store: ObjectStore,
  versions: readonly ListedVersion[],
  at: number,
  options: Waits = {},
): Promise<ListedVersion | undefined> {
  const found = versions.findIndex(({ modified }) => modified <= at);
  const younger = found < 0 ? versions : versions.slice(0, found);
  let then = found < 0 ? undefined : versions[found];
  for (const version of younger.toReversed()) {
    if (version.marker) continue;
    const written = await firstWritten(store, version, options);
    if (written === undefined || written > at) break;
    then = { ...version, modified: written };
  }
  return then;
}

/** The same versions with the times when they were written in the first place. */
export async function* asWritten(
  store: ObjectStore,
  versions: readonly ListedVersion[],
  options: Waits = {},
): AsyncIterable<ListedVersion> {
  yield* inTurn(versions, async (version) => {
    const written = version.marker ? undefined : await firstWritten(store, version, options);
    return written === undefined ? version : { ...version, modified: written };
  });
}

/** Undefined: what the listing says, or nobody may look. */
async function firstWritten(
  store: ObjectStore,
  { key, versionId }: ListedVersion,
  options: Waits,
): Promise<number | undefined> {
  try {
    const stat = await store.head(key, { ...options, ...(versionId === 'null' ? {} : { versionId }) });
    return stat === undefined ? undefined : writtenAt(stat.metadata);
  } catch (thrown) {
    // Under another key, or not to be read: then it cannot be restored either.
    const unread = ['file', 'security', 'refused'];
    if (thrown instanceof VaultError && unread.includes(thrown.kind)) return undefined;
    throw thrown;
  }
}

/** In the order of `all`, `together` at a time. */
export async function* inTurn<T, R>(
  all: AsyncIterable<T> | Iterable<T>,
  work: (one: T) => Promise<R>,
  together = TOGETHER,
): AsyncIterable<R> {
  const ahead: Promise<R>[] = [];
  try {
    for await (const one of all) {
      const next = work(one);
      // It is awaited in its turn; until then nobody listens.
      next.catch(() => undefined);
      ahead.push(next);
      const first = ahead.length < together ? undefined : ahead.shift();
      if (first !== undefined) yield await first;
    }
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) yield await next;
  } finally {
    await Promise.allSettled(ahead);
  }
}
