/** Versions of files, and removals taken back. */
import { OWN_FOLDER, type ObjectKey } from '../model/brands.ts';
import type { ListedVersion, ObjectStore, Waits } from '../model/ports.ts';
import { versionsByKey } from './selecting.ts';

/** All versions of one file, the newest first. */
export interface History {
  readonly key: ObjectKey;
  readonly name: string;
  readonly versions: readonly ListedVersion[];
}

/** Of everything at and below a name, in the order of keys. */
export async function* historiesOf(
  store: ObjectStore,
  prefix: string,
  name: string,
  options: Waits = {},
): AsyncIterable<History> {
  const own = `${prefix}${OWN_FOLDER}/`;
  for await (const versions of named(store, prefix, name, options)) {
    const key = versions[0]?.key;
    if (key === undefined || key.startsWith(own)) continue;
    yield { key, name: key.slice(prefix.length), versions };
  }
}

async function* named(
  store: ObjectStore,
  prefix: string,
  name: string,
  options: Waits,
): AsyncIterable<readonly ListedVersion[]> {
  if (name === '') {
    yield* versionsByKey(store, prefix, options);
    return;
  }
  // The key itself is the first of all that begin with it.
  for await (const versions of versionsByKey(store, prefix + name, options)) {
    if (versions[0]?.key === prefix + name) yield versions;
    break;
  }
  yield* versionsByKey(store, `${prefix}${name}/`, options);
}

/** What stands in the way of the newest content: removals; undefined where the file is there, or never had content. */
export function removalsOf({ versions }: History): readonly ListedVersion[] | undefined {
  const content = versions.findIndex(({ marker }) => !marker);
  return content > 0 ? versions.slice(0, content) : undefined;
}

/** Takes the removals of one file back, the newest last: until then nothing has changed for anybody. */
export async function undelete(
  store: ObjectStore,
  key: ObjectKey,
  removals: readonly ListedVersion[],
  options: Waits = {},
): Promise<void> {
  for (const { versionId } of removals.toReversed()) await store.remove(key, { ...options, versionId });
}
