/**
 * A removal of one object and no other. AWS keeps the condition; so do few other stores. Where it is not kept, the object is
 * looked at before; in a bucket with versions also what lies under the delete marker, and the marker goes again where that is
 * somebody else's. What is left is the moment between look and removal in a bucket without versions.
 */
import type { ObjectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';
import { unquoted } from './checksums.ts';
import { conditions, refuseUnmet, unmetHere, underConditions } from './conditions.ts';
import type { Listing } from './list.ts';
import { withRetries } from './retrying.ts';
import { removeObject } from './single.ts';
import type { Headers } from './sign.ts';
import { type Site, askedOf, headAnswer, versionOf } from './site.ts';
import { newestVersions } from './versions.ts';
import { drain } from './wire.ts';

/** Removes the object with this ETag; one that is gone is fine, another one stays, with code `precondition`. */
export async function removeMatching(
  listing: Listing,
  key: ObjectKey,
  { ifMatch, signal }: Waits & { readonly ifMatch: string },
): Promise<void> {
  const { site } = listing;
  let answer: Headers;
  try {
    answer = await sent(site, key, { ifMatch, signal });
  } catch (thrown) {
    if (!(thrown instanceof VaultError)) throw thrown;
    if (thrown.code === 'object-missing') return;
    // The condition also fails where there is nothing left, as after an earlier try whose answer got lost.
    const gone =
      thrown.code === 'precondition' &&
      (await headAnswer(site, key, undefined, false, { signal })) === undefined;
    if (!gone) throw thrown;
    return;
  }
  const marker = answer['x-amz-delete-marker'] === 'true' ? versionOf(answer) : undefined;
  if (site.remote.isAws || marker === undefined) return;
  if (!(await hidesAnother(listing, key, marker, { ifMatch, signal }))) return;
  await withRetries(
    () => removeObject(site, key, { versionId: marker, signal }),
    listing.clock,
    listing.retries,
    signal,
  );
  throw unmetHere(key);
}

async function sent(
  site: Site,
  key: ObjectKey,
  { ifMatch, signal }: Waits & { readonly ifMatch: string },
): Promise<Headers> {
  const remove = async (headers: Headers): Promise<Headers> => {
    const asked = askedOf(site, 'remove', key);
    const answer = await site.wire.send({ method: 'DELETE', asked, key, headers, signal });
    await drain(answer);
    return answer.headers;
  };
  if (site.remote.isAws) return remove(conditions(site, { ifMatch }));
  if (site.quirks.removals === 'kept') return underConditions(site, key, { ifMatch, signal }, remove);
  // Some stores fail on conditions that they don't know: there a look before is what there is.
  await refuseUnmet(site, key, { ifMatch, signal });
  return remove({});
}

/** True where the version under the marker is another one than was to go. */
async function hidesAnother(
  { site, clock, retries }: Listing,
  key: ObjectKey,
  marker: string,
  { ifMatch, signal }: Waits & { readonly ifMatch: string },
): Promise<boolean> {
  const versions = await withRetries(() => newestVersions(site, key, { signal }), clock, retries, signal);
  const at = versions.findIndex(({ versionId }) => versionId === marker);
  const beneath = at < 0 ? undefined : versions[at + 1];
  return beneath !== undefined && !beneath.marker && beneath.etag !== unquoted(ifMatch);
}
