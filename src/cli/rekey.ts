/** `s3vault rekey DIR`, and the part of `keys rotate` that moves objects. */
import { resolve } from 'node:path';
import { type Config, type Places, findVault, places, readConfig } from '../config.ts';
import { formatBytes, formatDuration, plural } from '../model/display.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import type { Event } from '../model/event.ts';
import type { Mode } from '../model/mode.ts';
import type { Vault } from '../model/vault.ts';
import { vaultStatus } from '../vaults/look.ts';
import { type OpenRekey, openRekey } from '../vaults/rekey.ts';
import { openLog } from './log.ts';
import { type Estimate, estimate, estimateLines } from './estimate.ts';
import type { KeyFlags, MovingFlags, VaultFlags } from './options.ts';
import { type Line, plainLine, printJson, printPlain } from './print.ts';
import { openTerminal } from './prompt.ts';
import { modeOf, nameOfMode } from './register.ts';
import { steps } from './rekey-steps.ts';
import { runToEnd } from './run-engine.ts';
import { openOptions } from './sync.ts';
import { withReleased } from './with-daemon.ts';

export interface RekeyFlags extends VaultFlags, KeyFlags, MovingFlags {
  readonly toMode?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly logLevel?: string;
}

/** Asks first, moves all objects, says how; gives the exit code. A rekey that was interrupted goes on. */
export async function rekeyCommand(dir: string, flags: RekeyFlags): Promise<number> {
  const where = places(process.env);
  const config = await readConfig(where);
  const vault = findVault(config, resolve(dir));
  if (vault === undefined) {
    throw new VaultError('usage', 'not-registered', `${resolve(dir)} is not a vault`, {
      hint: 's3vault vaults lists those that are',
    });
  }
  const next = nextMode(vault, flags);
  if (flags.dryRun !== true && flags.yes !== true) await ask(vault, next, where, flags);
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  return withReleased([vault], where, () => rekeyVault(vault, next, flags, where, config), say);
}

function nextMode(vault: Vault, flags: RekeyFlags): Mode {
  const { toMode: mode, key, kmsKey } = flags;
  const said = mode !== undefined || key !== undefined || kmsKey !== undefined;
  if (vault.rekeyTo !== undefined) {
    if (said && nameOfMode(wanted(vault, flags)) !== nameOfMode(vault.rekeyTo)) {
      throw new VaultError(
        'usage',
        'other-rekey',
        `${vault.root} is on its way to ${nameOfMode(vault.rekeyTo)}`,
        { hint: `let that end first: s3vault rekey ${vault.root}` },
      );
    }
    return vault.rekeyTo;
  }
  if (!said) {
    throw new VaultError('usage', 'no-target', 'it is not said what to move the objects to', {
      hint: 'give --to-mode MODE, and --key NAME or --kms-key ID as the mode needs',
    });
  }
  const next = wanted(vault, flags);
  if (nameOfMode(next) !== nameOfMode(vault.mode)) return next;
  throw new VaultError('usage', 'same-mode', `${vault.root} is in ${nameOfMode(next)} already`, {
    hint: 'name another key or mode; s3vault keys rotate NAME makes a new key by itself',
  });
}

const wanted = (vault: Vault, flags: RekeyFlags): Mode =>
  modeOf({ ...flags, mode: flags.toMode ?? vault.mode.kind });

async function ask(vault: Vault, next: Mode, where: Places, { allVersions }: RekeyFlags): Promise<void> {
  const { files } = await vaultStatus(vault, where);
  const from = nameOfMode(vault.mode);
  const answer = await openTerminal()?.ask(
    `move ${plural(files, 'object')}${allVersions === true ? ' with all versions' : ''} of ${vault.root} from ${from} to ${nameOfMode(next)}? [y/N] `,
  );
  if (answer !== undefined && /^y(es)?$/i.test(answer)) return;
  throw new VaultError('consent', 'not-agreed', 'nothing was moved: nobody agreed', {
    hint: 'answer on a terminal, or agree with --yes; --dry-run says what it takes',
  });
}

