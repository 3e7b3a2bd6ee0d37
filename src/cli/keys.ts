/** `s3vault keys …`: secrets come in on stdin and go out on stdout, never as arguments. */
import { buffer } from 'node:stream/consumers';
import { Command, Option } from 'commander';
import { systemClock } from '../clock.ts';
import { type Config, type Places, changeConfig, places, readConfig } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyInfo, KeyStoreKind } from '../model/keyref.ts';
import type { Clock } from '../model/ports.ts';
import { wordColumns } from '../model/recovery.ts';
import { Secret } from '../model/secret.ts';
import type { Custody } from '../vaults/keys.ts';
import { askBack } from './ask-back.ts';
import type { KeyWork } from './key-work.ts';
import { keysOfVault, storeOf, leftUnder, usersOf, withoutKey } from './key-uses.ts';
import { kmsInfo, kmsKeys, refuseKms } from './kms-keys.ts';
import { LOG_LEVEL, checkLevel, openLog } from './log.ts';
import { type KeyFlags, type MovingFlags, addKeyOptions, addMovingOptions } from './options.ts';
import type { Output } from './print.ts';
import { type Terminal, openTerminal } from './prompt.ts';

const FORMATS = ['base64', 'words', 'pem', 'age'] as const;
type Format = (typeof FORMATS)[number];

/** The world of these commands; tests give their own. */
export interface KeysWorld {
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly terminal: () => Terminal | undefined;
  /** For tests only; see `KeyFileOptions`. */
  readonly workFactorForTests?: number;
}

const REAL: KeysWorld = {
  env: process.env,
  clock: systemClock,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  terminal: () => openTerminal(),
};

interface Flags extends KeyFlags, MovingFlags {
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly public?: boolean;
  readonly kind?: 'aes-256' | 'rsa';
  readonly format?: Format;
  readonly logLevel?: string;
}

/** One run of a key command: what was asked for, and where. */
interface Run {
  readonly world: KeysWorld;
  readonly flags: Flags;
  readonly places: Places;
  readonly config: Config;
  readonly kind: KeyStoreKind;
  readonly custody: Custody;
  readonly terminal: Terminal | undefined;
}

const ALONE = `
Without a command it opens the key screen, on a terminal; --key-store, --passphrase-command and
--key-command can be given there, too.`;

/** The command with its subcommands. Each ends with a VaultError or in success. */
export function keysCommand(
  world: KeysWorld = REAL,
  setExit: (exit: number) => void = () => undefined,
): Command {
  const keys = new Command('s3vault keys')
    .description('the key screen; list, create, import, export, recover, test, rotate, delete')
    .exitOverride()
    .addHelpText('after', ALONE)
    .showHelpAfterError('(s3vault keys --help shows all commands)');
  const on =
    (fn: (run: Run, name: string) => Promise<void>) =>
    async (name: string, flags: Flags, command: Command): Promise<void> => {
      refuseMore(command);
      return perform(world, flags, (run) => fn(run, name));
    };
  const add = (command: Command): Command => addKeyOptions(command).option(...LOG_LEVEL);
  const named = (command: string) => keys.command(command).argument('<name>').allowExcessArguments();
  add(keys.command('list').description('names, kinds and fingerprints'))
    .option('--json', 'print one JSON object a line')
    .action(async (flags: Flags) => perform(world, flags, listKeys));
  add(named('create').description('make a new key'))
    .addOption(new Option('--kind <kind>', 'kind of key').choices(['aes-256', 'rsa']).default('aes-256'))
    .action(on(createKey));
  add(named('import').description('read a key from stdin'))
    .addOption(new Option('--format <format>', 'form of the key').choices(FORMATS).makeOptionMandatory())
    .action(on(importKey));
  add(named('export').description('write a key to stdout'))
    .addOption(new Option('--format <format>', 'form of the key').choices(FORMATS).makeOptionMandatory())
    .option('--public', 'of an RSA key only the public half: for a machine that sends and cannot read')
    .option('--yes', 'do not ask')
    .option('--json', 'refused: a key is never part of JSON output')
    .action(on(exportKey));
  add(named('recover').description('rebuild a key from 24 words on stdin')).action(on(recoverKey));
  add(named('test').description('open one object of each vault that uses the key'))
    .option('--json', 'print one JSON object a line')
    .action(
      on(async (run, name) =>
        setExit(await (await import('./key-work.ts')).testKey(await workOf(run), name)),
      ),
    );
  addMovingOptions(
    add(named('rotate').description('make a new key and move all objects of its vaults to it')),
  )
    .option('--yes', 'do not ask')
    .option('--json', 'print one JSON object a line')
    .action(on(async (run, name) => setExit(await rotateCommand(run, name))));
  add(named('delete').description('remove a key for good'))
    .option('--yes', 'do not ask, unless a vault uses the key')
    .action(on(deleteKey));
  return keys;
}

