import { type NameKey, OWN_FOLDER, type RelPath, relPath } from '../model/brands.ts';
import type { Seen } from '../model/entry.ts';
import type { Hint } from '../model/hint.ts';
import type { Action, RemoteEntry } from '../model/plan.ts';
import type { Names } from '../model/names.ts';
import type { FileTree, Index, ObjectStore } from '../model/ports.ts';
import { outsideFault } from '../model/path-fault.ts';
import type { Record } from '../model/record.ts';
import { without } from './left-out.ts';
import { listedAt } from './listed-at.ts';
import type { Looks } from './looks.ts';
import { nameIn, notOurs, pathOf } from './naming.ts';
import { decide, lacksPath, mergeSides, planActions, withPath } from './plan.ts';
import { fitsHere } from './remote-names.ts';
import type { PlanRules } from './sides.ts';
import type { Vault } from '../model/vault.ts';
import { type EngineParts, keyIn, namesOf } from './world.ts';

/** Records read from the Index at a time. */
const PAGE = 2_000;

export interface RoundSources {
  readonly tree: FileTree;
  readonly index: Index;
  readonly store: ObjectStore;
  readonly prefix: string;
  readonly names: Names;
  readonly rules: PlanRules;
  readonly signal: AbortSignal;
  /** Called with the number of files seen so far. */
  readonly onSeen: (files: number) => void;
  /** What an earlier listing said of a key that is still in doubt. */
  readonly remoteOf: (key: NameKey) => RemoteEntry | undefined;
  /** Keys whose object is looked at when their path is hinted at. */
  readonly looks: Looks | undefined;
  /** Plaintext bytes of so many stored ones. */
  readonly plainOf: (stored: number) => number;
}

export interface RoundOptions {
  readonly listed: boolean;
  readonly signal: AbortSignal;
  readonly onSeen?: RoundSources['onSeen'];
  readonly remoteOf?: RoundSources['remoteOf'];
  readonly looks?: Looks;
}

/** The bucket is listed at start when this long ago: objects that vanished there are found and sent again. */
const LISTING_STALE_MS = 86_400_000;
const META_LISTED = 'listed-at';
const META_LISTED_REMOTE = 'listed-remote';

/** What stands for one store, and a place in it. */
export const placeOf = ({ remote: { endpoint, bucket, prefix } }: Pick<Vault, 'remote'>): string =>
  JSON.stringify([endpoint ?? '', bucket, prefix]);

/**
 * Whether the bucket is to be listed: changes come from there too, asked for, never done (a new or a lost Index), done more than a day ago, or done of
 * another place (the vault was moved, the Index stayed).
 */
export function mustList({ index, clock, vault }: EngineParts, checkRemote: boolean): boolean {
  if (vault.direction !== 'push') return true;
  const at = Number(index.meta(META_LISTED) ?? Number.NEGATIVE_INFINITY);
  const moved = index.meta(META_LISTED_REMOTE) !== placeOf(vault);
  return checkRemote || moved || !(clock.now() - at < LISTING_STALE_MS);
}

export function markListed({ index, clock, vault }: EngineParts): void {
  index.setMeta(META_LISTED, String(clock.now()));
  index.setMeta(META_LISTED_REMOTE, placeOf(vault));
}

/** The next round lists the bucket. */
export const forgetListing = (index: Index): void => index.setMeta(META_LISTED, undefined);

export function roundSources(
  parts: EngineParts,
  { listed, signal, onSeen = () => undefined, remoteOf = () => undefined, looks }: RoundOptions,
): RoundSources {
  const { tree, index, store, vault, sealing, modeFingerprint } = parts;
  const { prefix } = vault.remote;
  const names = namesOf(parts);
  const naming = { store, prefix, names };
  const pathOfRemote = async ({ key }: RemoteEntry): Promise<string | null> =>
    (await pathOf(naming, { key: keyIn({ prefix }, key) }, { signal })) ?? null;
  const rules: PlanRules = {
    direction: vault.direction,
    removals: vault.rules.removals,
    listed,
    modeFingerprint,
    maxSize: sealing.maxPlaintext,
    pathOf: names.id === 'plain' ? undefined : pathOfRemote,
    ignores: (path) => tree.ignores(path),
  };
  const plainOf = (stored: number): number => Math.max(0, stored - sealing.storedSize(0));
  return { tree, index, store, prefix, names, rules, signal, onSeen, remoteOf, looks, plainOf };
}

/** Plans the whole vault: the scan is the truth. */
export function planAll(sources: RoundSources): AsyncIterable<Action> {
  const { tree, index, rules, signal } = sources;
  const locals = counted(tree.walk({ signal }), sources.onSeen);
  const remotes = rules.listed ? listRemote(sources) : undefined;
  return planActions(locals, remotes, pages(index), rules);
}

