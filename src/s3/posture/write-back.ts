/** Settings written, read back, and put back. */
import type { BucketConfig, Setting, SettingName } from '../../model/bucket.ts';
import { VaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import type { Change } from './plan.ts';
import { readPolicy, sameStatement } from './policy-text.ts';
import { type Applying, type Step, until } from './step.ts';

export function write(config: BucketConfig, change: Change, waits: Waits): Promise<void> {
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

export type Undoable = Extract<Change, { setting: 'policy' | 'encryption' }>;

export function putBack(config: BucketConfig, change: Undoable): Promise<void> {
  return change.setting === 'policy'
    ? config.setPolicy(change.before)
    : config.setEncryption(change.before ?? { algorithm: 'AES256', bucketKey: false });
}

/** Whether a setting is still what its change was made for. Rejects where that can't be read. */
export async function isAsShown(
  applying: Applying,
  { setting, before }: Change,
  waits: Waits,
): Promise<boolean> {
  const read = () => applying.config[setting](waits) as Promise<Setting<unknown>>;
  const found = await until(applying, read, ({ state }) => state !== 'unknown', waits);
  if (found.state === 'unknown')
    throw new VaultError('refused', 'unread', `it ${found.reason} again before the change`, {
      hint: 'nothing of it was written; run the same command again',
    });
  return found.state === 'absent' ? before === undefined : text(found.value) === text(before);
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : JSON.stringify(value);

export async function readBack(applying: Applying, { setting, after }: Change, waits: Waits): Promise<Step> {
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
