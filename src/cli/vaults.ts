import { resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import { changeConfig, findVault, places, readConfig } from '../config.ts';
import { formatBytes, plural } from '../model/display.ts';
import { quotaWords, rateWords } from '../model/kms.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import type { Vault } from '../model/vault.ts';
import { type KmsStatus, vaultKms } from '../vaults/kms-pace.ts';
import { vaultStatus } from '../vaults/look.ts';
import { nameOfMode } from './register.ts';

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
        ? JSON.stringify({ id: vault.id, root: vault.root, target: targetOf(vault), mode: vault.mode.kind })
        : `${vault.root}  →  ${targetOf(vault)}  ${nameOfMode(vault.mode)}`;
    process.stdout.write(`${line}\n`);
  }
  if (vaults.length === 0 && flags.json !== true) sayNone();
  return EXIT.inStep;
}

/** `s3vault forget DIR`: takes it off the list. Objects, files and the Index stay. */
export async function forgetCommand(dir: string): Promise<number> {
  const where = places(process.env);
  const vault = await knownVault(dir, where);
  await changeConfig(where, (config) => ({
    ...config,
    vaults: config.vaults.filter((other) => other.id !== vault.id),
  }));
  process.stdout.write(`forgot ${vault.root}; its objects in ${targetOf(vault)} stay\n`);
  return EXIT.inStep;
}

async function knownVault(dir: string, where: ReturnType<typeof places>): Promise<Vault> {
  const vault = findVault(await readConfig(where), resolve(dir));
  if (vault !== undefined) return vault;
  throw new VaultError('usage', 'not-registered', `${resolve(dir)} is not a vault`, {
    hint: 's3vault vaults lists those that are',
  });
}

/** `s3vault status [DIR]`: what the Index knows, also while another process syncs. */
export async function statusCommand(
  dir: string | undefined,
  flags: { readonly json?: boolean },
): Promise<number> {
  const where = places(process.env);
  const { vaults } = await readConfig(where);
  const wanted = dir === undefined ? vaults : [await knownVault(dir, where)];
  if (wanted.length === 0 && flags.json !== true) sayNone();
  for (const vault of wanted) {
    const { files, bytes, unfinished } = await vaultStatus(vault, where);
    const kms = await vaultKms(vault, where, systemClock);
    const facts = { id: vault.id, root: vault.root, target: targetOf(vault), mode: vault.mode.kind };
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify({ ...facts, files, bytes, unfinished, ...kmsFacts(kms) })}\n`
        : `${vault.root}  →  ${targetOf(vault)}  ${nameOfMode(vault.mode)}\n  ${plural(files, 'file')}, ${formatBytes(bytes)} in the Index${unfinished > 0 ? `, ${plural(unfinished, 'upload')} to go on with` : ''}\n${kmsLines(kms)}`,
    );
  }
  return EXIT.inStep;
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
