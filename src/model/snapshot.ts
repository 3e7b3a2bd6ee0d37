import type { ErrorReport } from './errors.ts';
import type { EngineState, Event, TransferFacts, WatchState } from './event.ts';
import { type ConsentReason, EMPTY_TOTALS, type PlanTotals } from './plan.ts';
import type { Proof } from './receipt.ts';
import type { TransferPhase } from './transfer.ts';

/** All Events folded: what any screen needs. One fold, three users (screen, daemon, plain status). */
export interface Snapshot {
  readonly state: EngineState;
  readonly retryIn: number | null;
  readonly watch: WatchState | null;
  readonly plan: PlanTotals;
  readonly scanned: number;
  /** Counts since the last Plan. */
  readonly done: { readonly files: number; readonly bytes: number };
  readonly failed: number;
  readonly skipped: number;
  readonly active: ReadonlyMap<number, ActiveTransfer>;
  /** Newest first, at most RECENT. */
  readonly recent: readonly RecentLine[];
  readonly problems: ReadonlyMap<string, Problem>;
  readonly throttle: {
    readonly resource: 'kms' | 's3';
    readonly rate: number;
    readonly times: number;
  } | null;
  readonly consent: ConsentReason | null;
  /** Bytes acknowledged by the store in all, for speed. */
  readonly acknowledged: number;
  readonly exit: number | null;
}

export interface ActiveTransfer extends TransferFacts {
  readonly phase: TransferPhase;
  readonly sent: number;
  readonly since: string;
}

export interface RecentLine {
  readonly time: string;
  readonly path: string;
  readonly bytes: number;
  readonly outcome: 'written' | 'removed' | 'unchanged' | 'restored' | 'failed';
  readonly proof: Proof | null;
  readonly versionId: string | null;
  readonly message: string | null;
}

export interface Problem extends ErrorReport {
  readonly path: string;
  readonly time: string;
  readonly again: boolean;
}

export const RECENT = 200;
/** Problems kept at most; the counts go on. */
export const PROBLEMS = 1_000;

export const EMPTY_SNAPSHOT: Snapshot = {
  state: 'starting',
  retryIn: null,
  watch: null,
  plan: EMPTY_TOTALS,
  scanned: 0,
  done: { files: 0, bytes: 0 },
  failed: 0,
  skipped: 0,
  active: new Map(),
  recent: [],
  problems: new Map(),
  throttle: null,
  consent: null,
  acknowledged: 0,
  exit: null,
};

/** Folds one Event. Pure; the maps are copied, so callers that fold bursts should publish seldom. */
export function fold(snapshot: Snapshot, event: Event): Snapshot {
  switch (event.event) {
    case 'plan':
      return { ...snapshot, plan: event, done: { files: 0, bytes: 0 }, skipped: event.skip };
    case 'scan':
      return { ...snapshot, scanned: event.files };
    case 'transfer.start':
      return { ...snapshot, active: withActive(snapshot, event, 'reading', 0) };
    case 'transfer.progress':
      return foldProgress(snapshot, event);
    case 'transfer.done':
      return foldDone(snapshot, event);
    case 'transfer.failed':
      return foldFailed(snapshot, event);
    case 'throttle':
      return {
        ...snapshot,
        throttle: { resource: event.resource, rate: event.rate, times: (snapshot.throttle?.times ?? 0) + 1 },
      };
    case 'warning':
      return {
        ...snapshot,
        problems: withProblem(snapshot, event.path ?? event.code, event, event.time, false),
      };
    case 'watch':
      return { ...snapshot, watch: event.state };
    case 'consent':
      return { ...snapshot, consent: event.reason };
    case 'state':
      return {
        ...snapshot,
        state: event.state,
        retryIn: event.retryIn ?? null,
        consent: event.state === 'needs-you' ? snapshot.consent : null,
      };
    case 'idle':
      return { ...snapshot, state: 'idle' };
    case 'summary':
      return { ...snapshot, state: 'stopped', exit: event.exit };
    default:
      return event satisfies never;
  }
}

type Of<Name extends Event['event']> = Extract<Event, { event: Name }>;

function foldProgress(snapshot: Snapshot, event: Of<'transfer.progress'>): Snapshot {
  const before = snapshot.active.get(event.id)?.sent ?? 0;
  return {
    ...snapshot,
    active: withActive(snapshot, event, event.phase, event.sent),
    acknowledged: snapshot.acknowledged + Math.max(0, event.sent - before),
  };
}

function foldDone(snapshot: Snapshot, event: Of<'transfer.done'>): Snapshot {
  const before = snapshot.active.get(event.id)?.sent ?? 0;
  const moved =
    event.result === 'written' || event.result === 'restored' ? Math.max(0, event.bytes - before) : 0;
  return {
    ...snapshot,
    active: withoutActive(snapshot, event.id),
    problems: withoutProblem(snapshot, event.path),
    done: { files: snapshot.done.files + 1, bytes: snapshot.done.bytes + event.bytes },
    acknowledged: snapshot.acknowledged + moved,
    recent: withRecent(snapshot, { ...event, outcome: event.result, message: null }),
  };
}

function foldFailed(snapshot: Snapshot, event: Of<'transfer.failed'>): Snapshot {
  return {
    ...snapshot,
    active: withoutActive(snapshot, event.id),
    failed: snapshot.failed + (event.again ? 0 : 1),
    problems: withProblem(snapshot, event.path, event.error, event.time, event.again),
    recent: withRecent(snapshot, { ...event, outcome: 'failed', message: event.error.message }),
  };
}

function withActive(
  snapshot: Snapshot,
  facts: TransferFacts & { readonly time: string },
  phase: TransferPhase,
  sent: number,
): ReadonlyMap<number, ActiveTransfer> {
  const { id, path, key, direction, bytes, mode } = facts;
  const since = snapshot.active.get(id)?.since ?? facts.time;
  return new Map(snapshot.active).set(id, { id, path, key, direction, bytes, mode, phase, sent, since });
}

function withoutActive(snapshot: Snapshot, id: number): ReadonlyMap<number, ActiveTransfer> {
  const active = new Map(snapshot.active);
  active.delete(id);
  return active;
}

function withRecent(snapshot: Snapshot, line: RecentLine): readonly RecentLine[] {
  const { time, path, bytes, outcome, proof, versionId, message } = line;
  return [{ time, path, bytes, outcome, proof, versionId, message }, ...snapshot.recent].slice(0, RECENT);
}

function withProblem(
  snapshot: Snapshot,
  path: string,
  error: ErrorReport,
  time: string,
  again: boolean,
): ReadonlyMap<string, Problem> {
  if (snapshot.problems.size >= PROBLEMS && !snapshot.problems.has(path)) return snapshot.problems;
  const { code, message, hint } = error;
  return new Map(snapshot.problems).set(path, {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    path,
    time,
    again,
  });
}

function withoutProblem(snapshot: Snapshot, path: string): ReadonlyMap<string, Problem> {
  if (!snapshot.problems.has(path)) return snapshot.problems;
  const problems = new Map(snapshot.problems);
  problems.delete(path);
  return problems;
}