/** A vault with the limits of one run in the place of its own. */
export const limited = (vault: Vault, flags: MovingFlags): Vault => {
  const { transfers, limitUpload, limitDownload } = flags;
  return {
    ...vault,
    rules: {
      ...vault.rules,
      ...(transfers === undefined ? {} : { transfers }),
      ...(limitUpload === undefined ? {} : { limitUpload }),
      ...(limitDownload === undefined ? {} : { limitDownload }),
    },
  };
};

/** One vault to its next Mode, with lines as the flags want them. */
async function rekeyVault(
  vault: Vault,
  next: Mode,
  flags: RekeyFlags,
  where: Places,
  config: Config,
): Promise<number> {
  const { dryRun = false, allVersions = false, json = false } = flags;
  let versions: string | undefined;
  const { rekey, run } = await openRekey(limited(vault, flags), next, {
    ...openOptions(flags, where, config),
    dryRun,
    allVersions,
    ...steps(vault, next, where, (place) => {
      versions = place;
    }),
  });
  const log = await openLog(flags.logLevel);
  if (log !== undefined) rekey.subscribe(log);
  const taking = (): Estimate => estimate(vault.mode, next, rekey.totals, allVersions);
  const priced = ({ event, time }: Event): object | undefined =>
    dryRun && event === 'plan' ? { event: 'estimate', time, ...taking() } : undefined;
  if (json) printJson(rekey, process.stdout, priced);
  else printPlain(rekey, process.stdout, process.stderr, (event) => lineOf(event, dryRun));
  const exit = await runToEnd(rekey, run);
  const counted = dryRun && rekey.fatal === undefined;
  const said = counted
    ? [...estimateLines(vault.mode, next, taking()), ...(rekey.older ? [OLDER_STAY] : [])]
    : endLines(rekey, exit, vault);
  if (!json && (counted || !dryRun)) process.stdout.write(`${said.join('\n')}\n`);
  if (versions !== undefined)
    process.stderr.write(
      `older versions in ${versions} still need the old key or mode: keep it as long as they matter\n`,
    );
  return exit;
}

export const OLDER_STAY =
  'older versions of objects stay under the old key or mode, and need it; --all-versions moves them too';

/** Of a dry run only trouble: what it counted is said with its price. */
function lineOf(event: Event, dryRun: boolean): Line | undefined {
  if (event.event !== 'plan' && event.event !== 'summary') return plainLine(event);
  if (dryRun) return undefined;
  const said = (text: string): Line => ({ text, trouble: false });
  if (event.event === 'plan') {
    const { put, bytes } = event;
    const stored = `${plural(put, 'object')} to move (${formatBytes(bytes)} as stored)`;
    return said(`plan: ${put === 0 ? 'nothing to move' : stored}`);
  }
  const { files, bytes, ms, failed } = event;
  const moved = `${plural(files, 'object')}, ${formatBytes(bytes)} in ${formatDuration(ms)}`;
  return files + failed === 0 ? undefined : said(`${moved}${failed > 0 ? `, ${failed} failed` : ''}`);
}

function endLines(
  { totals, begun }: Pick<OpenRekey['rekey'], 'totals' | 'begun'>,
  exit: number,
  vault: Vault,
): readonly string[] {
  if (!begun)
    return [
      vault.rekeyTo === undefined
        ? `no object was touched; ${vault.root} is kept as before`
        : `it went no further; go on with: s3vault rekey ${vault.root}`,
    ];
  const { rewrapped, copied, resent, updated, already, through } = totals;
  const counts = [
    [rewrapped, 'rewrapped'],
    [updated, 'encrypted anew in place'],
    [copied, 'copied inside the store'],
    [resent, 'fetched and sent again'],
    [already, 'done before'],
  ] as const;
  const parts = counts.filter(([count]) => count > 0).map(([count, words]) => `${count} ${words}`);
  const done = `${parts.length === 0 ? 'no objects' : parts.join(', ')}; ${formatBytes(through)} through this machine`;
  return exit === EXIT.inStep
    ? [done, `${vault.root} is kept under the new key or mode from now on`]
    : [
        done,
        `it is not finished; every object of the vault is under the old key or the new one; go on with: s3vault rekey ${vault.root}`,
      ];
}
