/** What the vaults write themselves must go on working: tried before and after, and put back where it does not. */
import type { Trials } from '../../model/bucket.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import { withinMs } from '../grace.ts';
import { mayRetry } from '../retrying.ts';
import { type Guard, ownWay } from './guard.ts';
import { byRule, trialKey } from './prove.ts';
import { type Applying, type Step, type Undoable, isEnd, until } from './step.ts';
import { putBack } from './write-back.ts';

/** What the vaults' own writes came to before anything was changed: undefined where they work, else the refusal. */
export type Baseline = ReadonlyMap<Guard, VaultError | undefined>;

/**
 * Each guard once for each way in which is written there. Rejects where the store fails: nothing is changed then. `untried`: a
 * test object stayed, so that no more are written.
 */
export async function baselineOf(
  { trials }: Pick<Applying, 'trials'>,
  guards: readonly Guard[],
  random: () => number,
  waits: Waits = {},
): Promise<{ readonly baseline: Baseline; readonly untried?: string }> {
  const found = new Map<Guard, VaultError | undefined>();
  for (const guard of guards) {
    const refusal = await ownRefusal(trials, guard, random, waits).catch(unlessLeft);
    if (refusal !== undefined && mayRetry(refusal)) throw refusal;
    if (refusal?.code === 'trial-left') return { baseline: new Map(), untried: STAYS };
    found.set(guard, refusal);
  }
  return { baseline: found };
}

export const STAYS = 'a test object could not be removed again';

function unlessLeft(thrown: unknown): VaultError {
  const error = asVaultError(thrown);
  if (error.code === 'trial-left') return error;
  throw thrown;
}

async function ownRefusal(
  trials: Trials,
  guard: Guard,
  random: () => number,
  waits: Waits,
): Promise<VaultError | undefined> {
  const key = trialKey(guard.prefix, random);
  const put = await trials.put(key, ownWay(guard), waits);
  if (put.outcome === 'refused') return put.error;
  const parts = await trials.multipart(key, ownWay(guard), waits);
  return parts.outcome === 'refused' ? parts.error : undefined;
}

/** After a change, with patience: what was refused before it may be so for some seconds more. */
export const refusalNow = (applying: Applying, guard: Guard, waits: Waits): Promise<VaultError | undefined> =>
  until(
    applying,
    () => ownRefusal(applying.trials, guard, () => applying.clock.random(), waits),
    (refusal) => refusal === undefined,
    waits,
  );

/**
 * Where own writes are refused now and were not before, the changes on trial are put back one after the other, until they work
 * again; what was put back, or can't be, is on trial no more. Gives the guards whose writes work.
 */
export async function keepOwnWrites(
  applying: Applying,
  onTrial: Undoable[],
  baseline: Baseline,
  say: (step: Step) => void,
  waits: Waits,
): Promise<readonly Guard[]> {
  const working: Guard[] = [];
  for (const [guard, before] of baseline) {
    let refusal = await refusalNow(applying, guard, waits);
    while (refusal !== undefined) {
      const change = before === undefined ? suspect(refusal, onTrial) : undefined;
      if (change === undefined) break;
      say(await undo(applying, change, refusal, waits));
      onTrial.splice(onTrial.indexOf(change), 1);
      refusal = await refusalNow(applying, guard, waits);
    }
    if (refusal === undefined) working.push(guard);
    else say({ step: 'own-refused', error: refusal });
  }
  return working;
}

/**
 * Which change a refusal may come of. A rule answers 403; what a default encryption breaks is refused with whatever KMS or the
 * store says of it, a failure of its own among them.
 */
const suspect = (refusal: VaultError, onTrial: readonly Undoable[]): Undoable | undefined =>
  byRule(refusal) ? onTrial[0] : onTrial.find(({ setting }) => setting === 'encryption');

async function undo(applying: Applying, change: Undoable, refusal: VaultError, waits: Waits): Promise<Step> {
  const { setting } = change;
  try {
    await putBack(applying, change, waits);
    return { step: 'taken-back', setting, reason: refusal.message };
  } catch (thrown) {
    const cause = asVaultError(thrown);
    if (isEnd(cause)) throw cause;
    const lead = 'with it the store refuses what the vault itself writes';
    return notPutBack(applying, change, lead, cause);
  }
}

/** At an early end: whether own writes pass with a change has not been seen, so it goes back, within `ms`. */
export async function undoUnseen(applying: Applying, change: Undoable, ms: number): Promise<Step> {
  const { setting } = change;
  try {
    await withinMs(applying.clock, ms, (waits) => putBack({ ...applying, patience: [] }, change, waits));
    return { step: 'undone', setting };
  } catch (thrown) {
    return notPutBack(applying, change, UNSEEN, asVaultError(thrown));
  }
}

export const UNSEEN = 'it was not seen whether what the vault itself writes passes with it';

/** The same command again would take it for what is to be there: only a person puts it back. */
export function notPutBack(
  { byHand }: Applying,
  change: Undoable,
  lead: string,
  cause: VaultError,
): Extract<Step, { step: 'refused' }> {
  const moved = cause.code === 'changed-meanwhile' && cause.hint !== undefined;
  const hint = moved ? cause.hint : byHand?.(change);
  const way = moved || hint === undefined ? '' : '; put it back by hand';
  const message = `${lead}, and it could not be put back: ${cause.message}${way}`;
  const error = new VaultError('refused', cause.code, message, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
  return { step: 'refused', setting: change.setting, error, stays: true };
}
