/** The port of a folder that files are restored into. */
import type { RelPath } from './brands.ts';
import type { Entry } from './entry.ts';
import type { DraftBytes, DraftSubject } from './draft.ts';
import type { Waits } from './ports.ts';

/**
 * One folder that files are brought into. Paths come from a bucket and are data, not instructions: each is checked before
 * anything is touched, and nothing is ever reached through a link. Errors are of kind `file`, and of that path alone:
 * `disk-full`, `unwritable`, `name-clash`, `target-exists`, `target-failed`.
 */
export interface FileTarget {
  /** Makes the folder and finds out what it can do. */
  open(): Promise<void>;
  /** Why a file of this name cannot stand here, in words; undefined where it can. */
  refuses(path: string): string | undefined;
  /** What stands at a path now. Rejects where something that is no folder stands above it. */
  look(path: RelPath): Promise<Standing | undefined>;
  /** SHA-256 of a file's content, or of a link's target. */
  digest(entry: Entry, options?: Waits): Promise<Buffer>;
  /**
   * A file that nobody sees yet, in the folder where it will stand; folders on the way are made. With a subject it goes on
   * where an interrupted run was with exactly that.
   */
  begin(path: RelPath, subject?: DraftSubject): Promise<Draft>;
  /** A symbolic link, made as a whole; as `place` of a Draft. */
  link(path: RelPath, to: string, facts: FileFacts, options: PlaceOptions): Promise<Placed>;
  /** Gives a file that stands there, and whose bytes are right, the times and permissions that it should have. */
  amend(entry: Entry, facts: FileFacts): Promise<void>;
  /** Makes what was placed last through a power cut. */
  settle(): Promise<void>;
}

/** `clash`: the disk takes another name, which stands there, for the same. */
export type Standing =
  | Entry
  | { readonly kind: 'folder' }
  | { readonly kind: 'other' }
  | { readonly kind: 'clash'; readonly name: string };

/** What a file gets beside its bytes. */
export interface FileFacts {
  /** ms since 1970; set to the microsecond. */
  readonly mtime: number;
  /** Permissions; only the nine bits of user, group and others are taken. Undefined: as new files get them. */
  readonly mode: number | undefined;
}

export interface PlaceOptions {
  /** A file that stands there is kept under another name. Without it nothing is ever replaced (`target-exists`). */
  readonly keepOld: boolean;
}

export interface Placed {
  /** The other name of what stood there. */
  readonly aside?: RelPath;
}

/** A file in the making. Ends with `place`, `keep` or `discard`. */
export interface Draft extends DraftBytes {
  /** Flushed to the disk, given its facts, then visible under its name: all or nothing. */
  place(facts: FileFacts, options: PlaceOptions): Promise<Placed>;
}
