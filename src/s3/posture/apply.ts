/** Carries a hardening out: makes each change, reads it back, and tries whether the store keeps the rules. */
import type { BucketConfig, Setting, SettingName, Trial, TrialHow, Trials } from '../../model/bucket.ts';
import { OWN_FOLDER, type ObjectKey, objectKey } from '../../model/brands.ts';
import { type VaultError, asVaultError } from '../../model/errors.ts';
import type { Clock, Waits } from '../../model/ports.ts';
import type { Change } from './plan.ts';
import { readPolicy, sameStatement } from './policy-text.ts';
import { type Guard, ownWay } from './rules.ts';

export type Step =
  | { readonly step: 'changed'; readonly setting: SettingName }
  | { readonly step: 'refused'; readonly setting: SettingName; readonly error: VaultError }
  /** Read back, it is not what was written. */
  | { readonly step: 'differs'; readonly setting: SettingName; readonly reason: string }
  | { readonly step: 'proved'; readonly what: string }
  /** Refused for another reason than the rule, or own writes are refused as well: nothing is proved. */
  | { readonly step: 'unknown'; readonly what: string; readonly reason: string }
  /** The store took the rule and does not keep it. */
  | { readonly step: 'not-enforced'; readonly what: string }
  /** With it, own writes were refused: it is as it was before. */
  | { readonly step: 'taken-back'; readonly setting: SettingName; readonly reason: string }
  /** Own writes are refused, and not because of a change that could be put back. */
  | { readonly step: 'own-refused'; readonly error: VaultError };

export interface Applying {
  readonly config: BucketConfig;
  readonly trials: Trials;
  readonly clock: Clock;
  /** Settings of AWS take effect after some seconds: it is asked again for a while. */
  readonly patience: readonly number[];
}

/** What the vaults' own writes came to before anything was changed. */
export type Baseline = ReadonlyMap<Guard, VaultError | undefined>;

