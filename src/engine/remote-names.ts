/** Paths that names of objects say, as paths of files: anybody who may write to the bucket chooses them. */
import { OWN_FOLDER } from '../model/brands.ts';
import { outsideFault } from '../model/path-fault.ts';

/** Bytes of one name that file systems take. */
const MAX_NAME = 255;
const WINDOWS_BAD =
  /[<>:"\\|?*\u0000-\u001f]|[. ]$|^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\.|$)/i;
/** A file in the making, which a restore would sweep away. */
const DRAFT = /^\.s3vault-[0-9a-f]{8}-\d+-[0-9a-f]{12}\.part$/;

/**
 * True where what a name says may become a path below the root: relative, in form NFC, no empty, `.` or `..` segment, no control
 * character that ends a path, nothing that s3vault keeps for itself.
 */
export function fitsHere(path: string, platform: NodeJS.Platform = process.platform): boolean {
  if (path !== path.normalize('NFC') || !path.isWellFormed()) return false;
  if (outsideFault(path, platform) !== undefined) return false;
  const segments = path.split('/');
  // On a file system that is blind to case `.S3VAULT` is ours as well.
  if (segments[0]?.toLowerCase() === OWN_FOLDER) return false;
  return segments.every((segment) => fits(segment, platform));
}

function fits(segment: string, platform: NodeJS.Platform): boolean {
  if (DRAFT.test(segment)) return false;
  if (segment.length > MAX_NAME || Buffer.byteLength(segment) > MAX_NAME) return false;
  return platform !== 'win32' || !WINDOWS_BAD.test(segment);
}

/** A folder as other programs mark one: folders come with their files. `key`: whole, or behind the prefix. */
export const marksFolder = ({ key, size }: { readonly key: string; readonly size: number }): boolean =>
  (key === '' || key.endsWith('/')) && size === 0;
