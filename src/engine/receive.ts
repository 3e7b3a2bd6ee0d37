/** What changes of the bucket do to the folder: files that come, files that go, and both sides changed. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { RelPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import type { InPlace } from '../model/draft.ts';
import type { Entry } from '../model/entry.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import { type Action, bytesOf } from '../model/plan.ts';
import type { IndexChange, ObjectStat } from '../model/ports.ts';
import type { Record } from '../model/record.ts';
import type { TransferPhase } from '../model/transfer.ts';
import type { Direction } from '../model/vault.ts';
import { objectFits } from './compare.ts';
import { type Way, wayFor } from './clashes.ts';
import { freeName } from './conflict-name.ts';
import { difference } from './detect.ts';
import { type Fetched, fetchObject } from './fetch.ts';
import { refusing } from './fetching.ts';
import { released } from './memory.ts';
import { orUnprotected } from './protected.ts';
import { keepsRemovals } from './two-way.ts';
import { statFits } from './stats.ts';
import { type World, keyIn, writerOf } from './world.ts';

type Of<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>;

export interface ReceiveOptions {
  readonly signal: AbortSignal;
  readonly onPhase: (phase: TransferPhase, bytes: number) => void;
  /** The store is done with; what is left is waiting. */
  readonly stored: () => void;
}

export interface Received {
  readonly result: 'restored' | 'removed' | 'unchanged';
  /** For the Index; undefined where it is right already. */
  readonly change: IndexChange | undefined;
  /** Where the local file of a conflict goes on. */
  readonly keptAs?: RelPath;
  /** A file that gave way to a folder. */
  readonly clash?: Way['clash'];
  /** Where a removed file was moved to. */
  readonly aside?: string;
  /** The path is to be looked at again: it is something else than was thought. */
  readonly again?: boolean;
}

const HASH_CHUNK = 2 ** 20;
/** A stamp taken this long after the file was placed is not racy (see `isRacy`). */
const STILL_MS = 60;

export async function receive(
  world: World,
  action: Of<'get' | 'conflict' | 'remove-local'>,
  options: ReceiveOptions,
): Promise<Received> {
  try {
    return await received(world, action, options);
  } catch (thrown) {
    throw distrusted(thrown, action, world.direction);
  }
}

/**
 * An object that is not to be trusted stands where a file of this machine is: what becomes of that one, and how it gets its
 * place in the bucket back. Its file is touched first in any case: one that is as its Record says would go with the object.
 */
function distrusted(
  thrown: unknown,
  action: Of<'get' | 'conflict' | 'remove-local'>,
  direction: Direction,
): unknown {
  if (!(thrown instanceof VaultError) || thrown.kind !== 'security' || action.kind === 'remove-local')
    return thrown;
  const { hint = '', code, message } = thrown;
  const { local, record } = action;
  if (local === undefined) return thrown;
  const edited = record !== undefined && difference(local, record) === 'changed';
  const state = edited ? 'the file here was changed and is kept as it is' : 'the file here is kept as it is';
  const touch = local.kind === 'link' ? 'touch it (touch -h)' : 'touch it';
  const mine = `${state}, and ${direction === 'pull' ? pullOnly(touch) : sendAgain(touch)}`;
  return new VaultError('security', code, message, {
    hint: hint === '' ? mine : `${hint}; ${mine}`,
    cause: thrown,
  });
}

const sendAgain = (touch: string): string =>
  `is not sent over that object; ${touch} first, so that it counts as changed, then remove the object from the bucket (where it keeps versions, that version), and the next sync sends the file`;
const pullOnly = (touch: string): string =>
  `nothing is ever sent from here; on the machine that sends it, touch it and sync, and it comes again; if you remove the object from the bucket, ${touch} here first, or the file here goes with it`;

function received(
  world: World,
  action: Of<'get' | 'conflict' | 'remove-local'>,
  options: ReceiveOptions,
): Promise<Received> {
  switch (action.kind) {
    case 'get':
      return receiveGet(world, action, options);
    case 'conflict':
      return receiveConflict(world, action, options);
    case 'remove-local':
      return receiveRemoval(world, action, options);
    default:
      return action satisfies never;
  }
}

