import type { NameKey, RelPath } from './brands.ts';
import type { Entry } from './entry.ts';
import type { Action } from './plan.ts';

/** What a person took out of the queue, and both sides of it as they were then: it stays out until one of them changes. */
export interface LeftOutFile {
  readonly key: NameKey;
  readonly path: RelPath;
  /** What was not to be done. */
  readonly kind: LeftOutKind;
  /** Undefined where there was no file. */
  readonly local?: LeftOutStamp;
  /** Of the object; undefined where there was none, or none was known of. */
  readonly etag?: string;
}

/**
 * What tells that a file is another one by now, or has other permissions. Not the inode: who writes a new file in its place gives
 * it another ctime, and some network disks number their files anew each time they are mounted.
 */
export interface LeftOutStamp extends Pick<Entry, 'size' | 'mtime'> {
  /** Undefined where an older version noted it. */
  readonly ctime?: number;
  readonly mode?: number;
}

export type LeftOutKind = Exclude<Action['kind'], 'skip' | 'forget'>;

/** Those of one vault, across runs. Durable when a call returns. */
export interface LeftOutBook {
  /** In the order of keys. */
  all(): readonly LeftOutFile[];
  /** Replaces what was said of the same key. */
  put(file: LeftOutFile): void;
  remove(key: NameKey): void;
}

/** What leaving an Action out says; undefined for one that does nothing anyhow. */
export function leftOutBy(action: Action): LeftOutFile | undefined {
  if (action.kind === 'skip' || action.kind === 'forget') return undefined;
  const { kind, key, path } = action;
  const local = 'local' in action ? action.local : undefined;
  const etag = 'remote' in action && action.remote !== undefined ? action.remote.etag : action.record?.etag;
  return {
    kind,
    key,
    path,
    ...(local === undefined ? {} : { local: stampOf(local) }),
    ...(etag === undefined || kind === 'remove-local' ? {} : { etag }),
  };
}

/** Whether an Action would do what was left out, to the file and the object as they were. */
export function isLeftOut(action: Action, said: LeftOutFile): boolean {
  const now = leftOutBy(action);
  if (now === undefined) return false;
  const sameFile = isStill(said.local, now.local);
  // What is sent is sent whatever stands there; only a listing knows, and not every look makes one.
  return sameFile && (now.kind === 'put' ? said.kind === 'put' : now.etag === said.etag);
}

const stampOf = ({ size, mtime, ctime, mode }: Entry): LeftOutStamp => ({ size, mtime, ctime, mode });

function isStill(said: LeftOutStamp | undefined, now: LeftOutStamp | undefined): boolean {
  if (said === undefined || now === undefined) return said === now;
  const { ctime = now.ctime, mode = now.mode } = said;
  return said.size === now.size && said.mtime === now.mtime && ctime === now.ctime && mode === now.mode;
}
