/** Two folders compared by programs that share nothing with s3vault: diff for contents, find for everything else. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, lutimesSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';

/** Kind, permissions, size, time to the microsecond and link target of everything in a folder; the marker left out. */
export function facts(root: string): string[] {
  const text = execFileSync(
    'find',
    [
      root,
      '-mindepth',
      '1',
      '-not',
      '-path',
      `${root}/.s3vault*`,
      '-not',
      '-type',
      'd',
      '-printf',
      String.raw`%P|%y|%m|%s|%T@|%l\0`,
    ],
    { encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  return text
    .split('\0')
    .filter((line) => line !== '')
    .map((line) =>
      line.replace(/\|(\d+)\.(\d+)\|/, (_, whole: string, part: string) => `|${toMicros(whole, part)}|`),
    )
    .sort();
}

/** Objects keep microseconds; what a disk keeps beyond them is not compared. */
function toMicros(whole: string, part: string): string {
  const nanos = BigInt(whole) * 1_000_000_000n + BigInt(part.slice(0, 9).padEnd(9, '0'));
  return String((nanos + 500n) / 1_000n);
}

/** Gives everything in a folder a time of whole microseconds and permissions of every sort, links their time. */
export function giveFacts(root: string): void {
  readdirSync(root, { recursive: true, withFileTypes: true }).forEach((one, n) => {
    const path = join(one.parentPath, one.name);
    const time = 1_500_000_000 + n + (n % 1_000) / 1_000;
    if (one.isSymbolicLink()) lutimesSync(path, time, time);
    if (!one.isFile()) return;
    utimesSync(path, time, time);
    chmodSync(path, [0o600, 0o644, 0o755, 0o400, 0o664][n % 5] ?? 0o644);
  });
}

/** What `diff -r` says; empty where all contents are equal. */
export function differences(a: string, b: string): string {
  return spawnSync('diff', ['-r', '--no-dereference', '--exclude=.s3vault', a, b], { encoding: 'utf8' })
    .stdout;
}
