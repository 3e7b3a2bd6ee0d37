/** Which names from a bucket may become names on this disk. */
import { OWN_FOLDER } from '../model/brands.ts';
import { outsideFault } from '../model/path-fault.ts';
import { isDraftName } from './draft-name.ts';

/** Longest name of one file or folder, in bytes (Linux, macOS) or UTF-16 units (Windows). */
const MAX_SEGMENT = 255;
/** "Naming Files, Paths, and Namespaces", Microsoft: reserved with any extension, too. */
const RESERVED =
  /^(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(\.|$)/i;
const FORBIDDEN = /[<>:"|?*\\\u0000-\u001f]/;

/** Why a path cannot stand below a folder of this platform, in words; undefined where it can. */
export function nameFault(path: string, platform: NodeJS.Platform = process.platform): string | undefined {
  if (!path.isWellFormed()) return 'has a name that is not valid Unicode';
  // What leads elsewhere on Windows it does not take at all.
  const outside = outsideFault(path, 'linux');
  if (outside !== undefined) return outside;
  const segments = path.split('/');
  if (segments[0]?.toLowerCase() === OWN_FOLDER) return `lies in ${OWN_FOLDER}, which belongs to s3vault`;
  for (const segment of segments) {
    const fault = segmentFault(segment) ?? (platform === 'win32' ? windowsFault(segment) : undefined);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function segmentFault(segment: string): string | undefined {
  if (isDraftName(segment)) return 'has a name that s3vault uses for files in the making';
  if (segment.length > MAX_SEGMENT || Buffer.byteLength(segment) > MAX_SEGMENT)
    return `has a part longer than ${MAX_SEGMENT} bytes in its name`;
  return undefined;
}

function windowsFault(segment: string): string | undefined {
  if (RESERVED.test(segment)) return `has the part ${segment} in its name, which Windows keeps for a device`;
  if (FORBIDDEN.test(segment)) return 'has a character in its name that Windows does not take';
  return /[. ]$/.test(segment) ? 'has a part that ends in a dot or a blank, which Windows drops' : undefined;
}
