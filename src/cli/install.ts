/** `daemon install|uninstall`: shows what it writes, and what it ran or could not. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { places, readConfig } from '../config.ts';
import { heartbeatUrl } from '../daemon/heartbeat.ts';
import { type InstallOptions, type Installed, install, uninstall } from '../daemon/install.ts';
import { type InstallFacts, carriedEnv, leftBehind } from '../daemon/install-facts.ts';
import { EXIT } from '../model/errors.ts';
import { readSecretFile } from '../private-file.ts';
import { type HealthFlags, healthArgs } from './daemon-options.ts';

export interface InstallFlags extends HealthFlags {
  readonly passphraseFile?: string;
  readonly enable?: boolean;
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

export async function installCommand(flags: InstallFlags): Promise<number> {
  const where = places(process.env);
  if (flags.heartbeatUrl !== undefined) heartbeatUrl(flags.heartbeatUrl);
  const { vaults, keyStore } = await readConfig(where);
  const passphraseFile = await passphraseFileOf(flags);
  const facts: InstallFacts = {
    node: process.execPath,
    main: MAIN,
    args: healthArgs(flags),
    home: homedir(),
    places: where,
    env: carriedEnv(process.env),
    roots: vaults.map(({ root }) => root),
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
  };
  const installed = await install(facts, installOptions(flags));
  process.stdout.write(`${installed.file} (${installed.change}):\n\n${installed.text}\n`);
  const exit = sayRan(installed);
  for (const name of leftBehind(process.env)) {
    process.stderr.write(`! ${name} is set in this shell, and the service will not see it\n`);
  }
  if (leftBehind(process.env).length > 0)
    process.stderr.write(
      '  put the credentials into ~/.aws (aws configure), or a profile of IAM Identity Center\n',
    );
  const needsFile = keyStore === 'file' || vaults.some((vault) => vault.keyStore === 'file');
  if (needsFile && passphraseFile === undefined) {
    process.stderr.write('! the key file needs its passphrase, and nobody can be asked\n');
    process.stderr.write('  hand it over with: s3vault daemon install --passphrase-file FILE\n');
  }
  return exit;
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
