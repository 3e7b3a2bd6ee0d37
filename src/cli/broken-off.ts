/** What is said after the screen of restores that ended with it. */
import type { RestoreEnd, RestoreWish } from '../model/browser.ts';
import { formatBytes, plural, safeName, safeText, shellWord } from '../model/display.ts';
import { EXIT } from '../model/errors.ts';
import { commandLine } from '../model/place-flags.ts';

/** A restore that was under way when its screen was left. */
export interface BrokenOff {
  readonly wish: RestoreWish;
  readonly end: RestoreEnd;
  /** The registered folder that it reads from; undefined where no command leads there any more. */
  readonly from: string | undefined;
}

/** What is there, and the command that goes on from it. One that came to its end all the same is told as what it is. */
export function brokenOffLines({ wish, end, from }: BrokenOff): readonly string[] {
  const { out, files, bytes, failed } = end;
  const done = `${plural(files, 'file')} restored into ${safeName(out)}, ${formatBytes(bytes)}`;
  if (end.whole) return [done];
  const trouble = failed === 0 ? '' : `; ${failed.toLocaleString('en')} failed`;
  const again = from === undefined ? [] : [`  this goes on from there: ${goesOn(from, wish, out)}`];
  return [`! the restore was broken off: ${done} so far${trouble}`, ...again];
}

function goesOn(from: string, { path, versionId }: RestoreWish, out: string): string {
  const name = path.replace(/\/$/, '');
  return safeText(
    commandLine([
      's3vault restore',
      name === '' ? '' : shellWord(name.startsWith('-') ? `./${name}` : name),
      '--from',
      shellWord(from),
      '--out',
      shellWord(out),
      versionId === undefined ? '' : `--version ${shellWord(versionId)}`,
    ]),
  );
}

/** `exit`: that of what was on the screen beside it. */
export const exitWith = (all: readonly BrokenOff[], exit: number): number =>
  exit === EXIT.inStep && all.some(({ end }) => !end.whole) ? EXIT.interrupted : exit;
