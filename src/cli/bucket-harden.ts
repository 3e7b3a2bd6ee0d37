/** `s3vault bucket harden`: shows the change, asks, makes it, reads it back, proves it. */
import { systemClock } from '../clock.ts';
import { type BucketFacts, SETTING_WORDS } from '../model/bucket.ts';
import { plural } from '../model/display.ts';
import { EXIT } from '../model/errors.ts';
import {
  type Change,
  type Guard,
  type HardenPlan,
  type Step,
  isUnnamed,
  keepBefore,
  sides,
} from '../vaults/bucket.ts';
import { changeText } from './bucket-change.ts';
import { effectsOf } from './bucket-effects.ts';
import {
  type HardenFlags,
  type Target,
  guardsText,
  notAgreed,
  targetOf,
  unnamedText,
} from './bucket-target.ts';
import { hung } from './lines.ts';
import type { Output } from './print.ts';
import { openTerminal } from './prompt.ts';

export async function hardenCommand(
  bucket: string,
  flags: HardenFlags,
  out: Output = process.stdout,
): Promise<number> {
  const target = await targetOf(bucket, flags);
  const { posture } = target;
  const report = flags.json === true ? jsonReport(out) : plainReport(out);
  try {
    const { tls } = await posture.handshake();
    const facts = await posture.facts();
    const vaults = await posture.named(await posture.moving(target.vaults));
    const untried = posture.whyUntried(facts, [...target.guards, ...vaults]);
    const named = await posture.named(await posture.moving(target.guards));
    const guards = untried === undefined ? await learnt(target, named, flags) : named;
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
    if (flags.dryRun === true) return report.end(EXIT.inStep);
    if (plan.changes.length > 0) await agree(target, flags, plan);
    return await carryOut(target, flags, { facts, guards, vaults, plan, untried }, report);
  } finally {
    await posture.close();
  }
}

/** Only a test write may tell how the store names a key: that is asked first. */
async function learnt(
  { posture }: Target,
  guards: readonly Guard[],
  flags: HardenFlags,
): Promise<readonly Guard[]> {
  const keys = guards
    .flatMap(sides)
    .filter(isUnnamed)
    .flatMap(({ kmsKeyId }) => kmsKeyId ?? []);
  if (keys.length === 0 || flags.dryRun === true) return guards;
  if (flags.yes === true) return posture.learnt(guards);
  const answer = await openTerminal()?.ask(
    `write and remove a test object, to learn which KMS key the store takes ${keys.join(', ')} for? [y/N] `,
  );
  return answer !== undefined && /^y(es)?$/i.test(answer) ? posture.learnt(guards) : guards;
}

interface Agreed {
  readonly facts: BucketFacts;
  readonly guards: readonly Guard[];
  readonly vaults: readonly Guard[];
  readonly plan: HardenPlan;
  readonly untried: string | undefined;
}

async function carryOut(
  { posture, where, bucket }: Target,
  { only }: HardenFlags,
  { facts, guards, vaults, plan, untried }: Agreed,
  report: Report,
): Promise<number> {
  const { changes } = plan;
  const baseline = untried === undefined ? await posture.baseline([...guards, ...vaults]) : new Map();
  if (changes.length > 0) report.kept(await keepBefore(where, bucket, facts, systemClock));
  const steps: Step[] = [];
  const policyStands =
    facts.policy.state !== 'unknown' &&
    only?.includes('policy') !== false &&
    !changes.some(({ setting }) => setting === 'policy');
  const work = { changes, guards, baseline, policyStands, ...(untried === undefined ? {} : { untried }) };
  await posture.apply(work, (step) => {
    steps.push(step);
    report.step(step);
  });
  if (!posture.ground.isAws && policyHolds(steps, policyStands)) report.tls();
  return report.end(exitOf(steps, plan));
}

const policyHolds = (steps: readonly Step[], stands: boolean): boolean => {
  const of = (name: Step['step']): boolean =>
    steps.some((one) => one.step === name && 'setting' in one && one.setting === 'policy');
  return stands || (of('changed') && !of('taken-back'));
};

async function agree(target: Target, flags: HardenFlags, plan: HardenPlan): Promise<void> {
  if (flags.yes === true) return;
  const count = plural(plan.changes.length, 'setting');
  const answer = await openTerminal()?.ask(`change ${count} of ${target.bucket} as shown? [y/N] `);
  if (answer === undefined || !/^y(es)?$/i.test(answer)) throw notAgreed();
}

function exitOf(steps: readonly Step[], { skipped }: HardenPlan): number {
  const has = (...names: readonly Step['step'][]): boolean => steps.some(({ step }) => names.includes(step));
  if (has('refused', 'taken-back', 'own-refused')) return EXIT.refused;
  if (has('overtaken')) return EXIT.consent;
  if (has('differs', 'not-enforced', 'unknown', 'untried')) return EXIT.someFailed;
  return skipped.some(({ why }) => why !== 'unsupported') ? EXIT.refused : EXIT.inStep;
}

