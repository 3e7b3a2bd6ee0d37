/** `daemon install|uninstall`: shows what it writes, and what it ran or could not. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { places, readConfig } from '../config.ts';
import { HEARTBEAT_FILE, heartbeatAddress, keepAddress } from '../daemon/heartbeat-address.ts';
import { type InstallOptions, type Installed, install, leavesOut, uninstall } from '../daemon/install.ts';
import { type InstallFacts, carriedEnv, leftBehind, unknownHere } from '../daemon/install-facts.ts';
import { safeName } from '../model/display.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import { readSecretFile } from '../private-file.ts';
import { type HealthFlags, healthArgs } from './daemon-options.ts';

export interface InstallFlags extends HealthFlags {
  readonly passphraseFile?: string;
  readonly credentialsFile?: string;
  readonly enable?: boolean;
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

export async function installCommand(flags: InstallFlags): Promise<number> {
  const where = places(process.env);
  const address = await heartbeatAddress(flags.heartbeatUrl, process.env);
  const config = await readConfig(where);
  const { vaults, keyStore } = config;
  const passphraseFile = await passphraseFileOf(flags);
  const credentialsFile = await credentialsFileOf(flags);
  const carried = carriedEnv(process.env);
  const facts: InstallFacts = {
    node: process.execPath,
    main: MAIN,
    args: healthArgs(flags),
    home: homedir(),
    places: where,
    env:
      address === undefined ? carried : { ...carried, [HEARTBEAT_FILE]: await keepAddress(where, address) },
    roots: vaults.map(({ root }) => root),
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
    ...(credentialsFile === undefined ? {} : { credentialsFile }),
    commands: [config.keyCommand, config.passphraseCommand, carried['S3VAULT_KEY_COMMAND']].some(
      (command) => command !== undefined,
    ),
  };
  const installed = await install(facts, installOptions(flags));
  process.stdout.write(`${installed.file} (${installed.change}):\n\n${installed.text}\n`);
  const exit = sayRan(installed);
  sayLeftBehind(credentialsFile !== undefined);
  const needsFile = keyStore === 'file' || vaults.some((vault) => vault.keyStore === 'file');
  if (needsFile && passphraseFile === undefined) {
    process.stderr.write('! the key file needs its passphrase, and nobody can be asked\n');
    process.stderr.write('  hand it over with: s3vault daemon install --passphrase-file FILE\n');
  }
  return exit;
}

function sayLeftBehind(handedOver: boolean): void {
  const secrets = handedOver ? [] : leftBehind(process.env);
  for (const name of [...secrets, ...unknownHere(process.env)])
    process.stderr.write(`! ${name} is set in this shell, and the service will not see it\n`);
  if (secrets.length > 0)
    process.stderr.write(
      '  hand them over with --credentials-file FILE, or put them into ~/.aws (aws configure), or a profile of IAM Identity Center\n',
    );
}

async function credentialsFileOf({ credentialsFile }: InstallFlags): Promise<string | undefined> {
  if (credentialsFile === undefined) return undefined;
  const path = resolve(credentialsFile);
  const bytes = await readSecretFile(path);
  bytes?.fill(0);
  if (bytes !== undefined) return path;
  throw new VaultError('usage', 'no-credentials-file', `there is no file ${path}`, {
    hint: 'it holds what ~/.aws/credentials does, and only you may read it (chmod 600)',
  });
}

async function passphraseFileOf({ passphraseFile }: InstallFlags): Promise<string | undefined> {
  const named = passphraseFile ?? process.env['S3VAULT_PASSPHRASE_FILE'];
  if (named === undefined || named === '') return undefined;
  const path = resolve(named);
  // A unit with a credential that is not there does not start.
  const bytes = await readSecretFile(path);
  bytes?.fill(0);
  if (bytes !== undefined) return path;
  process.stderr.write(`! there is no file ${path}: no passphrase is handed over\n`);
  return undefined;
}

/** After a vault was added: says so where the installed service may not write into it. */
export async function sayInstallAgain(root: string): Promise<void> {
  if (await leavesOut(root, installOptions({})))
    process.stderr.write(
      `! the installed service may not write into ${safeName(root)} yet\n  let it, with: s3vault daemon install\n`,
    );
}

export async function uninstallCommand(flags: { readonly enable?: boolean }): Promise<number> {
  const removed = await uninstall(installOptions(flags));
  process.stdout.write(
    removed.change === 'absent'
      ? `nothing is installed: there is no ${removed.file}\n`
      : `removed ${removed.file}\n`,
  );
  return sayRan(removed);
}

const installOptions = (flags: { readonly enable?: boolean }): InstallOptions => ({
  platform: process.platform,
  env: process.env,
  home: homedir(),
  enable: flags.enable ?? true,
});

/** Exit 0 also where commands are left to the user: the file is in place, and it is said. */
function sayRan({ ran, left }: Installed): number {
  for (const { line, trouble } of ran) {
    if (trouble === undefined) process.stdout.write(`ran: ${line}\n`);
    else process.stderr.write(`! ${line}: ${trouble}\n`);
  }
  if (left.length > 0)
    process.stdout.write(`to run yourself:\n${left.map((line) => `  ${line}`).join('\n')}\n`);
  return EXIT.inStep;
}
