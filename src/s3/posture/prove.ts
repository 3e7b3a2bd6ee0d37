/** Rules proved by writes that must be refused. */
import type { Trial, TrialHow } from '../../model/bucket.ts';
import { OWN_FOLDER, type ObjectKey, objectKey } from '../../model/brands.ts';
import type { VaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import { mayRetry } from '../retrying.ts';
import { type Guard, isKms, isUnnamed, ownWay, sides } from './guard.ts';
import { type Applying, type Step, until } from './step.ts';

/** A name of its own under the vault's prefix, where nothing of a user is. */
export function trialKey(prefix: string, random: () => number): ObjectKey {
  const ending = Math.floor(random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0');
  return objectKey(`${prefix}${OWN_FOLDER}/trial-${ending}`);
}

export async function prove(
  applying: Applying,
  guard: Guard,
  say: (step: Step) => void,
  waits: Waits,
): Promise<void> {
  const trials = forbidden(guard);
  if (trials.length === 0) return;
  const place = guard.prefix === '' ? '' : ` under ${guard.prefix}`;
  const put = (how: TrialHow): Promise<Trial> =>
    applying.trials.put(
      trialKey(guard.prefix, () => applying.clock.random()),
      how,
      waits,
    );
  let own: VaultError | undefined;
  for (const side of sides(guard)) {
    const trial = await until(applying, () => put(ownWay(side)), isAccepted, waits);
    if (trial.outcome === 'refused') own ??= trial.error;
  }
  for (const { how, what } of trials) {
    const trial = await until(applying, () => put(how), isRefusal, waits);
    say(verdict(own, trial, what + place));
  }
}

const isAccepted = ({ outcome }: Trial): boolean => outcome === 'accepted';
const isRefusal = (trial: Trial): boolean => trial.outcome === 'refused' && byRule(trial.error);

/** A KMS key of nobody: a policy judges the name before KMS is asked. */
const otherKey = (kmsKey: string): string =>
  kmsKey.startsWith('arn:')
    ? kmsKey.replace(/key\/.*$/, 'key/00000000-0000-0000-0000-000000000000')
    : '00000000-0000-0000-0000-000000000000';

interface Forbidden {
  readonly how: TrialHow;
  readonly what: string;
}

/** What no side of the guard writes: without a word, and with the word of each other way that a rule must tell apart. */
function forbidden(guard: Guard): readonly Forbidden[] {
  const ways = sides(guard);
  const has = (mode: Guard['mode']): boolean => ways.some((way) => way.mode === mode);
  if (has('client')) return [];
  const bare: Forbidden = { how: { kind: 'plain' }, what: 'a PUT without the encryption header' };
  const kms = ways.filter(isKms);
  const [first] = kms;
  if (first === undefined) return has('sse-s3') ? [bare, KMS_FOR_AES] : [bare];
  const s3: Forbidden = { how: { kind: 'sse-s3' }, what: 'a PUT with AES256 instead of the KMS key' };
  return [
    bare,
    ...(has('sse-s3') ? [] : [s3]),
    ...(has('sse-kms') ? [] : oneLayer(first)),
    ...(kms.some(isUnnamed) ? [] : otherKeyTrial(first)),
  ];
}

/** Under a key of nobody: AWS would make its own one for a write that names none. */
const KMS_FOR_AES: Forbidden = {
  how: { kind: 'sse-kms', keyId: otherKey(''), context: {} },
  what: 'a PUT with aws:kms instead of AES256',
};

/** With the vault's own key, so that nothing but the algorithm is wrong. */
function oneLayer({ kmsKeyId, kmsKey, context = {} }: Guard): readonly Forbidden[] {
  const keyId = kmsKeyId ?? kmsKey;
  if (keyId === undefined) return [];
  const what = 'a PUT with aws:kms instead of aws:kms:dsse';
  return [{ how: { kind: 'sse-kms', keyId, context }, what }];
}

function otherKeyTrial({ mode, kmsKey = '', context = {} }: Guard): readonly Forbidden[] {
  if (mode !== 'sse-kms' && mode !== 'dsse-kms') return [];
  return [{ how: { kind: mode, keyId: otherKey(kmsKey), context }, what: 'a PUT with another KMS key' }];
}

function verdict(own: VaultError | undefined, trial: Trial, what: string): Step {
  if (trial.outcome === 'accepted') return { step: 'not-enforced', what };
  const { error } = trial;
  const unknown = (reason: string): Step => ({ step: 'unknown', what, reason });
  if (mayRetry(error)) return unknown(`got no answer that counts: ${error.message}`);
  // Where everything is refused, it is not the rule that does it.
  if (own !== undefined) return unknown(`is refused, but so is what the vault itself writes: ${own.message}`);
  return byRule(error)
    ? { step: 'proved', what }
    : unknown(`is refused, but for another reason: ${error.message}`);
}

/** A policy answers 403. A refusal of KMS has a code of its own, also with 403, and comes without any policy. */
export const byRule = ({ status, code }: VaultError): boolean => status === 403 && code === 'access-denied';
