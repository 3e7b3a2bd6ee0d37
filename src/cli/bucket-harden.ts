/** `s3vault bucket harden`: shows the change, asks, makes it, reads it back, proves it. */
import { systemClock } from '../clock.ts';
import { plural } from '../model/display.ts';
import { EXIT } from '../model/errors.ts';
import { type Change, type Guard, type HardenPlan, type Step, keepBefore } from '../vaults/bucket.ts';
import { NAMES, changeText } from './bucket-change.ts';
import { type HardenFlags, type Target, guardsText, notAgreed, targetOf } from './bucket-target.ts';
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
    const guards = await posture.named(target.guards, flags.dryRun !== true);
    const plan = posture.plan(facts, {
      guards,
      vaults: target.needs,
      allowSseC: flags.allowSseC ?? false,
      spoken: tls,
      ...(flags.tlsMin === undefined ? {} : { tlsMin: flags.tlsMin }),
      ...(flags.expireVersions === undefined ? {} : { expireVersions: flags.expireVersions }),
      ...(flags.only === undefined ? {} : { only: flags.only }),
    });
    report.plan(target, guards, plan);
    if (flags.dryRun === true) return report.end(EXIT.inStep);
    if (plan.changes.length > 0) await agree(target, flags, plan);
    const needs = await posture.named(target.needs, false);
    const baseline = await posture.baseline(dedupe([...guards, ...needs]));
    if (plan.changes.length > 0)
      report.kept(await keepBefore(target.where, target.bucket, facts, systemClock));
    const steps: Step[] = [];
    const policyStands =
      facts.policy.state !== 'unknown' &&
      flags.only?.includes('policy') !== false &&
      !plan.changes.some(({ setting }) => setting === 'policy');
    await posture.apply({ changes: plan.changes, guards, baseline, policyStands }, (step) => {
      steps.push(step);
      report.step(step);
    });
    if (!posture.ground.isAws && policyHolds(steps, policyStands)) report.tls();
    return report.end(exitOf(steps, plan));
  } finally {
    await posture.close();
  }
}

const policyHolds = (steps: readonly Step[], stands: boolean): boolean => {
  const of = (name: Step['step']): boolean =>
    steps.some((one) => one.step === name && 'setting' in one && one.setting === 'policy');
  return stands || (of('changed') && !of('taken-back'));
};

/** The same prefix in the same mode is tried once. */
function dedupe(guards: readonly Guard[]): readonly Guard[] {
  const seen = new Map(guards.map((guard) => [`${guard.mode} ${guard.prefix}`, guard] as const).toReversed());
  return [...seen.values()];
}

async function agree(target: Target, flags: HardenFlags, plan: HardenPlan): Promise<void> {
  if (flags.yes === true) return;
  const count = plural(plan.changes.length, 'setting');
  const answer = await openTerminal()?.ask(`change ${count} of ${target.bucket} as shown? [y/N] `);
  if (answer === undefined || !/^y(es)?$/i.test(answer)) throw notAgreed();
}

function exitOf(steps: readonly Step[], { skipped }: HardenPlan): number {
  const has = (...names: readonly Step['step'][]): boolean => steps.some(({ step }) => names.includes(step));
  if (has('refused', 'taken-back', 'own-refused')) return EXIT.refused;
  if (has('differs', 'not-enforced', 'unknown')) return EXIT.someFailed;
  return skipped.some(({ why }) => why !== 'unsupported') ? EXIT.refused : EXIT.inStep;
}

interface Report {
  plan(target: Target, guards: readonly Guard[], plan: HardenPlan): void;
  kept(files: readonly string[]): void;
  step(step: Step): void;
  /** For stores whose enforcement of the TLS rule can't be known. */
  tls(): void;
  end(exit: number): number;
}

function plainReport(out: Output): Report {
  return {
    plan: (target, guards, { changes, skipped }) => {
      out.write(hung('', `s3://${target.bucket}, for ${guardsText(guards)}`, 2));
      for (const change of changes) out.write(`\n${changeText(change)}\n`);
      if (changes.length === 0) out.write('\nnothing is to be changed\n');
      for (const { setting, why, reason } of skipped)
        out.write(
          `\n${hung(why === 'unsupported' ? '· ' : '? ', `${NAMES[setting]}: ${reason}; left as it is`)}`,
        );
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
      return hung('✓ ', `${NAMES[step.setting]}: changed, and read back`);
    case 'refused':
      return hung('✗ ', `${NAMES[step.setting]}: ${step.error.message}`) + hintText(step.error.hint);
    case 'differs':
      return hung('! ', `${NAMES[step.setting]}: ${step.reason}`);
    case 'proved':
      return hung('✓ ', `tried: ${step.what} is refused`);
    case 'unknown':
      return hung('? ', `tried: ${step.what} is refused, but ${step.reason}; so nothing is proved`);
    case 'not-enforced':
      return hung(
        '! ',
        `tried: ${step.what} was accepted all the same (and removed again): this store does not enforce the rule`,
      );
    case 'taken-back':
      return hung(
        '✗ ',
        `${NAMES[step.setting]}: put back as it was, for with the change the store refuses what the vault itself writes: ${step.reason}`,
      );
    case 'own-refused':
      return (
        hung('✗ ', `what the vault itself writes is refused: ${step.error.message}`) +
        hintText(step.error.hint)
      );
    default:
      return step satisfies never;
  }
}

const hintText = (hint: string | undefined): string => (hint === undefined ? '' : hung('  → ', hint));

function jsonReport(out: Output): Report {
  const line = (event: string, fields: object): void => {
    const time = new Date(systemClock.now()).toISOString();
    out.write(`${JSON.stringify({ event, time, ...fields })}\n`);
  };
  return {
    plan: (_, __, { changes, skipped }) => {
      for (const change of changes) line('change', plainChange(change));
      for (const skip of skipped) line('skipped', skip);
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
