/** Names of files in the making, and of their journals: ours, whose process they belong to, and never synced. */
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

const PATTERN = /^\.s3vault-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}\.parts?$/;

const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

export const draftName = (): string =>
  `.s3vault-${host}-${process.pid}-${randomBytes(6).toString('hex')}.part`;

export const isDraftName = (name: string): boolean => PATTERN.test(name);

/** The draft whose journal has this name. */
export const isDraftJournal = (name: string): boolean => isDraftName(name) && name.endsWith('.parts');

/** True for what a process of this machine that is gone has left behind. */
export function isLeftBehind(name: string): boolean {
  const match = PATTERN.exec(name);
  if (match === null || match[1] !== host) return false;
  try {
    process.kill(Number(match[2]), 0);
    return false;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
