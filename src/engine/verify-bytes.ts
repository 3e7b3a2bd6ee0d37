/** What `verify --deep` says of one object: fetched, opened, and compared with what was sent. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Index } from '../model/ports.ts';
import type { Record } from '../model/record.ts';
import { factsOf } from './facts.ts';
import { type Reader, fetchObject } from './fetching.ts';
import { refuseOtherKind } from './kind.ts';

export interface Opened {
  /** `opened`: there is nothing here to compare it with. */
  readonly result: 'verified' | 'differs' | 'opened';
  /** Bytes of plaintext that came. */
  readonly bytes: number;
}

/**
 * Fetches the object, listed with `size` bytes, opens it, and compares it with what was sent. Rejects with kind `security`
 * where it does not open, or holds other bytes under the very ETag that they were sent with.
 */
export async function openAndCompare(
  reader: Reader,
  index: Pick<Index, 'get'>,
  { record, key, size }: { readonly record: Record; readonly key: ObjectKey; readonly size: number },
  signal: AbortSignal,
): Promise<Opened> {
  const fetched = await fetchObject(reader, { key, size }, signal);
  const hash = createHash('sha256');
  const { whole, opening, stat, size: bytes } = fetched;
  let found: Buffer;
  try {
    if (whole !== undefined) hash.update(whole);
    else for await (const piece of opening?.stream(fetched.body()) ?? fetched.body()) hash.update(piece);
    found = hash.digest();
    const { kind } = factsOf(stat);
    const wasLink = (): boolean => record.kind === 'link' && record.etag === stat.etag;
    refuseOtherKind({ stat, opening, digest: found, kind, wasLink });
  } finally {
    fetched.wipe();
  }
  // Written again since it was listed: the Record of that one may be there by now.
  const ours = stat.etag === record.etag ? record : recordOf(index, record, stat.etag);
  const { digest } = ours ?? record;
  // A machine that never had the bytes knows no digest; then the tag was all there is to check.
  if (digest === undefined) return { result: 'opened', bytes };
  if (timingSafeEqual(digest, found)) return { result: 'verified', bytes };
  if (ours === undefined) return { result: 'differs', bytes };
  throw new VaultError('security', 'wrong-bytes', `${safeName(record.path)} is not what was sent`, {
    hint: 'the store, or something before it, changes what it holds; s3vault versions shows older versions',
  });
}

function recordOf(index: Pick<Index, 'get'>, { key }: Record, etag: string): Record | undefined {
  const now = index.get(key);
  return now?.etag === etag ? now : undefined;
}
