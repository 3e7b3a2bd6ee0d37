/** `--all-versions`: every version of an object under the new protection, and none left under the old one. See `chain.ts`. */
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { ServerMode } from '../model/mode.ts';
import type { Clock, ListedVersion, Metadata, Mover, Waits } from '../model/ports.ts';
import { type Link, copyOf, leftover, markOf } from './chain.ts';
import type { Conversion } from './conversion.ts';
import { type Converted, already, moveVersion, opensWith } from './convert.ts';
import { refuseUnprotected } from './protected.ts';
import { demandedOf, refusingStrangers } from './rekey-strangers.ts';

export interface Histories {
  readonly conversion: Conversion;
  /** From the new protection to the new protection: for versions in between that are there already. */
  readonly onward: Mover;
  readonly clock: Clock;
}

/** One version and where it stands. */
interface Seen extends Link {
  readonly version: ListedVersion;
  readonly metadata: Metadata;
  /** Under the new protection. */
  readonly moved: boolean;
  /** As the store says. */
  readonly under?: ServerMode;
}

const TRIES = 3;

/**
 * Moves all versions of one object; what an interrupted run left is cleared away first. Nothing is removed before its copy is
 * proved and stands in its place. On any failure the copies are removed again, so that the newest version is the newest.
 */
export async function moveHistory(h: Histories, key: ObjectKey, options: Waits): Promise<Converted> {
  for (let tries = 1; ; tries++) {
    const seen = await look(h, key, options);
    const left = leftover(seen);
    if (left === undefined) return moveAll(h, key, seen, options);
    if (tries > TRIES) throw overtaken(key);
    await removeAll(h, key, left.remove, options);
  }
}

/** True where something an interrupted run had left was cleared away. */
export async function clearLeftover(h: Histories, key: ObjectKey, options: Waits): Promise<boolean> {
  const left = leftover(await look(h, key, options));
  if (left === undefined) return false;
  await removeAll(h, key, left.remove, options);
  return true;
}

async function moveAll(
  h: Histories,
  key: ObjectKey,
  seen: readonly Seen[],
  options: Waits,
): Promise<Converted> {
  const { conversion: c } = h;
  const from = seen.findIndex(({ marker, moved }) => !marker && !moved);
  if (from < 0) return standing(seen);
  await refuseStranger(h, key, seen);
  const originals = seen.slice(from);
  if (c.inPlace()) {
    const updated = await inPlace(c, key, originals, options);
    if (updated) return { ...standing(await unovertaken(h, key, seen, options)), how: 'updated' };
  }
  await refuseKept(h, key, originals, options);
  let last: Converted;
  try {
    last = await copyAll(h, key, originals, options);
    await refuseOthers(h, key, seen, originals.length, options);
  } catch (thrown) {
    await undo(h, key);
    throw thrown;
  }
  await removeAll(h, key, originals.map(({ id }) => id).toReversed(), options);
  return originals.at(-1)?.marker === true ? { ...last, etag: '' } : last;
}

/** All versions, the oldest first. Rejects where one is under neither protection: nothing may be touched then. */
async function look({ conversion: c }: Histories, key: ObjectKey, options: Waits): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for (const version of (await versionsOf(c, key, options)).toReversed()) {
    const { versionId: id, marker } = version;
    if (marker) {
      seen.push({ id, marker, copyOf: undefined, version, metadata: {}, moved: false });
      continue;
    }
    const which = { ...options, versionId: id };
    const moved = await already(c, key, which);
    const demanded = demandedOf(c, version.latest ? {} : which);
    const stat = moved ?? (await refusingStrangers(demanded, key, () => c.from.store.head(key, which)));
    if (stat === undefined) throw overtaken(key);
    if (moved === undefined) await opensWith(c.from, key, stat.metadata, options);
    const { metadata, under } = stat;
    seen.push({
      id,
      marker,
      copyOf: moved === undefined ? undefined : copyOf(metadata),
      version,
      metadata,
      moved: moved !== undefined,
      ...(under === undefined ? {} : { under }),
    });
  }
  return seen;
}

/** Rejects where the newest version is content, and not as protected as the vault's own. */
async function refuseStranger(
  { conversion: c }: Histories,
  key: ObjectKey,
  seen: readonly Seen[],
): Promise<void> {
  const newest = seen.at(-1);
  if (newest === undefined || newest.marker || newest.moved) return;
  const demanded = demandedOf(c, {});
  await refusingStrangers(demanded, key, async () => refuseUnprotected(demanded, { key, ...newest }));
}

