/** Listings, through the SDK: pages of keys, and of uploads that were begun and not ended. */
import { type ObjectKey, objectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { Clock, ListedObject, PendingUpload, Waits } from '../model/ports.ts';
import { unquoted } from './checksums.ts';
import { type RetryPolicy, withRetries } from './retrying.ts';
import { hearingDate } from './sdk.ts';
import { sdkSend } from './sdk-failure.ts';
import { type Site, askedOf } from './site.ts';

export interface Listing {
  readonly site: Site;
  readonly clock: Clock;
  readonly retries: RetryPolicy;
}

export async function* listObjects(
  { site, clock, retries }: Listing,
  prefix: string,
  options: Waits & { readonly startAfter?: string },
): AsyncIterable<readonly ListedObject[]> {
  const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  const { signal, startAfter } = options;
  const asked = askedOf(site, 'list');
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: site.remote.bucket,
      Prefix: prefix,
      EncodingType: 'url',
      ...(token === undefined ? {} : { ContinuationToken: token }),
      ...(startAfter === undefined || token !== undefined ? {} : { StartAfter: startAfter }),
    });
    const page = await withRetries(
      () => sdkSend(site, asked, signal, (client, waits) => client.send(command, waits)),
      clock,
      retries,
      signal,
    );
    const decode = decoder(page.EncodingType);
    const listed = (page.Contents ?? []).map(
      ({ Key, Size, ETag, LastModified }): ListedObject => ({
        key: decode(Key ?? ''),
        size: Size ?? 0,
        etag: unquoted(ETag ?? ''),
        modified: LastModified?.getTime() ?? 0,
      }),
    );
    demandAsked(listed, prefix, token === undefined ? startAfter : undefined);
    if (listed.length > 0) yield listed;
    token = nextToken(page.IsTruncated, page.NextContinuationToken, token);
  } while (token !== undefined);
}

export async function* listUploads(
  listing: Listing,
  prefix: string,
  waits: Waits,
): AsyncIterable<PendingUpload> {
  for await (const { uploads } of uploadPages(listing, prefix, waits)) yield* uploads;
}

export interface UploadPage {
  readonly uploads: readonly PendingUpload[];
  /** When the store answered, by its own clock; NaN where it does not say. */
  readonly at: number;
}

export async function* uploadPages(
  { site, clock, retries }: Listing,
  prefix: string,
  { signal }: Waits,
): AsyncIterable<UploadPage> {
  const { ListMultipartUploadsCommand } = await import('@aws-sdk/client-s3');
  const asked = askedOf(site, 'list');
  let after: { KeyMarker: string; UploadIdMarker: string } | undefined;
  do {
    const command = new ListMultipartUploadsCommand({
      Bucket: site.remote.bucket,
      Prefix: prefix,
      EncodingType: 'url',
      ...after,
    });
    const answeredAt = hearingDate(command);
    const page = await withRetries(
      () => sdkSend(site, asked, signal, (client, waits) => client.send(command, waits)),
      clock,
      retries,
      signal,
    );
    const decode = decoder(page.EncodingType);
    const uploads = (page.Uploads ?? []).flatMap(({ Key, UploadId, Initiated }): PendingUpload[] =>
      Key === undefined || UploadId === undefined
        ? []
        : [{ key: decode(Key), uploadId: UploadId, initiated: Initiated?.getTime() ?? 0 }],
    );
    demandAsked(uploads, prefix);
    yield { uploads, at: answeredAt() };
    const KeyMarker = page.NextKeyMarker === undefined ? undefined : decode(page.NextKeyMarker);
    const token = nextToken(page.IsTruncated, KeyMarker, undefined);
    after =
      token === undefined ? undefined : { KeyMarker: token, UploadIdMarker: page.NextUploadIdMarker ?? '' };
  } while (after !== undefined);
}

/** Keys come percent-encoded, so that XML can hold them all; a store that ignores the wish does not say `url`. */
export function decoder(encoding: string | undefined): (text: string) => ObjectKey {
  if (encoding !== 'url') return objectKey;
  return (text) => {
    try {
      return objectKey(decodeURIComponent(text.replaceAll('+', ' ')));
    } catch {
      throw new VaultError(
        'file',
        'listing',
        `the store lists a key that is not UTF-8: ${text.slice(0, 200)}`,
      );
    }
  };
}

/**
 * Names are what follows the prefix, and a listing goes on behind what it was told to: of a store that gives other keys
 * nothing is taken, and none is asked for ever.
 */
export function demandAsked(
  listed: readonly { readonly key: ObjectKey }[],
  prefix: string,
  startAfter?: string,
): void {
  const [first] = listed;
  const strange =
    listed.find(({ key }) => !key.startsWith(prefix)) ??
    (startAfter !== undefined && first !== undefined && !isBehind(first.key, startAfter) ? first : undefined);
  if (strange === undefined) return;
  const message = `the store lists what it was not asked for: ${strange.key.slice(0, 200)}`;
  throw new VaultError('refused', 'listing', message, { hint: UNUSABLE });
}

/** S3 lists in the order of UTF-8. */
const isBehind = (key: string, other: string): boolean =>
  Buffer.compare(Buffer.from(key), Buffer.from(other)) > 0;

const UNUSABLE = 'nothing was decided on this listing; s3vault doctor tells what this store supports';

/** A store that says there is more and does not say where, or says the same again, would be asked for ever. */
export function nextToken(
  truncated: boolean | undefined,
  next: string | undefined,
  before: string | undefined,
): string | undefined {
  if (truncated !== true) return undefined;
  if (next !== undefined && next !== '' && next !== before) return next;
  throw new VaultError('refused', 'listing', 'the store breaks its listing off in the middle', {
    hint: UNUSABLE,
  });
}
