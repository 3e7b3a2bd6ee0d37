/** What hardening comes to, one thing after the other. */
import type { ObjectKey } from '../../model/brands.ts';
import type { BucketConfig, SettingName, Trials } from '../../model/bucket.ts';
import type { VaultError } from '../../model/errors.ts';
import type { Clock, Waits } from '../../model/ports.ts';
import type { Change } from './plan.ts';

/** What own writes may be refused with. */
export type Undoable = Extract<Change, { setting: 'policy' | 'encryption' | 'publicAccess' }>;

export type Step =
  | { readonly step: 'changed'; readonly setting: SettingName }
  /** `stays`: it is in force, though it should have been put back. */
  | {
      readonly step: 'refused';
      readonly setting: SettingName;
      readonly error: VaultError;
      readonly stays?: true;
    }
  /** Somebody changed it after the change was shown: it was not written. */
  | { readonly step: 'overtaken'; readonly setting: SettingName }
  /** Read back, it is not what was written. */
  | { readonly step: 'differs'; readonly setting: SettingName; readonly reason: string }
  | { readonly step: 'proved'; readonly what: string }
  /** Refused for another reason than the rule, or own writes are refused as well: nothing is proved. */
  | { readonly step: 'unknown'; readonly what: string; readonly reason: string }
  /** Nothing was tried, for it could not be removed again. */
  | { readonly step: 'untried'; readonly reason: string }
  /** The store took the rule and does not keep it. */
  | { readonly step: 'not-enforced'; readonly what: string }
  /** With it, own writes were refused: it is as it was before. `what`: only this part of it. */
  | {
      readonly step: 'taken-back';
      readonly setting: SettingName;
      readonly what?: string;
      readonly reason: string;
    }
  /** This part of it was not changed: it may keep the vaults out, and whether it does can't be seen. */
  | {
      readonly step: 'left-out';
      readonly setting: SettingName;
      readonly what: string;
      readonly reason: string;
    }
  /** Own writes are refused, and not because of a change that could be put back. */
  | { readonly step: 'own-refused'; readonly error: VaultError }
  /** A test object of an earlier run is removed. */
  | { readonly step: 'cleared'; readonly key: ObjectKey }
  /** A test object that could not be removed. */
  | { readonly step: 'trial-left'; readonly key: ObjectKey; readonly error: VaultError }
  /** The end came before it was seen whether own writes pass with it: it is as it was before. */
  | { readonly step: 'undone'; readonly setting: SettingName }
  /** The end came while it was written, and what is there now could not be read. */
  | { readonly step: 'unsure'; readonly setting: SettingName; readonly reason: string }
  /** The end came before it. */
  | { readonly step: 'not-done'; readonly setting: SettingName }
  /** What ended it early; only test objects that stay come after it. */
  | { readonly step: 'stopped'; readonly error: VaultError };

export interface Applying {
  readonly config: BucketConfig;
  readonly trials: Trials;
  readonly clock: Clock;
  /** Settings of AWS take effect after some seconds: it is asked again for a while. Milliseconds between two tries. */
  readonly patience: readonly number[];
  readonly isAws: boolean;
  /** The command by which a person puts it back. */
  readonly byHand?: (change: Undoable) => string;
}

/** Settings of AWS are "eventual", and nobody says how long that is: half a minute is waited for. */
export const AWS_PATIENCE: readonly number[] = [500, 1_000, 2_000, 4_000, 8_000, 14_500];
/** Other stores keep a setting at once, or soon. */
export const PATIENCE: readonly number[] = [300];

/** A write under way goes on for so long after the signal, that it is known what came of it. */
export const WRITE_GRACE_MS = 3_000;
/** What is put back at an early end may take so long in all. */
export const END_GRACE_MS = 8_000;

/** After these nothing more can be done, or shall be. */
export const isEnd = ({ kind }: VaultError): boolean => kind === 'cancelled' || kind === 'offline';

/** Asks until the answer fits or patience ends. */
export async function until<T>(
  { clock, patience }: Pick<Applying, 'clock' | 'patience'>,
  ask: () => Promise<T>,
  fits: (answer: T) => boolean,
  { signal }: Waits,
): Promise<T> {
  let answer = await ask();
  for (const ms of patience) {
    if (fits(answer)) return answer;
    await clock.sleep(ms, { signal });
    answer = await ask();
  }
  return answer;
}
