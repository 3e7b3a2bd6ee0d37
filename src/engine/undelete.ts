/** Versions of files, and removals taken back. */
import { OWN_FOLDER, type ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { ListedVersion, Metadata, Mover, ObjectStore, Waits } from '../model/ports.ts';
import { keyOfPath, shownName } from './naming.ts';
import { type ListedPlace, versionsByKey } from './selecting.ts';

/** All versions of one file, the newest first. */
export interface History {
  readonly key: ObjectKey;
  readonly name: string;
  /** Its name is none of the vault's. */
  readonly foreign?: true;
  readonly versions: readonly ListedVersion[];
}

/** Of everything at and below a name, in the order of keys. */
export async function* historiesOf(
  place: ListedPlace,
  path: string,
  options: Waits = {},
): AsyncIterable<History> {
  const own = `${place.prefix}${OWN_FOLDER}/`;
  for await (const versions of atOrUnder(place, path, options)) {
    const key = versions[0]?.key;
    if (key === undefined || key.startsWith(own)) continue;
    const versionId = versions.find(({ marker }) => !marker)?.versionId;
    yield { key, ...(await shownName(place, { key, versionId }, options)), versions };
  }
}

async function* atOrUnder(
  place: ListedPlace,
  path: string,
  options: Waits,
): AsyncIterable<readonly ListedVersion[]> {
  const { store, prefix } = place;
  if (path === '') {
    yield* versionsByKey(store, prefix, options);
    return;
  }
  const key = keyOfPath(place, path);
  // The key itself is the first of all that begin with it.
  for await (const versions of versionsByKey(store, key, options)) {
    if (versions[0]?.key === key) yield versions;
    break;
  }
  yield* versionsByKey(store, `${key}/`, options);
}

/** What stands in the way of the newest content: removals; undefined where the file is there, or never had content. */
export function removalsOf({ versions }: History): readonly ListedVersion[] | undefined {
  const content = versions.findIndex(({ marker }) => !marker);
  return content > 0 ? versions.slice(0, content) : undefined;
}

/**
 * Takes the removals of one file back, the newest last: until then nothing has changed for anybody. Where removals may not be
 * removed (s3:DeleteObjectVersion is often withheld, so that nobody can empty the history), the newest content is copied onto
 * its name instead, if still nothing stands there. `copier`: opened only for that.
 */
export async function undelete(
  store: ObjectStore,
  history: History,
  copier: () => Promise<Pick<Mover, 'copy'>>,
  options: Waits = {},
): Promise<void> {
  const { key } = history;
  try {
    for (const { versionId } of (removalsOf(history) ?? []).toReversed())
      await store.remove(key, { ...options, versionId });
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || thrown.kind !== 'refused') throw thrown;
    await copyBack(store, history, copier, options, thrown);
  }
}

async function copyBack(
  store: ObjectStore,
  { key, versions }: History,
  copier: () => Promise<Pick<Mover, 'copy'>>,
  options: Waits,
  refusal: VaultError,
): Promise<void> {
  const content = versions.find(({ marker }) => !marker);
  if (content === undefined) throw refusal;
  const { versionId } = content;
  try {
    const mover = await copier();
    const same = ({ metadata }: { readonly metadata: Metadata }): Metadata => metadata;
    const how = { ...options, versionId, to: key };
    try {
      await mover.copy(key, same, { ...how, ifNoneMatch: '*' });
    } catch (refused) {
      if (!(refused instanceof VaultError) || refused.code !== 'copy-unsupported') throw refused;
      // A store that keeps no condition of copies: what is written in this moment stays a version beneath.
      if ((await store.head(key, options)) !== undefined) throw standsThere(key);
      await mover.copy(key, same, how);
    }
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || thrown.kind === 'cancelled') throw thrown;
    throw new VaultError(
      thrown.kind,
      thrown.code,
      `the removal of ${safeName(key)} may not be taken back (${refusal.message}), and copying its newest content fails: ${thrown.message}`,
      {
        cause: thrown,
        hint: thrown.hint ?? 's3:DeleteObjectVersion, or s3:GetObjectVersion and s3:PutObject, is needed',
      },
    );
  }
}

const standsThere = (key: ObjectKey): VaultError =>
  new VaultError('changed', 'precondition', `${safeName(key)} is there by now`);
