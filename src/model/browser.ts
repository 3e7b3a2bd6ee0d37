/** A vault's tree in the bucket, for a screen that knows no store. */
import type { ErrorReport } from './errors.ts';
import type { Waits } from './ports.ts';
import type { Secret } from './secret.ts';

/** What stands in a folder. Paths are those of the vault; a folder's ends in `/`. */
export type BrowseLine =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      /** Of plaintext: what it had, where it is removed. */
      readonly bytes: number;
      /** ms since 1970: when it was stored, or removed. */
      readonly modified: number;
      /** Only its versions are left. */
      readonly removed: boolean;
    };

/** One version of a file. */
export interface FileVersion {
  readonly versionId: string;
  /** Of plaintext; 0 for a removal. */
  readonly bytes: number;
  /** ms since 1970. */
  readonly modified: number;
  readonly latest: boolean;
  /** It says that the file was removed. */
  readonly marker: boolean;
}

export interface RestoreProgress {
  readonly files: number;
  readonly ofFiles: number;
  /** Of plaintext. */
  readonly bytes: number;
  readonly ofBytes: number;
  readonly failed: number;
}

export interface RestoreEnd {
  /** Where the files are, absolute. */
  readonly out: string;
  /** Written; what stood there and was the same already is not counted. */
  readonly files: number;
  readonly bytes: number;
  readonly failed: number;
  /** It was called off before its end; run again, it goes on. */
  readonly stopped: boolean;
  /** All that was asked for is there now, proved. */
  readonly whole: boolean;
  /** The first of what went wrong. */
  readonly problems: readonly ErrorReport[];
}

export interface RestoreWish {
  /** Of files and folders; empty: everything. */
  readonly path: string;
  /** Of one file; undefined: the newest. */
  readonly versionId?: string | undefined;
  /** A folder; `~` and paths relative to the working folder are understood. Nothing that stands there is replaced. */
  readonly out: string;
}

/** Listing needs no key. All reject with a VaultError, and with kind `cancelled` when the signal fires. */
export interface Browser {
  /** Asks for a passphrase where a key is needed and its place wants one; set by the screen. */
  ask: ((question: string) => Promise<Secret>) | undefined;
  /** What stands in a folder (empty: the whole vault), in the order of names, page by page as it is asked for. */
  list(
    folder: string,
    options?: Waits & { readonly removed?: boolean },
  ): AsyncIterable<readonly BrowseLine[]>;
  /** The newest first; none where there never was such a file. */
  versions(path: string, options?: Waits): Promise<readonly FileVersion[]>;
  restore(
    wish: RestoreWish,
    onProgress: (progress: RestoreProgress) => void,
    options?: Waits,
  ): Promise<RestoreEnd>;
  /** Takes the removal of a file back, in the bucket. Code `not-removed` where it is not removed. */
  undelete(path: string, options?: Waits): Promise<void>;
}
