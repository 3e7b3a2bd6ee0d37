/** What the vaults write themselves must go on working: tried before and after, and put back where it does not. */
import { ACCESS_SWITCHES, type Trials } from '../../model/bucket.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import { inGrace, refuseCalledOff, withinMs } from '../grace.ts';
import { mayRetry } from '../retrying.ts';
import { type Guard, ownWay } from './guard.ts';
import type { Change } from './plan.ts';
import { byRule, trialKey } from './prove.ts';
import { type Applying, type Step, WRITE_GRACE_MS, isEnd, until } from './step.ts';
import { type Undoable, putBack, write } from './write-back.ts';

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
const refusalNow = (applying: Applying, guard: Guard, waits: Waits): Promise<VaultError | undefined> =>
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
    while (refusal !== undefined && mayBeOurs(refusal)) {
      const change = before === undefined ? onTrial[0] : undefined;
      if (change === undefined) break;
      say(await undo(applying, change, refusal, waits));
      onTrial.shift();
      refusal = await refusalNow(applying, guard, waits);
    }
    if (refusal === undefined) working.push(guard);
    else say({ step: 'own-refused', error: refusal });
  }
  return working;
}

const mayBeOurs = (refusal: VaultError): boolean => byRule(refusal) || refusal.code === 'sse-c-blocked';

async function undo(applying: Applying, change: Undoable, refusal: VaultError, waits: Waits): Promise<Step> {
  const { setting } = change;
  try {
    await putBack(applying, change, waits);
    return { step: 'taken-back', setting, reason: refusal.message };
  } catch (thrown) {
    const cause = asVaultError(thrown);
    if (isEnd(cause)) throw cause;
    const lead = 'with it the store refuses what the vault itself writes';
    return { step: 'refused', setting, error: notPutBack(lead, cause) };
  }
}

/** At an early end: whether own writes pass with a change has not been seen, so it goes back, within `ms`. */
export async function undoUnseen(applying: Applying, change: Undoable, ms: number): Promise<Step> {
  const { setting } = change;
  try {
    await withinMs(applying.clock, ms, (waits) => putBack({ ...applying, patience: [] }, change, waits));
    return { step: 'undone', setting };
  } catch (thrown) {
    const lead = 'it was not seen whether what the vault itself writes passes with it';
    return { step: 'refused', setting, error: notPutBack(lead, asVaultError(thrown)) };
  }
}

const notPutBack = (lead: string, cause: VaultError): VaultError =>
  new VaultError('refused', cause.code, `${lead}, and it could not be put back: ${cause.message}`, {
    cause,
    hint:
      cause.code === 'changed-meanwhile' && cause.hint !== undefined
        ? cause.hint
        : 'run the same command again, or put it back by hand, from the files in which it is kept',
  });

/**
 * A block of public access stays, whatever is refused: on AWS it keeps nobody out who has a right of his own. Other stores may
 * refuse with one of its switches what the vault writes (Ceph RGW 16 every write, with BlockPublicAcls). There that one goes
 * back, if own writes worked right before and work again without it; the others stay.
 */
export async function keepOwner(
  applying: Applying,
  change: Closing,
  working: readonly Guard[],
  say: (step: Step) => void,
  waits: Waits,
): Promise<void> {
  for (const guard of working) {
    const refusal = await refusalNow(applying, guard, waits);
    if (refusal === undefined) continue;
    const what =
      applying.isAws || !byRule(refusal) ? undefined : await withoutOne(applying, change, guard, waits);
    if (what !== undefined)
      return say({ step: 'taken-back', setting: 'publicAccess', what, reason: refusal.message });
    say({ step: 'own-refused', error: refusal });
  }
}

export type Closing = Extract<Change, { setting: 'publicAccess' }>;

/** The one new switch without which own writes work; where there is none, all of them stay on. */
async function withoutOne(
  applying: Applying,
  change: Closing,
  guard: Guard,
  waits: Waits,
): Promise<string | undefined> {
  const { config, clock } = applying;
  let label: string | undefined;
  try {
    for (const [name, called] of ACCESS_SWITCHES) {
      if (change.before?.[name] === true) continue;
      refuseCalledOff(waits);
      await inGrace(clock, WRITE_GRACE_MS, waits, (lasting) =>
        config.setPublicAccess({ ...change.after, [name]: false }, lasting),
      );
      if ((await refusalNow(applying, guard, waits)) !== undefined) continue;
      label = called;
      break;
    }
  } finally {
    if (label === undefined)
      await inGrace(clock, WRITE_GRACE_MS, waits, (lasting) => write(config, change, lasting));
  }
  return label;
}
