/** `s3vault verify [DIR]`: the Index against the bucket, as a report to act on. */
import { resolve } from 'node:path';
import { type Config, findVault, places, readConfig } from '../config.ts';
import { formatBytes, plural } from '../model/display.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import type { Vault } from '../model/vault.ts';
import { type VerifyTotals, openVerify } from '../vaults/verify.ts';
import { openLog } from './log.ts';
import type { KeyFlags } from './options.ts';
import { printJson, printPlain } from './print.ts';
import { nameOfMode } from './register.ts';
import { runToEnd } from './run-engine.ts';
import { openOptions } from './sync.ts';

export interface VerifyFlags extends KeyFlags {
  readonly deep?: number;
  readonly every?: boolean;
  readonly json?: boolean;
  readonly logLevel?: string;
}

export async function verifyCommand(dir: string | undefined, flags: VerifyFlags): Promise<number> {
  const where = places(process.env);
  const config = await readConfig(where);
  const vaults = dir === undefined ? config.vaults : [knownVault(dir, config)];
  if (vaults.length === 0) {
    throw new VaultError('usage', 'which-vault', 'there is no vault on this machine', {
      hint: 'make one with: s3vault sync DIR --to s3://BUCKET/PREFIX --key NAME',
    });
  }
  const log = await openLog(flags.logLevel);
  const exits: number[] = [];
  for (const vault of vaults) {
    refuseUnfinished(vault);
    const wanted = { deep: flags.deep ?? 0, every: flags.every ?? false };
    const { verify, run } = await openVerify(vault, wanted, openOptions(flags, where, config));
    if (log !== undefined) verify.subscribe(log);
    if (flags.json === true) printJson(verify, process.stdout);
    else
      printPlain(
        { subscribe: (hear) => verify.subscribe((event) => event.event !== 'summary' && hear(event)) },
        process.stdout,
        process.stderr,
      );
    const exit = await runToEnd(verify, run);
    exits.push(exit);
    if (flags.json !== true) process.stdout.write(`${reportLines(vault, verify.totals, exit).join('\n')}\n`);
    if (exit === EXIT.interrupted) break;
  }
  return worst(exits);
}

/** Security before all else, then what stopped a run, then problems. */
const worst = (exits: readonly number[]): number =>
  exits.includes(EXIT.security) ? EXIT.security : Math.max(EXIT.inStep, ...exits);

function knownVault(dir: string, config: Config): Vault {
  const vault = findVault(config, resolve(dir));
  if (vault !== undefined) return vault;
  throw new VaultError('usage', 'not-registered', `${resolve(dir)} is not a vault`, {
    hint: 's3vault vaults lists those that are',
  });
}

function refuseUnfinished({ root, rekeyTo }: Vault): void {
  if (rekeyTo === undefined) return;
  throw new VaultError('usage', 'rekey-unfinished', `${root} is on its way to ${nameOfMode(rekeyTo)}`, {
    hint: `let that end first: s3vault rekey ${root}`,
  });
}

function openedWords({ opened, compared, bytes }: VerifyTotals): string {
  if (opened === 0) return '';
  const size = `(${formatBytes(bytes)})`;
  if (compared === opened) return `${opened} opened and compared ${size}`;
  return `${opened} opened ${size}, ${compared} of them compared`;
}

/** What was found, for people. */
export function reportLines(
  { root }: Pick<Vault, 'root'>,
  totals: VerifyTotals,
  exit: number,
): readonly string[] {
  const { objects, missing, extra, differing, unproved, looked } = totals;
  const bad = [
    [missing, 'missing in the bucket'],
    [differing, 'not as they were sent'],
    [unproved, 'not protected, or tampered with'],
    [extra, 'in the bucket only'],
  ] as const;
  const found = bad.filter(([count]) => count > 0).map(([count, words]) => `${count} ${words}`);
  const work = [
    `${plural(objects, 'object')} compared with the Index`,
    looked > 0 ? `${looked} looked at for their protection` : 'none written since the last look',
    openedWords(totals),
  ].filter((words) => words !== '');
  const verdict =
    found.length > 0 ? found.join(', ') : exit === EXIT.inStep ? 'all in order' : 'not finished';
  return [work.join(', '), `${root}: ${verdict}`];
}
