import { fileURLToPath } from 'node:url';
import { systemClock } from '../clock.ts';
import { type Config, type Places, places, readConfig } from '../config.ts';
import { isAgent, isHopeless } from '../daemon/agent.ts';
import { connectDaemon } from '../daemon/client.ts';
import { HEARTBEAT_URL, heartbeatAddress } from '../daemon/heartbeat-address.ts';
import { keepLogSmall } from '../daemon/log-size.ts';
import { METRICS_PORT } from '../daemon/metrics-server.ts';
import type { DaemonStatus, VaultLine } from '../daemon/protocol.ts';
import { runDaemon } from '../daemon/run.ts';
import type { Opened } from '../daemon/slot.ts';
import { noDaemon, statusText } from '../daemon/status-text.ts';
import { logFile, startDaemon, stopDaemon } from '../daemon/start.ts';
import { formatBytes, plural, safeName, safeText } from '../model/display.ts';
import { EXIT, asVaultError } from '../model/errors.ts';
import type { Vault } from '../model/vault.ts';
import { openVault } from '../vaults/open.ts';
import { vaultLines } from './daemon-lines.ts';
import { type HealthFlags, healthArgs } from './daemon-options.ts';
import { openDaemonLog } from './log.ts';
import { refuseRekeyed } from './sync.ts';

/** `daemon run`: until it is told to stop. */
export async function runCommand(flags: HealthFlags, version: string): Promise<number> {
  const quiet = keepLogSmall(logFile(places(process.env)), systemClock);
  try {
    return await runOn(flags, version);
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (!isAgent(process.env) || !isHopeless(error.exit)) throw error;
    process.stderr.write(`s3vault: ${safeText(error.message)}\n  ${safeText(error.hint ?? '')}\n`);
    return EXIT.inStep;
  } finally {
    quiet();
  }
}

async function runOn(flags: HealthFlags, version: string): Promise<number> {
  const where = places(process.env);
  const { metrics } = flags;
  const url = await heartbeatAddress(flags.heartbeatUrl, process.env);
  const { inOrder } = await runDaemon({
    places: where,
    env: process.env,
    version,
    log: await openDaemonLog(flags.logLevel ?? 'info'),
    readConfig: () => readConfig(where),
    open: (vault, config, env) => openFor(vault, config, where, env),
    signals: process,
    ...(metrics === undefined ? {} : { metricsPort: metrics === true ? METRICS_PORT : metrics }),
    ...(url === undefined ? {} : { heartbeatUrl: url }),
  });
  // What did not end in time is not waited for: it is journaled, and goes on at the next start.
  if (!inOrder) process.exit(EXIT.interrupted);
  return EXIT.inStep;
}

/** As `sync DIR` opens it, but that nobody can be asked for anything. */
async function openFor(vault: Vault, config: Config, where: Places, env: NodeJS.ProcessEnv): Promise<Opened> {
  refuseRekeyed(vault);
  return openVault(vault, {
    env,
    places: where,
    once: false,
    consent: false,
    acceptSource: false,
    checkRemote: false,
    keyStore: config.keyStore ?? 'keychain',
    keys: { passphraseCommand: config.passphraseCommand, command: config.keyCommand },
  });
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

export async function startCommand(flags: HealthFlags): Promise<number> {
  const where = places(process.env);
  const url = await heartbeatAddress(flags.heartbeatUrl, process.env);
  const env = url === undefined ? process.env : { ...process.env, [HEARTBEAT_URL]: url };
  const words = [process.execPath, MAIN, 'daemon', 'run', ...healthArgs(flags)] as const;
  const { pid } = await startDaemon({ places: where, env, clock: systemClock, words });
  const client = await connectDaemon(where);
  const status = await client?.status();
  client?.close();
  process.stdout.write(`the daemon runs: process ${pid}, log ${logFile(where)}\n`);
  if (status !== undefined) sayVaults(status.vaults);
  return EXIT.inStep;
}

export async function stopCommand(): Promise<number> {
  const pid = await stopDaemon(places(process.env), systemClock);
  process.stdout.write(pid === undefined ? 'no daemon runs\n' : `the daemon (process ${pid}) has ended\n`);
  return EXIT.inStep;
}

export async function daemonStatusCommand(flags: { readonly json?: boolean }): Promise<number> {
  const client = await connectDaemon(places(process.env));
  const status = await client?.status();
  client?.close();
  if (flags.json === true) {
    process.stdout.write(
      `${JSON.stringify(status === undefined ? { running: false } : { running: true, ...status })}\n`,
    );
  } else if (status === undefined)
    process.stdout.write('no daemon runs; start it with: s3vault daemon start\n');
  else sayStatus(status);
  return EXIT.inStep;
}

function sayStatus(status: DaemonStatus): void {
  const { pid, version, started, memory, vaults, locked } = status;
  process.stdout.write(
    `the daemon runs: process ${pid}, version ${version}, since ${started}, ${formatBytes(memory)} of memory\n` +
      `${locked ? 'locked; ' : ''}${plural(vaults.length, 'vault')}: ${statusText(vaults)}\n`,
  );
  sayVaults(vaults);
}

function sayVaults(vaults: readonly VaultLine[]): void {
  for (const line of vaults) for (const text of vaultLines(line)) process.stdout.write(`  ${text}\n`);
}

const SAYS = {
  reload: '',
  lock: 'locked: no vault is synced and no key is in memory; go on with: s3vault daemon unlock',
  unlock: 'unlocked',
} as const;

export async function askCommand(what: keyof typeof SAYS): Promise<number> {
  const client = await connectDaemon(places(process.env));
  if (client === undefined) throw noDaemon();
  try {
    if (what === 'reload') {
      const { added, removed, changed } = await client.reload();
      const parts = [
        ...added.map((root) => `added ${safeName(root)}`),
        ...removed.map((root) => `removed ${safeName(root)}`),
        ...changed.map((root) => `changed ${safeName(root)}`),
      ];
      process.stdout.write(`${parts.length === 0 ? 'nothing changed' : parts.join('\n')}\n`);
      return EXIT.inStep;
    }
    await client.ask({ do: what });
    process.stdout.write(`${SAYS[what]}\n`);
    if (what === 'lock') return EXIT.inStep;
    const { vaults } = await client.status();
    sayVaults(vaults);
    const troubled = vaults.find(({ phase }) => phase === 'waiting');
    return troubled === undefined ? EXIT.inStep : troubled.exit;
  } finally {
    client.close();
  }
}
