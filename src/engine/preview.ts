import type { Outcome } from '../model/command.ts';
import { EXIT } from '../model/errors.ts';
import { type Action, EMPTY_TOTALS } from '../model/plan.ts';
import type { Emitter } from './emitter.ts';
import { checkSource } from './guard.ts';
import { LeftOut, without } from './left-out.ts';
import { addToTotals } from './plan.ts';
import { mustList, planAll, roundSources } from './rounds.ts';
import type { EngineParts } from './world.ts';

export interface PreviewOptions {
  readonly checkRemote: boolean;
  readonly acceptSource: boolean;
  readonly emitter: Emitter;
  readonly signal: AbortSignal;
}

/**
 * The Plan as it would be now, each Action handed to `onAction`; nothing is sent, removed, marked or remembered.
 * Rejects as a run would end: lost source, store refused.
 */
export async function previewPlan(
  parts: EngineParts,
  { checkRemote, acceptSource, emitter, signal }: PreviewOptions,
  onAction: (action: Action) => void,
): Promise<Outcome> {
  const { store, clock } = parts;
  const started = clock.ticks();
  if (!acceptSource) await checkSource(parts);
  await store.reach({ signal });
  const listed = mustList(parts, checkRemote);
  let totals = EMPTY_TOTALS;
  const leftOut = new LeftOut(parts.index, emitter);
  leftOut.open();
  const all = planAll(roundSources(parts, { listed, signal }));
  for await (const action of without(all, (one) => leftOut.covers(one))) {
    totals = addToTotals(totals, action);
    onAction(action);
  }
  emitter.emit({ event: 'plan', dryRun: true, ...totals });
  const { skip: skipped } = totals;
  const ms = Math.round(clock.ticks() - started);
  emitter.emit({ event: 'summary', files: 0, bytes: 0, failed: 0, skipped, ms, exit: EXIT.inStep });
  return { exit: EXIT.inStep };
}
