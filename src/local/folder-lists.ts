/** Names of folders, kept for as long as nothing can have changed in them. */
import { readdirSync, statSync } from 'node:fs';

/** Names held over all folders: some 15 MB. Beyond that the folders asked for longest ago go; a larger one is never kept. */
const MOST = 2 ** 17;
/** What gives folders neither a time nor a change time of its own is found out after so long. */
const KEPT_MS = 10_000;
/** Times are no finer than this, or where they are whole seconds than that. */
const TICK_MS = 50;
const COARSE_MS = 2_000;

export interface FolderNames {
  /** As the disk has them. */
  readonly names: readonly string[];
  /** In form NFC. */
  readonly nfc: ReadonlySet<string>;
}

interface Stamp {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
  readonly dev: number;
}

interface Known {
  readonly stamp: Stamp;
  /** When it was first seen with this stamp. */
  readonly since: number;
  readonly listed?: FolderNames & { readonly at: number };
}

/**
 * A list is kept only if it was read so long after the folder's stamp was first seen that any later change must have given it
 * another one. No clock but our own is asked for that: the times of network disks are those of somebody else's.
 */
export class FolderLists {
  readonly #ticks: (() => number) | undefined;
  readonly #most: number;
  readonly #known = new Map<string, Known>();
  #held = 0;

  /** Without `ticks`, monotonic milliseconds, nothing is kept. */
  constructor(ticks?: () => number, most = MOST) {
    this.#ticks = ticks;
    this.#most = most;
  }

  /** Throws what the disk says. */
  of(folder: string): FolderNames {
    if (this.#ticks === undefined) return list(folder);
    const stamp = statSync(folder);
    const now = this.#ticks();
    const known = this.#known.get(folder);
    const still = known !== undefined && isSame(known.stamp, stamp);
    if (still && known.listed !== undefined && now - known.listed.at < KEPT_MS) {
      this.#keep(folder, known);
      return known.listed;
    }
    const { mtimeMs, ctimeMs, ino, dev } = stamp;
    const since = still ? known.since : now;
    const listed = { ...list(folder), at: now };
    const settled = now - since > tickOf(stamp) && listed.names.length < this.#most;
    this.#keep(folder, {
      stamp: { mtimeMs, ctimeMs, ino, dev },
      since,
      ...(settled ? { listed } : {}),
    });
    return listed;
  }

  #keep(folder: string, known: Known): void {
    this.#drop(folder);
    this.#known.set(folder, known);
    this.#held += weigh(known);
    for (const other of this.#known.keys()) {
      if (this.#held <= this.#most) return;
      this.#drop(other);
    }
  }

  #drop(folder: string): void {
    const known = this.#known.get(folder);
    if (known === undefined) return;
    this.#known.delete(folder);
    this.#held -= weigh(known);
  }
}

/** The folder counts, too. */
const weigh = ({ listed }: Known): number => 1 + (listed?.names.length ?? 0);

const tickOf = ({ mtimeMs, ctimeMs }: Stamp): number =>
  mtimeMs % 1_000 === 0 || ctimeMs % 1_000 === 0 ? COARSE_MS : TICK_MS;

const isSame = (a: Stamp, b: Stamp): boolean =>
  a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino && a.dev === b.dev;

function list(folder: string): FolderNames {
  const names = readdirSync(folder);
  return { names, nfc: new Set(names.map((name) => name.normalize('NFC'))) };
}
