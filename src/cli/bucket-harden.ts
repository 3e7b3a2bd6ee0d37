/** `s3vault bucket harden`: shows the change, asks, makes it, reads it back, proves it. */
import { systemClock } from '../clock.ts';
import type { BucketFacts, Leftover } from '../model/bucket.ts';
import { plural } from '../model/display.ts';
import { EXIT, VaultError, asVaultError } from '../model/errors.ts';
import {
  type Guard,
  type HardenPlan,
  type OpenPosture,
  type Step,
  isUnnamed,
  keepBefore,
  sides,
} from '../vaults/bucket.ts';
import { type HardenFlags, type Target, notAgreed, targetOf } from './bucket-target.ts';
import { type CallingOff, untilCalledOff } from './called-off.ts';
import { type Report, jsonReport, plainReport } from './harden-report.ts';
import type { Output } from './print.ts';
import { openTerminal } from './prompt.ts';

/** One run of the command. */
interface Run {
  readonly target: Target;
  readonly flags: HardenFlags;
  readonly report: Report;
  readonly calling: CallingOff;
}

export async function hardenCommand(
  bucket: string,
  flags: HardenFlags,
  out: Output = process.stdout,
): Promise<number> {
  const target = await targetOf(bucket, flags);
  const report = flags.json === true ? jsonReport(out) : plainReport(out);
  try {
    return await untilCalledOff((calling) => harden({ target, flags, report, calling }));
  } catch (thrown) {
    // Also where it ended before the first change.
    await sayLeft(target.posture, (step) => report.step(step));
    throw interruptedIn(thrown);
  } finally {
    await target.posture.close();
  }
}

async function harden(run: Run): Promise<number> {
  const { target, flags, report, calling } = run;
  const { posture } = target;
  const { tls } = await posture.handshake(calling);
  const facts = await posture.facts(calling);
  const vaults = await posture.named(await posture.moving(target.vaults));
  const named = await posture.named(await posture.moving(target.guards));
  const known = posture.whyUntried(facts, [...target.guards, ...vaults]);
  const { guards, untried } =
    known === undefined ? await learnt(run, facts, named) : { guards: named, untried: known };
  const plan = posture.plan(facts, {
    guards,
    vaults,
    allowSseC: flags.allowSseC ?? false,
    spoken: tls,
    ...(flags.tlsMin === undefined ? {} : { tlsMin: flags.tlsMin }),
    ...(flags.expireVersions === undefined ? {} : { expireVersions: flags.expireVersions }),
    ...(flags.only === undefined ? {} : { only: flags.only }),
  });
  report.plan(target, guards, plan, flags);
  const found = await leftoversFor(run, [...guards, ...vaults]);
  report.leftovers(found, untried);
  if (flags.dryRun === true) return report.end(EXIT.inStep);
  const leftovers = untried === undefined ? found : [];
  return agreed(run, { facts, guards, vaults, plan, untried, leftovers });
}

/** With `--only` nothing else is touched; what can't be listed is the audit's to say. */
async function leftoversFor(
  { target, flags, calling }: Run,
  guards: readonly Guard[],
): Promise<readonly Leftover[]> {
  if (flags.only !== undefined) return [];
  const found = await target.posture.leftovers(guards, calling);
  return found.state === 'set' ? found.value : [];
}

interface Learnt {
  readonly guards: readonly Guard[];
  /** Why no test object may be written, where that came out. */
  readonly untried: string | undefined;
}

/** Only a test write may tell how the store names a key: that is asked first. */
async function learnt(run: Run, facts: BucketFacts, guards: readonly Guard[]): Promise<Learnt> {
  const { target, flags, calling } = run;
  const { posture } = target;
  const bare = { guards, untried: undefined };
  const keys = guards
    .flatMap(sides)
    .filter(isUnnamed)
    .flatMap(({ kmsKeyId }) => kmsKeyId ?? []);
  if (keys.length === 0 || flags.dryRun === true) return bare;
  const question = `write and remove a test object, to learn which KMS key the store takes ${keys.join(', ')} for? [y/N] `;
  if (!(await isAgreed(run, question))) return bare;
  const untried = await posture.unremovable(facts.versioning, guards, calling);
  return untried === undefined
    ? { guards: await posture.learnt(guards, calling), untried }
    : { guards, untried };
}

async function isAgreed({ flags, calling }: Run, question: string): Promise<boolean> {
  if (flags.yes === true) return true;
  const answer = await calling.asking(async () => openTerminal()?.ask(question));
  return answer !== undefined && /^y(es)?$/i.test(answer);
}

