import type { ErrorReport } from './errors.ts';
import type { KmsGauge } from './kms.ts';
import type { ModeKind } from './mode.ts';
import type { ConsentReason, PlanTotals, PlannedLine } from './plan.ts';
import type { Proof } from './receipt.ts';
import type { TransferPhase } from './transfer.ts';

/**
 * A fact the engine announces. The lines of `--json` are these objects as `written` has them (`CONTRACT_EVENTS` only), so
 * field names are part of the product's contract. `time` is ISO 8601 in UTC.
 */
export type Event = { readonly time: string } & EventBody;

export type EventBody =
  /** `adds`: an earlier one is still under way, and this one comes on top of it. Else counting begins anew. */
  | ({ readonly event: 'plan'; readonly dryRun?: boolean; readonly adds?: boolean } & PlanTotals)
  /** So much of the Plans under way is not to be done any more: it was done already, or taken out of the queue. */
  | ({ readonly event: 'plan.less' } & PlanTotals)
  | ({ readonly event: 'transfer.start' } & TransferFacts)
  | ({
      readonly event: 'transfer.progress';
      readonly phase: TransferPhase;
      readonly sent: number;
    } & TransferFacts)
  | ({
      readonly event: 'transfer.done';
      readonly versionId: string | null;
      /** Null for a removal and for a file found unchanged: nothing was written. */
      readonly proof: Proof | null;
      readonly attempts: number;
      readonly ms: number;
      readonly result: TransferResult;
    } & TransferFacts)
  | ({
      readonly event: 'transfer.failed';
      readonly versionId: null;
      readonly proof: null;
      readonly attempts: number;
      readonly ms: number;
      readonly error: ErrorReport;
      /** It is tried again by itself. */
      readonly again: boolean;
    } & TransferFacts)
  /** Called off because the engine ends: no failure; the next one goes on with it. */
  | ({ readonly event: 'transfer.stopped' } & TransferFacts)
  | {
      readonly event: 'throttle';
      readonly resource: 'kms' | 's3';
      /** Transfers at a time now, or requests a second where a limiter counts them. */
      readonly rate: number;
      readonly quota: number | null;
      /** The way out, for a person. */
      readonly hint?: string;
    }
  /** Each second in which the numbers changed; of modes that use KMS. */
  | ({ readonly event: 'kms' } & KmsGauge)
  | ({ readonly event: 'warning'; readonly path?: string } & ErrorReport)
  /**
   * These problems are over: looked at again, and not found. Paths, or the code of a warning that belongs to none. Only what
   * came from there; without `of` whatever is known of them.
   */
  | { readonly event: 'cleared'; readonly problems: readonly string[]; readonly of?: ProblemSource }
  | { readonly event: 'watch'; readonly state: WatchState }
  | { readonly event: 'scan'; readonly state: 'start' | 'progress' | 'done'; readonly files: number }
  /** What waits for a slot, in order; said at most twice a second. */
  | { readonly event: 'queue'; readonly waiting: number; readonly next: readonly PlannedLine[] }
  | { readonly event: 'consent'; readonly reason: ConsentReason }
  /**
   * The question that waited was answered; what was agreed to may wait for the way to be free. `over`: by nobody, for all that it
   * was about is back.
   */
  | { readonly event: 'answered'; readonly yes: boolean; readonly over?: true }
  | { readonly event: 'state'; readonly state: EngineState; readonly retryIn?: number }
  /** Nothing is left to do. `short`: although not all is well; said again when that changes. `files`: known to the Index. */
  | { readonly event: 'idle'; readonly files?: number; readonly short?: Shortfall }
  | {
      readonly event: 'summary';
      readonly files: number;
      readonly bytes: number;
      readonly failed: number;
      readonly skipped: number;
      readonly ms: number;
      readonly exit: number;
    };

/** Where a problem comes from: a Transfer that failed, a person who left a file out, or a warning. One path may have one of each. */
export type ProblemSource = 'failed' | 'left-out' | 'warning';

export type EventName = EventBody['event'];

/**
 * How a Transfer ended: `written`, `removed`, `unchanged` (compared, and nothing needed sending), `restored`,
 * of a verify `verified` (fetched, opened and equal to what was sent), `differs` (it opens, and is something else), `opened`
 * (there is nothing here to compare it with); of a rekey:
 * `rewrapped` (only the data key's wrapping is new), `copied` (encrypted anew inside the store), `resent` (through here).
 */
export type TransferResult =
  | 'written'
  | 'removed'
  | 'unchanged'
  | 'restored'
  | 'verified'
  | 'differs'
  | 'opened'
  | 'rewrapped'
  | 'copied'
  | 'resent'
  | 'updated';

/** Facts common to all lines about one Transfer. `bytes` is the plaintext size. */
export interface TransferFacts {
  readonly id: number;
  readonly path: string;
  readonly key: string;
  /** `rekey`: stays in the store, under another key or mode. */
  readonly direction: 'up' | 'down' | 'remove-remote' | 'remove-local' | 'rekey';
  readonly bytes: number;
  readonly mode: ModeKind;
}

/** What keeps a vault with nothing left to do from being in step: what `sync --once` would not end with 0 for. */
export interface Shortfall {
  /** Files whose last try failed, and is not repeated by itself. */
  readonly failed: number;
  /** Files that are not in the bucket and ought to be: they could not be taken, or were left out. */
  readonly unprotected: number;
  /** Fetches and removals that a person took out of the queue; files that would be sent are unprotected. */
  readonly leftOut?: number;
  /** Removals that were held back, and that a person did not want. */
  readonly declined?: number;
  /** What `sync --once` would end with. */
  readonly exit: number;
}

export type WatchState = 'starting' | 'watching' | 'polling' | 'degraded' | 'stopped';

export type EngineState =
  | 'starting'
  | 'scanning'
  | 'working'
  | 'idle'
  | 'paused'
  | 'offline'
  | 'needs-you'
  | 'stopped';

/** The events that `--json` prints (`product.md`, Machine output); the others drive screens only. */
export const CONTRACT_EVENTS: ReadonlySet<EventName> = new Set([
  'plan',
  'transfer.start',
  'transfer.done',
  'transfer.failed',
  'throttle',
  'warning',
  'watch',
  'idle',
  'summary',
] satisfies EventName[]);

/**
 * An Event as machines read it, `event` and `time` first: `idle` each time everything is in step, and `short` with the
 * fields of the Shortfall where nothing is left to do and that is not so.
 */
export function written(event: Event): { readonly [name: string]: unknown } {
  const { event: name, time, ...fields } = event;
  if (event.event !== 'idle' || event.short === undefined) return { event: name, time, ...fields };
  const { short, files } = event;
  return { event: 'short', time, ...(files === undefined ? {} : { files }), ...short };
}
