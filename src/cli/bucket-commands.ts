/** `s3vault bucket`: its commands and their options, built only when asked for. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { MODE_KINDS } from '../model/mode.ts';
import { addLogLevel, addPair, addRemoteOptions } from './options.ts';

type SetExit = (exit: number) => void;

export function bucketCommand(setExit: SetExit): Command {
  const program = new Command('s3vault bucket').description(
    'look at the safety of a bucket, and mend it; BUCKET may also be s3://BUCKET/PREFIX',
  );
  addAudit(program, setExit);
  addHarden(program, setExit);
  addPolicy(program, setExit);
  addLogLevel(program);
  return program;
}

function withMode(command: Command): Command {
  return addRemoteOptions(command)
    .addOption(
      new Option('--mode <mode>', 'look at it for this mode (default: those of the vaults in it)').choices(
        MODE_KINDS,
      ),
    )
    .option('--kms-key <id>', 'KMS key id, ARN or alias for modes sse-kms and dsse-kms')
    .option('--kms-context <name=value>', 'KMS encryption context; repeatable', addPair);
}

function withMove(command: Command): Command {
  return withMode(command)
    .addOption(
      new Option(
        '--to-mode <mode>',
        'also let writes in this mode pass: before a rekey to it, until harden runs again after it',
      ).choices(MODE_KINDS),
    )
    .option('--to-kms-key <id>', 'KMS key of --to-mode');
}

function addAudit(program: Command, setExit: SetExit): void {
  const command = program
    .command('audit')
    .argument('<bucket>')
    .description('report what is safe, what is not and what could not be read; changes nothing')
    .option('--json', 'print one JSON object a line');
  withMode(command)
    .addHelpText('after', AUDIT_EXITS)
    .action(async (bucket: string, flags: object) => {
      const { auditCommand } = await import('./bucket-audit.ts');
      setExit(await auditCommand(bucket, flags));
    });
}

const AUDIT_EXITS = `
Exit codes: 0 nothing of high or medium severity, 3 such problems were found,
4 none was found but something could not be read for lack of permission.`;

function addHarden(program: Command, setExit: SetExit): void {
  const command = program
    .command('harden')
    .argument('<bucket>')
    .description('show the exact change, ask, make it, read it back, and prove it by trying')
    .option('--allow-sse-c', 'allow SSE-C in the bucket (blocked in new buckets since April 2026)')
    .option('--expire-versions <days>', 'let old versions end after so many days (default: they stay)', days)
    .option('--only <settings>', `only these, with commas: ${Object.keys(SETTINGS).join(', ')}`, settings)
    .option('--dry-run', 'show the change, do nothing')
    .option('--yes', 'do not ask')
    .option('--json', 'print one JSON object a line');
  withMove(command)
    .addHelpText('after', HARDEN_EXITS)
    .action(async (bucket: string, flags: object) => {
      const { hardenCommand } = await import('./bucket-harden.ts');
      setExit(await hardenCommand(bucket, flags));
    });
}

const HARDEN_EXITS = `
Exit codes: 0 all of it is in place and proved, 3 the store does not keep a
rule, or it could not be proved, 4 something could not be read, written or
removed, or was put back, or the store is not reached any more, 5 nobody agreed,
or somebody changed the bucket after the change was shown, 130 interrupted: what
was not seen to let the vaults' own writes pass is put back.`;

function addPolicy(program: Command, setExit: SetExit): void {
  const command = program
    .command('policy')
    .argument('<bucket>')
    .description(
      'print the bucket policy that harden would leave there; with --iam, one for who runs s3vault',
    )
    .option('--iam', 'the least an IAM user or role needs for this mode')
    .option('--write-only', 'with --iam: for a machine that sends and can neither read back nor remove');
  withMove(command).action(async (bucket: string, flags: object) => {
    const { policyCommand } = await import('./bucket-policy.ts');
    setExit(await policyCommand(bucket, flags));
  });
}

/** Settings as the command line calls them. */
export const SETTINGS = {
  policy: 'policy',
  encryption: 'encryption',
  versioning: 'versioning',
  'public-access': 'publicAccess',
  ownership: 'ownership',
  lifecycle: 'lifecycle',
} as const;

function settings(text: string): readonly (typeof SETTINGS)[keyof typeof SETTINGS][] {
  return text.split(',').map((name) => {
    const known = Object.entries(SETTINGS).find(([one]) => one === name.trim());
    if (known === undefined) throw new InvalidArgumentError(`must be of ${Object.keys(SETTINGS).join(', ')}`);
    return known[1];
  });
}

function days(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 36_500)
    throw new InvalidArgumentError('must be a whole number of days, from 1 on');
  return count;
}
