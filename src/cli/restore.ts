/** `s3vault restore`: files back from the bucket, verified. */
import { resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import { places, readConfig } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import type { ReadingOptions } from '../vaults/reading.ts';
import { openRestore } from '../vaults/restore.ts';
import { openLog } from './log.ts';
import { type PlaceFlags, placeFor } from './place.ts';
import { printJson, printPlain } from './print.ts';
import { runToEnd } from './run-engine.ts';
import { openOptions } from './sync.ts';
import { parseTime } from './time.ts';

export interface RestoreFlags extends PlaceFlags {
  readonly out: string;
  readonly at?: string;
  readonly version?: string;
  readonly force?: boolean;
  readonly oldLinks?: boolean;
  readonly json?: boolean;
  readonly logLevel?: string;
}

export async function restoreCommand(paths: readonly string[], flags: RestoreFlags): Promise<number> {
  const where = places(process.env);
  const config = await readConfig(where);
  const { source, names: wantedPaths } = placeFor(paths, flags, config);
  const at = flags.at === undefined ? undefined : parseTime(flags.at, systemClock.now());
  if (flags.version !== undefined) checkVersion(wantedPaths, at);
  const options: ReadingOptions = {
    ...openOptions(flags, where, config),
    commitment: flags.commitment ?? 'require',
    anyKey: at !== undefined || flags.version !== undefined,
  };
  const { version: versionId, force = false, oldLinks = false } = flags;
  const wanted = { paths: wantedPaths, at, versionId, force, oldLinks };
  const { restore, run } = await openRestore(source, resolve(flags.out), wanted, options);
  const log = await openLog(flags.logLevel);
  if (log !== undefined) restore.subscribe(log);
  if (flags.json === true) printJson(restore, process.stdout);
  else printPlain(restore, process.stdout, process.stderr);
  return runToEnd(restore, run);
}

function checkVersion(names: readonly string[], at: number | undefined): void {
  if (at !== undefined) {
    throw new VaultError('usage', 'two-times', '--at and --version do not go together', {
      hint: '--version names one version of one file, --at a time for all of them',
    });
  }
  if (names.length === 1 && names[0] !== '') return;
  throw new VaultError('usage', 'which-file', '--version is for one file', {
    hint: 'name that file; s3vault versions PATH shows its versions',
  });
}
