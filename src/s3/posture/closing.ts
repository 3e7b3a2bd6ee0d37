/** A block of public access, which on stores other than AWS may keep the vaults themselves out. */
import { ACCESS_SWITCHES } from '../../model/bucket.ts';
import type { Waits } from '../../model/ports.ts';
import { inGrace, refuseCalledOff } from '../grace.ts';
import type { Guard } from './guard.ts';
import { refusalNow } from './own-writes.ts';
import type { Change } from './plan.ts';
import { byRule } from './prove.ts';
import { type Applying, type Step, WRITE_GRACE_MS } from './step.ts';
import { write } from './write-back.ts';

export type Closing = Extract<Change, { setting: 'publicAccess' }>;

export const isClosing = (change: Change): change is Closing => change.setting === 'publicAccess';

/**
 * The same with BlockPublicAcls as it was, for stores where it may refuse every write and that can't be seen; undefined: the
 * change does not switch it on.
 */
export function withoutAcls(closing: Closing): Closing | undefined {
  const { before, after } = closing;
  const was = before?.blockAcls ?? false;
  return after.blockAcls === was ? undefined : { ...closing, after: { ...after, blockAcls: was } };
}

/** Whether it switches anything on. */
export const closes = ({ before, after }: Closing): boolean =>
  ACCESS_SWITCHES.some(([name]) => after[name] !== (before?.[name] ?? false));

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
): Promise<true> {
  let now = change;
  for (const guard of working) {
    const refusal = await refusalNow(applying, guard, waits);
    if (refusal === undefined) continue;
    const found =
      applying.isAws || !byRule(refusal) ? undefined : await withoutOne(applying, now, guard, waits);
    if (found === undefined) {
      say({ step: 'own-refused', error: refusal });
      continue;
    }
    now = found.change;
    say({ step: 'taken-back', setting: 'publicAccess', what: found.what, reason: refusal.message });
  }
  return true;
}

/** The change less the one new switch without which own writes work; where there is none, all of them stay on. */
async function withoutOne(
  applying: Applying,
  change: Closing,
  guard: Guard,
  waits: Waits,
): Promise<{ readonly change: Closing; readonly what: string } | undefined> {
  const { config, clock } = applying;
  const set = (to: Closing): Promise<void> =>
    inGrace(clock, WRITE_GRACE_MS, waits, (lasting) => write(config, to, lasting));
  let found: { readonly change: Closing; readonly what: string } | undefined;
  try {
    for (const [name, what] of ACCESS_SWITCHES) {
      if (change.before?.[name] === true || !change.after[name]) continue;
      refuseCalledOff(waits);
      const less = { ...change, after: { ...change.after, [name]: false } };
      await set(less);
      if ((await refusalNow(applying, guard, waits)) !== undefined) continue;
      found = { change: less, what };
      break;
    }
  } finally {
    if (found === undefined) await set(change);
  }
  return found;
}
