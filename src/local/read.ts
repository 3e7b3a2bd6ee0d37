import { type BigIntStats, type Stats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Entry, sameStamp } from '../model/entry.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';
import { checkInside } from './inside.ts';

/** Up to this size a file is read in one synchronous go: three times cheaper than through the thread pool. */
const SYNC_MAX = 256 * 1024;
/** Never follows a link put in the file's place, never hangs on a pipe put there. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Whole content, provably of the moment the Entry was seen: stamps before and after reading equal the Entry's. */
export async function readEntry(root: string, entry: Entry, options: Waits = {}): Promise<Buffer> {
  checkInside(entry.path);
  if (entry.kind === 'link') return readLink(root, entry);
  if (entry.size <= SYNC_MAX) return readAtOnce(root, entry);
  const chunks: Buffer[] = [];
  for await (const chunk of streamEntry(root, entry, entry.size, options)) chunks.push(chunk);
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

async function readLink(root: string, entry: Entry): Promise<Buffer> {
  try {
    const target = await readlink(join(root, entry.path), 'buffer');
    if (target.length === entry.size) return target;
  } catch (thrown) {
    throw fileError(entry, thrown);
  }
  throw changed(entry);
}

function readAtOnce(root: string, entry: Entry): Buffer {
  let file: number;
  try {
    file = openSync(join(root, entry.path), FLAGS);
  } catch (thrown) {
    throw fileError(entry, thrown);
  }
  try {
    check(entry, fstatSync(file));
    const content = Buffer.allocUnsafe(entry.size);
    let at = 0;
    while (at < entry.size) {
      const count = readSync(file, content, at, entry.size - at, at);
      if (count === 0) throw changed(entry);
      at += count;
    }
    check(entry, fstatSync(file));
    return content;
  } catch (thrown) {
    throw fileError(entry, thrown);
  } finally {
    closeSync(file);
  }
}

/** Content in chunks of exactly `chunkSize`, the last one shorter; the next chunk is read while one is used. */
export async function* streamEntry(
  root: string,
  entry: Entry,
  chunkSize: number,
  options: Waits = {},
): AsyncGenerator<Buffer> {
  checkInside(entry.path);
  let file: FileHandle;
  try {
    file = await open(join(root, entry.path), FLAGS);
  } catch (thrown) {
    throw fileError(entry, thrown);
  }
  let ahead: Promise<Buffer> | undefined;
  try {
    check(entry, await file.stat());
    ahead = entry.size > 0 ? readChunk(file, entry, 0, chunkSize) : undefined;
    for (let next = chunkSize; ahead !== undefined; next += chunkSize) {
      if (options.signal?.aborted === true)
        throw new VaultError('cancelled', 'cancelled', 'reading was called off');
      const chunk: Buffer = await ahead;
      ahead = next < entry.size ? readChunk(file, entry, next, chunkSize) : undefined;
      // Before the last bytes are handed on, the file must still be what it was.
      if (ahead === undefined) check(entry, await file.stat());
      yield chunk;
    }
    check(entry, await file.stat());
  } catch (thrown) {
    throw fileError(entry, thrown);
  } finally {
    // A read that was begun must end before its file is closed; why it failed no longer matters.
    if (ahead !== undefined) await Promise.allSettled([ahead]);
    await file.close();
  }
}

async function readChunk(file: FileHandle, entry: Entry, start: number, chunkSize: number): Promise<Buffer> {
  const length = Math.min(chunkSize, entry.size - start);
  const chunk = Buffer.allocUnsafeSlow(Math.max(0, length));
  let at = 0;
  while (at < length) {
    const { bytesRead } = await file.read(chunk, at, length - at, start + at);
    if (bytesRead === 0) throw changed(entry);
    at += bytesRead;
  }
  return chunk;
}

function check(entry: Entry, stat: Stats | BigIntStats): void {
  const { size, mtimeMs, ctimeMs, ino } = stat;
  const now = { size: Number(size), mtime: Number(mtimeMs), ctime: Number(ctimeMs), inode: Number(ino) };
  if (!stat.isFile() || !sameStamp(entry, now)) throw changed(entry);
}

function changed(entry: Entry): VaultError {
  return new VaultError('changed', 'changed-while-reading', `${entry.path} changed while it was read`, {
    hint: `${RUN_AGAIN} once it is still`,
  });
}

function fileError(entry: Entry, thrown: unknown): VaultError {
  if (thrown instanceof VaultError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new VaultError('changed', 'vanished', `${entry.path} is gone`, { cause: thrown });
    // A link, pipe or folder stands where the file was.
    case 'ELOOP':
    case 'ENXIO':
    case 'EISDIR':
    case 'EINVAL':
      return changed(entry);
    case 'EACCES':
    case 'EPERM':
      return new VaultError('file', 'unreadable', `${entry.path} cannot be read: permission denied`, {
        cause: thrown,
        hint: 'check its permissions and owner',
      });
    case 'EMFILE':
    case 'ENFILE':
      return new VaultError('transient', 'too-many-files', 'too many files are open', {
        cause: thrown,
        hint: 'raise the limit of open files (ulimit -n), or lower --transfers',
      });
    case undefined:
    default:
      return new VaultError('file', 'read-failed', `${entry.path} cannot be read: ${message}`, {
        cause: thrown,
        hint: 'check the disk',
      });
  }
}