interface Agreed extends Learnt {
  readonly facts: BucketFacts;
  readonly vaults: readonly Guard[];
  readonly plan: HardenPlan;
  /** Test objects of earlier runs, which go. */
  readonly leftovers: readonly Leftover[];
}

/** Asks, unless there is nothing that would be written. */
async function agreed(run: Run, wanted: Agreed): Promise<number> {
  const { target, report } = run;
  const { plan, guards, vaults, untried, leftovers } = wanted;
  const count = plan.changes.length;
  if (count > 0 || leftovers.length > 0) {
    const tries = untried === undefined ? ', and try the rules with test objects that are removed again' : '';
    const parts = [
      ...(count > 0 ? [`change ${plural(count, 'setting')} of ${target.bucket} as shown`] : []),
      ...(leftovers.length > 0 ? [`remove ${plural(leftovers.length, 'test object')} of earlier runs`] : []),
    ];
    const question = `${parts.join(', ')}${tries}? [y/N] `;
    if (!(await isAgreed(run, question))) throw notAgreed();
  } else if (untried === undefined && guards.length + vaults.length > 0) {
    const question = `try whether ${target.bucket} keeps its rules, with test objects that are removed again? [y/N] `;
    if (!(await isAgreed(run, question))) {
      report.step({ step: 'untried', reason: 'nobody agreed to test objects (--yes does)' });
      return report.end(EXIT.consent);
    }
  }
  return carryOut(run, wanted);
}

async function carryOut({ target, flags, report, calling }: Run, wanted: Agreed): Promise<number> {
  const { posture, where, bucket } = target;
  const { facts, guards, vaults, plan } = wanted;
  const { changes } = plan;
  const all = [...guards, ...vaults];
  const steps: Step[] = [];
  const say = (step: Step): void => {
    steps.push(step);
    report.step(step);
  };
  await posture.clear(wanted.leftovers, say, calling);
  const turnsOn = changes.some(({ setting }) => setting === 'versioning');
  const untried = wanted.untried ?? (await posture.unremovable(facts.versioning, all, calling, turnsOn));
  const { baseline, untried: stays } =
    untried === undefined ? await posture.baseline(all, calling) : { baseline: new Map(), untried };
  const kept = changes.length > 0 ? await keepBefore(where, bucket, facts, systemClock) : [];
  if (kept.length > 0) report.kept(kept);
  const [, keptPolicy] = kept;
  const policyStands =
    facts.policy.state !== 'unknown' &&
    flags.only?.includes('policy') !== false &&
    !changes.some(({ setting }) => setting === 'policy');
  const work = {
    changes,
    guards,
    baseline,
    policyStands,
    ...(stays === undefined ? {} : { untried: stays }),
    ...(keptPolicy === undefined ? {} : { keptPolicy }),
  };
  const ended = await posture.apply(work, say, calling);
  await sayLeft(posture, say);
  if (ended === undefined && !posture.ground.isAws && policyHolds(steps, policyStands)) report.tls();
  return report.end(ended === undefined ? exitOf(steps, plan) : exitAfter(ended, steps));
}

async function sayLeft(posture: OpenPosture, say: (step: Step) => void): Promise<void> {
  for (const { key, error } of await posture.left()) say({ step: 'trial-left', key, error });
}

function interruptedIn(thrown: unknown): unknown {
  if (asVaultError(thrown).code !== 'cancelled') return thrown;
  return new VaultError('cancelled', 'interrupted', 'it was interrupted before any setting was changed', {
    cause: thrown,
  });
}

const policyHolds = (steps: readonly Step[], stands: boolean): boolean => {
  const of = (name: Step['step']): boolean =>
    steps.some((one) => one.step === name && 'setting' in one && one.setting === 'policy');
  return stands || (of('changed') && !of('taken-back') && !of('undone'));
};

/** An end in order is what its signal says; what it could not leave in order counts for more. */
const exitAfter = ({ exit }: VaultError, steps: readonly Step[]): number =>
  steps.some(({ step }) => step === 'refused' || step === 'unsure' || step === 'trial-left')
    ? EXIT.refused
    : exit;

function exitOf(steps: readonly Step[], { skipped }: HardenPlan): number {
  const has = (...names: readonly Step['step'][]): boolean => steps.some(({ step }) => names.includes(step));
  if (has('refused', 'taken-back', 'undone', 'own-refused', 'trial-left')) return EXIT.refused;
  if (has('overtaken')) return EXIT.consent;
  if (has('differs', 'not-enforced', 'unknown', 'untried', 'left-out')) return EXIT.someFailed;
  return skipped.some(({ why }) => why !== 'unsupported') ? EXIT.refused : EXIT.inStep;
}
