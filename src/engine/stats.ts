import type { Entry } from '../model/entry.ts';
import type { Metadata } from '../model/ports.ts';

/** User metadata names of the product's contract (`product.md`, Files). */
export const META_MTIME = 's3vault-mtime';
export const META_MODE = 's3vault-mode';
export const META_MAC = 's3vault-mac';

/** `s3vault-mtime`: seconds since 1970 with six decimals. `s3vault-mode`: st_mode in octal, type bits included. */
export function statMetadata(entry: Entry): Metadata {
  return { [META_MTIME]: (entry.mtime / 1_000).toFixed(6), [META_MODE]: entry.mode.toString(8) };
}

/** True where an object's metadata describes this very file: time, permissions and kind. */
export function statFits(entry: Entry, metadata: Metadata): boolean {
  const wanted = statMetadata(entry);
  return metadata[META_MTIME] === wanted[META_MTIME] && metadata[META_MODE] === wanted[META_MODE];
}
