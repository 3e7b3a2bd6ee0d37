/** What lifecycle rules do to a vault: what they clear away, and what they take from it. */
import type { BucketFacts, Finding, Lifecycle, LifecycleRule, Setting } from '../../model/bucket.ts';
import { plural } from '../../model/display.ts';
import { note, ok, problem, unread } from './finding.ts';
import type { Guard } from './guard.ts';

const UPLOADS = { code: 'lifecycle-uploads', severity: 'low' } as const;
const VERSIONS = { code: 'lifecycle-versions', severity: 'low' } as const;

export function lifecycle(
  setting: Setting<Lifecycle>,
  versions: BucketFacts['versioning'],
  guards: readonly Guard[],
  harden: string,
): readonly Finding[] {
  if (setting.state === 'unknown') return [unread(UPLOADS, 'lifecycle rules', setting)];
  const rules = (setting.state === 'set' ? setting.value.rules : []).filter(({ enabled }) => enabled);
  const everywhere = rules.filter(({ prefix }) => prefix === '');
  const ours = rules.filter((rule) => touches(rule, guards));
  // Where versioning is suspended, or was not to be read, there may be old ones all the same.
  const versioned = versions.state !== 'absent';
  const growing = versions.state === 'set' && versions.value === 'Enabled';
  return [
    uploads(rules, guards, harden),
    ...(versioned ? oldVersions(everywhere, ours, growing, harden) : []),
    ...removing(ours),
    ...archiving(ours, versioned),
  ];
}

/** A rule that chooses by tag or size may choose ours. */
function touches({ prefix = '' }: LifecycleRule, guards: readonly Guard[]): boolean {
  const prefixes = guards.length === 0 ? [''] : guards.map((guard) => guard.prefix);
  return prefixes.some((own) => own.startsWith(prefix) || prefix.startsWith(own));
}

/** A rule without a prefix chooses by tag or size, which uploads in parts have none of yet. */
const covers = ({ prefix }: LifecycleRule, own: string): boolean =>
  prefix !== undefined && own.startsWith(prefix);

/** Where it takes longest, of the places that are asked about. */
function uploads(rules: readonly LifecycleRule[], guards: readonly Guard[], harden: string): Finding {
  const prefixes = guards.length === 0 ? [''] : guards.map(({ prefix }) => prefix);
  const soonest = prefixes.map((own) =>
    Math.min(
      ...rules
        .filter((rule) => covers(rule, own))
        .map(({ abortUploadsDays = Number.POSITIVE_INFINITY }) => abortUploadsDays),
    ),
  );
  const days = Math.max(...soonest);
  return days === Number.POSITIVE_INFINITY
    ? problem(
        UPLOADS,
        'unfinished uploads stay for ever',
        'parts of interrupted uploads are billed and no listing shows them',
        harden,
      )
    : ok(UPLOADS, 'unfinished uploads end', `after ${plural(days, 'day')}`);
}

/** Who notices a mistake within a week can still undo it. */
const LEAST_DAYS = 7;

function oldVersions(
  everywhere: readonly LifecycleRule[],
  ours: readonly LifecycleRule[],
  growing: boolean,
  harden: string,
): readonly Finding[] {
  const ending = (rules: readonly LifecycleRule[]) =>
    rules.filter(({ oldVersionsDays }) => oldVersionsDays !== undefined);
  const soon = ending(ours)
    .filter((rule) => daysOf(rule) < LEAST_DAYS)
    .sort((a, b) => daysOf(a) - daysOf(b));
  // What one rule keeps, another may take.
  const worst = soon.find(({ oldVersionsKept = 0 }) => oldVersionsKept === 0) ?? soon[0];
  if (worst !== undefined) return [endsSoon(worst)];
  const [first] = ending(everywhere).sort((a, b) => daysOf(a) - daysOf(b));
  if (first !== undefined)
    return [
      ok(VERSIONS, 'old versions end', `after ${daysOf(first)} days; what was overwritten earlier is gone`),
    ];
  if (!growing) return [];
  return [
    {
      ...note(
        VERSIONS,
        'old versions stay for ever',
        'every overwritten and removed file goes on costing storage; that may be what you want',
      ),
      fix: `${harden} --expire-versions 90`,
    },
  ];
}

const daysOf = ({ oldVersionsDays = Number.POSITIVE_INFINITY }: LifecycleRule): number => oldVersionsDays;

function endsSoon(rule: LifecycleRule): Finding {
  const { oldVersionsKept = 0 } = rule;
  const days = plural(daysOf(rule), 'day');
  if (oldVersionsKept > 0)
    return ok(
      VERSIONS,
      'old versions end',
      `after ${days}, but for the newest ${plural(oldVersionsKept, 'one')} of each file`,
    );
  return problem(
    { ...VERSIONS, severity: 'medium' },
    'old versions end before anybody misses them',
    `${named(rule)} removes them after ${days}: from then on s3vault undelete, and restore --at, find nothing`,
    'give that rule more days, 90 say, or have it keep the newest old versions (NewerNoncurrentVersions)',
  );
}

const named = ({ id }: LifecycleRule): string => (id === undefined ? 'a rule without a name' : `rule ${id}`);

function removing(ours: readonly LifecycleRule[]): readonly Finding[] {
  return ours
    .filter(({ removesObjects }) => removesObjects !== undefined)
    .map((rule) =>
      problem(
        { code: 'lifecycle-removes', severity: 'high' },
        'a lifecycle rule removes files that are in use',
        `${named(rule)} removes objects ${rule.removesObjects ?? ''}`,
        'remove that rule, or keep it away from the prefix of the vault',
      ),
    );
}

/** Classes that can be read at once, however cold, are no matter. */
function archiving(ours: readonly LifecycleRule[], versioned: boolean): readonly Finding[] {
  const fix =
    'remove the transition, keep it away from the prefix of the vault, or let it go into GLACIER_IR, which can be read at once';
  const current = ours
    .filter(({ archives }) => archives !== undefined)
    .map((rule) =>
      problem(
        { code: 'lifecycle-archives', severity: 'high' },
        'a lifecycle rule puts files where they can not be read at once',
        `${named(rule)} moves objects ${rule.archives ?? ''}: restore, cat, verify --deep and rekey fail until each was asked for and has come back, hours later`,
        fix,
      ),
    );
  const old = ours
    .filter(({ archivesOld }) => versioned && archivesOld !== undefined)
    .map((rule) =>
      problem(
        { code: 'lifecycle-archives', severity: 'medium' },
        'a lifecycle rule puts old versions where they can not be read at once',
        `${named(rule)} moves old versions ${rule.archivesOld ?? ''}: restore --at fails until each was asked for and has come back, hours later`,
        fix,
      ),
    );
  return [...current, ...old];
}
