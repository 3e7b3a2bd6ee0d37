import { Command, CommanderError } from 'commander';
import { systemClock } from '../clock.ts';
import { safeText } from '../model/display.ts';
import { EXIT, asVaultError } from '../model/errors.ts';
import { addDaemon } from './daemon-options.ts';
import { guardOutput, lostOutput } from './stdout.ts';
import {
  addKeyOptions,
  addLogLevel,
  addNamesOption,
  addPlaceOptions,
  addReadOptions,
  addRekeyOptions,
  addRemoteOptions,
  addVaultOptions,
  parseCount,
  parsePercent,
  parseRate,
} from './options.ts';

/**
 * Runs one command line and gives the exit code. Commands load what they need when they run: nothing heavy is
 * imported for `--help`.
 */
export async function runCommandLine(args: readonly string[], version: string): Promise<number> {
  guardOutput();
  const exit = await exitOf(args, version);
  const lost = await lostOutput();
  if (lost === undefined) return exit;
  const lostExit = printError(lost, []);
  return exit === EXIT.inStep ? lostExit : exit;
}

async function exitOf(args: readonly string[], version: string): Promise<number> {
  let exit: number = EXIT.inStep;
  const program = buildProgram(version, (code) => {
    exit = code;
  });
  try {
    // Without a command: the screen, on a terminal. Elsewhere the parser says what there is.
    if (args.length === 0 && process.stdin.isTTY && process.stdout.isTTY) {
      const { homeCommand } = await import('./home.ts');
      return await homeCommand();
    }
    await program.parseAsync([...args], { from: 'user' });
    return exit;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.inStep : EXIT.usage;
    return printError(thrown, args);
  }
}

/** Says an error with its way out; `--log-level debug` adds where it came from. */
export function printError(thrown: unknown, args: readonly string[]): number {
  const error = asVaultError(thrown);
  if (args.includes('--json')) {
    const { code, message, hint } = error;
    const time = new Date(systemClock.now()).toISOString();
    process.stdout.write(
      `${JSON.stringify({ event: 'warning', time, code, message, hint })}\n` +
        `${JSON.stringify({ event: 'summary', time, files: 0, bytes: 0, failed: 0, skipped: 0, ms: 0, exit: error.exit })}\n`,
    );
  }
  process.stderr.write(`s3vault: ${safeText(error.message)}\n`);
  if (error.hint !== undefined) process.stderr.write(`  ${safeText(error.hint)}\n`);
  if (args.includes('debug') || args.includes('trace')) process.stderr.write(`${error.stack ?? ''}\n`);
  return error.exit;
}

type SetExit = (exit: number) => void;

function buildProgram(version: string, setExit: SetExit): Command {
  const program = new Command('s3vault')
    .description(
      'Keeps local folders and Amazon S3 (or an S3-compatible store) in step, encrypted, over HTTPS only.',
    )
    .version(version, '-V, --version')
    // After the name of a command, --version is that command's.
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .showHelpAfterError('(s3vault --help shows all commands)')
    .addHelpText('after', EXAMPLES);
  addSync(program, setExit);
  addApply(program, setExit);
  addKeys(program, setExit);
  addVaults(program, setExit);
  addRekey(program, setExit);
  addRestore(program, setExit);
  addLooks(program, setExit);
  addVerify(program, setExit);
  addBucket(program, setExit);
  addDoctor(program, setExit);
  addDaemon(program, setExit, version);
  addDemo(program, setExit);
  addInit(program, setExit);
  addLogLevel(program);
  return program;
}

const EXAMPLES = `
Examples:
  s3vault                                             the screen on all vaults; the first time, a wizard
  s3vault demo                                        see it work, nothing to set up
  s3vault keys create laptop                          make a key, kept in the OS keychain
  s3vault sync ./docs --to s3://my-bucket/docs --key laptop
  s3vault sync ./docs --once --json                   for scripts

Exit codes: 0 in step, 1 internal error, 2 usage or configuration, 3 some files failed, 4 store unreachable or
refused, 5 consent needed, 6 security failure, 7 another process holds the vault, 130 interrupted.`;

