/** Two folders compared by programs that share nothing with s3vault: diff for contents, find for everything else. */
import { execFileSync, spawnSync } from 'node:child_process';

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
    .map((line) => line.replace(/(\.\d{6})\d+(\|[^|]*)$/, '$1$2'))
    .sort();
}

/** What `diff -r` says; empty where all contents are equal. */
export function differences(a: string, b: string): string {
  return spawnSync('diff', ['-r', '--no-dereference', '--exclude=.s3vault', a, b], { encoding: 'utf8' })
    .stdout;
}
