/** `s3vault daemon install|uninstall`: the unit or agent is written and set going, or it is said what to run. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemClock } from '../clock.ts';
import { VaultError } from '../model/errors.ts';
import type { Clock } from '../model/ports.ts';
import { privateFolder } from '../private-file.ts';
import { AGENT, agentText } from './agent.ts';
import { type InstallFacts, agentFile, textOf, unitFile } from './install-facts.ts';
import { unitText, word } from './unit.ts';

/** One command of the service manager, and how it went. */
export interface Ran {
  readonly line: string;
  /** Undefined: it went well. */
  readonly trouble?: string;
}

export interface Installed {
  readonly file: string;
  readonly text: string;
  readonly change: 'written' | 'changed' | 'unchanged' | 'removed' | 'absent';
  readonly ran: readonly Ran[];
  /** What is left for the user to run: all from the first command that failed. */
  readonly left: readonly string[];
}

export type Platform = 'linux' | 'darwin';

export interface InstallOptions {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** False: only the file; what to run is said. */
  readonly enable: boolean;
  readonly clock?: Pick<Clock, 'sleep'>;
}

type Words = readonly [string, ...string[]];

/** `mayFail`: where there was nothing to do. `tries`: what came before it may take a moment. */
interface Step {
  readonly words: Words;
  readonly mayFail?: boolean;
  readonly tries?: number;
}

const BETWEEN_TRIES_MS = 500;

/** Run it twice and nothing changes the second time. */
export async function install(facts: InstallFacts, options: InstallOptions): Promise<Installed> {
  const { file, text } = fileOf(facts, options);
  const before = await textOf(file);
  const change = before === text ? 'unchanged' : before === undefined ? 'written' : 'changed';
  await mkdir(dirname(file), { recursive: true });
  if (change !== 'unchanged') await writeFile(file, text);
  await chmod(file, 0o644);
  // ReadWritePaths= takes only what is there when the unit starts.
  const { config, state, logs, runtime } = facts.places;
  for (const folder of [config, state, logs, runtime]) await privateFolder(folder);
  const steps: readonly Step[] =
    platformOf(options) === 'darwin'
      ? [
          // The file may be there without ever having been loaded.
          ...(before === undefined ? [] : [bootout()]),
          // It comes back before the one that runs has ended.
          { words: ['launchctl', 'bootstrap', domain(), file], tries: 20 },
        ]
      : [
          systemctl('daemon-reload'),
          systemctl('enable', '--now', UNIT),
          ...(change === 'changed' ? [systemctl('restart', UNIT)] : []),
        ];
  return { file, text, change, ...(await runAll(steps, options)) };
}

/** Whether a unit is installed that may not write into this folder: it was not a vault yet then. */
export async function leavesOut(root: string, { platform, env, home }: InstallOptions): Promise<boolean> {
  if (platform !== 'linux') return false;
  const text = await textOf(unitFile(home, env));
  if (text === undefined) return false;
  return !text.split('\n').includes(`ReadWritePaths=${word(`-${root}`)}`);
}

export async function uninstall(options: InstallOptions): Promise<Installed> {
  const platform = platformOf(options);
  const file = platform === 'darwin' ? agentFile(options.home) : unitFile(options.home, options.env);
  const text = await textOf(file);
  if (text === undefined) return { file, text: '', change: 'absent', ran: [], left: [] };
  const before = platform === 'darwin' ? [bootout()] : [systemctl('disable', '--now', UNIT)];
  const ended = await runAll(before, options);
  await rm(file, { force: true });
  const after = platform === 'darwin' ? [] : [systemctl('daemon-reload')];
  const reloaded =
    ended.left.length > 0 ? { ran: [], left: after.map(lineOf) } : await runAll(after, options);
  return {
    file,
    text,
    change: 'removed',
    ran: [...ended.ran, ...reloaded.ran],
    left: [...ended.left, ...reloaded.left],
  };
}

function fileOf(
  facts: InstallFacts,
  options: InstallOptions,
): { readonly file: string; readonly text: string } {
  return platformOf(options) === 'darwin'
    ? { file: agentFile(options.home), text: agentText(facts) }
    : { file: unitFile(options.home, options.env), text: unitText(facts) };
}

function platformOf({ platform }: InstallOptions): Platform {
  if (platform === 'linux' || platform === 'darwin') return platform;
  throw new VaultError('usage', 'cannot-install', `there is no service to install on ${platform}`, {
    hint: 'start it at logon with: s3vault daemon start',
  });
}

const domain = (): string => `gui/${String(process.getuid?.() ?? '')}`;
const bootout = (): Step => ({ words: ['launchctl', 'bootout', `${domain()}/${AGENT}`], mayFail: true });
const UNIT = 's3vault.service';
const systemctl = (...words: readonly string[]): Step => ({ words: ['systemctl', '--user', ...words] });
const lineOf = ({ words }: Step): string => words.join(' ');

/** One after the other; the first that fails leaves the rest to the user. */
async function runAll(
  steps: readonly Step[],
  { env, enable, clock = systemClock }: InstallOptions,
): Promise<{ readonly ran: readonly Ran[]; readonly left: readonly string[] }> {
  if (!enable) return { ran: [], left: steps.map(lineOf) };
  const ran: Ran[] = [];
  for (const [at, step] of steps.entries()) {
    let trouble = await run(step.words, env);
    for (let tries = step.tries ?? 1; trouble !== undefined && tries > 1; tries--) {
      await clock.sleep(BETWEEN_TRIES_MS);
      trouble = await run(step.words, env);
    }
    if (trouble !== undefined && step.mayFail === true) continue;
    ran.push({ line: lineOf(step), ...(trouble === undefined ? {} : { trouble }) });
    if (trouble !== undefined) return { ran, left: steps.slice(at).map(lineOf) };
  }
  return { ran, left: [] };
}

function run([program, ...args]: Words, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: 90_000 }, (error, _, stderr) => {
      if (error === null) return resolve(undefined);
      if (error.code === 'ENOENT') return resolve(`${program} is not installed`);
      resolve(stderr.trim().split('\n')[0] ?? error.message);
    });
  });
}
