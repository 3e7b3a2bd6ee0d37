/** A place opened for a look: listings, contents, versions. */
import { Online } from '../engine/online.ts';
import { verifiedBytes } from '../engine/cat.ts';
import type { Reader, Wanted } from '../engine/fetching.ts';
import { type Kept, type Shown, showKept, showLevel } from '../engine/level.ts';
import { keyOfPath } from '../engine/naming.ts';
import { type ListedPlace, type Selected, selectOne } from '../engine/selecting.ts';
import { type History, historiesOf, removalsOf, undelete } from '../engine/undelete.ts';
import { type TakenBack, undeleteEach } from '../engine/undelete-many.ts';
import { asWritten } from '../engine/written.ts';
import { MAX_KEY_BYTES, compareUtf8 } from '../model/brands.ts';
import type { ErrorReport, VaultError } from '../model/errors.ts';
import type { ModeKind } from '../model/mode.ts';
import { bareNames, pathTyped } from '../model/names.ts';
import type { ListedVersion, Mover, Waits } from '../model/ports.ts';
import { type OpenCopier, openCopier } from './copier.ts';
import { heldOpen } from './hold.ts';
import { type Reading, type ReadingOptions, type Source, openReading } from './reading.ts';
import { plainSize } from '../engine/fetching.ts';

export type { History, Kept, Selected, Shown, TakenBack };

export interface Peek {
  readonly mode: ModeKind;
  ls(
    name: string,
    options: Waits & { readonly recursive: boolean; readonly at?: number | undefined },
  ): AsyncIterable<Shown>;
  /** One folder, with files that were removed and can be brought back. */
  kept(name: string, options?: Waits): AsyncIterable<Extract<Shown, { kind: 'folder' }> | Kept>;
  /** Exactly one object; undefined where there is none of that name. */
  find(
    name: string,
    options: { readonly at?: number | undefined; readonly versionId?: string | undefined },
  ): Promise<Selected | undefined>;
  cat(selected: Selected): AsyncIterable<Uint8Array>;
  histories(name: string, options?: Waits): AsyncIterable<History>;
  /** Its versions with the times when they were written in the first place, whatever a rekey did to them since. */
  written(history: History, options?: Waits): Promise<readonly ListedVersion[]>;
  removals(history: History): readonly ListedVersion[] | undefined;
  undelete(history: History): Promise<void>;
  /** Whether the bucket keeps what is overwritten or removed. */
  readonly keepsVersions: () => Promise<boolean>;
  /** Where nothing was found: what to say of a place with nothing at all in it, not even a vault. */
  readonly emptyPlace: () => Promise<ErrorReport | undefined>;
  /** Of each that is removed, as many at a time as there are transfers. Rejects as `undeleteEach` does. */
  undeleteEach(histories: AsyncIterable<History>): AsyncIterable<TakenBack>;
  /** Bytes of plaintext of so many stored ones. */
  plainSize(stored: number): number;
}

const PATIENCE_MS = 15_000;
const BARE = bareNames(MAX_KEY_BYTES);

export interface PeekOptions extends ReadingOptions {
  readonly onOffline?: (error: VaultError | undefined, retryIn: number) => void;
}

/** Opens a place, hands it to `work`, frees everything. Rejects as `openReading` and as `work` do. */
export async function peekInto<T>(
  source: Source,
  options: PeekOptions,
  work: (peek: Peek) => Promise<T>,
): Promise<T> {
  return heldOpen(async () => {
    const open = await openPeek(source, options);
    try {
      return await work(open.peek);
    } finally {
      await open.close();
    }
  });
}

