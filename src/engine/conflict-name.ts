import { type RelPath, relPath } from '../model/brands.ts';
import type { World } from './world.ts';

/** Bytes of one name that file systems take. */
const MAX_NAME = 255;

/**
 * `name (conflict HOST DATE).ext`, the date in UTC to the second. `number` above 1 makes another one of the same second. A
 * name that would be too long loses the end of its stem.
 */
export function conflictName(path: RelPath, host: string, at: number, number = 1): RelPath {
  const slash = path.lastIndexOf('/') + 1;
  const name = path.slice(slash);
  const dot = name.lastIndexOf('.');
  const [stem, ext] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  const mark = ` (conflict ${plainHost(host)} ${dateOf(at)}${number > 1 ? ` ${number}` : ''})`;
  const room = MAX_NAME - Buffer.byteLength(mark);
  const fits = Buffer.byteLength(ext) < room / 2 ? ext : '';
  return relPath(
    path.slice(0, slash) + cut(stem + (fits === '' ? ext : ''), room - Buffer.byteLength(fits)) + mark + fits,
  );
}

/** The first label of the host's name, without signs that any file system minds. */
const plainHost = (host: string): string =>
  (host.split('.')[0] ?? '').replaceAll(/[^\p{L}\p{N}_-]+/gu, '-').slice(0, 40) || 'host';

const dateOf = (at: number): string =>
  new Date(at).toISOString().slice(0, 19).replace('T', ' ').replaceAll(':', '-');

/** As many whole characters as `bytes` hold. */
function cut(text: string, bytes: number): string {
  let used = 0;
  let end = '';
  for (const sign of text) {
    used += Buffer.byteLength(sign);
    if (used > bytes) break;
    end += sign;
  }
  return end;
}

/** A name for what was at `path`, at which nothing stands. */
export async function freeName(world: World, path: RelPath): Promise<RelPath> {
  for (let number = 1; ; number++) {
    const name = conflictName(path, world.host, world.clock.now(), number);
    if ((await world.tree.look(name)) === undefined && !(await world.tree.isFolder(name))) return name;
  }
}