/** Brings a new or changed object into the folder. Its place must be what the Plan saw there. */
async function receiveGet(world: World, action: Of<'get'>, options: ReceiveOptions): Promise<Received> {
  const { key, local } = action;
  const { path, clash } = await wayFor(world, action, options);
  const clashed = clash === undefined ? {} : { clash };
  const fetched = await fetchObject(
    world,
    action,
    fetching(options),
    (stat) => !isKnown(world, action, stat),
  );
  if (fetched === undefined) return { result: 'unchanged', change: undefined, ...clashed };
  const received = { ...(await restored(world, fetched, path, local, options)), ...clashed };
  if (path === action.path || received.change?.kind !== 'put') return received;
  // As if it had come to its place and been renamed at once: its object is one of a file that is gone.
  const record = { ...received.change.record, key, path: action.path };
  return { ...received, change: { kind: 'put', record } };
}

/** The listing was older than the Index: another Action did it meanwhile. */
function isKnown(world: World, { key, local }: Of<'get'>, { etag }: ObjectStat): boolean {
  const now = world.index.get(key);
  return now?.etag === etag && local !== undefined && difference(local, now) === 'same';
}

const fetching = ({ signal, onPhase }: ReceiveOptions) => ({
  signal,
  onArrived: (bytes: number) => onPhase('sending', bytes),
});

/** A file that another program changes in this very moment is kept as well, as after any conflict. */
async function restored(
  world: World,
  { draft, stat, facts, digest }: Fetched,
  path: RelPath,
  local: Entry | undefined,
  { stored }: ReceiveOptions,
  always = false,
): Promise<Received> {
  let placed: InPlace;
  try {
    const over = local === undefined ? undefined : { entry: local, as: await freeName(world, path), always };
    placed = await draft.place(path, facts, over);
  } catch (thrown) {
    await draft.discard();
    throw thrown;
  }
  stored();
  const { entry, keptAs } = placed;
  const record: Record = { ...(await inStep(world, entry, stat, digest)), received: true };
  return {
    result: 'restored',
    change: { kind: 'put', record },
    ...(keptAs === undefined ? {} : { keptAs }),
  };
}

/** The Record of a file just placed. A moment later its stamp proves more: our own echo is then not read again. */
async function inStep(world: World, placed: Entry, stat: ObjectStat, digest: Buffer): Promise<Record> {
  let seenAt = world.clock.now();
  if (seenAt - placed.ctime < STILL_MS) {
    await world.clock.sleep(STILL_MS);
    const later = world.clock.now();
    const now = await world.tree.look(placed.path);
    if (now !== undefined && now.kind !== 'oddity' && now.ctime === placed.ctime) seenAt = later;
  }
  return recordOf(world, placed, stat, digest, seenAt);
}

function recordOf(world: World, local: Entry, stat: ObjectStat, digest: Buffer, seenAt: number): Record {
  const { etag, versionId, size } = stat;
  return {
    ...local,
    digest,
    etag,
    ...(versionId === undefined ? {} : { versionId }),
    storedSize: size,
    modeFingerprint: world.modeFingerprint,
    seenAt,
  };
}

/**
 * Compares both sides. The same file on both needs a Record only, the same bytes the remote file's times. A file whose bytes
 * are those last in step gives way. Else the remote one gets the name, and the local one is kept under another.
 */
async function receiveConflict(
  world: World,
  action: Of<'conflict'>,
  options: ReceiveOptions,
): Promise<Received> {
  const { key, path, local, record } = action;
  const seenAt = world.clock.now();
  const { digest, md5 } = await hashBoth(world, local, options.signal);
  const object = keyIn(world, key);
  const head = () => world.store.head(object, { signal: options.signal });
  const { reader } = world;
  const stat = await refusing(reader, object, () => orUnprotected(reader.demanded, object, head));
  if (stat === undefined) throw goneThere(path);
  const inStepAlready = (now: ObjectStat): Received => ({
    result: 'unchanged',
    change: { kind: 'put', record: recordOf(world, local, now, digest, seenAt) },
  });
  if (await isProved(world, local, stat, { digest, md5 }, options.signal)) return inStepAlready(stat);
  await writerOf(world).check(path, local, bytesOf(action));
  const fetched = await fetchObject(world, action, fetching(options));
  if (fetched === undefined) throw goneThere(path);
  const sameKind = fetched.facts.kind === local.kind;
  const sameBytes = sameKind && same(digest, fetched.digest);
  if (sameBytes && statFits(local, fetched.stat.metadata)) {
    await fetched.draft.discard();
    return inStepAlready(fetched.stat);
  }
  const givesWay = sameBytes || same(digest, record?.digest);
  return restored(world, fetched, path, local, options, !(givesWay && sameKind));
}

