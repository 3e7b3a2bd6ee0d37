/** Settings written, read back, and put back. */
import {
  ACCESS_SWITCHES,
  type BucketConfig,
  type Lifecycle,
  type LifecycleRule,
  type PublicAccess,
  type Setting,
  type SettingName,
} from '../../model/bucket.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import { inGrace, withinMs } from '../grace.ts';
import type { Change } from './plan.ts';
import { readPolicy, sameStatement } from './policy-text.ts';
import { type Applying, type Step, type Undoable, WRITE_GRACE_MS, until } from './step.ts';

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

/** Rejects with `changed-meanwhile` where what is there now is neither what was written nor what was there before: it is another's. */
export async function putBack(applying: Applying, change: Undoable, waits: Waits): Promise<void> {
  const { setting, before, after } = change;
  const { config } = applying;
  const isOurs = (found: Setting<unknown>): boolean =>
    same(setting, found, after) || same(setting, found, before) || isLess(change, found);
  const found = await until(
    applying,
    () => config[setting](waits) as Promise<Setting<unknown>>,
    (answer) => isOurs(answer) || isOffline(answer),
    waits,
  );
  refuseOffline(found);
  if (!isOurs(found)) throw overwritten(found);
  return inGrace(applying.clock, WRITE_GRACE_MS, waits, (lasting) => writeBefore(config, change, lasting));
}

/** A block of public access with some of its new switches off again, as it is while the one is looked for that keeps out. */
function isLess({ setting, before, after }: Undoable, found: Setting<unknown>): boolean {
  if (setting !== 'publicAccess' || found.state !== 'set') return false;
  const value = found.value as PublicAccess;
  return ACCESS_SWITCHES.every(
    ([name]) => value[name] === after[name] || value[name] === (before?.[name] ?? false),
  );
}

function writeBefore(config: BucketConfig, change: Undoable, waits: Waits): Promise<void> {
  switch (change.setting) {
    case 'policy':
      return config.setPolicy(change.before, waits);
    case 'encryption':
      return config.setEncryption(change.before, waits);
    case 'publicAccess':
      return config.setPublicAccess(change.before ?? NOTHING_BLOCKED, waits);
    default:
      return change satisfies never;
  }
}

const NOTHING_BLOCKED: PublicAccess = {
  blockAcls: false,
  ignoreAcls: false,
  blockPolicy: false,
  restrictBuckets: false,
};

/** What came of a write whose end was not seen; asked once, for `ms` at most. */
export async function lookAgain(
  { config, clock }: Applying,
  { setting, before, after }: Change,
  ms: number,
): Promise<Step> {
  const unsure = (reason: string): Step => ({ step: 'unsure', setting, reason });
  try {
    const found: Setting<unknown> = await withinMs(
      clock,
      ms,
      (waits) => config[setting](waits) as Promise<Setting<unknown>>,
    );
    if (same(setting, found, after)) return { step: 'changed', setting };
    if (found.state === 'unknown') return unsure(`it ${found.reason}`);
    return same(setting, found, before)
      ? { step: 'not-done', setting }
      : { step: 'differs', setting, reason: OTHER };
  } catch (thrown) {
    return unsure(`it could not be read: ${asVaultError(thrown).message}`);
  }
}

const OTHER = 'the store gives something else back than was written';

function overwritten(found: Setting<unknown>): VaultError {
  const why =
    found.state === 'unknown'
      ? `it ${found.reason}, so somebody may have changed it meanwhile`
      : 'somebody has changed it meanwhile';
  return new VaultError('consent', 'changed-meanwhile', why, {
    hint: 'look at it, and take out by hand what refuses the writes; what was there before is kept in the files above',
  });
}

/** Whether a setting is still what its change was made for. Rejects where that can't be read. */
export async function isAsShown(
  applying: Applying,
  { setting, before }: Change,
  waits: Waits,
): Promise<boolean> {
  const read = () => applying.config[setting](waits) as Promise<Setting<unknown>>;
  const found = await until(applying, read, (one) => one.state !== 'unknown' || isOffline(one), waits);
  refuseOffline(found);
  if (found.state === 'unknown')
    throw new VaultError('refused', 'unread', `it ${found.reason} again before the change`, {
      hint: 'nothing of it was written; run the same command again',
    });
  return found.state === 'absent' ? before === undefined : text(found.value) === text(before);
}

const isOffline = (found: Setting<unknown>): boolean =>
  found.state === 'unknown' && found.offline !== undefined;

function refuseOffline(found: Setting<unknown>): void {
  if (found.state === 'unknown' && found.offline !== undefined) throw found.offline;
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : JSON.stringify(value);

export async function readBack(applying: Applying, { setting, after }: Change, waits: Waits): Promise<Step> {
  const found = await until(
    applying,
    () => applying.config[setting](waits) as Promise<Setting<unknown>>,
    (answer) => same(setting, answer, after) || isOffline(answer),
    waits,
  );
  refuseOffline(found);
  if (same(setting, found, after)) return { step: 'changed', setting };
  return {
    step: 'differs',
    setting,
    reason: found.state === 'unknown' ? found.reason : OTHER,
  };
}

function same(setting: SettingName, found: Setting<unknown>, after: unknown): boolean {
  if (found.state !== 'set') return found.state === 'absent' && after === undefined;
  if (setting === 'policy')
    return typeof found.value === 'string' && typeof after === 'string' && samePolicy(found.value, after);
  if (setting === 'lifecycle') return sameRules(found.value as Lifecycle, after as Lifecycle);
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

/** In any order, each rule whole: it may be spelled otherwise, and have got a name where it had none. */
function sameRules(found: Lifecycle, after: Lifecycle): boolean {
  if (after.minimumSize !== undefined && found.minimumSize !== after.minimumSize) return false;
  const left = found.rules.map((rule) => [rule.id, spelled(rule)] as const);
  for (const rule of after.rules) {
    const [whole, understood] = spelled(rule);
    const at = left.findIndex(
      ([id, found]) =>
        (rule.id === undefined || rule.id === id) &&
        (rule.raw === undefined ? found[1] === understood : found[0] === whole),
    );
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return left.length === 0;
}

/** A rule as the store has it, and what is understood of it; without its name. */
function spelled(rule: LifecycleRule): readonly [string, string] {
  const { Prefix, Filter, ...rest } = (rule.raw ?? {}) as { readonly [name: string]: unknown };
  // A prefix of its own is the old way to write one inside a filter.
  const whole = { ...rest, ID: undefined, Filter: Filter ?? { Prefix } };
  const understood = { ...rule, id: undefined, raw: undefined, chosen: rule.prefix === undefined };
  return [canonical(whole), canonical(understood)];
}

/** One text for what means the same: names in order, lists in order, nothing that is empty or off. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).toSorted().join(',')}]`;
  if (typeof value !== 'object' || value === null || value instanceof Date)
    return JSON.stringify(value) ?? '';
  const fields = Object.entries(value)
    .map(([name, one]) => [name, canonical(one)] as const)
    .filter(([, text]) => !EMPTY.has(text))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, text]) => `${name}:${text}`).join(',')}}`;
}

const EMPTY: ReadonlySet<string> = new Set(['', '""', 'false', 'null', '{}', '[]']);

/** Every field that was written is there. */
function covers(found: unknown, after: unknown): boolean {
  if (typeof after !== 'object' || after === null) return found === after;
  return Object.entries(after).every(
    ([name, value]) =>
      JSON.stringify((found as { readonly [name: string]: unknown })[name]) === JSON.stringify(value),
  );
}
