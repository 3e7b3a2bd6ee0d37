/** How paths become names of objects, and back: as they are, or sealed segment by segment. */
import { type NameKey, nameKey } from './brands.ts';
import type { Metadata } from './ports.ts';

/** User metadata that holds the whole path, sealed, of an object whose name had to be cut. */
export const META_NAME = 's3vault-name';

/**
 * `cut`: the name alone does not say it; the object's metadata does. `foreign`: no name that this vault makes, so the object
 * is somebody else's.
 */
export type NameRead =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'cut' }
  | { readonly kind: 'foreign' };

/**
 * The names of one vault. A name has as many segments as its path, so that what lies below a folder lies below the folder's
 * name. One path has one name, whatever its Unicode form.
 */
export interface Names {
  /** Which names these are: `plain`, or a fingerprint of the key. An Index that was made for others is not theirs. */
  readonly id: string;
  /** The name of a file or a folder; the empty path has the empty name. */
  keyOf(path: string): NameKey;
  /** One more segment, in form NFC, below a folder's name (which is empty or ends in `/`): what stands behind it. */
  segment(folder: string, segment: string): string;
  /** What a name says by itself. */
  read(key: NameKey): NameRead;
  /** The path of a cut name with the metadata of its object; undefined where they do not belong together. */
  readCut(key: NameKey, metadata: Metadata): string | undefined;
  /** What an object of this path must carry beside its name. */
  metadata(path: string): Metadata;
  /** False where the name, or what goes with it, has no room in S3. */
  fits(key: NameKey, path: string): boolean;
  /** Overwrites the key: no name can be made or read after it. */
  wipe(): void;
}

/** Paths as they are. `maxBytes`: longest name, the prefix taken off. */
export function plainNames(maxBytes: number): Names {
  return {
    id: 'plain',
    keyOf: nameKey,
    segment: (_, segment) => segment,
    read: (key) => ({ kind: 'path', path: key }),
    readCut: () => undefined,
    metadata: () => ({}),
    // A character is at most three bytes per UTF-16 unit: most names need no counting.
    fits: (key) => key.length * 3 <= maxBytes || Buffer.byteLength(key) <= maxBytes,
    wipe: () => undefined,
  };
}

/** For places that are no vault's: a name there need not be in form NFC. */
export const bareNames = (maxBytes: number): Names => ({
  ...plainNames(maxBytes),
  keyOf: (path) => path as NameKey,
});

/** The same names as they stand below one folder. */
export function namesBelow(names: Names, folder: string): Names {
  const above = `${folder}/`;
  const top = `${names.keyOf(folder)}/`;
  const whole = (key: string): NameKey => (top + key) as NameKey;
  const below = (path: string | undefined): string | undefined =>
    path?.startsWith(above) === true ? path.slice(above.length) : undefined;
  return {
    ...names,
    keyOf: (path) => (path === '' ? '' : names.keyOf(above + path).slice(top.length)) as NameKey,
    segment: (at, segment) => names.segment(whole(at), segment),
    read: (key) => {
      const read = names.read(whole(key));
      if (read.kind !== 'path') return read;
      const path = below(read.path);
      return path === undefined ? { kind: 'foreign' } : { kind: 'path', path };
    },
    readCut: (key, metadata) => below(names.readCut(whole(key), metadata)),
    metadata: (path) => names.metadata(above + path),
    fits: (key, path) => names.fits(whole(key), above + path),
  };
}

/** A path as somebody typed it, or the encrypted name that stands for it in the bucket. */
export function pathTyped(names: Names, typed: string): string {
  if (names.id === 'plain') return typed;
  const read = names.read(typed as NameKey);
  return read.kind === 'path' ? read.path : nameKey(typed);
}

/** That a vault's names are sealed, and the key to them, wrapped under each key that the vault has had. */
export interface NamesSetting {
  readonly scheme: 'aes-siv';
  /** The newest last; empty before the vault has met its bucket. */
  readonly keys: readonly WrappedNamesKey[];
}

export interface WrappedNamesKey {
  /** Fingerprint of the wrapping key, or the KMS key id. */
  readonly key: string;
  readonly wrap: 'AES/GCM' | 'RSA-OAEP-SHA1' | 'kms+context';
  /** Base64. */
  readonly wrapped: string;
  /** KMS encryption context. */
  readonly context?: Metadata;
}
