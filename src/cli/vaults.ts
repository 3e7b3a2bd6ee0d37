import { resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import {
  type Config,
  type LeftPlace,
  type Places,
  changeConfig,
  findVault,
  places,
  readConfig,
} from '../config.ts';
import { type DaemonClient, connectDaemon } from '../daemon/client.ts';
import type { DaemonStatus, VaultLine } from '../daemon/protocol.ts';
import { formatBytes, plural, safeName, safeText } from '../model/display.ts';
import { EXIT, VaultError, asVaultError } from '../model/errors.ts';
import { quotaWords, rateWords } from '../model/kms.ts';
import type { Vault } from '../model/vault.ts';
import { type KmsStatus, vaultKms } from '../vaults/kms-pace.ts';
import { vaultStatus } from '../vaults/look.ts';
import { vaultLines } from './daemon-lines.ts';
import { keysOfVault, storeOf } from './key-uses.ts';
import { nameOfMode } from './register.ts';
import { reloadDaemon } from './with-daemon.ts';

const targetOf = ({ remote }: Vault): string => `s3://${remote.bucket}/${remote.prefix}`;

function sayNone(): void {
  process.stderr.write('no vaults yet; make one with: s3vault sync DIR --to s3://BUCKET/PREFIX --key NAME\n');
}

/** `s3vault vaults`: what is registered. */
export async function vaultsCommand(flags: { readonly json?: boolean }): Promise<number> {
  const { vaults } = await readConfig(places(process.env));
  for (const vault of vaults) {
    const line =
      flags.json === true
        ? JSON.stringify({
            id: vault.id,
            root: vault.root,
            target: targetOf(vault),
            mode: vault.mode.kind,
            ...(vault.names === undefined ? {} : { names: 'encrypted' }),
          })
        : `${safeName(vault.root)}  →  ${safeText(targetOf(vault))}  ${nameOfMode(vault.mode)}${vault.names === undefined ? '' : ', names encrypted'}`;
    process.stdout.write(`${line}\n`);
  }
  if (vaults.length === 0 && flags.json !== true) sayNone();
  return EXIT.inStep;
}

/** `s3vault forget DIR`: takes it off the list. Objects, files and the Index stay. */
export async function forgetCommand(dir: string): Promise<number> {
  const where = places(process.env);
  const vault = await knownVault(dir, where);
  const { files } = await vaultStatus(vault, where);
  await changeConfig(where, (config) => {
    const left = files > 0 ? leftBehind(config, vault) : [];
    const rest = { ...config, vaults: config.vaults.filter((other) => other.id !== vault.id) };
    return left.length === 0 ? rest : { ...rest, left: [...(config.left ?? []), ...left] };
  });
  await reloadDaemon(where);
  process.stdout.write(`forgot ${safeName(vault.root)}; its objects in ${safeText(targetOf(vault))} stay\n`);
  return EXIT.inStep;
}

/** Its objects stay, and go on needing their keys: a key is not deleted as if nothing did. */
function leftBehind(config: Config, vault: Vault): readonly LeftPlace[] {
  const place = targetOf(vault);
  const keyStore = storeOf(vault, config);
  const known = (key: string): boolean =>
    (config.left ?? []).some((one) => one.place === place && one.keyStore === keyStore && one.key === key);
  return keysOfVault(vault).flatMap((key) => (known(key) ? [] : [{ place, keyStore, key }]));
}

async function knownVault(dir: string, where: ReturnType<typeof places>): Promise<Vault> {
  const vault = findVault(await readConfig(where), resolve(dir));
  if (vault !== undefined) return vault;
  throw new VaultError('usage', 'not-registered', `${resolve(dir)} is not a vault`, {
    hint: 's3vault vaults lists those that are',
  });
}

/** `s3vault status [DIR]`: what the Index knows, and where a daemon runs, how it gets on. */
export async function statusCommand(
  dir: string | undefined,
  flags: { readonly json?: boolean },
): Promise<number> {
  const where = places(process.env);
  const { vaults } = await readConfig(where);
  const wanted = dir === undefined ? vaults : [await knownVault(dir, where)];
  if (wanted.length === 0 && flags.json !== true) sayNone();
  const daemon = await daemonStatus(where);
  for (const vault of wanted) {
    const { files, bytes, unfinished, leftOut, declined } = await vaultStatus(vault, where);
    const kms = await vaultKms(vault, where, systemClock);
    const facts = { id: vault.id, root: vault.root, target: targetOf(vault), mode: vault.mode.kind };
    const line = daemon?.vaults.find(({ id }) => id === vault.id);
    if (flags.json === true) {
      const live = line === undefined ? { daemon: null } : { daemon: daemon?.pid, ...liveOf(line) };
      process.stdout.write(
        `${JSON.stringify({ ...facts, files, bytes, unfinished, leftOut, declined, ...kmsFacts(kms), ...live })}\n`,
      );
    } else {
      const more = unfinished > 0 ? `, ${plural(unfinished, 'upload')} to go on with` : '';
      process.stdout.write(
        `${safeName(vault.root)}  →  ${safeText(targetOf(vault))}  ${nameOfMode(vault.mode)}\n` +
          `  ${plural(files, 'file')}, ${formatBytes(bytes)} in the Index${more}\n${leftOutLines(leftOut)}${declinedLines(declined)}${kmsLines(kms)}`,
      );
      if (line !== undefined)
        for (const text of vaultLines(line, 'daemon:')) process.stdout.write(`  ${text}\n`);
    }
  }
  return EXIT.inStep;
}

/** Paths named of what was left out; the screen has all of them. */
const NAMED = 5;

function leftOutLines(paths: readonly string[]): string {
  if (paths.length === 0) return '';
  const more = paths.length > NAMED ? ` and ${(paths.length - NAMED).toLocaleString()} more` : '';
  const named = paths
    .slice(0, NAMED)
    .map((path) => safeName(path))
    .join(', ');
  const [it, changes] = paths.length === 1 ? ['it', 'it changes'] : ['them', 'they change'];
  return (
    `  ! ${plural(paths.length, 'file')} left out by you until ${changes}: ${named}${more}\n` +
    `    take ${it} back with u among the problems of the screen\n`
  );
}

function declinedLines(count: number): string {
  if (count === 0) return '';
  return (
    `  ! ${plural(count, 'removal')} ${count === 1 ? 'was' : 'were'} not done: you said no\n` +
    '    nothing removes them before you agree: the next start of s3vault sync asks again\n'
  );
}

const kmsFacts = (kms: KmsStatus | undefined): { readonly kms?: object } =>
  kms === undefined ? {} : { kms: { ...kms.gauge, dollars: kms.dollars } };

/** What is asked of KMS, of how much, and what to do where that is the narrow place. */
function kmsLines(kms: KmsStatus | undefined): string {
  if (kms === undefined) return '';
  const { gauge, dollars, hint } = kms;
  const month = `${plural(gauge.requests, 'request')} this month, about $${dollars.toFixed(2)}`;
  return `  KMS ${rateWords(gauge)} (${quotaWords(gauge)}), throttled ${gauge.throttled}; ${month}\n${hint === undefined ? '' : `  ${hint}\n`}`;
}

/** What the daemon says of itself; undefined where none runs. One that does not answer properly is no reason to know nothing. */
async function daemonStatus(where: Places): Promise<DaemonStatus | undefined> {
  let client: DaemonClient | undefined;
  try {
    client = await connectDaemon(where);
    return await client?.status();
  } catch (thrown) {
    const { message, hint } = asVaultError(thrown);
    process.stderr.write(`! ${safeText(message)}\n${hint === undefined ? '' : `  ${safeText(hint)}\n`}`);
    return undefined;
  } finally {
    client?.close();
  }
}

function liveOf({ id: _id, root: _root, ...live }: VaultLine): Omit<VaultLine, 'id' | 'root'> {
  return live;
}
