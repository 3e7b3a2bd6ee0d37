/** `s3vault` alone: the screen on all vaults, the daemon's or this process's own; without vaults, the wizard. */
import { systemClock } from '../clock.ts';
import { type Config, type Places, places, readConfig } from '../config.ts';
import { connectDaemon } from '../daemon/client.ts';
import { Here } from '../daemon/here.ts';
import { within } from '../daemon/within.ts';
import { safeName } from '../model/display.ts';
import { EXIT, VaultError, asVaultError } from '../model/errors.ts';
import type { Vault } from '../model/vault.ts';
import { openKeys } from '../vaults/keys.ts';
import { type OpenVault, openVault } from '../vaults/open.ts';
import { AskedOnce } from './asked-once.ts';
import { desksOf } from './desks.ts';
import { OPENING } from './key-desk.ts';
import { keyOfMode, storeOf } from './key-uses.ts';
import { type BrokenOff, brokenOffLines, exitWith } from './broken-off.ts';
import { lastProblems } from './last-problems.ts';
import { openTerminal } from './prompt.ts';
import { openOptions, refuseRekeyed, screenFacts } from './sync.ts';

export async function homeCommand(): Promise<number> {
  const where = places(process.env);
  const config = await readConfig(where);
  if (config.vaults.length === 0) {
    const { initCommand } = await import('./init.ts');
    return initCommand(undefined, {});
  }
  const client = await connectDaemon(where);
  if (client !== undefined) {
    const { attach } = await import('./attach.ts');
    return attach(client);
  }
  const passphrase = new AskedOnce();
  await askFirst(passphrase, config, where);
  return showHere(config, { where, passphrase });
}

export interface HereFlags {
  readonly where: Places;
  readonly passphrase: AskedOnce;
  /** Its first Plan waits until a person has seen it. */
  readonly review?: Vault['id'] | undefined;
}

/** What is under way may take so long to end; more is left as it is, journaled. */
const STOP_LIMIT_MS = 9_000;

/** Runs vaults in this process under the screen until the user leaves. Others than those of `config` are left alone. */
export async function showHere(config: Config, { where, passphrase, review }: HereFlags): Promise<number> {
  const wanted = new Set(config.vaults.map(({ id }) => id));
  // Nobody can be asked on a terminal that the screen has.
  passphrase.ask = undefined;
  const here = new Here(config, {
    clock: systemClock,
    readConfig: async () => {
      const now = await readConfig(where);
      return { ...now, vaults: now.vaults.filter(({ id }) => wanted.has(id)) };
    },
    open: (vault, now) => openHere(vault, now, where, passphrase, vault.id === review),
  });
  const stop = (): void => here.stop();
  process.on('SIGTERM', stop);
  const failed = here.start().then(
    () => undefined,
    (thrown: unknown) => {
      here.stop();
      return asVaultError(thrown);
    },
  );
  const broken: BrokenOff[] = [];
  try {
    const { runScreen } = await import('../tui/run.tsx');
    const vaults = await Promise.all(
      here.vaults.map(async (handle) => {
        const { note: _, ...facts } = await screenFacts(handle.vault, where, {}, () =>
          here.reload(handle.vault.id),
        );
        return { ...facts, handle };
      }),
    );
    try {
      await runScreen({ vaults, clock: systemClock, keyDesk: desksOf(where, {}, undefined).keyDesk });
    } finally {
      for (const { browser } of vaults) broken.push(...((await browser?.close()) ?? []));
    }
  } finally {
    process.off('SIGTERM', stop);
    here.stop();
    passphrase.wipe();
  }
  const inOrder = await within(
    systemClock,
    STOP_LIMIT_MS,
    here.ended.then(() => true),
  );
  const exit = exitWith(broken, sayProblems(here));
  for (const line of broken.flatMap(brokenOffLines)) process.stderr.write(`${line}\n`);
  // A key store that hangs would hold the process.
  if (inOrder !== true) process.exit(EXIT.interrupted);
  const error = await failed;
  if (error !== undefined) throw error;
  return exit;
}

async function openHere(
  vault: Vault,
  config: Config,
  where: Places,
  passphrase: AskedOnce,
  review: boolean,
): Promise<OpenVault> {
  refuseRekeyed(vault);
  const { keys, ...options } = openOptions({}, where, config);
  return openVault(vault, { ...options, review, keys: { ...keys, prompt: passphrase.prompt } });
}

const TRIES = 3;

/** The passphrase of the key file, where a vault needs it and nothing else gives it. Rejects with kind `cancelled`. */
async function askFirst(passphrase: AskedOnce, config: Config, where: Places): Promise<void> {
  const needed = config.vaults.some(
    (vault) => storeOf(vault, config) === 'file' && keyOfMode(vault.mode) !== undefined,
  );
  const terminal = openTerminal();
  if (!needed || terminal === undefined) return;
  let asked = false;
  passphrase.ask = (question) => {
    asked = true;
    // A key file that is gone is that vault's problem, not a reason to make a new one.
    if (question !== OPENING) throw new VaultError('usage', 'key-file', 'there is no key file');
    return terminal.askSecret(question);
  };
  for (let tries = 1; tries <= TRIES; tries++) {
    asked = false;
    const keys = await openKeys('file', {
      env: process.env,
      places: where,
      clock: systemClock,
      prompt: passphrase.prompt,
      passphraseCommand: config.passphraseCommand,
    });
    try {
      await keys.list();
      return;
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.kind === 'cancelled') throw error;
      passphrase.wipe();
      // Each vault says for itself what is wrong with the key file.
      if (!asked) return;
      process.stderr.write(`${error.message}\n`);
    } finally {
      keys.lock();
    }
  }
}

/** After the screen: what is wrong, with the way out. Gives the exit code of the first vault that could not run. */
function sayProblems(here: Here): number {
  const several = here.vaults.length > 1;
  for (const handle of here.vaults) {
    const problems = lastProblems(handle.snapshot());
    if (several && problems.length > 0) process.stderr.write(`${safeName(handle.vault.root)}\n`);
    for (const line of problems) process.stderr.write(`${line}\n`);
  }
  return here.lines().find(({ exit }) => exit !== EXIT.inStep)?.exit ?? EXIT.inStep;
}
