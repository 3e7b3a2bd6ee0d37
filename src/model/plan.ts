import type { NameKey, RelPath } from './brands.ts';
import type { Entry, OddityReason } from './entry.ts';
import type { Record } from './record.ts';

/** Why an Action is in the Plan. */
export type PutReason =
  | 'new'
  | 'changed'
  | 'touched'
  | 'other-mode'
  | 'missing-remotely'
  | 'changed-remotely';
export type SkipReason =
  | OddityReason
  | 'removal-off'
  | 'too-large'
  | 'remote-only'
  /** Gone in the bucket, and removals are off. */
  | 'kept-here'
  /** With `pull`: a file, or a change, that is not sent. */
  | 'local-only'
  | 'local-changed'
  /** The object's name cannot be a file's path here. */
  | 'remote-name'
  /** The object's name is none that this vault makes. */
  | 'foreign-name';

/** One line of the Plan. `local` and `record` are the facts it was decided on. */
export type Action =
  | {
      readonly kind: 'put';
      readonly key: NameKey;
      readonly path: RelPath;
      readonly reason: PutReason;
      readonly local: Entry;
      readonly record?: Record;
      /** The object is thought to be there unchanged (stamp in doubt, or Index lost): compare before sending. */
      readonly doubt?: 'stamp' | 'index-lost';
      readonly remote?: RemoteEntry;
    }
  | {
      readonly kind: 'get';
      readonly key: NameKey;
      readonly path: RelPath;
      readonly reason: 'new' | 'changed' | 'missing-locally';
      readonly remote: RemoteEntry;
      /** What it goes over; undefined where nothing may stand. */
      readonly local?: Entry;
      readonly record?: Record;
    }
  | {
      readonly kind: 'remove-remote';
      readonly key: NameKey;
      readonly path: RelPath;
      readonly reason: 'gone-locally' | 'now-excluded';
      readonly record: Record;
    }
  | {
      readonly kind: 'remove-local';
      readonly key: NameKey;
      readonly path: RelPath;
      readonly reason: 'gone-remotely';
      readonly local: Entry;
      readonly record: Record;
    }
  | {
      /** Both sides must be compared; where they differ the remote one gets the name and the local one another. */
      readonly kind: 'conflict';
      readonly key: NameKey;
      readonly path: RelPath;
      readonly reason: 'both-changed' | 'first-contact';
      readonly local: Entry;
      readonly remote: RemoteEntry;
      readonly record?: Record;
    }
  | {
      /** Nothing is left of it but the Record. */
      readonly kind: 'forget';
      readonly key: NameKey;
      readonly path: RelPath;
      readonly reason: 'gone-on-both';
      readonly record: Record;
    }
  | {
      readonly kind: 'skip';
      readonly key: NameKey;
      readonly path: RelPath;
      readonly reason: SkipReason;
      readonly code?: string;
      /** Of a file that is gone here: its object, which stays. A renamed file's is copied from it. */
      readonly stays?: Record;
    };

export type ActionKind = Action['kind'];

/** One Action as people see it: in the queue, and in a Plan that waits for them. */
export interface PlannedLine {
  readonly kind: ActionKind;
  readonly path: string;
  /** Plaintext bytes to move; 0 for removals. */
  readonly bytes: number;
  readonly reason: Action['reason'];
}

/** What a listing says of one object: the remote counterpart of Entry. */
export interface RemoteEntry {
  readonly key: NameKey;
  readonly etag: string;
  /** Bytes stored. */
  readonly size: number;
  /** Bytes of plaintext; left out where nobody counts them. */
  readonly plain?: number;
  readonly versionId?: string;
  /** ms since 1970. */
  readonly modified: number;
}

/** Plaintext bytes that an Action moves, one way or the other. */
export function bytesOf(action: Action): number {
  if (action.kind === 'put') return action.local.size;
  if (action.kind !== 'get' && action.kind !== 'conflict') return 0;
  return action.remote.plain ?? action.remote.size;
}

/** Counts of a Plan; the field names are those of the `plan` event. */
export interface PlanTotals {
  readonly put: number;
  readonly get: number;
  readonly removeRemote: number;
  readonly removeLocal: number;
  readonly conflict: number;
  readonly skip: number;
  /** Plaintext bytes to move: those to send, those to fetch, and those of conflicts. */
  readonly bytes: number;
  readonly putBytes: number;
  readonly getBytes: number;
}

