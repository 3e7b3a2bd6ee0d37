import type { NameKey, RelPath } from './brands.ts';

/** The stat values that change detection compares. Times are milliseconds since 1970 with a fraction. */
export interface Stamp {
  readonly size: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly inode: number;
}

export type Kind = 'file' | 'link';

/** What a scan saw: a regular file or a symbolic link (recorded as a link, never followed). */
export interface Entry extends Stamp {
  readonly path: RelPath;
  readonly key: NameKey;
  readonly kind: Kind;
  /** `st_mode` with its type bits: 0o100644 for a file, 0o120777 for a link. */
  readonly mode: number;
}

/** Something a scan saw and could not turn into an Entry. */
export interface Oddity {
  readonly kind: 'oddity';
  readonly path: RelPath;
  /** Where it stands in the order of keys; folders that can't be read end in `/`. */
  readonly key: NameKey;
  readonly reason: OddityReason;
  /** The system's error code, if one was given. */
  readonly code?: string;
}

export type OddityReason =
  | 'unreadable'
  | 'socket'
  | 'device'
  | 'fifo'
  | 'key-too-long'
  | 'not-utf8'
  | 'name-clash'
  | 'own-name';

export type Seen = Entry | Oddity;

/** True where both stamps describe provably the same bytes (see the racy-clean rule in `engine/detect`). */
export function sameStamp(a: Stamp, b: Stamp): boolean {
  return a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime && a.inode === b.inode;
}
