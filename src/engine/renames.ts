import type { Record } from '../model/record.ts';

/** Objects whose files are gone, by the digest of their plaintext, for as long as they stand in the bucket. */
export class Renames {
  readonly #byDigest = new Map<string, Record>();

  offer(records: Iterable<Record>): void {
    for (const record of records)
      if (record.digest !== undefined) this.#byDigest.set(text(record.digest), record);
  }

  find(digest: Uint8Array): Record | undefined {
    return this.#byDigest.get(text(digest));
  }

  /** It is gone, or did not serve. */
  drop(digest: Uint8Array | undefined): void {
    if (digest !== undefined) this.#byDigest.delete(text(digest));
  }
}

const text = (digest: Uint8Array): string => Buffer.from(digest).toString('base64');
