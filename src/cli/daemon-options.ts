/** The command line of `s3vault daemon` and `s3vault attach`. */
import { type Command, InvalidArgumentError } from 'commander';

type SetExit = (exit: number) => void;

const LOGS = `
The log, one JSON object a line: of a systemd service with journalctl --user -u s3vault -f,
of one that daemon start began in the file that it names (tail -f).`;

export function addDaemon(program: Command, setExit: SetExit, version: string): void {
  const daemon = program
    .command('daemon')
    .description('sync all vaults without a terminal')
    .addHelpText('after', LOGS);
  const run = (name: string, says: string): Command =>
    addHealthOptions(daemon.command(name).description(says));
  run('run', 'in the foreground, for systemd, launchd and containers; logs JSON lines to stderr').action(
    async (flags: object) => setExit(await (await import('./daemon.ts')).runCommand(flags, version)),
  );
  run('start', 'in the background; ends when it is ready, or says why it is not').action(
    async (flags: object) => setExit(await (await import('./daemon.ts')).startCommand(flags)),
  );
  daemon
    .command('stop')
    .description('end the daemon; what is under way is finished or kept for next time')
    .action(async () => setExit(await (await import('./daemon.ts')).stopCommand()));
  daemon
    .command('status')
    .description('whether a daemon runs, and how its vaults stand')
    .option('--json', 'print one JSON object')
    .action(async (flags: object) => setExit(await (await import('./daemon.ts')).daemonStatusCommand(flags)));
  for (const [name, says] of [
    ['reload', 'take over what changed in the configuration (as SIGHUP does)'],
    ['lock', 'stop all vaults and take their keys out of memory'],
    ['unlock', 'fetch the keys again and go on'],
  ] as const) {
    daemon
      .command(name)
      .description(says)
      .action(async () => setExit(await (await import('./daemon.ts')).askCommand(name)));
  }
  addInstall(daemon, setExit);
  program
    .command('attach')
    .argument('[dir]', 'the folder of a vault (default: all)')
    .description('the screen on a running daemon; leaving it stops nothing')
    .action(async (dir: string | undefined) => {
      const { attachCommand } = await import('./attach.ts');
      setExit(await attachCommand(dir));
    });
}

function addInstall(daemon: Command, setExit: SetExit): void {
  addHealthOptions(
    daemon
      .command('install')
      .description('let systemd (a hardened user unit) or launchd run it, now and at each logon')
      .option('--passphrase-file <file>', 'passphrase of the key file, handed over as a credential')
      .option(
        '--credentials-file <file>',
        'AWS credentials (as ~/.aws/credentials), handed over as a credential',
      )
      .option('--no-enable', 'only write the file, and say what to run'),
  ).action(async (flags: object) => {
    const { installCommand } = await import('./install.ts');
    setExit(await installCommand(flags));
  });
  daemon
    .command('uninstall')
    .description('end it and take the unit or agent away; vaults and settings stay')
    .option('--no-enable', 'only remove the file, and say what to run')
    .action(async (flags: object) => {
      const { uninstallCommand } = await import('./install.ts');
      setExit(await uninstallCommand(flags));
    });
}

export interface HealthFlags {
  readonly metrics?: number | true;
  readonly heartbeatUrl?: string;
  readonly logLevel?: string;
}

function addHealthOptions(command: Command): Command {
  return command
    .option(
      '--metrics [port]',
      'serve /metrics for Prometheus on the loopback, over HTTPS (port 9763)',
      parsePort,
    )
    .option(
      '--heartbeat-url <url>',
      'https address to call while every vault is in step, none paused, so that silence is noticed',
    )
    .option('--log-level <level>', 'error, warn, info, debug, trace (default: info)');
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('must be a port number');
  return port;
}

/** The flags as arguments again, for the process that is started or installed; the heartbeat's address goes another way. */
export function healthArgs({ metrics, logLevel }: HealthFlags): readonly string[] {
  return [
    ...(metrics === undefined ? [] : metrics === true ? ['--metrics'] : ['--metrics', String(metrics)]),
    ...(logLevel === undefined ? [] : ['--log-level', logLevel]),
  ];
}
