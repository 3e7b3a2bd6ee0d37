/** The folder of one demo, gone when it ends; what a demo that was killed left behind goes with the next one. */
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isGone } from '../private-file.ts';

const NAME = /^s3vault-demo-(\d+)-[A-Za-z0-9]{6}$/;

/** A new private folder for the demo of this process. */
export const makeDemoHome = (parent = tmpdir()): Promise<string> =>
  mkdtemp(join(parent, `s3vault-demo-${process.pid}-`));

/** Removes the folders of demos that are not running any more, this user's only. What cannot be removed stays. */
export async function sweepDemoHomes(parent = tmpdir()): Promise<void> {
  const names = await readdir(parent).catch((): string[] => []);
  for (const name of names) {
    const pid = Number(NAME.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || !isGone(pid)) continue;
    const path = join(parent, name);
    const own = await lstat(path).then(
      (stat) => stat.isDirectory() && stat.uid === process.getuid?.(),
      () => false,
    );
    if (own) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
