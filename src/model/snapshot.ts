import type { ErrorReport } from './errors.ts';
import type {
  EngineState,
  Event,
  ProblemSource,
  Shortfall,
  TransferFacts,
  TransferResult,
  WatchState,
} from './event.ts';
import type { KmsGauge } from './kms.ts';
import {
  type ConsentReason,
  EMPTY_TOTALS,
  type PlanTotals,
  type PlannedLine,
  bothTotals,
  lessTotals,
} from './plan.ts';
import type { Proof } from './receipt.ts';
import type { TransferPhase } from './transfer.ts';

/** All Events folded: what any screen needs. One fold, three users (screen, daemon, plain status). */
export interface Snapshot {
  readonly state: EngineState;
  readonly retryIn: number | null;
  readonly watch: WatchState | null;
  /** All Plans since nothing was under way; what failed and is planned again by itself is left out until then. */
  readonly plan: PlanTotals;
  readonly scanned: number;
  /** In step, when nothing was left to do last; null where that was not said. */
  readonly files: number | null;
  /** Of `plan`. */
  readonly done: { readonly files: number; readonly bytes: number };
  /** Files whose last try failed for good, since nothing was left to do last. */
  readonly failed: number;
  readonly skipped: number;
  readonly active: ReadonlyMap<number, ActiveTransfer>;
  /** What waits for a slot; `next` is its beginning. */
  readonly queue: { readonly waiting: number; readonly next: readonly PlannedLine[] };
  /** Newest first, at most RECENT. */
  readonly recent: readonly RecentLine[];
  /** Failures alone, newest first, at most FAILURES: what succeeds does not push them out. */
  readonly failures: readonly RecentLine[];
  /** By `problemKey`. */
  readonly problems: ReadonlyMap<string, Problem>;
  readonly throttle: {
    readonly resource: 'kms' | 's3';
    readonly rate: number;
    readonly times: number;
  } | null;
  /** KMS under its quota; null where the mode does not use KMS. */
  readonly kms: KmsGauge | null;
  readonly consent: ConsentReason | null;
  /** Bytes acknowledged by the store in all, for speed. */
  readonly acknowledged: number;
  /** Of the last time that nothing was left to do; null: all was in step. */
  readonly short: Shortfall | null;
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
  readonly outcome: TransferResult | 'failed';
  readonly proof: Proof | null;
  readonly versionId: string | null;
  readonly message: string | null;
}

export interface Problem extends ErrorReport {
  /** Left out by daemons that knew one problem a path. */
  readonly source?: ProblemSource;
  /** Or its code, where it belongs to no file. */
  readonly path: string;
  readonly time: string;
  readonly again: boolean;
}

export const RECENT = 1_000;
export const FAILURES = 500;
/** Problems of files kept at most; `problemCount` knows of the others. */
export const PROBLEMS = 1_000;

export const EMPTY_SNAPSHOT: Snapshot = {
  state: 'starting',
  retryIn: null,
  watch: null,
  plan: EMPTY_TOTALS,
  scanned: 0,
  files: null,
  done: { files: 0, bytes: 0 },
  failed: 0,
  skipped: 0,
  active: new Map(),
  queue: { waiting: 0, next: [] },
  recent: [],
  failures: [],
  problems: new Map(),
  throttle: null,
  kms: null,
  consent: null,
  acknowledged: 0,
  short: null,
  exit: null,
};

/** Folds one Event. Pure; the maps are copied, so bursts are better folded together with `foldAll`. */
export const fold = (snapshot: Snapshot, event: Event): Snapshot => foldAll(snapshot, [event]);

/** Folds Events in their order. Pure: what is copied is copied once for all of them. */
export function foldAll(snapshot: Snapshot, events: readonly Event[]): Snapshot {
  const draft: Draft = {
    ...snapshot,
    active: new Map(snapshot.active),
    problems: new Map(snapshot.problems),
    recent: snapshot.recent.toReversed(),
    failures: snapshot.failures.toReversed(),
  };
  for (const event of events) step(draft, event);
  return {
    ...draft,
    recent: draft.recent.slice(-RECENT).toReversed(),
    failures: draft.failures.slice(-FAILURES).toReversed(),
  };
}

