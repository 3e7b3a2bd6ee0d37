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
const NAME = /\/((doctor|trial)-[0-9a-f]{12}|probe-[0-9a-f-]{36})$/;
/** Younger ones may be of a run that is under way. */
const AGE_MS = 2 * 60_000;
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
    if (NAME.test(key) && modified < clock.now() - AGE_MS)
      found.set(key, Math.max(modified, found.get(key) ?? 0));
  };
  try {
    for (const kind of KINDS) await lookAt(site, clock, `${prefix}${OWN_FOLDER}/${kind}-`, see, waits);
  } catch (thrown) {
    return unreadable(asVaultError(thrown));
  }
  const leftovers = [...found].map(([key, modified]) => ({ key, modified }));
  return { state: 'set', value: leftovers.toSorted((a, b) => a.modified - b.modified) };
}

async function lookAt(
  site: Site,
  clock: Clock,
  start: string,
  see: (key: ObjectKey, modified: number) => void,
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
    if (asVaultError(thrown).kind === 'cancelled') throw thrown;
    // Who may not list versions sees the newest ones.
    for await (const page of listObjects(listing, start, waits))
      for (const { key, modified } of page) see(key, modified);
  }
  await lookAtUploads(listing, start, see, waits);
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
  await lookAtUploads({ site, clock, retries: RETRIES }, key, (_, __, id) => uploads.add(id), waits).catch(
    asVaultError,
  );
  let failed = objects;
  for (const id of uploads)
    try {
      await withRetries(() => abortUpload(site, key, id, waits), clock, RETRIES, waits.signal);
    } catch (thrown) {
      failed ??= asVaultError(thrown);
    }
  return failed;
}

/** A rule for the lifecycle ends them as well: they are looked for where that is allowed. */
async function lookAtUploads(
  listing: Listing,
  start: string,
  see: (key: ObjectKey, begun: number, id: string) => void,
  waits: Waits,
): Promise<void> {
  try {
    for await (const { key, initiated, uploadId } of listUploads(listing, start, waits))
      see(key, initiated, uploadId);
  } catch (thrown) {
    if (asVaultError(thrown).kind === 'cancelled') throw thrown;
  }
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
