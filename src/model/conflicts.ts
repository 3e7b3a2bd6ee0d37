/** Files that both sides changed: the local one was kept as `name (conflict HOST DATE).ext` beside the other. */
import { type RelPath, relPath } from './brands.ts';
import type { Waits } from './ports.ts';

/** One side of a conflict as it stands in the folder now. */
export interface ConflictSide {
  readonly size: number;
  /** ms since 1970. */
  readonly mtime: number;
  readonly inode: number;
}

export interface Conflict {
  /** The name both want. */
  readonly path: RelPath;
  /** Where the file of `host` goes on. */
  readonly copy: RelPath;
  readonly host: string;
  /** When it was kept, as its name says: `2026-11-24 12:04:29` in UTC. */
  readonly since: string;
  /** What `host` had. */
  readonly mine: ConflictSide;
  /** What stands at `path`; undefined where it is gone. */
  readonly theirs: ConflictSide | undefined;
}

/** Conflicts of one vault. What is settled here is a change of the folder like any other: the sync sends it. */
export interface ConflictDesk {
  /** All that are not settled, in the order of names. */
  list(options?: Waits): Promise<readonly Conflict[]>;
  /**
   * The copy takes the name. What stood there is removed only once the copy stands. Both reject with code `conflict-moved`
   * and change nothing where a side is not what was shown.
   */
  keepMine(conflict: Conflict): Promise<void>;
  /** The copy is removed. */
  keepTheirs(conflict: Conflict): Promise<void>;
  /** Both stay, and are not listed again, by no process. */
  keepBoth(conflict: Conflict): Promise<void>;
}

export interface ConflictName {
  /** The path that the copy was made for; it lost the end of its stem where the name would have been too long. */
  readonly path: RelPath;
  readonly host: string;
  readonly since: string;
}

const COPY =
  /^(?<stem>.+) \(conflict (?<host>[\p{L}\p{N}_-]{1,40}) (?<day>\d{4}-\d\d-\d\d) (?<time>\d\d-\d\d-\d\d)(?: \d+)?\)(?<ext>\.[^.]*)?$/su;

/** Reads the name of a kept copy; undefined for any other. */
export function readConflictName(path: string): ConflictName | undefined {
  const slash = path.lastIndexOf('/') + 1;
  const { stem, host, day, time, ext = '' } = COPY.exec(path.slice(slash))?.groups ?? {};
  if (stem === undefined || host === undefined || day === undefined || time === undefined) return undefined;
  return {
    path: relPath(path.slice(0, slash) + stem + ext),
    host,
    since: `${day} ${time.replaceAll('-', ':')}`,
  };
}
