/** What of a place is asked for: paths, at a time, or a version; as a listing says it. */
import { OWN_FOLDER, type ObjectKey, objectKey } from '../model/brands.ts';
import type { ListedObject, ListedVersion, ObjectStore, Waits } from '../model/ports.ts';
import { inTurn, versionAt } from './written.ts';

/** An object as it was at the time asked for. */
export interface Selected {
  readonly key: ObjectKey;
  /** The key without the prefix. */
  readonly name: string;
  readonly etag: string;
  /** Bytes as stored. */
  readonly size: number;
  readonly modified: number;
  readonly versionId?: string;
}

export interface Selection {
  readonly prefix: string;
  /** Names without the prefix, of objects and of folders; the empty name: everything. */
  readonly names: readonly string[];
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
  store: ObjectStore,
  { prefix, at }: Omit<Selection, 'names'>,
  name: string,
  options: Waits = {},
): AsyncIterable<Selected> {
  const own = `${prefix}${OWN_FOLDER}/`;
  for await (const found of name === ''
    ? under(store, prefix, at, options)
    : atOrUnder(store, prefix + name, at, options)) {
    if (found.key.startsWith(own) || (found.key.endsWith('/') && found.size === 0)) continue;
    yield { ...found, name: found.key.slice(prefix.length) };
  }
}

type Found = Omit<Selected, 'name'>;

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
