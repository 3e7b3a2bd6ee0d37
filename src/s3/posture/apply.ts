/** Carries a hardening out: makes each change, reads it back, and tries whether the store keeps the rules. */
import { VaultError, asVaultError } from '../../model/errors.ts';
import { SETTING_WORDS, type SettingName } from '../../model/bucket.ts';
import type { Waits } from '../../model/ports.ts';
import { mayRetry } from '../retrying.ts';
import type { Guard } from './guard.ts';
import { type Baseline, type Closing, keepOwner, keepOwnWrites } from './own-writes.ts';
import type { Change } from './plan.ts';
import { prove } from './prove.ts';
import type { Applying, Step } from './step.ts';
import { isAsShown, readBack, write } from './write-back.ts';

export interface Work {
  readonly changes: readonly Change[];
  readonly guards: readonly Guard[];
  readonly baseline: Baseline;
  /** The policy needs no change: it holds all rules already. */
  readonly policyStands: boolean;
  /** Why nothing may be tried; undefined: test objects can be removed again. */
  readonly untried?: string;
}

type Say = (step: Step) => void;

/** Rejects with kind `consent` where a setting is not any more what its change was shown for; nothing is written then. */
export async function applyHardening(
  applying: Applying,
  work: Work,
  say: Say,
  waits: Waits = {},
): Promise<void> {
  const { changes, guards, baseline, policyStands, untried } = work;
  await refuseOvertaken(applying, changes, waits);
  const isClosing = (change: Change): change is Closing => change.setting === 'publicAccess';
  const done = await make(
    applying,
    changes.filter((change) => !isClosing(change)),
    say,
    waits,
  );
  const proves = policyStands || done.some(({ setting }) => setting === 'policy');
  if (untried === undefined && proves) for (const guard of guards) await prove(applying, guard, say, waits);
  const tries = untried === undefined ? baseline : new Map<Guard, undefined>();
  const working = await keepOwnWrites(applying, done, tries, say, waits);
  // Last and by itself, so that a refusal has one cause.
  for (const closing of changes.filter(isClosing))
    if ((await make(applying, [closing], say, waits)).length > 0)
      await keepOwner(applying, closing, working, say, waits);
  if (untried !== undefined && (proves || done.length > 0)) say({ step: 'untried', reason: untried });
}

async function refuseOvertaken(applying: Applying, changes: readonly Change[], waits: Waits): Promise<void> {
  const moved: SettingName[] = [];
  for (const change of changes) if (!(await isAsShown(applying, change, waits))) moved.push(change.setting);
  if (moved.length === 0) return;
  throw new VaultError(
    'consent',
    'changed-meanwhile',
    `somebody changed the bucket after the change was shown (${moved.map((name) => SETTING_WORDS[name]).join(', ')}); nothing was written`,
    { hint: 'run the same command again, and look at what it shows' },
  );
}

/** Writes and reads back; gives what was written. */
async function make(
  applying: Applying,
  changes: readonly Change[],
  say: Say,
  waits: Waits,
): Promise<readonly Change[]> {
  const done: Change[] = [];
  for (const change of changes) {
    const { setting } = change;
    try {
      if (await isAsShown(applying, change, waits)) {
        await write(applying.config, change, waits);
        done.push(change);
      } else say({ step: 'overtaken', setting });
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.kind === 'cancelled' || error.kind === 'offline') throw error;
      // An answer that got lost may have been a yes.
      if (mayRetry(error) && (await readBack(applying, change, waits)).step === 'changed') done.push(change);
      else say({ step: 'refused', setting, error });
    }
  }
  for (const change of done) say(await readBack(applying, change, waits));
  return done;
}
