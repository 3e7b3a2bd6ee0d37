import { type Action, EMPTY_TOTALS, type PlanTotals } from '../model/plan.ts';
import type { Index, PlanSpool, SpoolLine } from '../model/ports.ts';
import type { Record } from '../model/record.ts';
import { addToTotals } from './plan.ts';
import { Sizes } from './renames.ts';
import { Rest } from './rest.ts';
import { canSpool, spoolLine } from './spooled.ts';

/** A longer Plan waits in the Index's spool. */
const IN_MEMORY = 20_000;
const SPOOL_LINES = 500;
/** Objects of files that are gone and stay, for copies: those of further ones are not found. */
const STAYING = 2 ** 15;

/** A Plan as a value: totals now, Actions when drawn. Skips are counted and handed to `onSkip`, not kept. */
export interface CollectedPlan {
  readonly totals: PlanTotals;
  /** Nothing to do in it, whatever is skipped. */
  readonly empty: boolean;
  /** Everything but removals. */
  readonly rest: Rest;
  readonly removals: readonly Action[];
  /** What `rest` begins with. */
  readonly beginning: readonly Action[];
  /** More than that waits in the spool. */
  readonly spooled: boolean;
  /** Of files that are new in the bucket, in the spool as well. */
  readonly newSizes: Sizes;
  /** Objects whose files are gone, which stay: one of the new files, as large as its file was, may be the same. */
  readonly staying: readonly Record[];
}

export interface CollectOptions {
  readonly index: Index;
  readonly onSkip: (skip: Extract<Action, { kind: 'skip' }>) => void;
  /** Another Plan may still be drawn from the spool. */
  readonly spoolTaken: boolean;
  /** Actions kept in memory; default 20,000. */
  readonly inMemory?: number | undefined;
}

/** Undefined where the Plan is too long for memory and the spool is taken: to be made once it is free. */
export async function collectPlan(
  actions: AsyncIterable<Action>,
  { index, onSkip, spoolTaken, inMemory = IN_MEMORY }: CollectOptions,
): Promise<CollectedPlan | undefined> {
  let totals = EMPTY_TOTALS;
  const kept: Action[] = [];
  const removals: Action[] = [];
  const newSizes = new Sizes();
  const staying: Record[] = [];
  let lines: SpoolLine[] = [];
  let spool: PlanSpool | undefined;
  for await (const action of actions) {
    totals = addToTotals(totals, action);
    if (action.kind === 'put' && action.reason === 'new') newSizes.add(action.local.size);
    if (action.kind === 'skip') {
      onSkip(action);
      if (action.stays !== undefined && staying.length < STAYING) staying.push(action.stays);
    } else if (action.kind === 'remove-remote' || action.kind === 'remove-local') removals.push(action);
    else if (kept.length < inMemory || !canSpool(action)) kept.push(action);
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
  const rest = new Rest(kept, spool === undefined ? undefined : { spool, index });
  const spooled = spool !== undefined;
  const copied = staying.filter(({ size }) => size > 0 && newSizes.mayHave(size));
  return { totals, removals, empty, beginning: kept, rest, newSizes, spooled, staying: copied };
}

function emptied(spool: PlanSpool): PlanSpool {
  spool.clear();
  return spool;
}

/** Actions that carry something, removals left out. */
export const moves = ({ totals }: Pick<CollectedPlan, 'totals'>): number =>
  totals.put + totals.get + totals.conflict;
