/** `ls`, `cat`, `versions`: a vault seen through its keys. */
import { systemClock } from '../clock.ts';
import { places, readConfig } from '../config.ts';
import { safeName } from '../model/display.ts';
import { EXIT } from '../model/errors.ts';
import { noVersions } from '../model/no-versions.ts';
import type { ReadingOptions } from '../vaults/reading.ts';
import { type History, type Peek, type Shown, peekInto } from '../vaults/peek.ts';
import { Foreign, tellWarning } from './foreign.ts';
import { nothingAt, nothingToCat } from './nothing.ts';
import { Out } from './out.ts';
import { type Place, type PlaceFlags, placeFor } from './place.ts';
import { openOptions } from './sync.ts';
import { parseTime } from './time.ts';

export interface LookFlags extends PlaceFlags {
  readonly at?: string;
  readonly version?: string;
  readonly json?: boolean;
  readonly long?: boolean;
  readonly recursive?: boolean;
}

interface Looked extends Place {
  readonly at: number | undefined;
  /** Opens the place for `work`. */
  readonly open: <T>(work: (peek: Peek) => Promise<T>) => Promise<T>;
}

/** `keyless`: names, sizes and versions are seen without a key. */
export async function looking(paths: readonly string[], flags: LookFlags, keyless: boolean): Promise<Looked> {
  const where = places(process.env);
  const config = await readConfig(where);
  const place = placeFor(paths, flags, config, { here: true });
  const at = flags.at === undefined ? undefined : parseTime(flags.at, systemClock.now());
  const options: ReadingOptions = {
    ...openOptions(flags, where, config),
    commitment: flags.commitment ?? 'require',
    anyKey: at !== undefined || flags.version !== undefined,
    keyless,
  };
  return { ...place, at, open: (work) => peekInto(place.source, options, work) };
}

export const now = (): string => new Date(systemClock.now()).toISOString();

// ----------------------------------------------------------------------------------------------------------------- ls

/** `s3vault ls [PATH…]`. */
export async function lsCommand(paths: readonly string[], flags: LookFlags): Promise<number> {
  const started = systemClock.ticks();
  const { names, at, open } = await looking(paths, flags, true);
  const out = new Out(process.stdout);
  const others = new Foreign();
  let [files, bytes] = [0, 0];
  /** Of that time there may have been more. */
  let lacking = false;
  await open(async (peek) => {
    for (const name of names) {
      let [found, exact] = [false, true];
      for await (const shown of peek.ls(name, { recursive: flags.recursive ?? false, at })) {
        found = true;
        exact &&= shown.name === name;
        if (others.leavesOut(shown)) continue;
        files += shown.kind === 'object' ? 1 : 0;
        bytes += shown.kind === 'object' ? shown.bytes : 0;
        if (!(await out.line(lsLine(shown, flags)))) return;
      }
      if (!found) await refuseNothing(peek, name, at, out);
      lacking ||= at !== undefined && !exact;
    }
    lacking &&= !(await peek.keepsVersions());
  });
  await others.tell(out, flags.json);
  if (lacking) await tellWarning(out, noVersions('listed'), flags.json);
  const exit = lacking ? EXIT.someFailed : EXIT.inStep;
  if (flags.json === true) await out.line(summary(files, bytes, 0, exit, started));
  await out.end();
  return exit;
}

/** An empty vault is no fault; what was named and is not there is one, once all before it is said. */
async function refuseNothing(peek: Peek, name: string, at: number | undefined, out: Out): Promise<void> {
  if (name === '' && at === undefined && (await peek.emptyPlace()) === undefined) return;
  await out.end();
  throw await nothingAt(peek, name, { at });
}

function lsLine(shown: Shown, { json, long }: LookFlags): string {
  if (json === true) return jsonOf(shown);
  const name = safeName(shown.name);
  if (long !== true) return name;
  return shown.kind === 'folder'
    ? `${'-'.padStart(15)}  ${''.padEnd(16)}  ${name}`
    : `${String(shown.bytes).padStart(15)}  ${localTime(shown.modified)}  ${name}`;
}

function jsonOf(shown: Shown): string {
  if (shown.kind === 'folder') return JSON.stringify({ event: 'folder', time: now(), path: shown.name });
  const { name: path, key, bytes, size: storedBytes, etag, versionId } = shown;
  const modified = new Date(shown.modified).toISOString();
  return JSON.stringify({
    event: 'object',
    time: now(),
    path,
    key,
    bytes,
    storedBytes,
    modified,
    etag,
    versionId,
  });
}

/** As people have it on their clocks: `2026-11-24 18:23`. */
function localTime(ms: number): string {
  const time = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

export function summary(files: number, bytes: number, failed: number, exit: number, started: number): string {
  const ms = Math.round(systemClock.ticks() - started);
  return JSON.stringify({ event: 'summary', time: now(), files, bytes, failed, skipped: 0, ms, exit });
}

// ---------------------------------------------------------------------------------------------------------------- cat

/** `s3vault cat PATH…`: nothing is written that is not verified. */
export async function catCommand(paths: readonly string[], flags: LookFlags): Promise<number> {
  const { names, at, open } = await looking(paths, flags, false);
  const out = new Out(process.stdout);
  await open(async (peek) => {
    for (const name of names) {
      const selected = await peek.find(name, { at, versionId: flags.version });
      if (selected === undefined) throw await nothingToCat(peek, name, { at, versionId: flags.version });
      for await (const piece of peek.cat(selected)) if (!(await out.bytes(piece))) return;
    }
  });
  await out.end();
  return EXIT.inStep;
}

// ----------------------------------------------------------------------------------------------------------- versions

/** `s3vault versions PATH…`: of one file, or of all in a folder. */
export async function versionsCommand(paths: readonly string[], flags: LookFlags): Promise<number> {
  const started = systemClock.ticks();
  const { names, open } = await looking(paths, flags, true);
  const out = new Out(process.stdout);
  const others = new Foreign();
  let files = 0;
  let kept = false;
  await open(async (peek) => {
    for (const name of names) {
      let found = false;
      for await (const history of peek.histories(name)) {
        found = true;
        if (others.leavesOut(history)) continue;
        files++;
        kept ||= history.versions.some(({ versionId }) => versionId !== 'null');
        // A look at each version tells when it was written in the first place; of a folder there may be too many.
        const versions = history.name === name ? await peek.written(history) : history.versions;
        const shown = { ...history, versions };
        for (const line of versionLines(shown, peek, flags)) if (!(await out.line(line))) return;
      }
      if (!found) throw await nothingAt(peek, name);
    }
  });
  await others.tell(out, flags.json);
  if (flags.json === true) await out.line(summary(files, 0, 0, EXIT.inStep, started));
  await out.end();
  if (!kept && flags.json !== true)
    process.stderr.write('the bucket keeps no versions: what is overwritten or removed is gone\n');
  return EXIT.inStep;
}

function versionLines({ name, key, versions }: History, peek: Peek, flags: LookFlags): readonly string[] {
  return versions.map(({ versionId, size, modified, latest, marker }) => {
    const bytes = marker ? 0 : peek.plainSize(size);
    if (flags.json === true) {
      const facts = {
        path: name,
        key,
        versionId,
        bytes,
        modified: new Date(modified).toISOString(),
        latest,
        marker,
      };
      return JSON.stringify({ event: 'version', time: now(), ...facts });
    }
    const what = marker ? 'removed' : String(bytes);
    return `${localTime(modified)}  ${what.padStart(15)}  ${latest ? 'current' : '       '}  ${versionId}  ${safeName(name)}`;
  });
}