interface Report {
  plan(target: Target, guards: readonly Guard[], plan: HardenPlan, flags: HardenFlags): void;
  kept(files: readonly string[]): void;
  step(step: Step): void;
  /** For stores whose enforcement of the TLS rule can't be known. */
  tls(): void;
  end(exit: number): number;
}

function plainReport(out: Output): Report {
  return {
    plan: (target, guards, { changes, skipped, unnamed }, { dryRun }) => {
      out.write(hung('', `s3://${target.bucket}, for ${guardsText(guards)}`, 2));
      for (const change of changes) out.write(`\n${changeText(change, changes)}\n`);
      if (changes.length === 0) out.write('\nnothing is to be changed\n');
      for (const { setting, why, reason } of skipped)
        out.write(
          `\n${hung(why === 'unsupported' ? '· ' : '? ', `${SETTING_WORDS[setting]}: ${reason}; left as it is`)}`,
        );
      for (const keyId of unnamed) {
        const [message, hint] = unnamedText(keyId, dryRun === true ? DRY : '');
        out.write(`\n${hung('! ', message)}${hintText(hint)}`);
      }
      out.write('\n');
    },
    kept: (files) => out.write(`what was there is kept in\n${files.map((file) => `  ${file}\n`).join('')}`),
    step: (step) => out.write(stepText(step)),
    tls: () =>
      out.write(
        hung(
          '· ',
          'the rule against plain HTTP was read back; whether this store keeps it can not be tried, for s3vault never speaks plain HTTP',
        ),
      ),
    end: (exit) => exit,
  };
}

export function stepText(step: Step): string {
  switch (step.step) {
    case 'changed':
      return hung('✓ ', `${SETTING_WORDS[step.setting]}: changed, and read back`);
    case 'refused':
      return hung('✗ ', `${SETTING_WORDS[step.setting]}: ${step.error.message}`) + hintText(step.error.hint);
    case 'differs':
      return hung('! ', `${SETTING_WORDS[step.setting]}: ${step.reason}`);
    case 'proved':
      return hung('✓ ', `tried: ${step.what} is refused`);
    case 'unknown':
      return hung('? ', `tried: ${step.what} ${step.reason}; so nothing is proved`);
    case 'untried':
      return hung('? ', `nothing was tried: ${step.reason}; the rules were read back, and are not proved`);
    case 'overtaken':
      return hung(
        '✗ ',
        `${SETTING_WORDS[step.setting]}: somebody changed it after the change was shown; it was not written`,
      );
    case 'not-enforced':
      return hung(
        '! ',
        `tried: ${step.what} was accepted all the same (and removed again): this store does not enforce the rule`,
      );
    case 'taken-back':
      return hung('✗ ', takenBack(step));
    case 'own-refused':
      return (
        hung('✗ ', `what the vault itself writes is refused: ${step.error.message}`) +
        hintText(step.error.hint)
      );
    default:
      return step satisfies never;
  }
}

function takenBack({ setting, what, reason }: Extract<Step, { step: 'taken-back' }>): string {
  const name = SETTING_WORDS[setting];
  return what === undefined
    ? `${name}: put back as it was, for with the change the store refuses what the vault itself writes: ${reason}`
    : `${name}: ${what} is off again, for with it this store refuses what the vault itself writes (${reason}); the rest of it stays`;
}

const hintText = (hint: string | undefined): string => (hint === undefined ? '' : hung('  → ', hint));

const DRY = '; without --dry-run a test object may tell';

function jsonReport(out: Output): Report {
  const line = (event: string, fields: object): void => {
    const time = new Date(systemClock.now()).toISOString();
    out.write(`${JSON.stringify({ event, time, ...fields })}\n`);
  };
  return {
    plan: (_, __, { changes, skipped, unnamed }, { dryRun }) => {
      for (const change of changes)
        line('change', { ...plainChange(change), effects: effectsOf(change, changes) });
      for (const skip of skipped) line('skipped', skip);
      for (const keyId of unnamed) {
        const [message, hint] = unnamedText(keyId, dryRun === true ? DRY : '');
        line('warning', { code: 'kms-key-unnamed', message, hint });
      }
    },
    kept: ([file, policy]) => line('kept', { file, policy }),
    step: (step) =>
      line(
        'step',
        'error' in step ? { ...step, error: { code: step.error.code, message: step.error.message } } : step,
      ),
    tls: () => undefined,
    end: (exit) => {
      line('summary', { exit });
      return exit;
    },
  };
}

/** Without what only the adapter understands. */
function plainChange(change: Change): object {
  if (change.setting !== 'lifecycle') return change;
  const bare = (rules: NonNullable<typeof change.before>['rules'] | undefined): readonly object[] =>
    (rules ?? []).map((rule) => ({ ...rule, raw: undefined }));
  return { setting: change.setting, before: bare(change.before?.rules), after: bare(change.after.rules) };
}