function addSync(program: Command, setExit: SetExit): void {
  const command = program
    .command('sync')
    .argument('<dir>', 'the folder to keep in step')
    .description('sync a folder and keep watching it; the first time, --to says where to')
    .option('--once', 'end when in step')
    .option('--dry-run', 'print the plan, do nothing')
    .option('--plan <file>', 'write the plan to a file for s3vault apply, do nothing')
    .option('--yes', 'agree to many removals at once')
    .option('--accept-source', 'take the folder as it is after a lost-source refusal')
    .option('--check-remote', 'compare with a listing of the bucket even if that was done lately')
    .option('--json', 'print one JSON object a line')
    .option('--plain', 'print plain lines, also on a terminal')
    .option('--log-level <level>', 'log to stderr: error, warn, info, debug, trace');
  addVaultOptions(command).action(async (dir: string, flags: object) => {
    const { syncCommand } = await import('./sync.ts');
    setExit(await syncCommand(dir, flags));
  });
}

function addApply(program: Command, setExit: SetExit): void {
  const command = program
    .command('apply')
    .argument('<file>', 'what sync --plan wrote')
    .description('do exactly what a plan file says, or refuse (exit 5) where folder or bucket have moved on')
    .option('--accept-source', 'take the folder as it is after a lost-source refusal')
    .option('--json', 'print one JSON object a line')
    .option('--plain', 'print plain lines, also on a terminal')
    .option('--log-level <level>', 'log to stderr: error, warn, info, debug, trace');
  addKeyOptions(command).action(async (file: string, flags: object) => {
    const { applyCommand } = await import('./apply.ts');
    setExit(await applyCommand(file, flags));
  });
}

/** The key commands have options of their own; they are built only when asked for. */
function addKeys(program: Command, setExit: SetExit): void {
  program
    .command('keys')
    .description('the key screen; list, create, import, export, recover, test, rotate, delete without it')
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .argument('[args...]')
    .action(async (args: readonly string[]) => {
      const { keysScreenCommand, meansScreen } = await import('./keys-screen.ts');
      if (meansScreen(args)) {
        await keysScreenCommand().parseAsync([...args], { from: 'user' });
        return;
      }
      const { keysCommand } = await import('./keys.ts');
      await keysCommand(undefined, setExit)
        .exitOverride()
        .parseAsync([...args], { from: 'user' });
    });
}

function addVaults(program: Command, setExit: SetExit): void {
  program
    .command('vaults')
    .description('list the registered vaults')
    .option('--json', 'print one JSON object a line')
    .action(async (flags: { json?: boolean }) => {
      const { vaultsCommand } = await import('./vaults.ts');
      setExit(await vaultsCommand(flags));
    });
  program
    .command('forget')
    .argument('<dir>', 'the folder of the vault')
    .description('unregister a vault; its objects and files stay')
    .action(async (dir: string) => {
      const { forgetCommand } = await import('./vaults.ts');
      setExit(await forgetCommand(dir));
    });
  program
    .command('status')
    .argument('[dir]', 'the folder of a vault (default: all)')
    .description('what the Index knows of a vault')
    .option('--json', 'print one JSON object a line')
    .action(async (dir: string | undefined, flags: { json?: boolean }) => {
      const { statusCommand } = await import('./vaults.ts');
      setExit(await statusCommand(dir, flags));
    });
}

function addRekey(program: Command, setExit: SetExit): void {
  const command = program
    .command('rekey')
    .argument('<dir>', 'the folder of a vault')
    .description(
      'move the stored objects of a vault to another key or mode; goes on where it was interrupted',
    );
  addRekeyOptions(command);
  command.action(async (dir: string, flags: object) => {
    const { rekeyCommand } = await import('./rekey.ts');
    setExit(await rekeyCommand(dir, flags));
  });
}

function addRestore(program: Command, setExit: SetExit): void {
  const command = program
    .command('restore')
    .argument('[path...]', 'files and folders of a vault, or s3://BUCKET/KEY (default: the whole vault)')
    .description('bring files back, verified; needs no more than the bucket and the key')
    .requiredOption('--out <dir>', 'the folder that gets the files')
    .option('--at <time>', 'as it was then: 2026-11-24T18:30, or how long ago: 2d, 90m')
    .option('--version <id>', 'one version of one file (see: s3vault versions)')
    .option('--force', 'replace files that differ; the old ones are kept under another name')
    .option('--old-links', 'take symbolic links that an older s3vault sent, which nothing proves to be links')
    .option('--transfers <n>', 'transfers at a time (default: 16)', parseCount)
    .option('--limit-download <rate>', 'bytes a second, like 500K or 10M', parseRate)
    .option('--json', 'print one JSON object a line')
    .option('--log-level <level>', 'log to stderr: error, warn, info, debug, trace');
  addReadOptions(command).action(async (paths: readonly string[], flags: { readonly out: string }) => {
    const { restoreCommand } = await import('./restore.ts');
    setExit(await restoreCommand(paths, flags));
  });
}

