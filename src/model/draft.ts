/** Files in the making, and how a later run goes on with one. */
import type { ObjectKey, RelPath } from './brands.ts';
import type { Entry } from './entry.ts';

/** The object that a draft is filled from: only exactly this one is gone on with. */
export interface DraftSubject {
  readonly key: ObjectKey;
  readonly etag: string;
  readonly versionId?: string | undefined;
  /** Bytes as stored. */
  readonly size: number;
  /** A tag at the end is over all of it, so that no part has to be remembered by itself. */
  readonly tagged?: boolean;
}

/** The bytes of a file that nobody sees yet. `discard` or `keep` ends it, or what puts it into its place. */
export interface DraftBytes {
  /** Bytes that an earlier run left of the same object; what is written next belongs behind them. */
  readonly kept: number;
  /** These bytes, from the beginning. Throws code `draft-damaged` where they are not what was written. */
  keptBytes(): AsyncIterable<Uint8Array>;
  /** In their order. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** Leaves what has come for a later run; without a subject it is discarded. May be called at any time. */
  keep(): Promise<void>;
  /** Succeeds whatever there is, also after `place`; then it does nothing. */
  discard(): Promise<void>;
}

/** A file that another one goes over. */
export interface GoesOver {
  /** What stands there, to the last stamp. */
  readonly entry: Entry;
  /** A name that is free, under which it goes on: always, or only where it was changed in the very moment of going over it. */
  readonly as: RelPath;
  readonly always: boolean;
}

/** A file in its place. */
export interface InPlace {
  readonly entry: Entry;
  /** The name under which the file goes on that stood there. */
  readonly keptAs?: RelPath;
}
