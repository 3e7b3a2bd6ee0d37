/**
 * Strings that must not be mixed up. A brand exists only for the type checker; the functions here are the
 * only places that make one.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A path relative to the vault's root as the disk spells it: `/` between segments, no leading slash, no `.` or `..`. */
export type RelPath = Branded<string, 'RelPath'>;

/**
 * What stands behind the prefix in the bucket, and what the Index is ordered by: a RelPath in Unicode form NFC, or that sealed
 * (`model/names.ts`). Two RelPaths with one NameKey are a clash.
 */
export type NameKey = Branded<string, 'NameKey'>;

/** The whole key of an object in the bucket: prefix + NameKey. At most 1,024 bytes of UTF-8. */
export type ObjectKey = Branded<string, 'ObjectKey'>;

/** A vault's id: a random UUID, given once and kept in the folder marker and in the bucket. */
export type VaultId = Branded<string, 'VaultId'>;

export const relPath = (text: string): RelPath => text as RelPath;
export const vaultId = (text: string): VaultId => text as VaultId;
export const objectKey = (text: string): ObjectKey => text as ObjectKey;

/** NFC form of a path: its name where names are plain. ASCII, by far the commonest, passes through untouched. */
export const nameKey = (path: RelPath | string): NameKey => path.normalize('NFC') as NameKey;

/**
 * Orders strings by their UTF-8 bytes, as ListObjectsV2 and SQLite do. JavaScript's own order (UTF-16 units)
 * differs where a surrogate pair meets U+E000..U+FFFF.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates (code points above U+FFFF) rank after every other unit. */
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** Largest object key S3 takes, in bytes of UTF-8 (S3 User Guide, "Naming Amazon S3 objects"). */
export const MAX_KEY_BYTES = 1024;

/** The folder, in the synced root and in the bucket, that holds s3vault's own files. Never synced. */
export const OWN_FOLDER = '.s3vault';
