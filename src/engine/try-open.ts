import { createHash, timingSafeEqual } from 'node:crypto';
import { startOpen } from '../crypto/open.ts';
import { VaultError } from '../model/errors.ts';
import type { Index, Waits } from '../model/ports.ts';
import type { Record } from '../model/record.ts';
import type { Side } from './conversion.ts';
import { keyIn } from './world.ts';

/** How many Records are looked at for a small one. */
const LOOK_AT = 500;

/**
 * Fetches one small object of a vault and opens it; gives its path, undefined where the vault has none. Rejects as any
 * read does, and with kind `security` where what comes out is not what was sent.
 */
export async function tryOpen(
  side: Pick<Side, 'store' | 'sealing'>,
  index: Pick<Index, 'page'>,
  prefix: string,
  options: Waits = {},
): Promise<string | undefined> {
  const record = smallest(index.page(undefined, LOOK_AT));
  if (record === undefined) return undefined;
  const { stat, body } = await side.store.get(keyIn({ prefix }, record.key), options);
  const { keyring } = side.sealing;
  const hash = createHash('sha256');
  if (keyring === undefined) for await (const chunk of body) hash.update(chunk);
  else {
    const opening = await startOpen(keyring, stat.metadata, options);
    try {
      for await (const piece of opening.stream(body)) hash.update(piece);
    } finally {
      opening.wipe();
    }
  }
  checkDigest(record, stat.etag, hash.digest());
  return record.path;
}

const smallest = (records: readonly Record[]): Record | undefined =>
  records.reduce<Record | undefined>(
    (least, one) => (least === undefined || one.storedSize < least.storedSize ? one : least),
    undefined,
  );

/** Somebody else may have written it since: then there is nothing to compare with. */
function checkDigest(record: Record, etag: string, digest: Buffer): void {
  if (record.digest === undefined || record.etag !== etag) return;
  if (timingSafeEqual(record.digest, digest)) return;
  throw new VaultError('security', 'wrong-bytes', `${record.path} opens, but is not what was sent`, {
    hint: 'the store, or something before it, changes what it holds',
  });
}
