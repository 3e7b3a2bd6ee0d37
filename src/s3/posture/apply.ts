/** Carries a hardening out: makes each change, reads it back, and tries whether the store keeps the rules. */
import { SETTING_WORDS, type SettingName } from '../../model/bucket.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import { inGrace, refuseCalledOff } from '../grace.ts';
import { mayRetry } from '../retrying.ts';
import { type Closing, closes, isClosing, keepOwner, withoutAcls } from './closing.ts';
import type { Guard } from './guard.ts';
import { type Baseline, STAYS, UNSEEN, keepOwnWrites, notPutBack, undoUnseen } from './own-writes.ts';
import type { Change } from './plan.ts';
import { prove } from './prove.ts';
import { type Applying, END_GRACE_MS, type Step, type Undoable, WRITE_GRACE_MS, isEnd } from './step.ts';
import { isAsShown, lookAgain, readBack, write } from './write-back.ts';

export interface Work {
  readonly changes: readonly Change[];
  readonly guards: readonly Guard[];
  readonly baseline: Baseline;
  /** The policy needs no change: it holds all rules already. */
  readonly policyStands: boolean;
  /** Why nothing may be tried; undefined: test objects can be removed again. */
  readonly untried?: string;
  /** The file in which the policy is kept that was there before. */
  readonly keptPolicy?: string;
}

type Say = (step: Step) => void;

/**
 * Gives what ended it early: the signal, or a store that is not reached any more; undefined: it came to its end. What was done
 * until then is said, what was not seen to let own writes pass is put back [BUCKET-6], and the rest is said not to be done.
 * Rejects with kind `consent` where a setting is not any more what its change was shown for; nothing is written then.
 */