/** A Snapshot being folded: its maps are its own, `recent` and `failures` are oldest first. */
type Draft = {
  -readonly [Field in Exclude<
    keyof Snapshot,
    'active' | 'problems' | 'recent' | 'failures'
  >]: Snapshot[Field];
} & {
  readonly active: Map<number, ActiveTransfer>;
  readonly problems: Map<string, Problem>;
  recent: RecentLine[];
  failures: RecentLine[];
};

/** A question outlives a pause and a lost connection. */
const ENDS_QUESTION: ReadonlySet<EngineState> = new Set(['scanning', 'working', 'idle', 'stopped']);

function step(draft: Draft, event: Event): void {
  switch (event.event) {
    case 'plan':
      stepPlan(draft, event);
      return;
    case 'plan.less':
      draft.plan = lessTotals(draft.plan, event);
      return;
    case 'scan':
      draft.scanned = event.files;
      return;
    case 'transfer.start':
      setActive(draft, event, 'reading', 0);
      return;
    case 'transfer.progress':
      stepProgress(draft, event);
      return;
    case 'transfer.done':
      stepDone(draft, event);
      return;
    case 'transfer.failed':
      stepFailed(draft, event);
      return;
    case 'transfer.stopped':
      draft.active.delete(event.id);
      return;
    case 'throttle':
      draft.throttle = {
        resource: event.resource,
        rate: event.rate,
        times: (draft.throttle?.times ?? 0) + 1,
      };
      return;
    case 'kms': {
      const { event: _, time: __, ...gauge } = event;
      draft.kms = gauge;
      return;
    }
    case 'warning':
      setProblem(draft, event, {
        source: event.code === 'left-out' ? 'left-out' : 'warning',
        path: event.path ?? event.code,
        time: event.time,
        again: false,
      });
      return;
    case 'cleared':
      for (const path of event.problems) dropProblems(draft, path, event.of);
      return;
    case 'watch':
      draft.watch = event.state;
      return;
    case 'queue':
      draft.queue = { waiting: event.waiting, next: event.next };
      return;
    case 'consent':
      draft.consent = event.reason;
      return;
    case 'answered':
      draft.consent = null;
      return;
    case 'state':
      if (event.state === 'starting') beginAgain(draft);
      draft.state = event.state;
      draft.retryIn = event.retryIn ?? null;
      if (ENDS_QUESTION.has(event.state)) draft.consent = null;
      return;
    case 'idle':
      stepIdle(draft, event);
      return;
    case 'summary':
      draft.state = 'stopped';
      draft.queue = EMPTY_SNAPSHOT.queue;
      draft.exit = event.exit;
      return;
    default:
      event satisfies never;
  }
}

type Of<Name extends Event['event']> = Extract<Event, { event: Name }>;

/** An engine starts, perhaps where another one of the same vault ended: only history and what speed is counted on stay. */
function beginAgain(draft: Draft): void {
  draft.active.clear();
  draft.problems.clear();
  Object.assign(draft, {
    ...EMPTY_SNAPSHOT,
    active: draft.active,
    problems: draft.problems,
    recent: draft.recent,
    failures: draft.failures,
    acknowledged: draft.acknowledged,
  });
}

function stepIdle(draft: Draft, event: Of<'idle'>): void {
  draft.state = 'idle';
  draft.short = event.short ?? null;
  // What failed once may have been sent since.
  draft.failed = event.short?.failed ?? 0;
  draft.files = event.files ?? null;
  draft.queue = EMPTY_SNAPSHOT.queue;
  // Nothing waits for another try: what did was sent since, or is gone.
  for (const [key, { again }] of draft.problems) if (again) draft.problems.delete(key);
}

function stepPlan(draft: Draft, event: Of<'plan'>): void {
  const { plan, done } = draft;
  draft.plan = bothTotals(event.adds === true ? plan : EMPTY_TOTALS, event);
  draft.done = event.adds === true ? done : { files: 0, bytes: 0 };
  draft.skipped = draft.plan.skip;
}

