import { safeName } from '../model/display.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';

/** What stands there is not what was seen. `beside`: what stood there before goes on under that name. */
export function changedHere(path: string, beside?: string): VaultError {
  const kept = beside === undefined ? '' : `; what stood there before goes on as ${safeName(beside)}`;
  return new VaultError('changed', 'changed-here', `${safeName(path)} changed here meanwhile${kept}`, {
    hint: RUN_AGAIN,
  });
}

/** It was moved out of sight, and neither goes on its way nor comes back. */
export const stranded = (path: string, at: string, thrown: unknown): VaultError =>
  new VaultError('file', 'stranded', `${safeName(path)} was moved away and could not be put back`, {
    cause: thrown,
    hint: `it is whole, at ${safeName(at)}: move it back by hand`,
  });

export function clash(path: string, why: string): VaultError {
  return new VaultError('file', 'name-clash', `${safeName(path)} cannot be written here: ${why}`, {
    hint: 'rename one of them; nothing was overwritten',
  });
}

/** A disk that takes two names for one, of the file itself or of a folder above it. */
export function oneName(
  path: string,
  { part, there }: { readonly part: string; readonly there: string },
): VaultError {
  return clash(path, `${safeName(there)} stands there, and ${safeName(part)} is the same name on this disk`);
}

const FULL = ['disk-full', 'no room left on the disk', 'make room; it is fetched again then'] as const;
const DENIED = ['unwritable', 'permission denied', 'check the permissions and owner of its folder'] as const;

const REASONS: { readonly [code: string]: readonly [string, string, string] } = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EFBIG: ['too-large-here', 'the file system takes no file that large', 'use another file system'],
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: ['unwritable', 'the file system is read-only', 'mount it for writing'],
  ENAMETOOLONG: ['name-too-long', 'its name is too long here', 'shorten it in the bucket'],
  EILSEQ: ['name-unfit', 'the file system does not take its name', 'rename it in the bucket'],
  EXDEV: [
    'other-file-system',
    'its folder is on another file system than the vault',
    'make that folder a vault of its own',
  ],
  ENOTDIR: ['name-clash', 'a file stands where its folder should be', 'rename one of them'],
  EISDIR: ['name-clash', 'a folder stands there', 'rename one of them'],
};

/** A failed write with a way out. */
export function incomingError(path: string, thrown: unknown): VaultError {
  if (thrown instanceof VaultError) return thrown;
  const { code = '', message } = thrown as NodeJS.ErrnoException;
  // Somebody else was quicker.
  if (code === 'EEXIST' || code === 'ENOENT') return changedHere(path);
  if (code === 'EMFILE' || code === 'ENFILE') {
    return new VaultError('transient', 'too-many-files', 'too many files are open', {
      cause: thrown,
      hint: 'raise the limit of open files (ulimit -n), or lower --transfers',
    });
  }
  const [name, why, hint] = REASONS[code] ?? ['write-failed', message, 'check the disk'];
  return new VaultError('file', name, `${safeName(path)} cannot be written: ${why}`, { cause: thrown, hint });
}