/** commander would print what there is too much of, and that may be a key. */
function refuseMore({ args }: Command): void {
  if (args.length < 2) return;
  throw new VaultError('usage', 'too-many-arguments', 'there is more than the name of a key', {
    hint: 'a key comes in on stdin; one given as an argument is in the history of your shell now',
  });
}

async function perform(world: KeysWorld, flags: Flags, fn: (run: Run) => Promise<void>): Promise<void> {
  checkLevel(flags.logLevel);
  const where = places(world.env);
  const config = await readConfig(where);
  const kind = flags.keyStore ?? config.keyStore ?? 'keychain';
  const terminal = world.terminal();
  const custody = await openHere(world, flags, where, config, kind, terminal);
  await fn({ world, flags, places: where, config, kind, custody, terminal });
  await remember(where, config, flags);
}

async function openHere(
  world: KeysWorld,
  flags: Flags,
  where: Places,
  config: Config,
  kind: KeyStoreKind,
  terminal: Terminal | undefined,
): Promise<Custody> {
  const { openKeys } = await import('../vaults/keys.ts');
  const { env, clock, workFactorForTests } = world;
  return openKeys(kind, {
    env,
    clock,
    places: where,
    prompt: terminal?.askSecret,
    passphraseCommand: flags.passphraseCommand ?? config.passphraseCommand,
    command: flags.keyCommand ?? config.keyCommand,
    names: config.vaults.filter((vault) => storeOf(vault, config) === kind).flatMap(keysOfVault),
    ...(workFactorForTests === undefined ? {} : { workFactorForTests }),
  });
}

/** The first place that was chosen explicitly, and worked, is the place from then on, with what opens it. */
export async function remember(where: Places, config: Config, flags: Flags): Promise<void> {
  const { keyStore, keyCommand, passphraseCommand } = flags;
  if (keyStore === undefined || config.keyStore !== undefined) return;
  await changeConfig(where, (now) => ({
    keyStore,
    ...(keyCommand === undefined ? {} : { keyCommand }),
    ...(passphraseCommand === undefined ? {} : { passphraseCommand }),
    ...now,
  }));
}

// ---------------------------------------------------------------------------------------------------------- commands

/** Stored keys, and those in KMS that registered vaults use. */
async function listKeys({ world, flags, custody, config }: Run): Promise<void> {
  const keys = [...(await custody.list()), ...kmsKeys(config).map(kmsInfo)];
  if (flags.json === true) {
    const time = new Date(world.clock.now()).toISOString();
    for (const key of keys) world.stdout.write(`${JSON.stringify({ event: 'key', time, ...key })}\n`);
    return;
  }
  if (keys.length === 0)
    world.stderr.write(`no keys in ${custody.place}; make one with: s3vault keys create NAME\n`);
  const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => text.length));
  const width = widest(keys.map(({ name }) => name));
  const printWidth = widest(keys.map(({ fingerprint }) => fingerprint));
  for (const { name, kind, fingerprint, created } of keys) {
    const when = kind === 'kms' ? 'held by AWS' : created === '' ? '-' : created.slice(0, 10);
    world.stdout.write(
      `${name.padEnd(width)}  ${kind.padEnd(10)}  ${fingerprint.padEnd(printWidth)}  ${when}\n`,
    );
  }
}

function say({ world, custody }: Run, done: string, { name, kind, fingerprint }: KeyInfo): void {
  world.stdout.write(`${done} key ${name} (${kind}, fingerprint ${fingerprint}) in ${custody.place}\n`);
}