/** Opens a place until it is closed. Rejects as `openReading` does. */
export async function openPeek(
  source: Source,
  options: PeekOptions,
): Promise<{ readonly peek: Peek; close(): Promise<void> }> {
  const abort = new AbortController();
  const reading = await openReading(source, options);
  const { store } = reading.reader;
  const { signal } = abort;
  const online = new Online({
    clock: reading.clock,
    store,
    signal,
    patienceMs: PATIENCE_MS,
    onOffline: (retryIn) => options.onOffline?.(undefined, retryIn),
    onOnline: () => undefined,
  });
  const reader: Reader = { ...reading.reader, reach: (again) => online.reaching(again) };
  let copier: Promise<OpenCopier> | undefined;
  const close = async (): Promise<void> => {
    abort.abort();
    await (await copier?.catch(() => undefined))?.close();
    await reading.close();
  };
  const copying = async (): Promise<Mover> => (await (copier ??= openCopier(source, options))).mover;
  return { peek: peekOf(reader, reading, copying, signal), close };
}

function peekOf(
  reader: Reader,
  { prefix, names, transfers, keepsVersions, emptyPlace }: Reading,
  copier: () => Promise<Mover>,
  signal: AbortSignal,
): Peek {
  const { store, mode } = reader;
  const place: ListedPlace = { store, prefix, names };
  const typed = (name: string): string => pathTyped(names, name);
  // Sealed names stand in an order that says nothing to people.
  const shown = <T extends { readonly name: string }>(all: AsyncIterable<T>): AsyncIterable<T> =>
    names.id === 'plain' ? all : byName(all);
  const either = (own: AbortSignal | undefined): AbortSignal =>
    own === undefined ? signal : AbortSignal.any([signal, own]);
  return {
    mode,
    ls: (name, { signal: own, ...how }) =>
      shown(showLevel({ ...place, mode, ...how }, typed(name), { signal: either(own) })),
    kept: (name, options) =>
      shown(showKept({ ...place, mode }, typed(name), { signal: either(options?.signal) })),
    find: async (name, { at, versionId }) => {
      const one = (where: ListedPlace, path: string): Promise<Selected | undefined> =>
        versionId === undefined ? findOne(where, path, at) : findVersion(where, path, versionId);
      const found = await one(place, typed(name));
      // Somebody else's object among sealed ones is found by the name that it has.
      return found !== undefined || names.id === 'plain' ? found : one({ ...place, names: BARE }, name);
    },
    cat: ({ key, size, versionId }) => {
      const wanted: Wanted = { key, size, ...(versionId === undefined ? {} : { versionId }) };
      return verifiedBytes(reader, wanted, signal);
    },
    histories: (name, options) => shown(historiesOf(place, typed(name), { signal: either(options?.signal) })),
    written: ({ versions }, options) =>
      gathered(asWritten(store, versions, { signal: either(options?.signal) })),
    removals: removalsOf,
    undelete: (history) => undelete(store, history, copier, { signal }),
    keepsVersions: () => reader.reach(keepsVersions),
    emptyPlace: () => reader.reach(emptyPlace),
    undeleteEach: (histories) =>
      undeleteEach(
        histories,
        (history) => reader.reach(() => undelete(store, history, copier, { signal })),
        transfers,
      ),
    plainSize: (stored) => plainSize(mode, stored),
  };
}

async function gathered<T>(all: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const one of all) found.push(one);
  return found;
}

async function findOne(
  place: ListedPlace,
  name: string,
  at: number | undefined,
): Promise<Selected | undefined> {
  for await (const selected of selectOne(place, at, name))
    return selected.name === name && selected.foreign === undefined ? selected : undefined;
  return undefined;
}

async function findVersion(
  place: ListedPlace,
  name: string,
  versionId: string,
): Promise<Selected | undefined> {
  const stat = await place.store.head(keyOfPath(place, name), { versionId });
  return stat === undefined ? undefined : { ...stat, name, versionId };
}

/** So many are put in order at once; of more, each so many by themselves. */
const IN_ORDER = 20_000;

async function* byName<T extends { readonly name: string }>(all: AsyncIterable<T>): AsyncIterable<T> {
  let some: T[] = [];
  const inOrder = (): readonly T[] => some.sort((a, b) => compareUtf8(a.name, b.name));
  for await (const one of all) {
    some.push(one);
    if (some.length < IN_ORDER) continue;
    yield* inOrder();
    some = [];
  }
  yield* inOrder();
}