export const EMPTY_TOTALS: PlanTotals = {
  put: 0,
  get: 0,
  removeRemote: 0,
  removeLocal: 0,
  conflict: 0,
  skip: 0,
  bytes: 0,
  putBytes: 0,
  getBytes: 0,
};

/** Two Plans under way at a time. Files skipped in both are mostly the same, looked at again. */
export const bothTotals = (one: PlanTotals, other: PlanTotals): PlanTotals => ({
  put: one.put + other.put,
  get: one.get + other.get,
  removeRemote: one.removeRemote + other.removeRemote,
  removeLocal: one.removeLocal + other.removeLocal,
  conflict: one.conflict + other.conflict,
  skip: Math.max(one.skip, other.skip),
  bytes: one.bytes + other.bytes,
  putBytes: one.putBytes + other.putBytes,
  getBytes: one.getBytes + other.getBytes,
});

/** What is left of a Plan without a part of it. */
export function lessTotals(plan: PlanTotals, part: PlanTotals): PlanTotals {
  const less = (field: keyof PlanTotals): number => Math.max(0, plan[field] - part[field]);
  return {
    put: less('put'),
    get: less('get'),
    removeRemote: less('removeRemote'),
    removeLocal: less('removeLocal'),
    conflict: less('conflict'),
    skip: less('skip'),
    bytes: less('bytes'),
    putBytes: less('putBytes'),
    getBytes: less('getBytes'),
  };
}

/** Files that a Plan does something with: those that progress is counted on. */
export const filesOf = ({ put, get, removeRemote, removeLocal, conflict }: PlanTotals): number =>
  put + get + removeRemote + removeLocal + conflict;

/** Which way a Plan goes. */
export type Flow = 'sending' | 'fetching' | 'both' | 'removing';

export const FLOW_WORDS: { readonly [F in Flow]: string } = {
  sending: 'sending',
  fetching: 'fetching',
  both: 'sending and fetching',
  removing: 'removing',
};

export function flowOf({ put, get, conflict, removeRemote, removeLocal }: PlanTotals): Flow {
  const comes = get + conflict;
  if (put > 0 && comes > 0) return 'both';
  if (comes > 0) return 'fetching';
  return put === 0 && removeRemote + removeLocal > 0 ? 'removing' : 'sending';
}

/** Lines of a queue or a Plan that are shown at most. */
export const SHOWN_LINES = 200;

/** Why a Plan waits for a person. */
export type ConsentReason =
  | {
      readonly kind: 'many-removals';
      /** Another one each time removals join those in question: a yes is for those that were shown, or for fewer. */
      readonly question?: number;
      /** Asked anew: a yes came for another one. */
      readonly again?: true;
      readonly removals: number;
      /** Those of them that are to happen in the folder, for the objects are gone from the bucket. */
      readonly here?: number;
      readonly of: number;
      /** The first of them, at most SHOWN_LINES. */
      readonly first?: readonly PlannedLine[];
    }
  /** Asked for: the first Plan is shown before anything is done. */
  | {
      readonly kind: 'plan-review';
      readonly question?: number;
      readonly again?: true;
      readonly totals: PlanTotals;
      readonly first: readonly PlannedLine[];
    }
  | {
      readonly kind: 'lost-source';
      readonly why: 'marker-missing' | 'marker-foreign' | 'other-device' | 'empty-root' | 'root-missing';
    };

type LostWhy = Extract<ConsentReason, { kind: 'lost-source' }>['why'];

/** What is odd about a folder, and what is asked of it. Short enough for 80 columns beside `y yes n no`. */
export const LOST_QUESTIONS: { readonly [K in LostWhy]: string } = {
  'marker-missing': 'The folder lost its marker file. Is it still the right one?',
  'marker-foreign': 'The folder belongs to another vault. Use it for this one?',
  'other-device': 'The folder is on another disk than before. Is that right?',
  'empty-root': 'The folder held files and is empty now. Is that right?',
  'root-missing': 'The folder is not there. Look again?',
};