async function createKey(run: Run, name: string): Promise<void> {
  refuseKms(run.config, name, 'create');
  const info = await run.custody.create(name, run.flags.kind ?? 'aes-256');
  say(run, 'created', info);
  await showRecovery(run, info);
}

/** The words are shown only to a person: with a pipe at either end they could end in a log. */
async function showRecovery(
  run: Run,
  { name, kind, fingerprint }: KeyInfo,
  giveOut = () => run.custody.giveOut(name, 'words'),
): Promise<void> {
  const { stderr } = run.world;
  const format = kind === 'aes-256' ? 'words' : 'pem';
  if (kind !== 'aes-256' || !isPerson(run.world)) {
    const none = kind === 'rsa' ? 'an RSA key has no recovery words; ' : '';
    stderr.write(
      `${none}keep a copy elsewhere, or what it seals is lost with it: s3vault keys export ${name} --format ${format}\n`,
    );
    return;
  }
  const words = await giveOut();
  const note = (state: 'shown' | 'checked') => noteWords(run, fingerprint, state);
  stderr.write('\nwrite these 24 words down and keep them safe; whoever has them has the key:\n\n');
  words.use((bytes) => stderr.write(wordTable(bytes.toString('utf8').split(' '))));
  await note('shown');
  try {
    if (run.terminal !== undefined && (await askBack(run.terminal, words, stderr, run.world.clock)))
      await note('checked');
  } finally {
    words.wipe();
  }
  stderr.write(`\nthey bring it back on any machine: s3vault keys recover ${name}\n`);
}

const isPerson = ({ stdin, stdout, stderr }: KeysWorld): boolean =>
  stdin.isTTY === true && stdout.isTTY === true && stderr.isTTY === true;

async function noteWords(
  { places: where }: Run,
  fingerprint: string,
  words: 'shown' | 'checked',
): Promise<void> {
  const { keyNotes } = await import('../vaults/keys.ts');
  await keyNotes(where).change(fingerprint, (note) => ({ ...note, words }));
}

/** What `keys test` and `keys rotate` work with: the same stores and answers as this run. */
async function workOf({ world, flags, places: where, kind, terminal }: Run): Promise<KeyWork> {
  const { Desk } = await import('./key-desk.ts');
  const { env, clock, stdout, stderr, workFactorForTests } = world;
  const tests = workFactorForTests === undefined ? {} : { workFactorForTests };
  const log = await openLog(flags.logLevel);
  const desk = new Desk({ kind, flags, where, env, clock, log, ask: terminal?.askSecret, ...tests });
  const now = (): string => new Date(clock.now()).toISOString();
  return { desk, stdout, stderr, json: flags.json === true, now };
}

async function rotateCommand(run: Run, name: string): Promise<number> {
  const { previewRotation, rotateKey } = await import('./key-work.ts');
  const { flags, terminal } = run;
  if (flags.dryRun === true) return previewRotation(await workOf(run), name, flags);
  const ask = async (question: string): Promise<boolean> =>
    /^y(es)?$/i.test((await terminal?.ask(question)) ?? '');
  const work = await workOf(run);
  const showKey = async (info: KeyInfo): Promise<void> => {
    if (info.kind !== 'aes-256' || !isPerson(run.world)) return;
    if (!work.json) say(run, 'created', info);
    await showRecovery(run, info, () => work.desk.words(info.name));
  };
  return rotateKey({ ...work, showKey }, name, flags, flags.yes === true ? undefined : ask);
}

const wordTable = (words: readonly string[]): string =>
  wordColumns(words)
    .map((row) => `  ${row}\n`)
    .join('');

async function importKey(run: Run, name: string): Promise<void> {
  const format = run.flags.format ?? 'base64';
  say(run, 'imported', await run.custody.bringIn(name, format, await fromStdin(run, `the key (${format})`)));
}

async function recoverKey(run: Run, name: string): Promise<void> {
  say(run, 'recovered', await run.custody.bringIn(name, 'words', await fromStdin(run, 'the 24 words')));
  run.world.stdout.write('compare the fingerprint with the one noted for this key\n');
}

