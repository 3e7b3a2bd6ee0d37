/** One object becomes one file: fetched, opened, verified, and only then visible under its name. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { NameKey, RelPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Entry } from '../model/entry.ts';
import type { FileFacts, FileTarget, Placed, Standing } from '../model/target.ts';
import type { TransferPhase } from '../model/transfer.ts';
import { factsOf, sameTime } from './facts.ts';
import {
  type Fetched,
  type Reader,
  type Wanted,
  fetchObject,
  openingOf,
  plainSize,
  refuseTaking,
  refusing,
} from './fetching.ts';
import { fillDraft } from './filling.ts';
import { isOldLink, refuseOtherKind } from './kind.ts';
import { orUnprotected } from './protected.ts';
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
  /** Whether this very object is to be taken for a link though an older version sent it, which did not bind that. */
  readonly wasLink: (name: NameKey, etag: string) => boolean;
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
const TRIES = 3;

/** An object that is written anew while it is fetched is fetched anew, unless one version is wanted. */
export async function restoreFile(
  world: RestoreWorld,
  wanted: FileWanted,
  options: RestoreFileOptions,
): Promise<Restored> {
  for (let tries = 1; ; tries++) {
    try {
      return await restoreOnce(world, wanted, options);
    } catch (thrown) {
      const replaced = thrown instanceof VaultError && thrown.code === 'precondition';
      if (!replaced || tries === TRIES || wanted.versionId !== undefined) throw thrown;
    }
  }
}

async function restoreOnce(
  world: RestoreWorld,
  wanted: FileWanted,
  options: RestoreFileOptions,
): Promise<Restored> {
  const standing = await world.target.look(wanted.path);
  const old = standing === undefined ? undefined : fileOf(wanted.path, standing);
  if (old !== undefined && (await isThere(world, wanted, old, options.signal)))
    return { result: 'unchanged', bytes: plainSize(world.reader.mode, wanted.size) };
  const fetched = await fetchObject(world.reader, wanted, options.signal);
  try {
    const placed = await bringIn(world, wanted, fetched, old, options);
    return { ...placed, result: 'restored', bytes: fetched.size };
  } finally {
    fetched.wipe();
  }
}

// ------------------------------------------------------------------------------------------------ what stands there

/** The file that stands there; rejects where it is none. */
function fileOf(path: RelPath, standing: Standing): Entry {
  if (standing.kind === 'folder') throw clash(path, 'a folder stands in its place');
  if (standing.kind === 'other') throw clash(path, 'something that is no file stands in its place');
  if (standing.kind === 'clash')
    throw clash(path, `${safeName(standing.name)}, which is the same name on this disk, stands in its place`);
  return standing;
}

/**
 * True where the file is there already; rejects where another one is, and may not be replaced. With `force` its times and
 * permissions are put right, and size and time are no proof of its bytes.
 */
async function isThere(
  world: RestoreWorld,
  wanted: FileWanted,
  old: Entry,
  signal: AbortSignal,
): Promise<boolean> {
  const { reader, target, force } = world;
  const { path } = wanted;
  const fits = old.size === plainSize(reader.mode, wanted.size);
  const compare = () => refusing(reader, wanted.key, () => sameness(world, wanted, old, signal));
  const same = fits ? await compare() : undefined;
  if (same?.bytes === 'same') {
    if (force && !hasFacts(old, same.facts)) await target.amend(old, same.facts);
    return true;
  }
  if (force) return false;
  if (same?.bytes === 'unknown' && sameTime(same.facts.mtime, old.mtime)) return true;
  throw new VaultError('file', 'target-exists', `${safeName(path)} is there already and differs`, {
    hint: 'left as it is; --force restores it and keeps the other one under another name',
  });
}

const clash = (path: string, what: string): VaultError =>
  new VaultError('file', 'name-clash', `${safeName(path)}: ${what}`, {
    hint: 'move it away, or choose another --out',
  });

const hasFacts = (entry: Entry, { mtime, mode }: FileFacts): boolean =>
  sameTime(mtime, entry.mtime) &&
  (mode === undefined || entry.kind === 'link' || (entry.mode & 0o777) === mode);

interface Sameness {
  readonly facts: FileFacts;
  readonly bytes: 'same' | 'other' | 'unknown';
}

