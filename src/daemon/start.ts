/** `s3vault daemon start|stop`: a daemon of its own, away from this terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Places } from '../config.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import type { Clock } from '../model/ports.ts';
import { privateFolder } from '../private-file.ts';
import { takeDaemonLock } from '../vaults/daemon-lock.ts';
import { type DaemonClient, connectDaemon } from './client.ts';
import { LOG_BYTES } from './log-size.ts';
import type { DaemonFacts } from './protocol.ts';

export const logFile = (places: Places): string => join(places.logs, 'daemon.log');

const READY_MS = 30_000;
/** Longer than a daemon gives itself. */
const STOP_MS = 15_000;
const LOOK_EVERY_MS = 50;

export interface StartOptions {
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** The program and its arguments: `node main.js daemon run …`. */
  readonly words: readonly [string, ...string[]];
}

/** Starts one and waits until it is ready. Rejects with why it ended, with kind `held` where one runs already. */
export async function startDaemon({ places, env, clock, words }: StartOptions): Promise<DaemonFacts> {
  const running = await connectDaemon(places);
  if (running !== undefined) {
    const { pid } = running.facts;
    running.close();
    throw new VaultError('held', 'daemon-runs', `a daemon runs already: process ${pid}`, {
      hint: 'see it with: s3vault daemon status; end it with: s3vault daemon stop',
    });
  }
  const { child, from } = await launch(places, env, words);
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  let exit: number | undefined;
  void ended.then((code) => {
    exit = code;
  });
  const deadline = clock.ticks() + READY_MS;
  while (clock.ticks() < deadline) {
    if (exit !== undefined) throw await whyEnded(places, from, exit);
    const facts = await ready(places);
    if (facts !== undefined && facts.pid === child.pid) {
      child.unref();
      return facts;
    }
    await Promise.race([clock.sleep(LOOK_EVERY_MS), ended]);
  }
  child.unref();
  throw new VaultError(
    'offline',
    'daemon-slow',
    `the daemon (process ${child.pid}) is not ready after ${READY_MS / 1_000} s`,
    {
      hint: `it goes on starting; see ${logFile(places)} and: s3vault daemon status`,
    },
  );
}

/** `from`: where in the log its own lines begin. */
async function launch(
  places: Places,
  env: NodeJS.ProcessEnv,
  [program, ...args]: readonly [string, ...string[]],
): Promise<{ readonly child: ChildProcess; readonly from: number }> {
  await privateFolder(places.logs);
  const path = logFile(places);
  const size = await stat(path).then(
    ({ size: bytes }) => bytes,
    () => 0,
  );
  if (size > LOG_BYTES) await rename(path, `${path}.1`);
  const log = await open(path, 'a', 0o600);
  try {
    const { size: from } = await log.stat();
    const child = spawn(program, args, { env, cwd: '/', detached: true, stdio: ['ignore', log.fd, log.fd] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return { child, from };
  } finally {
    await log.close();
  }
}

async function ready(places: Places): Promise<DaemonFacts | undefined> {
  let client: DaemonClient | undefined;
  try {
    client = await connectDaemon(places);
    return client?.facts.ready === true ? client.facts : undefined;
  } catch {
    // Half started: the next look tells more.
    return undefined;
  } finally {
    client?.close();
  }
}

async function whyEnded(places: Places, from: number, exit: number): Promise<VaultError> {
  const path = logFile(places);
  const text = (await readFile(path).catch(() => Buffer.alloc(0))).subarray(from).toString('utf8');
  const said = text.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  const [message = `the daemon ended with exit code ${exit}`, hint] = said.map((line) =>
    line.replace(/^s3vault: /, '').trim(),
  );
  const kind =
    exit === 7
      ? 'held'
      : exit === 2
        ? 'usage'
        : exit === 6
          ? 'security'
          : exit === 4
            ? 'refused'
            : 'internal';
  return new VaultError(kind, 'daemon-ended', message, {
    hint: `${hint === undefined ? '' : `${hint}; `}its log: ${path}`,
  });
}

/** Stops the one that runs; gives its process, undefined where none runs. Rejects where it has not ended in time. */
export async function stopDaemon(places: Places, clock: Clock): Promise<number | undefined> {
  const client = await connectDaemon(places);
  if (client === undefined) return undefined;
  const { pid } = client.facts;
  try {
    await client.ask({ do: 'stop' });
  } catch (thrown) {
    if (asVaultError(thrown).code !== 'daemon-gone') throw thrown;
  }
  const deadline = clock.ticks() + STOP_MS;
  while (!(await isFree(places))) {
    if (clock.ticks() > deadline) {
      client.close();
      throw new VaultError(
        'internal',
        'still-ending',
        `the daemon (process ${pid}) has not ended after ${STOP_MS / 1_000} s`,
        {
          hint: `what it has done is safe; to end it at once: kill -9 ${pid}; its log: ${logFile(places)}`,
        },
      );
    }
    await clock.sleep(LOOK_EVERY_MS);
  }
  client.close();
  return pid;
}

/** The lock tells, not the process: in containers the dead may stay in the list of processes. */
async function isFree(places: Places): Promise<boolean> {
  try {
    (await takeDaemonLock(places))();
    return true;
  } catch (thrown) {
    if (asVaultError(thrown).kind === 'held') return false;
    throw thrown;
  }
}
