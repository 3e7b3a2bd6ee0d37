/** What hardening comes to, one thing after the other. */
import type { BucketConfig, SettingName, Trials } from '../../model/bucket.ts';
import type { VaultError } from '../../model/errors.ts';
import type { Clock, Waits } from '../../model/ports.ts';

export type Step =
  | { readonly step: 'changed'; readonly setting: SettingName }
  | { readonly step: 'refused'; readonly setting: SettingName; readonly error: VaultError }
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
  /** Own writes are refused, and not because of a change that could be put back. */
  | { readonly step: 'own-refused'; readonly error: VaultError };

export interface Applying {
  readonly config: BucketConfig;
  readonly trials: Trials;
  readonly clock: Clock;
  /** Settings of AWS take effect after some seconds: it is asked again for a while. Milliseconds between two tries. */
  readonly patience: readonly number[];
  readonly isAws: boolean;
}

/** Settings of AWS are "eventual", and nobody says how long that is: half a minute is waited for. */
export const AWS_PATIENCE: readonly number[] = [500, 1_000, 2_000, 4_000, 8_000, 14_500];
/** Other stores keep a setting at once, or soon. */
export const PATIENCE: readonly number[] = [300];

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
