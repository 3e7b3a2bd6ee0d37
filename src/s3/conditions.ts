/**
 * Conditional writes. Amazon S3 keeps them; other stores may not know them, keep them for PUT and not for Complete, or
 * compare an ETag with its quotes. So elsewhere the object is looked at first, and afterwards once more (`overtaken.ts`): not
 * airtight without versions, but never silent.
 */
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import type { WriteOptions } from '../model/ports.ts';
import { unquoted } from './checksums.ts';
import type { Headers } from './sign.ts';
import { type Site, headAnswer, versionOf } from './site.ts';

const quoted = (etag: string): string => (etag.startsWith('"') ? etag : `"${etag}"`);

/** The headers of a conditional request, as this store wants them. */
export function conditions(
  { bareEtags }: Pick<Site['quirks'], 'bareEtags'>,
  { ifMatch, ifNoneMatch }: Pick<WriteOptions, 'ifMatch' | 'ifNoneMatch'>,
): Headers {
  return {
    ...(ifMatch === undefined ? {} : { 'if-match': bareEtags ? unquoted(ifMatch) : quoted(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
  };
}

/** Sends a write under its conditions. `send` gets the headers to send and may be called again. */
export async function underConditions<T>(
  site: Site,
  key: ObjectKey,
  options: WriteOptions,
  send: (conditions: Headers) => Promise<T>,
): Promise<T> {
  const { ifMatch, ifNoneMatch } = options;
  const { quirks } = site;
  if (site.remote.isAws || (ifMatch === undefined && ifNoneMatch === undefined))
    return send(conditions(quirks, options));
  let stands = await refuseUnmet(site, key, options);
  if (quirks.refusesConditions === true) return send({});
  // Other requests learn of it at the same time: what counts is what this one was sent with.
  const forms = ifMatch === undefined || quirks.bareEtags ? [quirks.bareEtags] : [false, true];
  let refusal: VaultError | undefined;
  for (const bareEtags of forms) {
    try {
      const result = await send(conditions({ bareEtags }, options));
      quirks.bareEtags ||= bareEtags;
      return result;
    } catch (thrown) {
      if (!(thrown instanceof VaultError) || thrown.code !== 'precondition') throw thrown;
      // It may fit all the same: a store can compare the quotes as well (Ceph RGW 16 does).
      stands = await refuseUnmet(site, key, options);
      refusal = thrown;
    }
  }
  // Or refuse whatever it is asked, as RGW does once the bucket has versions: these tell who came between.
  if (ifMatch === undefined || !(quirks.versions === true || (stands && versionOf(stands))))
    throw refusesAll(site, key, refusal);
  quirks.refusesConditions = true;
  return send({});
}

/** What the store says of the object. Rejects with code `precondition` where that is not what the conditions say. */
export async function refuseUnmet(
  site: Site,
  key: ObjectKey,
  { ifMatch, ifNoneMatch, signal }: WriteOptions,
): Promise<Headers | undefined> {
  const answer = await headAnswer(site, key, undefined, false, { signal });
  const etag = answer === undefined ? undefined : unquoted(answer['etag'] ?? '');
  const unmet =
    (ifNoneMatch !== undefined && etag !== undefined) ||
    (ifMatch !== undefined && etag !== unquoted(ifMatch));
  if (unmet) throw unmetHere(key);
  return answer;
}

/** The condition holds, as a look shows, and is refused in every form. Without it nobody could tell who came between. */
const refusesAll = (
  { remote: { bucket } }: Site,
  key: ObjectKey,
  cause: VaultError | undefined,
): VaultError =>
  new VaultError(
    'file',
    'conditions-refused',
    `the store does not let ${safeName(key)} be changed on condition that it still is what it was, though it is; without that, what another machine writes in the same moment would be lost unseen`,
    {
      cause,
      hint: `turn versioning on, which tells who came between: s3vault bucket harden ${bucket} --only versioning; where this is the only machine that writes, --direction push needs no conditions`,
    },
  );

export const unmetHere = (key: ObjectKey): VaultError =>
  new VaultError('changed', 'precondition', `${safeName(key)} is no longer what it was in the store`, {
    hint: `somebody else wrote it; ${RUN_AGAIN}`,
  });