/** The versions after an update in place. Rejects where one came meanwhile: nobody has looked at that. */
async function unovertaken(
  h: Histories,
  key: ObjectKey,
  seen: readonly Seen[],
  options: Waits,
): Promise<readonly Seen[]> {
  const now = await look(h, key, options);
  const same = now.length === seen.length && now.every(({ id }, at) => id === seen[at]?.id);
  if (!same || !now.every(({ marker, moved }) => marker || moved)) throw overtaken(key);
  return now;
}

/** The newest first. */
async function versionsOf(c: Conversion, key: ObjectKey, options: Waits): Promise<readonly ListedVersion[]> {
  const found: ListedVersion[] = [];
  for await (const page of c.to.store.versions(key, options)) {
    found.push(...page.filter((version) => version.key === key));
    if (page.at(-1)?.key !== key) break;
  }
  return found;
}

/** Nothing is to do. */
function standing(seen: readonly Seen[]): Converted {
  const newest = seen.at(-1);
  const { etag = '', size = 0 } = newest?.version ?? {};
  const id = newest === undefined ? {} : { versionId: newest.id };
  return { how: 'unchanged', etag, ...id, size, metadata: newest?.metadata ?? {}, through: 0 };
}

async function inPlace(
  c: Conversion,
  key: ObjectKey,
  originals: readonly Seen[],
  options: Waits,
): Promise<boolean> {
  for (const { id, marker, moved } of originals) {
    if (marker || moved) continue;
    try {
      await c.mover.update(key, { ...options, versionId: id });
    } catch (thrown) {
      if (!(thrown instanceof VaultError)) throw thrown;
      if (thrown.kind === 'refused' || thrown.code === 'update-unsupported') return false;
      throw thrown;
    }
  }
  return true;
}

/** What could not be removed afterwards, or not be read, is better known before the first copy is made. */
async function refuseKept(
  { conversion: c, onward, clock }: Histories,
  key: ObjectKey,
  originals: readonly Seen[],
  options: Waits,
): Promise<void> {
  for (const { id, marker, moved } of originals) {
    if (marker) continue;
    const kept = await (moved ? onward : c.mover).kept(key, { ...options, versionId: id });
    const until = Date.parse(kept['x-amz-object-lock-retain-until-date'] ?? '');
    const held = kept['x-amz-object-lock-legal-hold']?.toUpperCase() === 'ON';
    if (held || until > clock.now())
      throw new VaultError(
        'file',
        'locked',
        `Object Lock keeps version ${id} of ${safeName(key)}${held ? ' under a legal hold' : ` until ${new Date(until).toISOString()}`}`,
        {
          hint: 'its versions stay under the old key, which stays needed; without --all-versions the newest is moved',
        },
      );
  }
}

/** Copies in the order of their originals; gives the newest that is no removal. */
async function copyAll(
  { conversion: c, onward }: Histories,
  key: ObjectKey,
  originals: readonly Seen[],
  options: Waits,
): Promise<Converted> {
  const again: Conversion = { ...c, from: c.to, mover: onward, inPlace: () => false };
  let last: Converted | undefined;
  let through = 0;
  for (const { id, marker, moved, metadata, version } of originals) {
    if (marker) {
      await c.to.store.remove(key, options);
      continue;
    }
    const mark = markOf(id, version.modified, metadata);
    last = await moveVersion(moved ? again : c, key, { ...options, versionId: id, mark });
    through += last.through;
    if (last.versionId === undefined)
      throw new VaultError('refused', 'versioning-off', 'the store keeps no versions any more', {
        hint: 'turn the versioning of the bucket on again',
      });
  }
  if (last === undefined) throw overtaken(key);
  return { ...last, through };
}

/** The originals, then exactly the copies, and nothing of anybody else's. */
async function refuseOthers(
  { conversion: c }: Histories,
  key: ObjectKey,
  seen: readonly Seen[],
  copies: number,
  options: Waits,
): Promise<void> {
  const now = (await versionsOf(c, key, options)).toReversed();
  const same = seen.every(({ id }, at) => now[at]?.versionId === id);
  if (!same || now.length !== seen.length + copies) throw overtaken(key);
}

async function removeAll(
  { conversion: c }: Histories,
  key: ObjectKey,
  ids: readonly string[],
  options: Waits,
): Promise<void> {
  for (const versionId of ids) await c.to.store.remove(key, { ...options, versionId });
}

/** Removes the copies again, also after an interruption: until then an older content would be the newest. */
async function undo(h: Histories, key: ObjectKey): Promise<void> {
  try {
    const left = leftover(await look(h, key, {}));
    if (left !== undefined && !left.finishes) await removeAll(h, key, left.remove, {});
  } catch {
    // The store does not answer: the next run finds the same and does it then.
  }
}

const overtaken = (key: ObjectKey): VaultError =>
  new VaultError('changed', 'precondition', `${safeName(key)} was written by somebody else meanwhile`, {
    hint: 'run the same command again',
  });
