/** What `bucket harden` says of itself: in words, or one JSON object a line. */
import { systemClock } from '../clock.ts';
import { type Leftover, SETTING_WORDS } from '../model/bucket.ts';
import { plural, safeName } from '../model/display.ts';
import { type ErrorReport, type VaultError, report as reportOf } from '../model/errors.ts';
import { type Change, type Guard, type HardenPlan, type Step, namesOf } from '../vaults/bucket.ts';
import { changeText } from './bucket-change.ts';
import { effectsOf } from './bucket-effects.ts';
import { type HardenFlags, type Target, guardsText, unnamedText } from './bucket-target.ts';
import { hung } from './lines.ts';
import type { Output } from './print.ts';

export interface Report {
  plan(target: Target, guards: readonly Guard[], plan: HardenPlan, flags: HardenFlags): void;
  /** Test objects of earlier runs; `stay`: why they are not removed. */
  leftovers(leftovers: readonly Leftover[], stay: string | undefined): void;
  kept(files: readonly string[]): void;
  step(step: Step): void;
  /** For stores whose enforcement of the TLS rule can't be known. */
  tls(): void;
  end(exit: number): number;
}

export function plainReport(out: Output): Report {
  let stays = false;
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
    leftovers: (leftovers, stay) => {
      if (leftovers.length === 0) return;
      const what = `${plural(leftovers.length, 'test object')} of earlier runs`;
      const end = stay === undefined ? 'to be removed' : `left as they are, for ${stay}`;
      out.write(`${hung(stay === undefined ? '- ' : '? ', `${what}: ${namesOf(leftovers)}; ${end}`)}\n`);
    },
    kept: (files) => out.write(`what was there is kept in\n${files.map((file) => `  ${file}\n`).join('')}`),
    step: (step) => {
      stays ||= isStaying(step);
      out.write(stepText(step, stays));
    },
    tls: () => out.write(hung('· ', `the rule against plain HTTP was read back; ${NEVER_PLAIN}`)),
    end: (exit) => exit,
  };
}

const isStaying = (step: Step): boolean => step.step === 'refused' && step.stays === true;

/** `stays`: something is in force that should have been put back. */
function stepText(step: Step, stays: boolean): string {
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
    case 'left-out':
      return hung(
        '! ',
        `${SETTING_WORDS[step.setting]}: ${step.what} is left as it was, for some stores refuse every write with it, and that could not be tried here: ${step.reason}`,
      );
    case 'own-refused':
      return (
        hung('✗ ', `what the vault itself writes is refused: ${step.error.message}`) +
        hintText(step.error.hint)
      );
    case 'cleared':
      return hung('✓ ', `removed the test object ${safeName(step.key)} of an earlier run`);
    case 'trial-left':
      return hung('✗ ', step.error.message) + hintText(step.error.hint);
    case 'undone':
    case 'unsure':
    case 'not-done':
    case 'stopped':
      return endText(step, stays);
    default:
      return step satisfies never;
  }
}

type End = Extract<Step, { step: 'undone' | 'unsure' | 'not-done' | 'stopped' }>;

/** What is said where it ended before its end. */
function endText(step: End, stays: boolean): string {
  switch (step.step) {
    case 'undone':
      return hung(
        '✗ ',
        `${SETTING_WORDS[step.setting]}: put back as it was, for it was not seen yet that what the vault itself writes passes with it`,
      );
    case 'unsure':
      return hung('? ', `${SETTING_WORDS[step.setting]}: perhaps changed; ${step.reason}`);
    case 'not-done':
      return hung('· ', `${SETTING_WORDS[step.setting]}: not changed`);
    case 'stopped':
      return hung('✗ ', stoppedText(step.error)) + hintText(againFor(step.error, stays));
    default:
      return step satisfies never;
  }
}

function stoppedText({ kind, message }: VaultError): string {
  return kind === 'cancelled' ? 'interrupted before it was finished' : `it could not be finished: ${message}`;
}

/** What an error says of runs that go on by themselves is not so here. */
function againFor({ kind, hint }: VaultError, stays: boolean): string {
  const first = kind === 'offline' ? 'check the network and the endpoint, then ' : '';
  const own = kind === 'offline' || hint === undefined ? '' : `${hint}; then `;
  const back = stays
    ? 'put back by hand what could not be put back (the command is above), and only then '
    : '';
  return `${first}${own}${back}run the same command again: what is in place stays, and the rest is done then`;
}

const NEVER_PLAIN = 'whether this store keeps it can not be tried, for s3vault never speaks plain HTTP';

function takenBack({ setting, what, reason }: Extract<Step, { step: 'taken-back' }>): string {
  const name = SETTING_WORDS[setting];
  return what === undefined
    ? `${name}: put back as it was, for with the change the store refuses what the vault itself writes: ${reason}`
    : `${name}: ${what} is off again, for with it this store refuses what the vault itself writes (${reason}); the rest of it stays`;
}

const hintText = (hint: string | undefined): string => (hint === undefined ? '' : hung('  → ', hint));

const DRY = '; without --dry-run a test object may tell';

export function jsonReport(out: Output): Report {
  let stays = false;
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
    leftovers: (leftovers, stay) => {
      for (const { key, modified } of leftovers)
        line('leftover', {
          key,
          modified: new Date(modified).toISOString(),
          removed: stay === undefined,
          ...(stay === undefined ? {} : { reason: stay }),
        });
    },
    kept: ([file, policy]) => line('kept', { file, policy }),
    step: (step) => {
      stays ||= isStaying(step);
      line('step', 'error' in step ? { ...step, error: errorOf(step, stays) } : step);
    },
    tls: () => line('step', { step: 'untried', what: 'the rule against plain HTTP', reason: NEVER_PLAIN }),
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

function errorOf({ step, error }: Extract<Step, { readonly error: unknown }>, stays: boolean): ErrorReport {
  if (step !== 'stopped') return reportOf(error);
  return { code: error.code, message: stoppedText(error), hint: againFor(error, stays) };
}
