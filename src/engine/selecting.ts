/** What of a place is asked for: paths, at a time, or a version; as a listing says it. */
import { OWN_FOLDER, type ObjectKey, objectKey } from '../model/brands.ts';
import type { ListedObject, ListedVersion, ObjectStore, Waits } from '../model/ports.ts';
import { type Naming, keyOfPath, shownName } from './naming.ts';
import { marksFolder } from './remote-names.ts';
import { inTurn, versionAt } from './written.ts';

/** An object as it was at the time asked for. */
export interface Selected {
  readonly key: ObjectKey;
  /** Its path; of a foreign one the key without the prefix. */
  readonly name: string;
  /** Its name is none of the vault's. */
  readonly foreign?: true;
  readonly etag: string;
  /** Bytes as stored. */
  readonly size: number;
  readonly modified: number;
  readonly versionId?: string;
}

export interface Selection {
  /** Paths of objects and of folders; the empty one: everything. */
  readonly paths: readonly string[];
  /** ms since 1970: the state at that time, from the versions the bucket keeps. */
  readonly at?: number | undefined;
}

/** Names that lie below another one of them, or are there twice, are left out. */
export function distinct(names: readonly string[]): readonly string[] {
  const all = [...new Set(names.map((name) => name.replace(/\/+$/, '')))];
  return all.filter((name) => !all.some((other) => other !== name && isUnder(name, other)));
}

const isUnder = (name: string, folder: string): boolean => folder === '' || name.startsWith(`${folder}/`);

/** Everything at and below one name, in the order of keys, s3vault's own objects and folder markers left out. */
export async function* selectOne(
  place: ListedPlace,
  at: Selection['at'],
  path: string,
  options: Waits = {},
): AsyncIterable<Selected> {
  const { store, prefix } = place;
  const own = `${prefix}${OWN_FOLDER}/`;
  for await (const found of path === ''
    ? under(store, prefix, at, options)
    : atOrUnder(store, keyOfPath(place, path), at, options)) {
    if (found.key.startsWith(own) || marksFolder(found)) continue;
    yield { ...found, ...(await shownName(place, found, options)) };
  }
}

/** A place whose objects are listed. */
export interface ListedPlace extends Naming {
  readonly store: ObjectStore;
}

type Found = Omit<Selected, 'name' | 'foreign'>;

async function* atOrUnder(
  store: ObjectStore,
  key: string,
  at: number | undefined,
  options: Waits,
): AsyncIterable<Found> {
  // The key itself is the first of all that begin with it.
  for await (const found of under(store, key, at, options)) {
    if (found.key === key) yield found;
    break;
  }
  yield* under(store, `${key}/`, at, options);
}

async function* under(
  store: ObjectStore,
  prefix: string,
  at: number | undefined,
  options: Waits,
): AsyncIterable<Found> {
  if (at === undefined) {
    for await (const page of store.list(prefix, options)) yield* page.map(asFound);
    return;
  }
  const then = (versions: readonly ListedVersion[]) => versionAt(store, versions, at, options);
  for await (const version of inTurn(versionsByKey(store, prefix, options), then))
    if (version !== undefined && !version.marker) yield { ...asFound(version), versionId: version.versionId };
}

const asFound = ({ key, etag, size, modified }: ListedObject): Found => ({
  key: objectKey(key),
  etag,
  size,
  modified,
});

/** All versions of one key together, the newest first. */
export async function* versionsByKey(
  store: ObjectStore,
  prefix: string,
  options: Waits = {},
): AsyncIterable<readonly ListedVersion[]> {
  let versions: ListedVersion[] = [];
  for await (const page of store.versions(prefix, options)) {
    for (const version of page) {
      if (versions[0] !== undefined && versions[0].key !== version.key) {
        yield versions;
        versions = [];
      }
      versions.push(version);
    }
  }
  if (versions.length > 0) yield versions;
}
