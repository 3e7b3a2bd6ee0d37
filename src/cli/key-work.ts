/** `keys test` and `keys rotate`: the commands that meet the store. */
import { formatBytes, plural, safeName } from '../model/display.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import type { KeyRow, RotateEnd, RotateProgress } from '../model/key-desk.ts';
import type { KeyInfo } from '../model/keyref.ts';
import type { Desk } from './key-desk.ts';
import { estimateLines } from './estimate.ts';
import type { MovingFlags } from './options.ts';
import type { Output } from './print.ts';
import { OLDER_STAY } from './rekey.ts';

export interface KeyWork {
  readonly desk: Desk;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly json: boolean;
  readonly now: () => string;
  /** Shows a new key's words to a person and asks three back; undefined where there is none. */
  readonly showKey?: (info: KeyInfo) => Promise<void>;
}

/** One line for each vault that uses the key; exit code 6 where an object does not open. */
export async function testKey({ desk, stdout, stderr, json, now }: KeyWork, name: string): Promise<number> {
  const began = now();
  const results = await desk.test(name);
  for (const { root, path, error } of results) {
    if (json)
      stdout.write(`${JSON.stringify({ event: 'key.test', time: now(), name, root, path, error })}\n`);
    else if (error !== undefined) {
      stderr.write(`! ${root}  ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`);
    } else if (path === undefined) stdout.write(`- ${root}  has no objects yet\n`);
    else stdout.write(`✓ ${root}  ${safeName(path)} opens\n`);
  }
  if (results.length === 0 && !json)
    stdout.write(
      `no vault here uses key ${name}; the key itself is whole and can be read\n` +
        `to try it on objects, register their folder: s3vault sync DIR --to s3://BUCKET/PREFIX --key ${name}\n`,
    );
  const exits = results.flatMap(({ exit }) => (exit === undefined ? [] : [exit]));
  const exit = exits.includes(EXIT.security) ? EXIT.security : (exits[0] ?? EXIT.inStep);
  if (json) {
    const counts = { files: results.length - exits.length, bytes: 0, failed: exits.length, skipped: 0 };
    const time = now();
    const ms = Date.parse(time) - Date.parse(began);
    stdout.write(`${JSON.stringify({ event: 'summary', time, ...counts, ms, exit })}\n`);
  }
  return exit;
}

/** What a rotation would take: counts, bytes, requests and cost; nothing is done. */
export async function previewRotation(
  { desk, stdout, json, now }: KeyWork,
  name: string,
  moving: MovingFlags,
): Promise<number> {
  for (const { root, from, to, estimate, older } of await desk.preview(name, moving)) {
    if (json)
      stdout.write(`${JSON.stringify({ event: 'estimate', time: now(), name, root, ...estimate })}\n`);
    else {
      stdout.write(`${root}\n`);
      for (const line of estimateLines(from, to, estimate)) stdout.write(`  ${line}\n`);
      if (older) stdout.write(`  ${OLDER_STAY}\n`);
    }
  }
  return EXIT.inStep;
}

