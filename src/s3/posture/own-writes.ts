/** What the vaults write themselves must go on working: tried before and after, and put back where it does not. */
import { ACCESS_SWITCHES, type Trials } from '../../model/bucket.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import { mayRetry } from '../retrying.ts';
import { type Guard, ownWay } from './guard.ts';
import type { Change } from './plan.ts';
import { byRule, trialKey } from './prove.ts';
import { type Applying, type Step, until } from './step.ts';
import { type Undoable, putBack, write } from './write-back.ts';

/** What the vaults' own writes came to before anything was changed: undefined where they work, else the refusal. */
export type Baseline = ReadonlyMap<Guard, VaultError | undefined>;

/** Each guard once for each way in which is written there. Rejects where the store fails: nothing is changed then. */
export async function baselineOf(
  { trials }: Pick<Applying, 'trials'>,
  guards: readonly Guard[],
  random: () => number,
  waits: Waits = {},
): Promise<Baseline> {
  const found = new Map<Guard, VaultError | undefined>();
  for (const guard of guards) {
    const refusal = await ownRefusal(trials, guard, random, waits);
    if (refusal !== undefined && mayRetry(refusal)) throw refusal;
    found.set(guard, refusal);
  }
  return found;
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
 * Where own writes are refused now and were not before, the policy is put back, then the default encryption, until they work
 * again. Gives the guards whose writes work.
 */
export async function keepOwnWrites(
  applying: Applying,
  done: readonly Change[],
  baseline: Baseline,
  say: (step: Step) => void,
  waits: Waits,
): Promise<readonly Guard[]> {
  const undoable = [...undoableOf(done)];
  const working: Guard[] = [];
  for (const [guard, before] of baseline) {
    let refusal = await refusalNow(applying, guard, waits);
    const ours = before === undefined ? undoable : [];
    for (let change; refusal !== undefined && mayBeOurs(refusal); ) {
      change = ours.shift();
      if (change === undefined) break;
      say(await undo(applying, change, refusal, waits));
      refusal = await refusalNow(applying, guard, waits);
    }
    if (refusal === undefined) working.push(guard);
    else say({ step: 'own-refused', error: refusal });
  }
  return working;
}

function undoableOf(done: readonly Change[]): readonly Undoable[] {
  const of = (name: Undoable['setting']) =>
    done.filter((change): change is Undoable => change.setting === name);
  return [...of('policy'), ...of('encryption')];
}

const mayBeOurs = (refusal: VaultError): boolean => byRule(refusal) || refusal.code === 'sse-c-blocked';

async function undo(applying: Applying, change: Undoable, refusal: VaultError, waits: Waits): Promise<Step> {
  const { setting } = change;
  try {
    await putBack(applying, change, waits);
    return { step: 'taken-back', setting, reason: refusal.message };
  } catch (thrown) {
    const cause = asVaultError(thrown);
    const error = new VaultError(
      'refused',
      cause.code,
      `with it the store refuses what the vault itself writes, and it could not be put back: ${cause.message}`,
      {
        cause,
        hint:
          cause.code === 'changed-meanwhile' && cause.hint !== undefined
            ? cause.hint
            : 'put it back by hand, from the files in which it is kept',
      },
    );
    return { step: 'refused', setting, error };
  }
}

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
  const { config } = applying;
  let label: string | undefined;
  try {
    for (const [name, called] of ACCESS_SWITCHES) {
      if (change.before?.[name] === true) continue;
      await config.setPublicAccess({ ...change.after, [name]: false });
      if ((await refusalNow(applying, guard, waits)) !== undefined) continue;
      label = called;
      break;
    }
  } finally {
    if (label === undefined) await write(config, change, {});
  }
  return label;
}