type LookName = 'lsCommand' | 'catCommand' | 'versionsCommand' | 'undeleteCommand';

function addLooks(program: Command, setExit: SetExit): void {
  const look = (name: string, argument: string, description: string, run: LookName): Command =>
    addReadOptions(
      program.command(name).argument(argument, 'in a vault, or s3://BUCKET/KEY').description(description),
    ).action(async (paths: readonly string[], flags: object) => {
      const looks = { ...(await import('./look.ts')), ...(await import('./undelete.ts')) };
      setExit(await looks[run](paths, flags));
    });
  const at = ['--at <time>', 'as it was then: 2026-11-24T18:30, or how long ago: 2d, 90m'] as const;
  const json = ['--json', 'print one JSON object a line'] as const;
  look('ls', '[path...]', 'list files and folders as they are, not as they are stored', 'lsCommand')
    .option('-l, --long', 'with size and time')
    .option('-r, --recursive', 'all below, too')
    .option(...at)
    .option(...json);
  look('cat', '<path...>', 'print what a file holds, once it is verified', 'catCommand')
    .option('--version <id>', 'one of its versions')
    .option(...at);
  look('versions', '<path...>', 'list the versions of files, removals among them', 'versionsCommand').option(
    ...json,
  );
  look('undelete', '<path...>', 'bring removed files back', 'undeleteCommand')
    .option('--yes', 'do not ask')
    .option(...json);
}

function addVerify(program: Command, setExit: SetExit): void {
  const command = program
    .command('verify')
    .argument('[dir]', 'the folder of a vault (default: all vaults)')
    .description('compare what was sent with what the bucket holds; changes nothing')
    .option(
      '--deep <percent>',
      'download, open and compare that share too, another one each time',
      parsePercent,
    )
    .option('--every', 'look at every object, also those that were not written since the last time')
    .option('--json', 'print one JSON object a line')
    .option('--log-level <level>', 'log to stderr: error, warn, info, debug, trace');
  addKeyOptions(command).action(async (dir: string | undefined, flags: object) => {
    const { verifyCommand } = await import('./verify.ts');
    setExit(await verifyCommand(dir, flags));
  });
}

/** Built only when asked for, like the key commands. */
function addBucket(program: Command, setExit: SetExit): void {
  program
    .command('bucket')
    .description('audit, harden or policy BUCKET: is it safe, make it so, print the policies')
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .argument('[args...]')
    .action(async (args: readonly string[]) => {
      const { bucketCommand } = await import('./bucket-commands.ts');
      await bucketCommand(setExit)
        .exitOverride()
        .parseAsync([...args], { from: 'user' });
    });
}

function addDoctor(program: Command, setExit: SetExit): void {
  const command = program
    .command('doctor')
    .argument('[dir]', 'the folder of a vault (default: all), or one that --to says where to')
    .description('look at everything that can be wrong, and say what to do; the cause first')
    .option('--json', 'print one JSON object a line');
  addPlaceOptions(command).action(async (dir: string | undefined, flags: object) => {
    const { doctorCommand } = await import('./doctor.ts');
    setExit(await doctorCommand(dir, flags));
  });
}

function addInit(program: Command, setExit: SetExit): void {
  const command = program
    .command('init')
    .argument('[dir]', 'the folder that is to become a vault')
    .description('make a vault step by step: folder, bucket, protection, key with its words, first plan');
  const options = addNamesOption(addKeyOptions(addRemoteOptions(command)));
  options.action(async (dir: string | undefined, flags: object) => {
    const { initCommand } = await import('./init.ts');
    setExit(await initCommand(dir, flags));
  });
}

function addDemo(program: Command, setExit: SetExit): void {
  program
    .command('demo')
    .description(
      'the whole thing with nothing to set up: an embedded HTTPS S3 store, a sample folder, a temporary key',
    )
    .option('--mode <mode>', 'client, sse-c, sse-kms, dsse-kms or sse-s3')
    .option('--once', 'end when in step')
    .option('--plain', 'print plain lines, also on a terminal')
    .option('--json', 'print one JSON object a line')
    .option('--seconds <n>', 'how long the sample files change by themselves (default: 60)', Number)
    .action(async (flags: object) => {
      const { demoCommand } = await import('./demo.ts');
      setExit(await demoCommand(flags));
    });
}
