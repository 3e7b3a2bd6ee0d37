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
  return match?.[1] === host && isGone(Number(match[2]));
}

const COMING = /^coming-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}\.parts?$/;

/** The same for a file that comes into a vault's folder. */
export const comingName = (): string =>
  `coming-${host}-${process.pid}-${randomBytes(6).toString('hex')}.part`;

/** Whether no process but this one can be writing a draft of this name. Older versions' names say nothing of that. */
export function isNobodyElses(name: string): boolean {
  const match = COMING.exec(name);
  if (match === null) return true;
  const pid = Number(match[2]);
  return match[1] === host && (pid === process.pid || isGone(pid));
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