/** What can be known without fetching: by the keyed digest, or by what this machine remembers of what it sent. */
async function sameness(
  { reader, target, digestOf }: RestoreWorld,
  wanted: FileWanted,
  entry: Entry,
  signal: AbortSignal,
): Promise<Sameness | undefined> {
  const { versionId } = wanted;
  const at = versionId === undefined ? {} : { versionId };
  const head = () => reader.store.head(wanted.key, { ...at, signal });
  const stat = await reader.reach(() => orUnprotected(reader.demanded, wanted.key, head));
  if (stat === undefined || stat.size !== wanted.size) return undefined;
  refuseTaking(reader, stat);
  const facts = factsOf(stat);
  if (facts.kind !== entry.kind) return undefined;
  const said = (fits: boolean): Sameness => ({ facts, bytes: fits ? 'same' : 'other' });
  const remembered = digestOf(wanted.name, stat.etag);
  if (remembered !== undefined) return said(equal(remembered, await target.digest(entry, { signal })));
  const mac = stat.metadata[META_MAC];
  if (reader.keyring === undefined || mac === undefined) return { facts, bytes: 'unknown' };
  const opening = await openingOf(reader, stat, wanted, signal);
  try {
    if (opening?.format !== 'V3') return { facts, bytes: 'unknown' };
    const digest = await target.digest(entry, { signal });
    if (facts.kind === 'link' && isOldLink(opening, digest, mac)) return { facts, bytes: 'unknown' };
    return said(opening.macFits(digest, mac, facts.kind));
  } finally {
    opening?.wipe();
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);

// -------------------------------------------------------------------------------------------------------- bringing in

async function bringIn(
  world: RestoreWorld,
  wanted: FileWanted,
  fetched: Fetched,
  old: Entry | undefined,
  options: RestoreFileOptions,
): Promise<Placed> {
  const facts = factsOf(fetched.stat);
  const { target, force: keepOld } = world;
  if (facts.kind === 'link')
    return target.link(wanted.path, linkTarget(world, wanted, fetched), facts, { keepOld });
  const wants = old?.kind === 'file' && old.size === fetched.size;
  const remembered = world.digestOf(wanted.name, fetched.stat.etag);
  const { draft, digest } = await fillDraft(fetched, {
    begin: (subject) => target.begin(wanted.path, subject),
    onArrived: (bytes) => options.onPhase('sending', bytes),
    hashes: wants || remembered !== undefined || fetched.whole !== undefined,
    check: (found) => checkBytes(world, wanted, fetched, found),
  });
  try {
    // What stands there has these bytes: it is not put aside for itself.
    if (wants && digest !== undefined && equal(digest, await target.digest(old, options))) {
      if (!hasFacts(old, facts)) await target.amend(old, facts);
      return {};
    }
    return await draft.place(facts, { keepOld });
  } finally {
    await draft.discard();
  }
}

function linkTarget(world: RestoreWorld, wanted: FileWanted, fetched: Fetched): string {
  const { whole } = fetched;
  const bad = (what: string): VaultError =>
    new VaultError('file', 'bad-link', `${safeName(wanted.path)} is a symbolic link ${what}`, {
      hint: 's3vault cat shows what is stored',
    });
  if (whole === undefined || whole.length > LINK_MAX) throw bad('that is too long for any system');
  if (whole.length === 0 || whole.includes(0)) throw bad('that leads nowhere');
  checkBytes(world, wanted, fetched, createHash('sha256').update(whole).digest());
  return whole.toString('utf8');
}

/** This machine remembers what it sent: the store must give the same back. And an object is what it was sent as. */
function checkBytes(
  world: RestoreWorld,
  { name, path }: FileWanted,
  { stat, opening }: Fetched,
  digest: Buffer,
): void {
  const remembered = world.digestOf(name, stat.etag);
  if (remembered !== undefined && !timingSafeEqual(remembered, digest)) throw wrongBytes(path);
  const { kind } = factsOf(stat);
  refuseOtherKind({ stat, opening, digest, kind, wasLink: () => world.wasLink(name, stat.etag) });
}

export const wrongBytes = (path: string): VaultError =>
  new VaultError('security', 'wrong-bytes', `${safeName(path)} is not what was sent`, {
    hint: 'the store, or something before it, changes what it holds; an older version may still be intact',
  });
