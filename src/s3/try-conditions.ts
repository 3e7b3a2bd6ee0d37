/** What a store does with conditions, found out by trying. */
import { randomUUID } from 'node:crypto';
import { OWN_FOLDER, type ObjectKey, objectKey } from '../model/brands.ts';
import { asVaultError, VaultError } from '../model/errors.ts';
import type { Clock, Conditions, ConditionSupport, Waits } from '../model/ports.ts';
import { sumHeaders, sumsOf, unquoted } from './checksums.ts';
import { conditions } from './conditions.ts';
import { copySourceHeaders, writeHeaders } from './modes.ts';
import { removeAll } from './probe-clean.ts';
import { type Headers, encodeKey } from './sign.ts';
import { type Site, askedOf, headAnswer, versionOf } from './site.ts';
import { newestVersions } from './versions.ts';
import { drain, textOf } from './wire.ts';

const CLEAN_MS = 10_000;
/** After it was called off: less than a daemon waits for its vaults. */
const CLEAN_SOON_MS = 4_000;

type Support = Omit<Conditions, 'versions'>;
const ALL_KEPT: Support = { writes: 'kept', removals: 'kept', copies: 'kept' };
const NONE_TAKEN: Support = { writes: 'refused', removals: 'refused', copies: 'refused' };

/** Writes, copies and removes an object nobody else knows of, where a condition says that it must not be. */
export async function tryConditions(
  site: Site,
  prefix: string,
  clock: Clock,
  { known = {}, signal }: Waits & { readonly known?: Partial<Conditions> },
): Promise<Conditions> {
  const { writes, removals, copies, versions = site.quirks.versions ?? false, ...unmet } = known;
  if (site.remote.isAws) return { ...ALL_KEPT, versions };
  const all = writes === undefined || removals === undefined || copies === undefined;
  const found = all
    ? await tried(site, prefix, clock, { signal })
    : { writes, removals, copies, versions, ...unmet };
  // Without versions as proof a write that goes over something is refused, not sent without its condition.
  site.quirks.refusesConditions = found.writes === 'refused' && (found.unmet !== true || found.versions);
  site.quirks.removals = found.removals;
  site.quirks.copies = found.copies;
  site.quirks.versions = found.versions;
  return found;
}

/** Nothing stays, whatever happens; where it has to, the answer says why. */
async function tried(site: Site, prefix: string, clock: Clock, waits: Waits): Promise<Conditions> {
  const key = objectKey(`${prefix}${OWN_FOLDER}/probe-${randomUUID()}`);
  const made: Made = new Set();
  const clean = (written: Iterable<string | undefined>): Promise<VaultError | undefined> =>
    removeAll(site, key, written, clock, waits.signal?.aborted === true ? CLEAN_SOON_MS : CLEAN_MS);
  let found: Conditions;
  try {
    found = await tryAll(site, key, made, waits);
  } catch (thrown) {
    // A write whose answer got lost may be there, too: only a look tells.
    await clean(made);
    throw thrown;
  }
  const left = await clean(made.size > 0 ? made : [undefined]);
  return left === undefined ? found : { ...found, left };
}

async function tryAll(site: Site, key: ObjectKey, made: Made, waits: Waits): Promise<Conditions> {
  if ((await put(site, key, IF_NONE, made, waits)) === 'refused') {
    await put(site, key, NONE, made, waits);
    return { ...NONE_TAKEN, versions: await versionsTell(site, key, made, waits) };
  }
  const again = await put(site, key, IF_NONE, made, waits);
  const writes = again === 'refused' ? await tryChange(site, key, made, waits) : again;
  const unmet = writes === 'refused' ? { unmet: true as const } : {};
  const versions = await versionsTell(site, key, made, waits);
  const copies = await tryCopy(site, key, made, waits);
  return { writes, copies, removals: await tryRemoval(site, key, made, waits), versions, ...unmet };
}

