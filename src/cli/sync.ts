import { isDeepStrictEqual } from 'node:util';
import { type Config, type Places, findVault, places, readConfig } from '../config.ts';
import { systemClock } from '../clock.ts';
import { VaultError } from '../model/errors.ts';
import type { Taken } from '../model/settings-desk.ts';
import type { Vault } from '../model/vault.ts';
import { joined } from '../vaults/join.ts';
import { keyNotes } from '../vaults/keys.ts';
import { type OpenVault, openVault } from '../vaults/open.ts';
import type { OpenOptions } from '../vaults/options.ts';
import { openTerminal } from './prompt.ts';
import { homely } from './homely.ts';
import { type EventLog, openLog } from './log.ts';
import type { KeyFlags, VaultFlags } from './options.ts';
import { planCommand } from './plan.ts';
import { printJson, printPlain } from './print.ts';
import { nameOfKey, nameOfMode, vaultFor } from './register.ts';
import { runToEnd } from './run-engine.ts';
import type { ScreenFacts } from './screen.ts';
import { holderOf, reloadDaemon, withReleased } from './with-daemon.ts';
import { onTerminal } from './on-terminal.ts';

export interface SyncFlags extends VaultFlags, KeyFlags {
  readonly once?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly acceptSource?: boolean;
  readonly checkRemote?: boolean;
  readonly plan?: string;
  readonly json?: boolean;
  readonly plain?: boolean;
  readonly logLevel?: string;
}

/** `s3vault sync DIR`: registers on first use, then syncs; gives the exit code. */
export async function syncCommand(dir: string, flags: SyncFlags): Promise<number> {
  const where = places(process.env);
  const log = await openLog(flags.logLevel);
  const wanted = await vaultFor(dir, flags, where);
  refuseRekeyed(wanted.vault);
  const config = await readConfig(where);
  const options = openOptions(flags, where, config);
  const vault = wanted.isNew ? await joined(wanted.vault, options) : wanted.vault;
  const alone = async (): Promise<number> => {
    if (flags.dryRun === true || flags.plan !== undefined) return planCommand(vault, options, flags);
    const open: OpenVault = await openVault(vault, { ...options, onMet: () => wanted.register(open.vault) });
    return present(open, vault, flags, log);
  };
  const holding = await holderOf(vault, where);
  if (holding === undefined) {
    const exit = await alone();
    if (findVault(config, vault.root) === undefined) {
      await reloadDaemon(where);
      const { sayInstallAgain } = await import('./install.ts');
      await sayInstallAgain(vault.root);
    }
    return exit;
  }
  const { client, line } = holding;
  if (line.phase === 'running' && asRegistered(vault, flags, config)) {
    process.stderr.write(`the daemon (process ${client.facts.pid}) holds this vault and does the sync\n`);
    const { syncThroughDaemon } = await import('./sync-through.ts');
    return syncThroughDaemon(client, vault, flags, log);
  }
  client.close();
  return withReleased([vault], where, alone, (text) => process.stderr.write(`${text}\n`));
}

/** Kind `usage` for a vault in the middle of a rekey. */
export function refuseRekeyed(vault: Vault): void {
  if (vault.rekeyTo !== undefined) {
    throw new VaultError(
      'usage',
      'rekey-unfinished',
      `${vault.root} is on its way to ${nameOfMode(vault.rekeyTo)}`,
      {
        hint: `let that end first: s3vault rekey ${vault.root}`,
      },
    );
  }
}

/** Whether this run wants nothing that is not in the configuration: then the daemon's engine does what it would do. */
function asRegistered(vault: Vault, flags: SyncFlags, config: Config): boolean {
  const { dryRun, yes, acceptSource, checkRemote, plan, passphraseCommand, keyCommand } = flags;
  if ([dryRun, yes, acceptSource, checkRemote].includes(true) || plan !== undefined) return false;
  if (passphraseCommand !== undefined || keyCommand !== undefined) return false;
  return isDeepStrictEqual(vault, findVault(config, vault.root));
}

/** What opening a vault needs of flags and configuration. */
export function openOptions(flags: SyncFlags, where: Places, config: Config): OpenOptions {
  return {
    env: process.env,
    places: where,
    once: flags.once ?? false,
    consent: flags.yes ?? false,
    acceptSource: flags.acceptSource ?? false,
    checkRemote: flags.checkRemote ?? false,
    keyStore: flags.keyStore ?? config.keyStore ?? 'keychain',
    onKey: (fingerprint) => noteUse(where, fingerprint),
    keys: {
      prompt: openTerminal()?.askSecret,
      passphraseCommand: flags.passphraseCommand ?? config.passphraseCommand,
      command: flags.keyCommand ?? config.keyCommand,
    },
  };
}

/** When a key was used last, for the list of keys. A note that can't be written stops no sync. */
async function noteUse(where: Places, fingerprint: string): Promise<void> {
  const lastUsed = new Date(systemClock.now()).toISOString();
  await keyNotes(where)
    .change(fingerprint, (note) => ({ ...note, lastUsed }))
    .catch(() => undefined);
}

/** The screen on a terminal, plain lines otherwise; JSON when asked for. */
export async function present(
  open: OpenVault,
  vault: Vault,
  flags: SyncFlags,
  log: EventLog | undefined,
): Promise<number> {
  if (log !== undefined) open.engine.subscribe(log);
  if (flags.json === true) printJson(open.engine, process.stdout);
  else if (flags.plain === true || flags.once === true || !onTerminal()) {
    printPlain(open.engine, process.stdout, process.stderr);
  } else return onScreen(open, vault, flags);
  return runToEnd(open.engine, () => open.run());
}

async function onScreen(open: OpenVault, vault: Vault, flags: SyncFlags): Promise<number> {
  const { showVault } = await import('./screen.ts');
  const where = places(process.env);
  const facts = await screenFacts(vault, where, flags);
  const { desksOf } = await import('./desks.ts');
  return showVault(open, { ...facts, keyDesk: desksOf(where, flags, vault.keyStore).keyDesk });
}

/**
 * A vault as the screen names it. A change of its settings is told to the daemon, where one runs, or to whoever else holds
 * the vault; that tells from when on the change holds.
 */
export async function screenFacts(
  vault: Vault,
  where: Places,
  flags: SyncFlags = {},
  onChanged?: () => Promise<Taken>,
): Promise<ScreenFacts> {
  const [{ settingsDesk }, { desksOf }] = await Promise.all([import('./settings.ts'), import('./desks.ts')]);
  const { id, root, remote, mode } = vault;
  return {
    title: homely(root),
    target: `s3://${remote.bucket}/${remote.prefix}`,
    mode: mode.kind,
    key: nameOfKey(mode),
    settings: settingsDesk(id, where, onChanged ?? (() => reloadDaemon(where, id, () => undefined))),
    ...desksOf(where, flags, vault.keyStore).of(vault),
  };
}
