import { type Action, EMPTY_TOTALS, type PlanTotals } from '../model/plan.ts';
import type { Index, PlanSpool } from '../model/ports.ts';
import { addToTotals } from './plan.ts';

/** Actions kept in memory; a longer Plan waits in the Index's spool. */
const IN_MEMORY = 20_000;
const SPOOL_LINES = 500;

/** A Plan as a value: totals now, Actions when drawn. Skips are counted and handed to `onSkip`, not kept. */
export interface CollectedPlan {
  readonly totals: PlanTotals;
  /** Nothing to do in it, whatever is skipped. */
  readonly empty: boolean;
  /** Everything but removals, drawn once, in order. */
  actions(): Iterable<Action>;
  readonly removals: readonly Action[];
  /** What `actions` begins with, without drawing it. */
  readonly beginning: readonly Action[];
}

export interface CollectOptions {
  readonly index: Index;
  readonly onSkip: (skip: Extract<Action, { kind: 'skip' }>) => void;
  /** Another Plan may still be drawn from the spool. */
  readonly spoolTaken: boolean;
}

/** Undefined where the Plan is too long for memory and the spool is taken: to be made once it is free. */
export async function collectPlan(
  actions: AsyncIterable<Action>,
  { index, onSkip, spoolTaken }: CollectOptions,
): Promise<CollectedPlan | undefined> {
  let totals = EMPTY_TOTALS;
  const kept: Action[] = [];
  const removals: Action[] = [];
  let lines: string[] = [];
  let spool: PlanSpool | undefined;
  for await (const action of actions) {
    totals = addToTotals(totals, action);
    if (action.kind === 'skip') onSkip(action);
    else if (action.kind === 'remove-remote' || action.kind === 'remove-local') removals.push(action);
    else if (kept.length < IN_MEMORY || (action.kind !== 'put' && action.kind !== 'get')) kept.push(action);
    else if (spoolTaken) return undefined;
    else {
      spool ??= emptied(index.spool());
      lines.push(spoolLine(action));
      if (lines.length === SPOOL_LINES) {
        spool.push(lines);
        lines = [];
      }
    }
  }
  spool?.push(lines);
  const empty = kept.length + removals.length === 0;
  return { totals, removals, empty, beginning: kept, actions: () => drawn(kept, spool, index) };
}

function emptied(spool: PlanSpool): PlanSpool {
  spool.clear();
  return spool;
}

function* drawn(kept: Action[], spool: PlanSpool | undefined, index: Index): Iterable<Action> {
  yield* kept;
  kept.length = 0;
  for (
    let lines = spool?.shift(SPOOL_LINES) ?? [];
    lines.length > 0;
    lines = spool?.shift(SPOOL_LINES) ?? []
  ) {
    for (const line of lines) yield unspool(line, index);
  }
}

type Spooled = Extract<Action, { kind: 'put' | 'get' }>;

/** The Record is left out: it is read again from the Index when the Action is drawn. */
function spoolLine(action: Spooled): string {
  return JSON.stringify({ ...action, record: undefined });
}

function unspool(line: string, index: Index): Action {
  const action = JSON.parse(line) as Spooled;
  const record = index.get(action.key);
  return { ...action, ...(record === undefined ? {} : { record }) };
}
