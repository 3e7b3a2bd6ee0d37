/**
 * All versions of one object, moved: S3 cannot put a version behind another one, so each is written anew, the oldest first, and
 * only when all stand in their old order are the originals removed, the newest first. A copy says in its metadata of which
 * version it is one. From that alone, whatever was interrupted, anyone can tell what is unfinished [CHAIN-1].
 */
import type { Metadata } from '../model/ports.ts';

/** `s3vault-version: ID TIME`: the version that this one is a copy of, and when that was written (ISO 8601). */
export const META_VERSION = 's3vault-version';

/** One version, as the decision needs it. */
export interface Link {
  readonly id: string;
  readonly marker: boolean;
  /** The version that it is a copy of, by its own word. */
  readonly copyOf: string | undefined;
}

export interface Leftover {
  /** In the order in which they are to be removed. */
  readonly remove: readonly string[];
  /** True: all copies stood, the removal of originals had begun and goes on. False: the copies go, it begins anew. */
  readonly finishes: boolean;
}

/** What an interrupted move left of one object; `links` with the oldest first. */
export function leftover(links: readonly Link[]): Leftover | undefined {
  const places = new Map(links.map(({ id }, at) => [id, at]));
  const sourceOf = (link: Link, at: number): number | undefined => {
    const source = link.copyOf === undefined ? undefined : places.get(link.copyOf);
    return source !== undefined && source < at ? source : undefined;
  };
  const first = links.findIndex((link, at) => sourceOf(link, at) !== undefined);
  const [begin] = links.slice(first, first + 1);
  if (first < 0 || begin === undefined) return undefined;
  const originals = links.slice(sourceOf(begin, first), first);
  const tail = links.slice(first);
  let copied = 0;
  while (copied < originals.length && isCopy(tail[copied], originals[copied])) copied++;
  const rest = tail.slice(copied);
  // The newest original goes first: its copy is the one whose original is missing.
  const begun = rest.some(({ copyOf }) => copyOf !== undefined && !places.has(copyOf));
  const newestFirst = (some: readonly Link[]): readonly string[] => some.map(({ id }) => id).toReversed();
  if (copied === originals.length && begun) return { remove: newestFirst(originals), finishes: true };
  const strays = rest.filter((link, at) => sourceOf(link, first + copied + at) !== undefined);
  return { remove: newestFirst([...tail.slice(0, copied), ...strays]), finishes: false };
}

function isCopy(link: Link | undefined, original: Link | undefined): boolean {
  if (link === undefined || original === undefined) return false;
  return original.marker ? link.marker : link.copyOf === original.id;
}

export function copyOf(metadata: Metadata): string | undefined {
  const [id = ''] = (metadata[META_VERSION] ?? '').split(' ');
  return id === '' ? undefined : id;
}

/** The mark of a copy. A copy of a copy tells when the first of them was written. */
export function markOf(id: string, modified: number, metadata: Metadata): Metadata {
  const [, before] = (metadata[META_VERSION] ?? '').split(' ');
  const known = before !== undefined && !Number.isNaN(Date.parse(before));
  return { [META_VERSION]: `${id} ${known ? before : new Date(modified).toISOString()}` };
}

/** When the content of a copy was written in the first place, ms since 1970; undefined for what is none. */
export function writtenAt(metadata: Metadata): number | undefined {
  const [, time = ''] = (metadata[META_VERSION] ?? '').split(' ');
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}
