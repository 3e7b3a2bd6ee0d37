import { type Command, InvalidArgumentError, Option } from 'commander';
import type { KeyStoreKind } from '../model/keyref.ts';
import { MODE_KINDS } from '../model/mode.ts';
import { LOG_LEVEL, checkLevel } from './log.ts';

/** Options common to all commands that touch S3 (`product.md`, Commands). */
export interface RemoteFlags {
  readonly endpoint?: string;
  readonly region?: string;
  readonly profile?: string;
  readonly pathStyle?: boolean;
  readonly caBundle?: string;
  readonly tlsMin?: '1.2' | '1.3';
}

/** Options of a vault. */
export interface VaultFlags extends RemoteFlags {
  readonly to?: string;
  readonly mode?: string;
  readonly key?: string;
  readonly kmsKey?: string;
  readonly kmsContext?: Readonly<Record<string, string>>;
  readonly bucketKey?: boolean;
  readonly direction?: 'push' | 'pull' | 'both';
  readonly delete?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly transfers?: number;
  readonly limitUpload?: number;
  readonly limitDownload?: number;
  readonly kmsQuota?: number;
  readonly kmsShare?: number;
  readonly pollRemote?: number;
  readonly encryptNames?: boolean;
}

/** Where keys come from. */
export interface KeyFlags {
  readonly keyStore?: KeyStoreKind;
  readonly passphraseCommand?: string;
  readonly keyCommand?: string;
}

export function addRemoteOptions(command: Command): Command {
  return command
    .option('--endpoint <url>', 'an S3-compatible store, https:// only (default: AWS)')
    .option('--region <region>', 'region of the bucket')
    .option('--profile <name>', 'profile of the shared AWS configuration')
    .option('--path-style', 'put the bucket into the path, not the host name (default with --endpoint)')
    .option('--no-path-style', 'put the bucket into the host name, also with --endpoint')
    .option('--ca-bundle <file>', 'PEM file of certificate authorities to trust beside the built-in ones')
    .addOption(new Option('--tls-min <version>', 'lowest TLS version').choices(['1.2', '1.3']));
}

export function addKeyOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--key-store <store>', 'where keys are kept; remembered').choices([
        'keychain',
        'file',
        'command',
        'credentials',
      ]),
    )
    .option('--passphrase-command <command>', 'command that prints the passphrase of the key file')
    .option('--key-command <command>', 'command that prints a key (with --key-store command)');
}

/** Where a vault is, and how it is protected. */
export function addPlaceOptions(command: Command): Command {
  addKeyOptions(addRemoteOptions(command))
    .option('--to <s3-url>', 's3://BUCKET/PREFIX; needed on first use, remembered afterwards')
    .addOption(
      new Option('--mode <mode>', 'how bytes are protected at rest (default: client)').choices(MODE_KINDS),
    )
    .option('--key <name>', 'key for modes client and sse-c (see: s3vault keys)')
    .option('--kms-key <id>', 'KMS key id, ARN or alias for modes sse-kms, dsse-kms and client')
    .option('--kms-context <name=value>', 'KMS encryption context; repeatable', addPair)
    .option('--bucket-key', 'ask for an S3 Bucket Key (fewer KMS requests)')
    .option('--no-bucket-key', 'ask for no S3 Bucket Key');
  return addKmsOptions(command);
}

const addKmsOptions = (command: Command): Command =>
  command
    .option('--kms-quota <n>', 'KMS requests a second of the account (default: as AWS says)', parseQuota)
    .option('--kms-share <percent>', 'percent of the KMS quota to use at most (default: 50)', parseShare);

/** Of a vault that is made now. */
export function addNamesOption(command: Command): Command {
  return command.option(
    '--encrypt-names',
    'encrypt the names of files and folders as well; for a new vault, and for good',
  );
}

export function addVaultOptions(command: Command): Command {
  return addNamesOption(addPlaceOptions(command))
    .addOption(
      new Option('--direction <direction>', 'which way changes go (default: push)').choices([
        'push',
        'pull',
        'both',
      ]),
    )
    .option(
      '--poll-remote <seconds>',
      'with pull and both: look at the bucket this often while watching (default: 60)',
      parseSeconds,
    )
    .option('--delete', 'let removals through: what is removed on one side is removed on the other')
    .option('--include <glob>', 'sync only what matches; repeatable', addText)
    .option('--exclude <glob>', 'leave out what matches; repeatable', addText)
    .option('--transfers <n>', 'transfers at a time (default: 16)', parseCount)
    .option('--limit-upload <rate>', 'bytes a second, like 500K or 10M', parseRate)
    .option('--limit-download <rate>', 'bytes a second, like 500K or 10M', parseRate);
}