export async function applyHardening(
  applying: Applying,
  work: Work,
  say: Say,
  waits: Waits = {},
): Promise<VaultError | undefined> {
  await refuseOvertaken(applying, work.changes, waits);
  return new Hardening(applying, work, say, waits).run();
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

class Hardening {
  readonly #applying: Applying;
  readonly #work: Work;
  readonly #say: Say;
  readonly #waits: Waits;
  /** Not begun. */
  readonly #ahead: Set<Change>;
  /** Written, or perhaps written, and not read back. */
  readonly #written = new Set<Change>();
  /** With which own writes have not been seen to work, in the order in which they are put back. */
  readonly #onTrial: Undoable[] = [];
  #untried: string | undefined;

  constructor(applying: Applying, work: Work, say: Say, waits: Waits) {
    this.#applying = applying;
    this.#work = work;
    this.#say = say;
    this.#waits = waits;
    this.#ahead = new Set(work.changes);
    this.#untried = work.untried;
  }

  async run(): Promise<VaultError | undefined> {
    try {
      await this.#all();
      return undefined;
    } catch (thrown) {
      const error = this.#endOf(asVaultError(thrown));
      await this.#stop(error);
      return error;
    }
  }

  /** A store that was too slow in the grace after a signal: it is the signal that ended it. */
  #endOf(error: VaultError): VaultError {
    if (error.code !== 'no-answer' || this.#waits.signal?.aborted !== true) return error;
    return new VaultError('cancelled', 'cancelled', 'called off', { cause: error });
  }

  async #all(): Promise<void> {
    const { changes, policyStands } = this.#work;
    const done = await this.#make(changes.filter((change) => !isClosing(change)));
    const proves = policyStands || done.some(({ setting }) => setting === 'policy');
    const working = (await this.#trying(() => this.#try(proves))) ?? [];
    const unseen = await this.#undoUnseen();
    // Last and by itself, so that a refusal has one cause.
    for (const closing of changes.filter(isClosing)) await this.#close(closing, working);
    // What went back says why by itself.
    if (this.#untried !== undefined && unseen === 0 && (proves || changes.length > this.#ahead.size))
      this.#say({ step: 'untried', reason: this.#untried });
  }

  /** Where a test object stayed, what is on trial still has not been seen to let own writes pass. */
  async #undoUnseen(): Promise<number> {
    const unseen = this.#untried === undefined ? [] : [...this.#onTrial];
    for (const change of unseen) this.#say(await undoUnseen(this.#applying, change, END_GRACE_MS));
    this.#onTrial.length = 0;
    return unseen.length;
  }

  async #try(proves: boolean): Promise<readonly Guard[]> {
    const { guards, baseline } = this.#work;
    if (proves) for (const guard of guards) await prove(this.#applying, guard, this.#say, this.#waits);
    return keepOwnWrites(this.#applying, this.#onTrial, baseline, this.#say, this.#waits);
  }

  async #close(closing: Closing, working: readonly Guard[]): Promise<void> {
    const { isAws } = this.#applying;
    const safe = isAws || working.length > 0 ? undefined : withoutAcls(closing);
    if (safe !== undefined) return this.#closeUnseen(closing, safe);
    if ((await this.#make([closing])).length > 0) {
      const seen = await this.#trying(() =>
        keepOwner(this.#applying, closing, working, this.#say, this.#waits),
      );
      const less = isAws || seen !== undefined ? undefined : withoutAcls(closing);
      if (less !== undefined) await this.#openAcls(less);
    }
    this.#onTrial.length = 0;
  }

  /** Where it can't be seen whether own writes pass. */
  async #closeUnseen(closing: Closing, safe: Closing): Promise<void> {
    this.#ahead.delete(closing);
    if (closes(safe)) {
      this.#ahead.add(safe);
      await this.#make([safe]);
    }
    this.#sayLeftOut();
  }

  /** It was switched on, and then nothing could be tried any more. */
  async #openAcls(less: Closing): Promise<void> {
    const { clock, config } = this.#applying;
    try {
      await inGrace(clock, WRITE_GRACE_MS, this.#waits, (lasting) => write(config, less, lasting));
      this.#sayLeftOut();
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (isEnd(error)) throw error;
      this.#say(notPutBack(this.#applying, less, UNSEEN, error));
    }
  }

  #sayLeftOut(): void {
    const { guards, baseline } = this.#work;
    const why = guards.length + baseline.size === 0 ? NOBODY : NOT_SEEN;
    this.#say({
      step: 'left-out',
      setting: 'publicAccess',
      what: 'BlockPublicAcls',
      reason: this.#untried ?? why,
    });
  }

  /** Once a test object stays, no further one is made. */
  async #trying<T>(make: () => Promise<T>): Promise<T | undefined> {
    if (this.#untried !== undefined) return undefined;
    try {
      return await make();
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.code !== 'trial-left') throw error;
      this.#untried = STAYS;
      return undefined;
    }
  }

  /** Writes and reads back; gives what was written. */
  async #make(changes: readonly Change[]): Promise<readonly Change[]> {
    const done: Change[] = [];
    for (const change of changes) if (await this.#write(change)) done.push(change);
    for (const change of done) {
      this.#say(await readBack(this.#applying, change, this.#waits));
      this.#written.delete(change);
    }
    return done;
  }

  async #write(change: Change): Promise<boolean> {
    const { setting } = change;
    try {
      refuseCalledOff(this.#waits);
      const shown = await isAsShown(this.#applying, change, this.#waits);
      this.#ahead.delete(change);
      if (!shown) {
        this.#say({ step: 'overtaken', setting });
        return false;
      }
      this.#begin(change);
      const { clock, config } = this.#applying;
      await inGrace(clock, WRITE_GRACE_MS, this.#waits, (lasting) => write(config, change, lasting));
      return true;
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (isEnd(error)) throw error;
      // An answer that got lost may have been a yes.
      if (mayRetry(error) && (await readBack(this.#applying, change, this.#waits)).step === 'changed')
        return true;
      this.#forget(change);
      this.#say({ step: 'refused', setting, error });
      return false;
    }
  }

  #begin(change: Change): void {
    this.#written.add(change);
    if (this.#mayLockOut(change)) this.#onTrial.push(change);
    this.#onTrial.sort((a, b) => ORDER.indexOf(a.setting) - ORDER.indexOf(b.setting));
  }

  #forget(change: Change): void {
    this.#ahead.delete(change);
    this.#written.delete(change);
    const at = this.#onTrial.findIndex((one) => one === change);
    if (at >= 0) this.#onTrial.splice(at, 1);
  }

  /** On AWS a block of public access keeps nobody out. What is not tried can't be judged, either. */
  #mayLockOut(change: Change): change is Undoable {
    const worked = [...this.#work.baseline.values()].some((refusal) => refusal === undefined);
    if (!worked || this.#untried !== undefined) return false;
    if (change.setting === 'publicAccess') return !this.#applying.isAws;
    return change.setting === 'policy' || change.setting === 'encryption';
  }

  /** Says what became of each change; takes a short time at most, whatever the store does. */
  async #stop(error: VaultError): Promise<void> {
    const { clock } = this.#applying;
    const back = [...this.#onTrial];
    const seen = [...this.#written].filter((change) => !back.some((one) => one === change));
    const end = clock.ticks() + END_GRACE_MS;
    const left = (): number => Math.max(0, end - clock.ticks());
    for (const change of back) this.#say(await undoUnseen(this.#applying, change, left()));
    for (const change of seen) this.#say(await lookAgain(this.#applying, change, left()));
    for (const { setting } of this.#ahead) this.#say({ step: 'not-done', setting });
    this.#say({ step: 'stopped', error });
  }
}

const NOBODY = 'no vault is in this bucket, and no --mode was given, whose writes could be tried';
const NOT_SEEN = 'what the vaults write here is refused without it already';

const ORDER: readonly SettingName[] = ['policy', 'encryption', 'publicAccess'];