/** A write over what is there, on condition that it is something else, and then that it is what it is. */
async function tryChange(site: Site, key: ObjectKey, made: Made, waits: Waits): Promise<ConditionSupport> {
  if ((await put(site, key, OTHER, made, waits)) === 'ignored') return 'ignored';
  const { quirks } = site;
  const stands = await headAnswer(site, key, undefined, false, waits);
  const ifMatch = unquoted(stands?.['etag'] ?? '');
  for (const bareEtags of quirks.bareEtags ? [true] : [false, true]) {
    if ((await put(site, key, conditions({ bareEtags }, { ifMatch }), made, waits)) === 'refused') continue;
    quirks.bareEtags ||= bareEtags;
    return 'kept';
  }
  return 'refused';
}

/** Whether what was made can be seen among the versions. */
async function versionsTell(site: Site, key: ObjectKey, made: Made, waits: Waits): Promise<boolean> {
  if (made.size === 0) return false;
  try {
    return (await newestVersions(site, key, waits)).some(({ versionId }) => made.has(versionId));
  } catch (thrown) {
    if (thrown instanceof VaultError && thrown.kind === 'refused') return false;
    throw thrown;
  }
}

/** Versions that came to be, delete markers too. */
type Made = Set<string>;

/** A copy onto what is there, on condition that nothing is. */
export const tryCopy = (site: Site, key: ObjectKey, made: Made, waits: Waits): Promise<ConditionSupport> =>
  outcomeOf(async () => {
    const headers = {
      'x-amz-copy-source': `/${site.remote.bucket}/${encodeKey(key)}`,
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-meta-tried': 'yes',
      ...copySourceHeaders(site.protection),
      ...writeHeaders(site.protection),
      'if-none-match': '*',
    };
    const asked = askedOf(site, 'write', key);
    const answer = await site.wire.send({ method: 'PUT', asked, key, headers, signal: waits.signal });
    // The status is sent before the copy is done: a failure can follow in the body.
    if (/<Error>/.test(await textOf(answer, waits))) return 'refused';
    return note(made, answer.headers);
  });

/** A removal of what is there, on condition that it is something else. */
export const tryRemoval = (
  site: Site,
  key: ObjectKey,
  made: Made,
  { signal }: Waits,
): Promise<ConditionSupport> =>
  outcomeOf(async () => {
    const answer = await site.wire.send({
      method: 'DELETE',
      asked: askedOf(site, 'remove', key),
      key,
      headers: OTHER,
      signal,
    });
    await drain(answer);
    return note(made, answer.headers);
  });

function note(made: Made, answer: Headers): 'ignored' {
  const versionId = versionOf(answer);
  if (versionId !== undefined) made.add(versionId);
  return 'ignored';
}

async function outcomeOf(work: () => Promise<ConditionSupport>): Promise<ConditionSupport> {
  try {
    return await work();
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.code === 'precondition' || error.status === 409 || error.status === 412) return 'kept';
    const { kind, status = 0 } = error;
    const passes = kind === 'transient' || kind === 'throttled' || kind === 'offline' || kind === 'cancelled';
    if (status === 501 || (!passes && status >= 400)) return 'refused';
    throw error;
  }
}

const NONE: Headers = {};
const IF_NONE: Headers = { 'if-none-match': '*' };
/** No object has this ETag. */
const OTHER: Headers = { 'if-match': `"${'0'.repeat(32)}"` };

/** `refused`: because of its condition. */
async function put(
  site: Site,
  key: ObjectKey,
  condition: Headers,
  made: Made,
  { signal }: Waits,
): Promise<'ignored' | 'refused'> {
  const body = Buffer.from('are conditions kept here?\n');
  const headers = {
    ...writeHeaders(site.protection),
    ...sumHeaders(sumsOf(body, site.remote.isAws)),
    ...condition,
  };
  try {
    const asked = askedOf(site, 'write', key);
    const answer = await site.wire.send({ method: 'PUT', asked, key, headers, body, signal });
    await drain(answer);
    return note(made, answer.headers);
  } catch (thrown) {
    if (!(thrown instanceof VaultError)) throw thrown;
    const said = thrown.code === 'precondition' || thrown.code === 'conflict' || thrown.status === 501;
    if (said && condition !== NONE) return 'refused';
    throw thrown;
  }
}
