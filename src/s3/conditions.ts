/**
 * Conditional writes. Amazon S3 keeps them; other stores may not know them, keep them for PUT and not for Complete, or
 * compare an ETag with its quotes. So elsewhere the object is looked at first: not airtight, but never silent.
 */
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { WriteOptions } from '../model/ports.ts';
import { unquoted } from './checksums.ts';
import type { Headers } from './sign.ts';
import { type Site, headAnswer } from './site.ts';

const quoted = (etag: string): string => (etag.startsWith('"') ? etag : `"${etag}"`);

/** The headers of a conditional request, as this store wants them. */
export function conditions(
  site: Site,
  { ifMatch, ifNoneMatch }: Pick<WriteOptions, 'ifMatch' | 'ifNoneMatch'>,
): Headers {
  return {
    ...(ifMatch === undefined
      ? {}
      : { 'if-match': site.quirks.bareEtags ? unquoted(ifMatch) : quoted(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
  };
}

/** Sends a write under its conditions. `send` gets the headers to send and may be called twice. */
export async function underConditions<T>(
  site: Site,
  key: ObjectKey,
  options: WriteOptions,
  send: (conditions: Headers) => Promise<T>,
): Promise<T> {
  const { ifMatch, ifNoneMatch } = options;
  if (site.remote.isAws || (ifMatch === undefined && ifNoneMatch === undefined))
    return send(conditions(site, options));
  await refuseUnmet(site, key, options);
  if (site.quirks.refusesConditions === true) return send({});
  // Other requests learn of it at the same time: what counts is what this one was sent with.
  const bare = site.quirks.bareEtags;
  try {
    return await send(conditions(site, options));
  } catch (thrown) {
    const refused = thrown instanceof VaultError && thrown.code === 'precondition';
    if (!refused || ifMatch === undefined || bare) throw thrown;
    // It fits, as a second look shows, and is refused: this store compares the quotes as well (Ceph RGW 16 does).
    await refuseUnmet(site, key, options);
    site.quirks.bareEtags = true;
    return send(conditions(site, options));
  }
}

/**
 * Whether what was written is still what stands there, asked of every store but AWS: one that keeps conditions now may not
 * keep them for ever (Ceph RGW 16 stops when the bucket gets versions).
 */
export async function refuseOvertaken(
  site: Site,
  key: ObjectKey,
  etag: string,
  options: WriteOptions,
): Promise<void> {
  const asked = options.ifMatch !== undefined || options.ifNoneMatch !== undefined;
  if (asked && !site.remote.isAws) await refuseUnmet(site, key, { ifMatch: etag, signal: options.signal });
}

/** Rejects with code `precondition` where the object is not what the conditions say. */
export async function refuseUnmet(
  site: Site,
  key: ObjectKey,
  { ifMatch, ifNoneMatch, signal }: WriteOptions,
): Promise<void> {
  const answer = await headAnswer(site, key, undefined, false, { signal });
  const etag = answer === undefined ? undefined : unquoted(answer['etag'] ?? '');
  const unmet =
    (ifNoneMatch !== undefined && etag !== undefined) ||
    (ifMatch !== undefined && etag !== unquoted(ifMatch));
  if (unmet) throw unmetHere(key);
}

export const unmetHere = (key: ObjectKey): VaultError =>
  new VaultError('changed', 'precondition', `${safeName(key)} is no longer what it was in the store`, {
    hint: 'somebody else wrote it; it is looked at again',
  });