function stepProgress(draft: Draft, event: Of<'transfer.progress'>): void {
  const before = draft.active.get(event.id)?.sent ?? 0;
  draft.acknowledged += Math.max(0, event.sent - before);
  setActive(draft, event, event.phase, event.sent);
}

function stepDone(draft: Draft, event: Of<'transfer.done'>): void {
  const before = draft.active.get(event.id)?.sent ?? 0;
  const moved = event.result !== 'removed' && event.result !== 'unchanged';
  draft.active.delete(event.id);
  dropProblems(draft, event.path);
  draft.done = { files: draft.done.files + 1, bytes: draft.done.bytes + event.bytes };
  draft.acknowledged += moved ? Math.max(0, event.bytes - before) : 0;
  addRecent(draft, event);
}

function stepFailed(draft: Draft, event: Of<'transfer.failed'>): void {
  draft.active.delete(event.id);
  draft.failed += event.again ? 0 : 1;
  if (event.again) draft.plan = without(draft.plan, event);
  const { path, time, again } = event;
  setProblem(draft, event.error, { source: 'failed', path, time, again });
  addRecent(draft, event);
}

/** The next try is part of another Plan. */
function without(plan: PlanTotals, { direction, bytes }: TransferFacts): PlanTotals {
  const kind =
    direction === 'up'
      ? 'put'
      : direction === 'down'
        ? plan.get > 0
          ? 'get'
          : 'conflict'
        : direction === 'remove-local'
          ? 'removeLocal'
          : 'removeRemote';
  const moved = { bytes, putBytes: kind === 'put' ? bytes : 0, getBytes: kind === 'get' ? bytes : 0 };
  return lessTotals(plan, { ...EMPTY_TOTALS, [kind]: 1, ...moved });
}

function setActive(
  draft: Draft,
  facts: TransferFacts & { readonly time: string },
  phase: TransferPhase,
  sent: number,
): void {
  const { id, path, key, direction, bytes, mode } = facts;
  const since = draft.active.get(id)?.since ?? facts.time;
  draft.active.set(id, { id, path, key, direction, bytes, mode, phase, sent, since });
}

/** The line of an Event that ends a Transfer. */
export function recentOf(event: Event): RecentLine | undefined {
  if (event.event !== 'transfer.done' && event.event !== 'transfer.failed') return undefined;
  const { time, path, bytes, proof, versionId } = event;
  const end =
    event.event === 'transfer.done'
      ? { outcome: event.result, message: null }
      : { outcome: 'failed' as const, message: event.error.message };
  return { time, path, bytes, ...end, proof, versionId };
}

function addRecent(draft: Draft, event: Event): void {
  const kept = recentOf(event);
  if (kept === undefined) return;
  draft.recent.push(kept);
  if (draft.recent.length > 2 * RECENT) draft.recent = draft.recent.slice(-RECENT);
  if (kept.outcome !== 'failed') return;
  draft.failures.push(kept);
  if (draft.failures.length > 2 * FAILURES) draft.failures = draft.failures.slice(-FAILURES);
}

const SOURCES: readonly ProblemSource[] = ['failed', 'left-out', 'warning'];

/** What a Problem goes by: no two sources take each other's along. */
export const problemKey = ({ source = 'warning', path }: Pick<Problem, 'source' | 'path'>): string =>
  source === 'warning' ? path : `${source}\0${path}`;

function dropProblems({ problems }: Draft, path: string, of?: ProblemSource): void {
  for (const source of of === undefined ? SOURCES : [of]) problems.delete(problemKey({ source, path }));
}

function setProblem({ problems }: Draft, error: ErrorReport, facts: Omit<Problem, keyof ErrorReport>): void {
  const key = problemKey(facts);
  // What concerns all files is one of a few, and never crowded out by them.
  const general = facts.path === error.code;
  if (problems.size >= PROBLEMS && !general && !problems.has(key)) return;
  const { code, message, hint } = error;
  problems.set(key, { code, message, ...(hint === undefined ? {} : { hint }), ...facts });
}
