/** What a rekey goes through: the objects of a vault, or all their versions. */
import { OWN_FOLDER, type ObjectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { ListedVersion, ObjectStore, Waits } from '../model/ports.ts';

/** One object. */
export interface Work {
  readonly key: ObjectKey;
  readonly size: number;
  /** Of the newest version; empty where that is a removal. */
  readonly etag: string;
  /** The newest first; undefined where only the newest counts. */
  readonly versions?: readonly ListedVersion[];
}

/** All objects under a prefix but s3vault's own, in the order of keys. */
export async function* works(
  store: ObjectStore,
  prefix: string,
  allVersions: boolean,
  options: Waits,
): AsyncIterable<Work> {
  const own = `${prefix}${OWN_FOLDER}/`;
  const all = allVersions ? histories(store, prefix, options) : newest(store, prefix, options);
  for await (const work of all) if (!work.key.startsWith(own)) yield work;
}

async function* newest(store: ObjectStore, prefix: string, options: Waits): AsyncIterable<Work> {
  for await (const page of store.list(prefix, options)) yield* page;
}

async function* histories(store: ObjectStore, prefix: string, options: Waits): AsyncIterable<Work> {
  let versions: ListedVersion[] = [];
  for await (const page of store.versions(prefix, options)) {
    for (const version of page) {
      if (version.key !== versions[0]?.key) {
        yield* workOf(versions);
        versions = [];
      }
      versions.push(version);
    }
  }
  yield* workOf(versions);
}

function workOf(versions: readonly ListedVersion[]): readonly Work[] {
  const [newestOne] = versions;
  if (newestOne === undefined || versions.every(({ marker }) => marker)) return [];
  const { key, size, etag } = newestOne;
  return [{ key, size, etag, versions }];
}

/**
 * Whether there are object versions that are not the newest. Where that may not be asked, there may be some; a store that does
 * not know the question keeps none.
 */
export async function hasOlder(store: ObjectStore, prefix: string, options: Waits): Promise<boolean> {
  const own = `${prefix}${OWN_FOLDER}/`;
  try {
    for await (const page of store.versions(prefix, options))
      if (page.some(({ key, latest, marker }) => !latest && !marker && !key.startsWith(own))) return true;
    return false;
  } catch (thrown) {
    if (thrown instanceof VaultError && thrown.status === 501) return false;
    if (thrown instanceof VaultError && thrown.kind === 'refused') return true;
    throw thrown;
  }
}