/**
 * Whether the object is this file, by what says so of the bytes: the keyed digest, or an ETag that is their MD5. Size, time and
 * permissions are no proof: two machines may have set them alike.
 */
async function isProved(
  world: World,
  local: Entry,
  stat: ObjectStat,
  { digest, md5 }: { readonly digest: Buffer; readonly md5: string | undefined },
  signal: AbortSignal,
): Promise<boolean> {
  if (world.sealing.keyring !== undefined) return objectFits(world, local, stat, digest, signal, true);
  return md5 === stat.etag && statFits(local, stat.metadata);
}

const same = (a: Uint8Array, b: Uint8Array | undefined): boolean =>
  b !== undefined && a.length === b.length && timingSafeEqual(a, b);

const hashEntry = async (world: World, local: Entry, signal: AbortSignal): Promise<Buffer> =>
  (await hashBoth(world, local, signal)).digest;

/** MD5 as well where ETags may be that: of objects that one request wrote under `sse-s3`. */
async function hashBoth(
  world: World,
  local: Entry,
  signal: AbortSignal,
): Promise<{ readonly digest: Buffer; readonly md5: string | undefined }> {
  const hash = createHash('sha256');
  const md5 = world.modeFingerprint === 'sse-s3' ? createHash('md5') : undefined;
  const take = (chunk: Buffer): void => {
    hash.update(chunk);
    md5?.update(chunk);
  };
  if (local.kind === 'link') take(await world.tree.read(local, { signal }));
  else for await (const chunk of released(world.tree.stream(local, HASH_CHUNK, { signal }))) take(chunk);
  return { digest: hash.digest(), md5: md5?.digest('hex') };
}

/** Removes a file whose object was removed, if neither came back. */
async function receiveRemoval(
  world: World,
  { key, local, record }: Of<'remove-local'>,
  { signal, stored }: ReceiveOptions,
): Promise<Received> {
  const now = world.index.get(key);
  if (now?.etag !== record.etag) throw goneThere(local.path);
  if ((await world.store.head(keyIn(world, key), { signal })) !== undefined) {
    throw new VaultError('changed', 'object-back', `${safeName(local.path)} is in the store again`, {
      hint: RUN_AGAIN,
    });
  }
  // A stamp that proves nothing: it goes only if its bytes are those that were in the bucket. Else it is a file of its own.
  if (difference(local, record) !== 'same' && !same(await hashEntry(world, local, signal), record.digest)) {
    return { result: 'unchanged', change: { kind: 'remove', key }, again: true };
  }
  const aside = await takeAway(world, local, record);
  stored();
  const change: IndexChange = { kind: 'remove', key };
  return { result: 'removed', change, ...(aside === undefined ? {} : { aside }) };
}

/**
 * Removes the file. Not one that this machine wrote where nobody can tell whether its object was what the other machine
 * meant to remove: no condition of removals, no versions. That one is moved out of the folder, and its new place given.
 */
async function takeAway(world: World, local: Entry, record: Record): Promise<string | undefined> {
  const meant =
    record.received === true ||
    record.versionId !== undefined ||
    world.direction !== 'both' ||
    keepsRemovals(world.index);
  if (!meant) return writerOf(world).setAside(local);
  await writerOf(world).remove(local);
  return undefined;
}

const goneThere = (path: RelPath): VaultError =>
  new VaultError('changed', 'object-moved-on', `${safeName(path)} is no longer what it was in the store`, {
    hint: RUN_AGAIN,
  });
