/**
 * Small files that only their owner may see, changed whole or not at all: the configuration and the key file. Readers
 * see the old bytes or the new ones, never a mixture, and two processes that change one file take turns.
 */
import { constants, type Stats } from 'node:fs';
import { link, lstat, mkdir, open, readFile, rename, rm, unlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { systemClock } from './clock.ts';
import { VaultError } from './model/errors.ts';

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** What group and others may do with a file that holds secrets: nothing. */
const SECRET = 0o077;
/** With one that holds none: read it. */
const OPEN_TO_READ = 0o022;
/** With one that systemd hands to a service: its group may read it (an access list shows as the group's bits). */
const CREDENTIAL = 0o027;

/** Who may have written or read a file: Windows has no such bits. */
const hasModes = process.platform !== 'win32';

export function isMissing(thrown: unknown): boolean {
  return codeOf(thrown) === 'ENOENT';
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : undefined;
}

/**
 * The bytes of a file that holds secrets; undefined where there is none. A symbolic link, anything but a regular file,
 * and a file that others may read or write are refused (kind `usage`, codes `file-is-link`, `file-odd`, `file-exposed`).
 */
export async function readSecretFile(path: string): Promise<Buffer | undefined> {
  return readChecked(path, constants.O_NOFOLLOW ?? 0, SECRET);
}

/** The same for a file without secrets: others may read it and a link may lead to it, but nobody else may write it. */
export async function readOwnFile(path: string): Promise<Buffer | undefined> {
  return readChecked(path, 0, OPEN_TO_READ);
}

/** The same for a credential of systemd. */
export async function readCredential(path: string): Promise<Buffer | undefined> {
  return readChecked(path, constants.O_NOFOLLOW ?? 0, CREDENTIAL);
}

async function readChecked(path: string, flags: number, forbidden: number): Promise<Buffer | undefined> {
  let handle;
  try {
    // O_NONBLOCK: opening a pipe must not wait for its writer.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | flags);
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw unreadable(path, thrown);
  }
  try {
    checkStat(path, await handle.stat(), forbidden);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** Refuses what others could have changed or seen. */
function checkStat(path: string, stat: Stats, forbidden: number): void {
  if (!stat.isFile()) {
    throw new VaultError('usage', 'file-odd', `${path} is not a regular file`, { hint: 'move it away' });
  }
  if (!hasModes || (stat.mode & forbidden) === 0) return;
  const seen = forbidden !== OPEN_TO_READ;
  throw new VaultError('usage', 'file-exposed', `others can ${seen ? 'read or write' : 'write'} ${path}`, {
    hint: seen
      ? `close it with: chmod go-rwx '${path}'; if others use this machine, treat what is in it as known to them`
      : `close it with: chmod go-w '${path}', and check what is in it`,
  });
}

function isLink(path: string, cause?: unknown): VaultError {
  return new VaultError('usage', 'file-is-link', `${path} is a symbolic link`, {
    cause,
    hint: 'put the file itself there; a link could lead to a place that others can write to',
  });
}

function unreadable(path: string, cause: unknown): VaultError {
  if (codeOf(cause) === 'ELOOP') return isLink(path, cause);
  return new VaultError(
    'usage',
    'file-unreadable',
    `${path} cannot be read (${codeOf(cause) ?? 'unknown'})`,
    {
      cause,
      hint: 'check who owns it and its permissions',
    },
  );
}

/** Creates a folder that only its owner may enter. An existing one is left as it is. */
export async function privateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: FOLDER_MODE });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Replaces a private file: a temporary one beside it, flushed to the disk, then renamed over it. */
export async function replacePrivate(path: string, bytes: Uint8Array): Promise<void> {
  await refuseLink(path);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFlushed(temporary, bytes);
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw unwritable(path, cause);
  }
}

async function refuseLink(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat?.isSymbolicLink() === true) throw isLink(path);
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx', FILE_MODE);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a rename last through a power cut. Windows does not let a folder be opened, and needs no such thing. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function unwritable(path: string, cause: unknown): VaultError {
  const code = codeOf(cause) ?? 'unknown';
  const hint =
    code === 'ENOSPC' || code === 'EDQUOT' ? 'free some space' : 'check the permissions of its folder';
  return new VaultError('usage', 'file-unwritable', `${path} cannot be written (${code})`, {
    cause,
    hint: `${hint}; nothing was changed`,
  });
}

// ------------------------------------------------------------------------------------------------------------- turns

const TRIES = 200;
const PAUSE_MS = 50;

/**
 * Runs `fn` while no other process runs one for the same file. The lock is `PATH.lock` with the holder's host and
 * process id; one left by a process of this host that is gone is taken away. Rejects with kind `held` after ten seconds.
 */
export async function withLock<T>(path: string, fn: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  await privateFolder(dirname(path));
  for (let tries = 0; !(await takeLock(lock)); tries++) {
    if (tries >= TRIES) throw stillHeld(path, lock);
    if (await isStale(lock)) await clearStale(lock);
    else await systemClock.sleep(PAUSE_MS);
  }
  try {
    return await fn();
  } finally {
    await rm(lock, { force: true });
  }
}

function stillHeld(path: string, lock: string): VaultError {
  return new VaultError('held', 'file-locked', `another process is changing ${path}`, {
    hint: `try again; if no other s3vault runs on this folder, remove ${lock}`,
  });
}

/** The lock appears with its content in it (a hard link made of a finished file), so no reader sees half of it. */
async function takeLock(lock: string): Promise<boolean> {
  const mine = `${lock}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFlushed(mine, Buffer.from(JSON.stringify({ host: hostname(), pid: process.pid })));
    await link(mine, lock);
    return true;
  } catch (thrown) {
    if (codeOf(thrown) === 'EEXIST') return false;
    throw unwritable(lock, thrown);
  } finally {
    await rm(mine, { force: true }).catch(() => undefined);
  }
}

async function isStale(lock: string): Promise<boolean> {
  try {
    const holder: unknown = JSON.parse(await readFile(lock, 'utf8'));
    if (typeof holder !== 'object' || holder === null || !('pid' in holder) || !('host' in holder))
      return false;
    return holder.host === hostname() && typeof holder.pid === 'number' && isGone(holder.pid);
  } catch {
    // Gone meanwhile, or not ours to judge.
    return false;
  }
}

/** Whether no process of this machine has this number. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (thrown) {
    return codeOf(thrown) === 'ESRCH';
  }
}

/**
 * Takes a dead process's lock away. Only the holder of a second lock may, and it looks again: else one process could
 * remove the lock that another has just taken rightly.
 */
async function clearStale(lock: string): Promise<void> {
  const broom = `${lock}.clearing`;
  if (!(await takeLock(broom))) {
    await systemClock.sleep(PAUSE_MS);
    return;
  }
  try {
    if (await isStale(lock)) await unlink(lock);
  } finally {
    await rm(broom, { force: true });
  }
}
