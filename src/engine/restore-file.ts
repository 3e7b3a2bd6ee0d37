/** One object becomes one file: fetched, opened, verified, and only then visible under its name. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Opening } from '../crypto/open.ts';
import type { NameKey, RelPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Entry } from '../model/entry.ts';
import type { ObjectStat } from '../model/ports.ts';
import type { FileTarget, Placed, Standing } from '../model/target.ts';
import type { TransferPhase } from '../model/transfer.ts';
import { factsOf, sameTime } from './facts.ts';
import { type Fetched, type Reader, type Wanted, fetchObject, openingOf, plainSize } from './fetching.ts';
import { META_MAC } from './stats.ts';

export interface FileWanted extends Wanted {
  readonly path: RelPath;
  readonly name: NameKey;
}

export interface RestoreWorld {
  readonly reader: Reader;
  readonly target: FileTarget;
  /** A differing file gives way, and is kept under another name. */
  readonly force: boolean;
  /** SHA-256 of what was sent as this very object, where this machine remembers it. */
  readonly digestOf: (name: NameKey, etag: string) => Uint8Array | undefined;
}

export interface RestoreFileOptions {
  readonly signal: AbortSignal;
  readonly onPhase: (phase: TransferPhase, received: number) => void;
}

export interface Restored extends Placed {
  readonly result: 'restored' | 'unchanged';
  /** Bytes of plaintext. */
  readonly bytes: number;
}

/** A link's target; longer ones no system takes. */
const LINK_MAX = 4_096;

export async function restoreFile(
  world: RestoreWorld,
  wanted: FileWanted,
  options: RestoreFileOptions,
): Promise<Restored> {
  const standing = await world.target.look(wanted.path);
  if (standing !== undefined && (await isThere(world, wanted, standing, options.signal)))
    return { result: 'unchanged', bytes: plainSize(world.reader.mode, wanted.size) };
  const fetched = await fetchObject(world.reader, wanted, options.signal);
  try {
    const placed = await bringIn(world, wanted, fetched, options);
    return { ...placed, result: 'restored', bytes: fetched.size };
  } finally {
    fetched.wipe();
  }
}

// ------------------------------------------------------------------------------------------------ what stands there

/** True where the file is there already; rejects where another one is, and may not be replaced. */
async function isThere(
  { reader, target, force }: RestoreWorld,
  wanted: FileWanted,
  standing: Standing,
  signal: AbortSignal,
): Promise<boolean> {
  const { path } = wanted;
  if (standing.kind === 'folder') throw clash(path, 'a folder stands in its place');
  if (standing.kind === 'other') throw clash(path, 'something that is no file stands in its place');
  if (standing.kind === 'clash')
    throw clash(path, `${safeName(standing.name)}, which is the same name on this disk, stands in its place`);
  const sizeFits = standing.size === plainSize(reader.mode, wanted.size);
  if (sizeFits && (await isSame(reader, target, wanted, standing, signal))) return true;
  if (force) return false;
  throw new VaultError('file', 'target-exists', `${safeName(path)} is there already and differs`, {
    hint: 'left as it is; --force restores it and keeps the other one under another name',
  });
}

const clash = (path: string, what: string): VaultError =>
  new VaultError('file', 'name-clash', `${safeName(path)}: ${what}`, {
    hint: 'move it away, or choose another --out',
  });

/** Size and time, and the keyed digest where there is one: all that can be known without fetching. */
async function isSame(
  reader: Reader,
  target: FileTarget,
  wanted: FileWanted,
  entry: Entry,
  signal: AbortSignal,
): Promise<boolean> {
  const { versionId } = wanted;
  const at = versionId === undefined ? {} : { versionId };
  const stat = await reader.reach(() => reader.store.head(wanted.key, { ...at, signal }));
  if (stat === undefined || stat.size !== wanted.size) return false;
  const facts = factsOf(stat);
  if (facts.kind !== entry.kind || !sameTime(facts.mtime, entry.mtime)) return false;
  const mac = stat.metadata[META_MAC];
  if (reader.keyring === undefined || mac === undefined) return true;
  const opening = await openingOf(reader, stat, wanted, signal);
  try {
    return opening?.macFits(await target.digest(entry, { signal }), mac) ?? true;
  } finally {
    opening?.wipe();
  }
}

// -------------------------------------------------------------------------------------------------------- bringing in

async function bringIn(
  world: RestoreWorld,
  wanted: FileWanted,
  fetched: Fetched,
  options: RestoreFileOptions,
): Promise<Placed> {
  const facts = factsOf(fetched.stat);
  const { target, force: keepOld } = world;
  if (facts.kind === 'link')
    return target.link(wanted.path, linkTarget(world, wanted, fetched), facts, { keepOld });
  const draft = await target.begin(wanted.path);
  try {
    if (fetched.whole === undefined) await receive(world, wanted, fetched, draft, options);
    else {
      checkDigest(world, wanted, fetched.stat, () =>
        createHash('sha256')
          .update(fetched.whole ?? '')
          .digest(),
      );
      await draft.write(fetched.whole, 0);
    }
    return await draft.place(facts, { keepOld });
  } finally {
    await draft.discard();
  }
}

function linkTarget(world: RestoreWorld, wanted: FileWanted, { whole, stat }: Fetched): string {
  const bad = (what: string): VaultError =>
    new VaultError('file', 'bad-link', `${safeName(wanted.path)} is a symbolic link ${what}`, {
      hint: 's3vault cat shows what is stored',
    });
  if (whole === undefined || whole.length > LINK_MAX) throw bad('that is too long for any system');
  if (whole.length === 0 || whole.includes(0)) throw bad('that leads nowhere');
  checkDigest(world, wanted, stat, () => createHash('sha256').update(whole).digest());
  return whole.toString('utf8');
}

/** Piece by piece into a file that nobody sees yet: in mode `client` nothing is known of the bytes before the last. */
async function receive(
  world: RestoreWorld,
  wanted: FileWanted,
  fetched: Fetched,
  draft: { write(bytes: Uint8Array, at: number): Promise<void> },
  { onPhase }: RestoreFileOptions,
): Promise<void> {
  const { opening, stat } = fetched;
  const remembered = world.digestOf(wanted.name, stat.etag);
  const hash = remembered === undefined ? undefined : createHash('sha256');
  let at = 0;
  for await (const piece of plaintextOf(opening, fetched.body())) {
    hash?.update(piece);
    await draft.write(piece, at);
    at += piece.length;
    onPhase('sending', at);
  }
  if (at !== fetched.size)
    throw new VaultError('transient', 'cut-short', `${safeName(wanted.path)} came incomplete`);
  if (hash !== undefined) checkDigest(world, wanted, stat, () => hash.digest());
}

const plaintextOf = (
  opening: Opening | undefined,
  body: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> => (opening === undefined ? body : opening.stream(body));

/** This machine remembers what it sent: the store must give the same back. */
function checkDigest(world: RestoreWorld, wanted: FileWanted, stat: ObjectStat, digest: () => Buffer): void {
  const remembered = world.digestOf(wanted.name, stat.etag);
  if (remembered === undefined || timingSafeEqual(remembered, digest())) return;
  throw wrongBytes(wanted.path);
}

export const wrongBytes = (path: string): VaultError =>
  new VaultError('security', 'wrong-bytes', `${safeName(path)} is not what was sent`, {
    hint: 'the store, or something before it, changes what it holds; an older version may still be intact',
  });