/** What commands that only read need to know of a place. */
export function addReadOptions(command: Command): Command {
  return addKmsOptions(addKeyOptions(addRemoteOptions(command)))
    .option('--from <place>', 'the vault: its folder, or s3://BUCKET/PREFIX on a machine that has none')
    .addOption(
      new Option('--mode <mode>', 'how the objects are protected (default: as the vault says)').choices(
        MODE_KINDS,
      ),
    )
    .option('--key <name>', 'key for modes client and sse-c (default: the one the vault names)')
    .option('--kms-key <id>', 'KMS key that objects of mode client were sealed with')
    .option('--kms-context <name=value>', 'KMS encryption context; repeatable', addPair)
    .addOption(
      new Option(
        '--commitment <policy>',
        'require (default): only the key-committing format is opened; allow: V2 of S3 Encryption Clients, too',
      ).choices(['require', 'allow']),
    );
}

/** How much a rekey or a rotation moves, and how fast; for this run only. */
export interface MovingFlags {
  readonly allVersions?: boolean;
  readonly dryRun?: boolean;
  readonly transfers?: number;
  readonly limitUpload?: number;
  readonly limitDownload?: number;
}

export function addMovingOptions(command: Command): Command {
  return command
    .option('--all-versions', 'move older object versions too, and keep none under the old key')
    .option('--dry-run', 'count objects, bytes, requests and cost; do nothing')
    .option('--transfers <n>', 'objects at a time (default: as the vault has it)', parseCount)
    .option('--limit-upload <rate>', 'bytes a second, like 500K or 10M', parseRate)
    .option('--limit-download <rate>', 'bytes a second, like 500K or 10M', parseRate);
}

export function addRekeyOptions(command: Command): Command {
  command
    .addOption(new Option('--to-mode <mode>', 'the new mode (default: as before)').choices(MODE_KINDS))
    .option('--key <name>', 'the new key for modes client and sse-c')
    .option('--kms-key <id>', 'the new KMS key for modes sse-kms, dsse-kms and client')
    .option('--kms-context <name=value>', 'KMS encryption context; repeatable', addPair)
    .option('--bucket-key', 'ask for an S3 Bucket Key')
    .option('--no-bucket-key', 'ask for no S3 Bucket Key');
  return addKeyOptions(addMovingOptions(command))
    .option('--yes', 'do not ask')
    .option('--json', 'print one JSON object a line');
}

/** Commands that hand their options on, to where each is known. */
const HAND_ON: ReadonlySet<string> = new Set(['keys', 'bucket']);

/** Every command takes it, whether it has much to log or not. */
export function addLogLevel(program: Command): void {
  const add = (command: Command): void => {
    for (const below of command.commands) add(below);
    if (command.commands.length > 0 || HAND_ON.has(command.name())) return;
    const has = command.options.some(({ long }) => long === '--log-level');
    if (!has) command.option(...LOG_LEVEL);
  };
  for (const command of program.commands) add(command);
  program.hook('preAction', (_program, command) => checkLevel(command.opts()['logLevel']));
}

function addText(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

export function addPair(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('must be NAME=VALUE');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 256) {
    throw new InvalidArgumentError('must be a whole number from 1 to 256');
  }
  return count;
}

/** `--deep PERCENT`. */
export function parsePercent(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (!(percent > 0 && percent <= 100)) throw new InvalidArgumentError('must be a share of 100, like 5');
  return percent;
}

function parseQuota(text: string): number {
  const quota = Number(text);
  if (!Number.isInteger(quota) || quota < 1 || quota > 10_000_000) {
    throw new InvalidArgumentError('must be a whole number of requests a second, like 10000');
  }
  return quota;
}

/** `50` or `50%`. */
function parseShare(text: string): number {
  const share = /^\d+\s*%?$/.test(text) ? Number.parseInt(text, 10) : Number.NaN;
  if (!(share >= 1 && share <= 100)) {
    throw new InvalidArgumentError('must be a whole percentage from 1 to 100');
  }
  return share;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 1 || seconds > 86_400) {
    throw new InvalidArgumentError('must be seconds from 1 to 86400');
  }
  return seconds;
}

const RATE_UNITS: { readonly [unit: string]: number } = { '': 1, K: 1_000, M: 1_000_000, G: 1_000_000_000 };

/** `500K`, `10M`, `1.5M`, `2000`: bytes a second. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)B?$/i.exec(text);
  const rate =
    match === null ? Number.NaN : Number(match[1]) * (RATE_UNITS[(match[2] ?? '').toUpperCase()] ?? 1);
  if (!(rate >= 1)) throw new InvalidArgumentError('must be a rate like 500K or 10M, in bytes a second');
  return rate;
}
