/** Where the daemon listens and how clients find it: a socket, and a private note beside the state that leads to it. */
import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import type { Places } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import { isMissing, readSecretFile, replacePrivate } from '../private-file.ts';
import { daemonFolder } from '../vaults/daemon-lock.ts';

const note = v.strictObject({
  pid: v.number(),
  socket: v.string(),
  /** Whoever can read this file may talk to the daemon. New with each run. */
  token: v.string(),
});

export type Note = v.InferOutput<typeof note>;

const noteFile = (places: Places): string => join(daemonFolder(places), 'daemon.json');

/** Bytes of a socket's path without the zero at its end: unix(7) says 108 with it, macOS 104. */
const MAX_PATH = process.platform === 'darwin' ? 103 : 107;

/**
 * The path to listen on. One that is too long for a socket becomes a short one in the session's runtime folder or `/tmp`,
 * named by a digest of the state folder, so that daemons of several homes do not meet.
 */
export function socketPath(places: Places, env: NodeJS.ProcessEnv): string {
  // Pipes of Windows have no permissions that Node could set: a name that nobody can guess stands in.
  if (process.platform === 'win32') return `\\\\.\\pipe\\s3vault-${randomBytes(16).toString('hex')}`;
  const wanted = join(places.runtime, 'daemon.sock');
  if (Buffer.byteLength(wanted) <= MAX_PATH) return wanted;
  const name = `${createHash('sha256').update(places.state).digest('hex').slice(0, 16)}.sock`;
  const session = env['XDG_RUNTIME_DIR'];
  const folder =
    session !== undefined && isAbsolute(session)
      ? join(session, 's3vault')
      : join('/tmp', `s3vault-${String(process.getuid?.() ?? '')}`);
  return join(folder, name);
}

/** Makes the socket's folder, for its owner alone. Rejects where somebody else has made it, or anything but a folder. */
export async function socketFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new VaultError('usage', 'runtime-folder', `the folder ${path} cannot be made`, {
      cause,
      hint: 'check its permissions, or set S3VAULT_HOME to a folder of your own',
    });
  }
  const stat = await lstat(path);
  if (!stat.isDirectory() || !isMine(stat.uid)) throw notMine(path);
  if ((stat.mode & 0o077) !== 0) await chmod(path, 0o700);
}

const isMine = (uid: number): boolean => process.getuid === undefined || uid === process.getuid();

const notMine = (path: string): VaultError =>
  new VaultError('security', 'socket-not-mine', `${path} was not made by you`, {
    hint: 'somebody else may be listening there: find out who made it, then remove it',
  });

/** Removes what a daemon that died has left. Only who holds the daemon's lock may. */
export async function removeStale(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined) return;
  if (!stat.isSocket() || !isMine(stat.uid)) throw notMine(path);
  await rm(path, { force: true });
}

/**
 * Node can't ask who is at the other end of a socket: owner and permissions, its own and those of the folder in which it
 * could be replaced, are what a client can look at. The token goes to nobody else.
 */
export async function checkSocket(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const stat = await lstat(path);
  if (!stat.isSocket() || !isMine(stat.uid) || (stat.mode & 0o077) !== 0) throw notMine(path);
  const folder = await lstat(dirname(path));
  if (!folder.isDirectory() || !isMine(folder.uid) || (folder.mode & 0o022) !== 0)
    throw notMine(dirname(path));
}

export const freshToken = (): string => randomBytes(32).toString('hex');

export async function writeNote(places: Places, content: Note): Promise<void> {
  await replacePrivate(noteFile(places), Buffer.from(`${JSON.stringify(content)}\n`));
}

/** The note of the daemon that runs, or ran last; undefined where there is none. */
export async function readNote(places: Places): Promise<Note | undefined> {
  const bytes = await readSecretFile(noteFile(places));
  if (bytes === undefined) return undefined;
  try {
    const result = v.safeParse(note, JSON.parse(bytes.toString('utf8')));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

export async function removeNote(places: Places): Promise<void> {
  await rm(noteFile(places), { force: true });
}

/** Whether connecting failed because nobody listens there. */
export const nobodyThere = (thrown: unknown): boolean =>
  isMissing(thrown) || (thrown instanceof Error && 'code' in thrown && thrown.code === 'ECONNREFUSED');
