import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';

const make = (code: string, message: string, hint: string, cause?: unknown): VaultError =>
  new VaultError('file', code, message, { hint, cause });

/** Whatever the disk says, as an error about this one path. */
export function writeError(path: string, thrown: unknown): VaultError {
  if (thrown instanceof VaultError) return thrown;
  const { code = 'unknown', message } = thrown as NodeJS.ErrnoException;
  const name = safeName(path);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return make(
        'disk-full',
        `there is no room for ${name}`,
        'free some space, then run the same command again: it goes on',
        thrown,
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return make(
        'unwritable',
        `${name} cannot be written: ${code === 'EROFS' ? 'the disk is read-only' : 'permission denied'}`,
        'check who owns the folder and its permissions, or choose another --out',
        thrown,
      );
    case 'ENAMETOOLONG':
      return make(
        'target-name',
        `${name} has a name too long for this disk`,
        'use another --out, nearer to the root',
        thrown,
      );
    case 'EILSEQ':
    case 'EINVAL':
      return make(
        'target-name',
        `${name} has a name that this disk does not take`,
        'restore it to another disk',
        thrown,
      );
    case 'EFBIG':
      return make(
        'target-failed',
        `${name} is too large for this disk`,
        'restore it to another disk',
        thrown,
      );
    case 'EMFILE':
    case 'ENFILE':
      return new VaultError('transient', 'too-many-files', 'too many files are open', {
        cause: thrown,
        hint: 'raise the limit of open files (ulimit -n), or lower --transfers',
      });
    default:
      return make('target-failed', `${name} cannot be written: ${message}`, 'check the disk', thrown);
  }
}

/** `--out` itself, or what it should lie in. */
export const noFolder = (path: string, cause: unknown): VaultError =>
  new VaultError('usage', 'out-is-file', `${safeName(path)} is a file, not a folder`, {
    cause,
    hint: 'choose another --out',
  });

export const exists = (path: string): VaultError =>
  make(
    'target-exists',
    `${safeName(path)} is there already and differs`,
    'left as it is; --force restores it and keeps the other one under another name',
  );

export const folderInTheWay = (path: string): VaultError =>
  make(
    'name-clash',
    `a folder stands where ${safeName(path)} belongs`,
    'move it away, or choose another --out',
  );

export const oddInTheWay = (path: string): VaultError =>
  make(
    'name-clash',
    `something that is no file stands where ${safeName(path)} belongs`,
    'move it away, or choose another --out',
  );

export const noFolderAbove = (path: string, above: string): VaultError =>
  make(
    'name-clash',
    `${safeName(path)} cannot be written: ${safeName(above)} is not a folder here`,
    'nothing is written through a link; move it away, or choose another --out',
  );

/** `there` is what stands where `part`, the path or a folder of it, belongs. */
export const sameName = (
  path: string,
  { part, there }: { readonly part: string; readonly there: string },
): VaultError =>
  make(
    'name-clash',
    `${safeName(path)} cannot be written: ${safeName(there)} stands there, and ${safeName(part)} is the same name on this disk`,
    'restore one of them to another folder',
  );