/** A pipe is read to its end; on a terminal the one line is asked for without echo. */
async function fromStdin({ world, terminal, flags }: Run, what: string): Promise<Secret> {
  if (world.stdin.isTTY !== true) return Secret.take(await buffer(world.stdin));
  if (terminal === undefined || flags.format === 'pem' || flags.format === 'age') {
    throw new VaultError('usage', 'no-input', `${what} comes in on stdin, and that is a terminal`, {
      hint: 'pipe it in: … < FILE',
    });
  }
  return terminal.askSecret(`${what}, not shown: `);
}

async function exportKey(run: Run, name: string): Promise<void> {
  const { flags, world, custody, terminal } = run;
  if (flags.json === true) {
    throw new VaultError('usage', 'no-json', 'a key is never part of JSON output', {
      hint: 'leave --json out',
    });
  }
  refuseKms(run.config, name, 'export');
  if (flags.public === true) return exportPublic(run, name);
  if (flags.yes !== true) {
    const answer = await terminal?.ask(`write key ${name} to stdout in the clear? [y/N] `);
    if (answer === undefined || !/^y(es)?$/i.test(answer)) throw notAgreed('was not exported', '--yes');
  }
  const secret = await custody.giveOut(name, flags.format ?? 'base64');
  secret.use((bytes) => world.stdout.write(`${bytes.toString('utf8')}\n`));
  secret.wipe();
}

/** No secret: nobody is asked. */
async function exportPublic({ world, custody }: Run, name: string): Promise<void> {
  world.stdout.write(`${await custody.publicHalf(name)}\n`);
}

function notAgreed(what: string, how: string): VaultError {
  return new VaultError('consent', 'not-agreed', `the key ${what}: nobody agreed`, {
    hint: `answer on a terminal, or agree with ${how}`,
  });
}

async function deleteKey(run: Run, name: string): Promise<void> {
  const { config, kind, world, custody, places: where } = run;
  refuseKms(config, name, 'delete');
  const agreed = await neededFor(run, name);
  if (run.flags.yes !== true || agreed.length > 0) await confirmDelete(run, name, agreed);
  // Looked at again: a question can stand for long, and a rekey may have begun meanwhile.
  const more = (await neededFor(run, name)).filter((place) => !agreed.includes(place));
  if (more.length > 0) throw inUse(name, more);
  await custody.remove(name);
  await changeConfig(where, (now) => withoutKey(now, kind, name));
  world.stdout.write(`deleted key ${name} from ${custody.place}\n`);
}

/** What cannot be read any more without the key, as the configuration and the notes say it now. */
async function neededFor({ kind, places: where, custody }: Run, name: string): Promise<readonly string[]> {
  const config = await readConfig(where);
  const { keyNotes } = await import('../vaults/keys.ts');
  const notes = await keyNotes(where).surely();
  const versioned = [...notes.values()].some(({ versionsIn = [] }) => versionsIn.length > 0);
  const info = versioned ? (await custody.list()).find((one) => one.name === name) : undefined;
  return [
    ...usersOf(config, kind, name).map(({ root }) => `the vault of ${root}`),
    ...leftUnder(config, kind, name).map((place) => `objects left in ${place}`),
    ...(notes.get(info?.fingerprint ?? '')?.versionsIn ?? []).map((place) => `older versions in ${place}`),
  ];
}

/** What a key has sealed is gone with it: only its typed name will do, and `--yes` is not enough while a vault uses it. */
async function confirmDelete({ terminal }: Run, name: string, needed: readonly string[]): Promise<void> {
  const used = needed.length === 0 ? '' : `it is needed to read ${needed.join(', ')}. `;
  const answer = await terminal?.ask(
    `${used}without key ${name} its objects cannot be read. type its name to delete it: `,
  );
  if (answer === name) return;
  if (needed.length === 0) throw notAgreed('was not deleted', '--yes');
  throw inUse(name, needed);
}

const inUse = (name: string, needed: readonly string[]): VaultError =>
  new VaultError('consent', 'key-in-use', `key ${name} is needed to read ${needed.join(', ')}`, {
    hint: 'type its name on a terminal, or move the vault to another key first: s3vault keys rotate NAME',
  });