/** Own writes of each guard as they are now: undefined where they work, else the refusal. */
export async function baselineOf(
  { trials }: Pick<Applying, 'trials'>,
  guards: readonly Guard[],
  random: () => number,
  waits: Waits = {},
): Promise<Baseline> {
  const found = new Map<Guard, VaultError | undefined>();
  for (const guard of guards) found.set(guard, await ownRefusal(trials, guard, random, waits));
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

/** A name of its own under the vault's prefix, where nothing of a user is. */
export function trialKey(prefix: string, random: () => number): ObjectKey {
  const ending = Math.floor(random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0');
  return objectKey(`${prefix}${OWN_FOLDER}/trial-${ending}`);
}

export interface Work {
  readonly changes: readonly Change[];
  readonly guards: readonly Guard[];
  readonly baseline: Baseline;
  /** The policy needs no change: it holds all rules already. */
  readonly policyStands: boolean;
}

export async function applyHardening(
  applying: Applying,
  { changes, guards, baseline, policyStands }: Work,
  say: (step: Step) => void,
  waits: Waits = {},
): Promise<void> {
  const done: Change[] = [];
  for (const change of changes) {
    try {
      await write(applying.config, change, waits);
      done.push(change);
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.kind === 'cancelled' || error.kind === 'offline') throw error;
      say({ step: 'refused', setting: change.setting, error });
    }
  }
  for (const change of done) say(await readBack(applying, change, waits));
  const undoable = done.filter(({ setting }) => setting !== 'versioning' && setting !== 'lifecycle');
  await keepOwnWrites(applying, undoable, baseline, say, waits);
  if (!policyStands && !undoable.some(({ setting }) => setting === 'policy')) return;
  for (const guard of guards) await prove(applying, guard, say, waits);
}

function write(config: BucketConfig, change: Change, waits: Waits): Promise<void> {
  switch (change.setting) {
    case 'policy':
      return config.setPolicy(change.after, waits);
    case 'encryption':
      return config.setEncryption(change.after, waits);
    case 'versioning':
      return config.setVersioning(change.after, waits);
    case 'publicAccess':
      return config.setPublicAccess(change.after, waits);
    case 'ownership':
      return config.setOwnership(change.after, waits);
    case 'lifecycle':
      return config.setLifecycle(change.after, waits);
    default:
      return change satisfies never;
  }
}

/** Asks until the answer fits or patience ends. */
async function until<T>(
  { clock, patience }: Applying,
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

async function readBack(applying: Applying, change: Change, waits: Waits): Promise<Step> {
  const { setting, after } = change;
  const found = await until(
    applying,
    () => applying.config[setting](waits) as Promise<Setting<unknown>>,
    (answer) => same(setting, answer, after),
    waits,
  );
  if (same(setting, found, after)) return { step: 'changed', setting };
  return {
    step: 'differs',
    setting,
    reason: found.state === 'unknown' ? found.reason : 'the store gives something else back than was written',
  };
}

function same(setting: SettingName, found: Setting<unknown>, after: unknown): boolean {
  if (found.state !== 'set') return found.state === 'absent' && after === undefined;
  if (setting === 'policy')
    return typeof found.value === 'string' && typeof after === 'string' && samePolicy(found.value, after);
  if (setting === 'lifecycle') return sameRules(found.value, after);
  return covers(found.value, after);
}

function samePolicy(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [readPolicy(a).pieces, readPolicy(b).pieces];
  return (
    left.length === right.length &&
    left.every(({ value }) => right.some((other) => sameStatement(value, other.value)))
  );
}

interface Rules {
  readonly rules: readonly { readonly id?: string }[];
}

/** The store may spell a rule otherwise: their names must be there, all of them. */
function sameRules(found: unknown, after: unknown): boolean {
  const [has, wanted] = [found as Rules, after as Rules];
  return (
    has.rules.length === wanted.rules.length &&
    wanted.rules.every(({ id }) => id === undefined || has.rules.some((rule) => rule.id === id))
  );
}

/** Every field that was written is there. */
function covers(found: unknown, after: unknown): boolean {
  if (typeof after !== 'object' || after === null) return found === after;
  return Object.entries(after).every(
    ([name, value]) =>
      JSON.stringify((found as { readonly [name: string]: unknown })[name]) === JSON.stringify(value),
  );
}

/** Where own writes are refused now and were not before, changes are put back, the last one first, until they work again. */
async function keepOwnWrites(
  applying: Applying,
  undoable: Change[],
  baseline: Baseline,
  say: (step: Step) => void,
  waits: Waits,
): Promise<void> {
  for (const [guard, before] of baseline) {
    let refusal = await refusalNow(applying, guard, waits);
    for (let left = before === undefined ? undoable.length : 0; refusal !== undefined && left > 0; left--) {
      const change = undoable.pop();
      if (change === undefined) break;
      await putBack(applying.config, change);
      say({ step: 'taken-back', setting: change.setting, reason: refusal.message });
      refusal = await refusalNow(applying, guard, waits);
    }
    if (refusal !== undefined) say({ step: 'own-refused', error: refusal });
  }
}

const refusalNow = (
  { trials, clock }: Applying,
  guard: Guard,
  waits: Waits,
): Promise<VaultError | undefined> => ownRefusal(trials, guard, () => clock.random(), waits);

async function putBack(config: BucketConfig, change: Change): Promise<void> {
  switch (change.setting) {
    case 'policy':
      return config.setPolicy(change.before);
    case 'encryption':
      return config.setEncryption(change.before ?? { algorithm: 'AES256', bucketKey: false });
    case 'publicAccess':
      return config.setPublicAccess(change.before ?? OPEN);
    case 'ownership':
      return config.setOwnership(change.before ?? 'ObjectWriter');
    case 'versioning':
    case 'lifecycle':
      return undefined;
    default:
      return change satisfies never;
  }
}

/** What it means that none is set. */
const OPEN = { blockAcls: false, ignoreAcls: false, blockPolicy: false, restrictBuckets: false };

/** A KMS key of nobody: a policy judges the name before KMS is asked. */
const otherKey = (kmsKey: string): string =>
  kmsKey.startsWith('arn:')
    ? kmsKey.replace(/key\/.*$/, 'key/00000000-0000-0000-0000-000000000000')
    : '00000000-0000-0000-0000-000000000000';

function forbidden(guard: Guard): readonly { readonly how: TrialHow; readonly what: string }[] {
  const bare = { how: { kind: 'plain' }, what: 'a write without the encryption header' } as const;
  const { mode } = guard;
  if (mode === 'client') return [];
  if (mode === 'sse-c' || mode === 'sse-s3') return [bare];
  const context = guard.context ?? {};
  return [
    bare,
    { how: { kind: 'sse-s3' }, what: 'a write with AES256 instead of the KMS key' },
    ...(guard.kmsKey === undefined
      ? []
      : [
          {
            how: { kind: mode, keyId: otherKey(guard.kmsKey), context },
            what: 'a write with another KMS key',
          },
        ]),
  ];
}

async function prove(
  applying: Applying,
  guard: Guard,
  say: (step: Step) => void,
  waits: Waits,
): Promise<void> {
  const place = guard.prefix === '' ? '' : ` under ${guard.prefix}`;
  const put = (how: TrialHow): Promise<Trial> =>
    applying.trials.put(
      trialKey(guard.prefix, () => applying.clock.random()),
      how,
      waits,
    );
  const trials = forbidden(guard);
  if (trials.length === 0) return;
  const own = await put(ownWay(guard));
  for (const { how, what } of trials) {
    const trial = await until(applying, () => put(how), byRule, waits);
    say(verdict(own, trial, what + place));
  }
}

function verdict(own: Trial, trial: Trial, what: string): Step {
  if (trial.outcome === 'accepted') return { step: 'not-enforced', what };
  // Where everything is refused, it is not the rule that does it.
  if (own.outcome === 'refused')
    return { step: 'unknown', what, reason: `so is what the vault itself writes: ${own.error.message}` };
  if (byRule(trial)) return { step: 'proved', what };
  return { step: 'unknown', what, reason: `for another reason: ${trial.error.message}` };
}

/** A policy answers 403. A refusal of KMS has a code of its own, also with 403, and comes without any policy. */
const byRule = (trial: Trial): boolean =>
  trial.outcome === 'refused' && trial.error.status === 403 && trial.error.code === 'access-denied';