/** Plans what settled Hints point at. Folders are walked, paths looked at; nothing else is touched, and nothing outside the root. */
export async function* planHints(sources: RoundSources, hints: readonly Hint[]): AsyncIterable<Action> {
  const rules: PlanRules = { ...sources.rules, listed: false };
  for (const hint of hints) {
    const isRoot = hint.kind === 'under' && hint.path === '';
    if (!isRoot && outsideFault(hint.path) !== undefined) continue;
    if (hint.kind === 'under') yield* planUnder(sources, hint.path, rules);
    else yield* planPath(sources, hint.path, rules);
  }
}

async function* planPath(sources: RoundSources, path: RelPath, rules: PlanRules): AsyncIterable<Action> {
  const { tree, index, looks, names } = sources;
  const key = names.keyOf(path);
  if (looks?.asked(key) === true) {
    yield* planLooked(sources, path, rules, looks);
    return;
  }
  if (looks?.isMade(key) === true) return;
  const local = await tree.look(path);
  if (local === undefined && (await isOrWasFolder(sources, path))) {
    yield* planUnder(sources, path, rules);
    return;
  }
  const action = decide({ key, path, local, record: index.get(key), remote: sources.remoteOf(key) }, rules);
  if (action !== undefined) yield action;
}

/** One path with its object as it is now. */
async function* planLooked(
  { tree, index, store, prefix, names, signal, plainOf }: RoundSources,
  path: RelPath,
  rules: PlanRules,
  looks: Looks,
): AsyncIterable<Action> {
  const key = names.keyOf(path);
  const local = await tree.look(path);
  const object = keyIn({ prefix }, key);
  const stat = await store.head(object, { signal }).catch((thrown: unknown) => {
    // Of what is under another key the listing says enough to try it, and then it fails by itself.
    notOurs(thrown);
    return listedAt(store, object, { signal });
  });
  const remote =
    stat === undefined
      ? undefined
      : { key, etag: stat.etag, size: stat.size, plain: plainOf(stat.size), modified: stat.modified };
  looks.made(key);
  const action = decide({ key, path, local, remote, record: index.get(key) }, { ...rules, listed: true });
  if (action !== undefined) yield action;
}

async function isOrWasFolder({ tree, index, names }: RoundSources, path: RelPath): Promise<boolean> {
  const key = names.keyOf(path);
  return (await tree.isFolder(path)) || (index.get(key) === undefined && index.under(key).length > 0);
}

/**
 * Plans what changed in the bucket: the listing against the Records, and a look at the file only where they differ. Costs one
 * request per 1,000 objects and no scan.
 */
export async function* planRemote(sources: RoundSources): AsyncIterable<Action> {
  const { tree, index, rules } = sources;
  for await (const merged of mergeSides(noLocals(), listRemote(sources), pages(index))) {
    const { key, remote, record } = merged;
    if (remote?.etag === record?.etag) continue;
    const sides = lacksPath(merged, rules) ? await withPath(merged, rules) : merged;
    const path = record?.path ?? relPath(sides.path ?? key);
    const local = sides.path !== null && fitsHere(path.normalize('NFC')) ? await tree.look(path) : undefined;
    const action = decide({ ...sides, local }, { ...rules, listed: true });
    if (action !== undefined) yield action;
  }
}

async function* noLocals(): AsyncIterable<readonly Seen[]> {}

/** A folder; the looks that are open below it are made, whatever hinted at it. */
async function* planUnder(sources: RoundSources, path: RelPath, rules: PlanRules): AsyncIterable<Action> {
  const { tree, index, names, looks, signal } = sources;
  for (const one of looks?.under(path) ?? []) yield* planPath(sources, one, rules);
  const records = index.under(names.keyOf(path));
  const actions = planActions(tree.walk({ under: path, signal }), undefined, [records], rules);
  yield* without(actions, ({ key }) => looks?.isMade(key) === true);
}

async function* counted(
  batches: AsyncIterable<readonly Seen[]>,
  onSeen: (files: number) => void,
): AsyncIterable<readonly Seen[]> {
  let files = 0;
  for await (const batch of batches) {
    for (const seen of batch) if (seen.kind !== 'oddity') files++;
    onSeen(files);
    yield batch;
  }
}

export function* pages(index: Pick<Index, 'page'>): Iterable<readonly Record[]> {
  let after: NameKey | undefined;
  for (;;) {
    const page = index.page(after, PAGE);
    if (page.length > 0) yield page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.key;
  }
}

/** The bucket's listing as remote Entries, s3vault's own objects left out. */
export async function* listRemote(
  sources: Pick<RoundSources, 'store' | 'prefix' | 'signal' | 'plainOf'>,
): AsyncIterable<readonly RemoteEntry[]> {
  const { store, prefix, signal, plainOf } = sources;
  const own = `${prefix}${OWN_FOLDER}/`;
  for await (const page of store.list(prefix, { signal })) {
    const entries: RemoteEntry[] = [];
    for (const object of page) {
      if (object.key.startsWith(own)) continue;
      const key = nameIn({ prefix }, object.key);
      const { etag, size, modified } = object;
      entries.push({ key, etag, size, plain: plainOf(size), modified });
    }
    yield entries;
  }
}
