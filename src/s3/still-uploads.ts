/** Unfinished uploads that nobody has added to for some time, as the store's own clock has it. */
import { asVaultError } from '../model/errors.ts';
import type { PendingUpload, Waits } from '../model/ports.ts';
import { type Listing, nextToken, uploadPages } from './list.ts';
import { customerKeyOf, readHeaders } from './modes.ts';
import { withRetries } from './retrying.ts';
import { carrying } from './sdk.ts';
import { sdkSend } from './sdk-failure.ts';
import { askedOf } from './site.ts';

/**
 * Parts are asked for, a request and more for each upload, only where it was begun so long ago. What the store does not date
 * is not still, nor is what can't be looked into: one under another customer key, say.
 */
export async function* stillUploads(
  listing: Listing,
  prefix: string,
  forMs: number,
  waits: Waits,
): AsyncIterable<PendingUpload> {
  for await (const { uploads, at } of uploadPages(listing, prefix, waits)) {
    const isStill = (date: number): boolean => date > 0 && date <= at - forMs;
    for (const upload of uploads)
      if (isStill(upload.initiated) && (await allParts(listing, upload, isStill, waits))) yield upload;
  }
}

/** False as soon as one is not. Rejects where no upload may be looked into. */
async function allParts(
  { site, clock, retries }: Listing,
  { key, uploadId }: PendingUpload,
  isStill: (date: number) => boolean,
  { signal }: Waits,
): Promise<boolean> {
  const { ListPartsCommand } = await import('@aws-sdk/client-s3');
  let marker: string | undefined;
  do {
    const bare = new ListPartsCommand({
      Bucket: site.remote.bucket,
      Key: key,
      UploadId: uploadId,
      ...(marker === undefined ? {} : { PartNumberMarker: marker }),
    });
    const command = carrying(bare, customerKeyOf(readHeaders(site.protection)));
    try {
      const page = await withRetries(
        () => sdkSend(site, askedOf(site, 'read', key), signal, (client, sent) => client.send(command, sent)),
        clock,
        retries,
        signal,
      );
      if (!(page.Parts ?? []).every(({ LastModified }) => isStill(LastModified?.getTime() ?? 0)))
        return false;
      marker = nextToken(page.IsTruncated, page.NextPartNumberMarker, marker);
    } catch (thrown) {
      const { status, code } = asVaultError(thrown);
      // It ended meanwhile, or is under another key.
      if (status === 404 || status === 400 || code === 'wrong-key') return false;
      throw thrown;
    }
  } while (marker !== undefined);
  return true;
}
