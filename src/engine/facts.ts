import type { ObjectStat } from '../model/ports.ts';
import type { FileFacts } from '../model/target.ts';
import { META_MODE, META_MTIME } from './stats.ts';

const TYPE_BITS = 0o170000;
const LINK = 0o120000;
const PERMISSIONS = 0o777;
/** Year 9999, in seconds. */
const LATEST = 253_402_300_799;

/** What an object says of its file. What anybody can have written there is read strictly, and never more than a wish. */
export interface ObjectFacts extends FileFacts {
  readonly kind: 'file' | 'link';
}

/** Objects of other programs have the time at which they were written, and the permissions of new files. */
export function factsOf({ metadata, modified }: Pick<ObjectStat, 'metadata' | 'modified'>): ObjectFacts {
  const mode = octal(metadata[META_MODE]);
  const kind = mode !== undefined && (mode & TYPE_BITS) === LINK ? 'link' : 'file';
  return {
    kind,
    mtime: time(metadata[META_MTIME]) ?? modified,
    mode: mode === undefined ? undefined : mode & PERMISSIONS,
  };
}

const octal = (text: string | undefined): number | undefined =>
  text !== undefined && /^[0-7]{1,6}$/.test(text) ? Number.parseInt(text, 8) : undefined;

function time(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?\d{1,12}(\.\d{1,9})?$/.test(text)) return undefined;
  const seconds = Number(text);
  return Math.abs(seconds) <= LATEST ? seconds * 1_000 : undefined;
}

/** Equal to the microsecond: what objects remember of a time. */
export const sameTime = (a: number, b: number): boolean => Math.round(a * 1_000) === Math.round(b * 1_000);
