/**
 * A removal of one object and no other. AWS keeps the condition; so do few other stores. Where it is not kept, the object is
 * looked at before; in a bucket with versions also what lies under the delete marker, and the marker goes again where that is
 * somebody else's. What is left is the moment between look and removal in a bucket without versions.
 */
import type { ObjectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';
import { conditions, refuseUnmet, underConditions } from './conditions.ts';
import type { Listing } from './list.ts';
import { refuseOvertaken } from './overtaken.ts';
import { withRetries } from './retrying.ts';
import type { Headers } from './sign.ts';
import { type Site, askedOf, headAnswer, versionOf } from './site.ts';
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
  const versionId = answer['x-amz-delete-marker'] === 'true' ? versionOf(answer) : undefined;
  await withRetries(
    () => refuseOvertaken(site, key, { etag: '', versionId }, { ifMatch, signal }),
    listing.clock,
    listing.retries,
    signal,
  );
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
  if (site.remote.isAws) return remove(conditions(site.quirks, { ifMatch }));
  if (site.quirks.removals === 'kept') return underConditions(site, key, { ifMatch, signal }, remove);
  // Some stores fail on conditions that they don't know: there a look before is what there is.
  await refuseUnmet(site, key, { ifMatch, signal });
  return remove({});
}
