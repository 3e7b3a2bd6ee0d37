/** Test objects that earlier runs left: of a process that was killed, or one that might not remove them. */
import { OWN_FOLDER, type ObjectKey } from '../../model/brands.ts';
import type { Finding, Leftover, Setting } from '../../model/bucket.ts';
import { plural, safeName } from '../../model/display.ts';
import { type VaultError, asVaultError } from '../../model/errors.ts';
import type { Clock, Waits } from '../../model/ports.ts';
import { type Listing, listObjects, listUploads } from '../list.ts';
import { abortUpload } from '../multipart.ts';
import { removeVersions } from '../probe-clean.ts';
import { withRetries } from '../retrying.ts';
import type { Site } from '../site.ts';
import { listVersions } from '../versions.ts';
import { ok, problem, unread } from './finding.ts';

/** What `doctor`, `bucket harden`, and the trials of runs call theirs. */
const KINDS = ['doctor', 'trial', 'probe'] as const;
/** How their keys begin under a prefix. */
export const leftoverStarts = (prefix: string): readonly string[] =>
  KINDS.map((kind) => `${prefix}${OWN_FOLDER}/${kind}-`);

const NAME = /\/((doctor|trial)-[0-9a-f]{12}|probe-[0-9a-f-]{36})$/;
/** Younger ones may be of a run that is under way, of a machine whose clock is as far off as stores let it be. */
export const LEFT_MS = 15 * 60_000;
/** Of each kind; more than that are found the next time. */
const MOST = 1_000;
const RETRIES = { attempts: 2 };

/** Under one prefix, the oldest first; uploads that were begun for one count as well. */
export async function leftoversIn(
  site: Site,
  clock: Clock,
  prefix: string,
  waits: Waits,
): Promise<Setting<readonly Leftover[]>> {
  const found = new Map<ObjectKey, number>();
  const see = (key: ObjectKey, modified: number): void => {
    if (NAME.test(key) && modified < clock.now() - LEFT_MS)
      found.set(key, Math.max(modified, found.get(key) ?? 0));
  };
  const refused = new Map<Unseen, VaultError>();
  try {
    for (const start of leftoverStarts(prefix)) await lookAt(site, clock, start, { see, refused }, waits);
  } catch (thrown) {
    return unreadable(asVaultError(thrown));
  }
  // What was found is to be removed all the same; only then does it count what else there may be.
  if (found.size === 0 && refused.size > 0) return unseen(refused);
  const leftovers = [...found].map(([key, modified]) => ({ key, modified }));
  return { state: 'set', value: leftovers.toSorted((a, b) => a.modified - b.modified) };
}

/** What may be there and was not shown. */
type Unseen = 'old versions' | 'unfinished uploads';

interface Looking {
  readonly see: (key: ObjectKey, modified: number) => void;
  readonly refused: Map<Unseen, VaultError>;
}

async function lookAt(
  site: Site,
  clock: Clock,
  start: string,
  { see, refused }: Looking,
  waits: Waits,
): Promise<void> {
  const listing = { site, clock, retries: RETRIES };
  let left = MOST;
  try {
    for await (const page of listVersions(listing, start, waits)) {
      for (const { key, modified } of page) see(key, modified);
      if ((left -= page.length) <= 0) break;
    }
  } catch (thrown) {
    refused.set('old versions', refusalIn(thrown));
    // Who may not list versions sees the newest ones.
    for await (const page of listObjects(listing, start, waits))
      for (const { key, modified } of page) see(key, modified);
  }
  try {
    await lookAtUploads(listing, start, see, waits);
  } catch (thrown) {
    refused.set('unfinished uploads', refusalIn(thrown));
  }
}

/** Anything else says nothing of what is there, and is thrown. */
function refusalIn(thrown: unknown): VaultError {
  const error = asVaultError(thrown);
  if (error.kind === 'refused') return error;
  throw error;
}

const PERMISSIONS: { readonly [U in Unseen]: string } = {
  'old versions': 's3:ListBucketVersions',
  'unfinished uploads': 's3:ListBucketMultipartUploads',
};

function unseen(refused: ReadonlyMap<Unseen, VaultError>): Setting<never> {
  const listed = `${[...refused.keys()].join(' and ')} could not be listed`;
  const needed = [...refused].flatMap(([what, { code }]) =>
    code === 'access-denied' ? [PERMISSIONS[what]] : [],
  );
  if (needed.length > 0) {
    const are = needed.length > 1 ? 'are' : 'is';
    return {
      state: 'unknown',
      why: 'denied',
      reason: `${listed}: ${needed.join(' and ')} ${are} needed`,
    };
  }
  const other = [...refused.values()].find(
    ({ code, status }) => code !== 'not-implemented' && status !== 405,
  );
  return other === undefined
    ? { state: 'unknown', why: 'unsupported', reason: `${listed}: this store has no such listing` }
    : { state: 'unknown', why: 'failed', reason: `${listed}: ${other.message}` };
}

function unreadable(error: VaultError): Setting<never> {
  if (error.kind === 'cancelled') throw error;
  const denied = error.code === 'access-denied';
  return {
    state: 'unknown',
    why: denied ? 'denied' : 'failed',
    reason: denied
      ? 'could not be listed: s3:ListBucketVersions or s3:ListBucket is needed'
      : `could not be listed: ${error.message}`,
  };
}

/** Gives why it stays; undefined: it is gone. Never rejects. */
export async function clearLeftover(
  site: Site,
  clock: Clock,
  key: ObjectKey,
  waits: Waits,
): Promise<VaultError | undefined> {
  const objects = await removeVersions(site, key, [], clock, waits);
  const uploads = new Set<string>();
  let failed = objects;
  try {
    await lookAtUploads({ site, clock, retries: RETRIES }, key, (_, __, id) => uploads.add(id), waits);
  } catch (thrown) {
    const error = asVaultError(thrown);
    // Who may not look for any was shown none either.
    if (error.kind !== 'refused') failed ??= error;
  }
  for (const id of uploads)
    try {
      await withRetries(() => abortUpload(site, key, id, waits), clock, RETRIES, waits.signal);
    } catch (thrown) {
      failed ??= asVaultError(thrown);
    }
  return failed;
}

async function lookAtUploads(
  listing: Listing,
  start: string,
  see: (key: ObjectKey, begun: number, id: string) => void,
  waits: Waits,
): Promise<void> {
  for await (const { key, initiated, uploadId } of listUploads(listing, start, waits))
    see(key, initiated, uploadId);
}

const SHOWN = 5;

export function leftoverFinding(found: Setting<readonly Leftover[]>, harden: string): Finding {
  const base = { code: 'test-objects', severity: 'low' } as const;
  if (found.state === 'unknown') return unread(base, 'whether test objects are left', found);
  const leftovers = found.state === 'set' ? found.value : [];
  if (leftovers.length === 0)
    return ok(base, 'no test objects are left', 'what earlier runs tried is removed');
  return problem(
    base,
    `${plural(leftovers.length, 'test object')} of earlier runs ${leftovers.length === 1 ? 'is' : 'are'} left`,
    `a run that was killed, or might not remove them, left ${namesOf(leftovers)}`,
    harden,
  );
}

export function namesOf(leftovers: readonly Leftover[]): string {
  const names = leftovers.slice(0, SHOWN).map(({ key }) => safeName(key));
  const more = leftovers.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
