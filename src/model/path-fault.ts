/** Which texts are paths below a vault's folder. Objects are named by anybody who may write to the bucket, Commands by whoever speaks. */
import { OWN_FOLDER } from './brands.ts';

/** Longest name of one file or folder: in bytes where disks count so, in UTF-16 units elsewhere. */
const MAX_SEGMENT = 255;
/** Longest path that systems take, in bytes. */
const MAX_PATH = 4_096;

/**
 * Why a path does not stay below the folder that it is relative to, or belongs to s3vault, in words that go on from its name;
 * undefined where it stays. Needs no look at the disk: links are another matter.
 */
export function outsideFault(path: string, platform: NodeJS.Platform = process.platform): string | undefined {
  if (path === '') return 'has no name';
  if (path.includes('\0')) return 'has a NUL character in its name';
  const segments = path.split('/');
  if (segments[0] === OWN_FOLDER) return `lies in ${OWN_FOLDER}, which belongs to s3vault`;
  for (const segment of segments) {
    if (segment === '') return 'has an empty part in its name (a slash too many)';
    if (segment === '.' || segment === '..')
      return `has the part ${segment} in its name, which leads elsewhere`;
  }
  return platform === 'win32' && /[\\:]/.test(path)
    ? 'has a character in its name that leads elsewhere on Windows'
    : undefined;
}

/** Why no file below a folder can have this path, whatever stands there; undefined where one can. */
export function pathFault(path: string, platform: NodeJS.Platform = process.platform): string | undefined {
  if (!path.isWellFormed()) return 'has a name that is not valid Unicode';
  if (path.length > MAX_PATH || Buffer.byteLength(path) > MAX_PATH)
    return `is longer than ${MAX_PATH.toLocaleString('en')} bytes`;
  const units = platform === 'win32' || platform === 'darwin';
  const lengthOf = (segment: string): number => (units ? segment.length : Buffer.byteLength(segment));
  if (path.split('/').some((segment) => lengthOf(segment) > MAX_SEGMENT))
    return `has a part longer than ${MAX_SEGMENT} ${units ? 'characters' : 'bytes'} in its name`;
  return outsideFault(path, platform);
}