/** Asks unless `yes`, moves everything to a new key, says how it went. */
export async function rotateKey(
  work: KeyWork,
  name: string,
  moving: MovingFlags,
  ask: ((question: string) => Promise<boolean>) | undefined,
): Promise<number> {
  const { desk, stdout, stderr, json, now, showKey } = work;
  const row = (await desk.list()).find((one) => one.name === name);
  const objects = (row?.uses ?? []).reduce((sum, use) => sum + use.objects, 0);
  const places = plural(row?.uses.length ?? 0, 'vault');
  if (ask !== undefined && row !== undefined && row.uses.length > 0) {
    const goesOn =
      row.rotatingTo === undefined ? 'a new key' : `key ${row.rotatingTo}, where it was interrupted`;
    if (
      !(await ask(`move ${plural(objects, 'object')} of ${places} from key ${name} to ${goesOn}? [y/N] `))
    ) {
      throw new VaultError('consent', 'not-agreed', `key ${name} was not rotated: nobody agreed`, {
        hint: 'answer on a terminal, or agree with --yes',
      });
    }
  }
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const said = json ? undefined : progressLine(stderr);
  const started = Date.parse(now());
  try {
    const end = await desk.rotate(name, (progress) => said?.(progress), stop.signal, moving, showKey);
    if (stderr.isTTY === true) stderr.write('\r\u001b[K');
    const exit = exitOf(end, stop.signal);
    if (json) await sayJson(work, name, end, exit, started);
    else
      stdout.write(
        `${plural(end.done, 'object')} moved from key ${name} to key ${end.next}${end.failed > 0 ? `, ${end.failed} not` : ''}\n`,
      );
    if (end.error === undefined) {
      if (!json) await sayAfter(work, name, end.next);
      return exit;
    }
    stderr.write(
      `s3vault: ${end.error.message}\n${end.error.hint === undefined ? '' : `  ${end.error.hint}\n`}`,
    );
    return exit;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

function exitOf({ error, exit, failed }: RotateEnd, signal: AbortSignal): number {
  if (error === undefined) return EXIT.inStep;
  if (signal.aborted) return EXIT.interrupted;
  return exit ?? (failed > 0 ? EXIT.someFailed : EXIT.refused);
}

/** `key.rotate` with what the old key is still needed for and what is known of the new one's words; then `summary`. */
async function sayJson(
  { desk, stdout, now }: KeyWork,
  name: string,
  end: RotateEnd,
  exit: number,
  started: number,
): Promise<void> {
  const rows = await desk.list();
  const versionsIn = rows.find((one) => one.name === name)?.versionsIn ?? [];
  const words = rows.find((one) => one.name === end.next)?.words ?? 'none';
  const time = now();
  const { exit: _, bytes = 0, ...said } = end;
  const { done: files, failed } = end;
  const summary = { files, bytes, failed, skipped: 0, ms: Date.parse(time) - started, exit };
  stdout.write(`${JSON.stringify({ event: 'key.rotate', time, name, ...said, versionsIn, words })}\n`);
  stdout.write(`${JSON.stringify({ event: 'summary', time, ...summary })}\n`);
}

/** That the old key can go is said with the command only where the new one is known to be written down. */
async function sayAfter({ desk, stdout, stderr }: KeyWork, name: string, next: string): Promise<void> {
  const rows = await desk.list();
  const old = rows.find((one) => one.name === name);
  const fresh = rows.find((one) => one.name === next);
  const copied = fresh === undefined || fresh.words === 'checked';
  if (!copied) stderr.write(keepCopy(fresh));
  if (old === undefined) return;
  for (const place of old.versionsIn)
    stderr.write(`older versions in ${place} still need key ${name}: keep it as long as they matter\n`);
  if (old.versionsIn.length > 0 || old.uses.length > 0) return;
  if (copied) stdout.write(`nothing needs key ${name} any more: s3vault keys delete ${name}\n`);
  else stdout.write(`nothing needs key ${name} any more; delete it only when you have that copy\n`);
}

function keepCopy({ name, kind }: KeyRow): string {
  const format = kind === 'aes-256' ? 'words' : 'pem';
  return `first keep a copy of key ${name} elsewhere, or what it seals is lost with it: s3vault keys export ${name} --format ${format}\n`;
}

/** On a terminal one line that is written over; nothing elsewhere. */
function progressLine(stderr: Output): ((progress: RotateProgress) => void) | undefined {
  if (stderr.isTTY !== true) return undefined;
  return ({ root, done, failed, all, bytes }) => {
    const trouble = failed > 0 ? `, ${failed} failed` : '';
    stderr.write(
      `\r\u001b[K  ${root}  ${done} of ${all}${trouble}, ${formatBytes(bytes)} through this machine`,
    );
  };
}
