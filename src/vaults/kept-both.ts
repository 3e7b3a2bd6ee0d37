/**
 * Conflicts that somebody looked at and wants both files of: a private file in the vault's state, so that they are not asked
 * about again. It holds `{version, copies: [path]}`; where it cannot be read, they are asked about again.
 */
import { join } from 'node:path';
import type { RelPath } from '../model/brands.ts';
import { readOwnFile, replacePrivate, withLock } from '../private-file.ts';

const fileIn = (folder: string): string => join(folder, 'kept-both.json');

/** Paths of the copies. */
export async function keptBoth(folder: string): Promise<ReadonlySet<string>> {
  try {
    const text = (await readOwnFile(fileIn(folder)))?.toString('utf8');
    return new Set(text === undefined ? [] : copiesIn(JSON.parse(text)));
  } catch {
    return new Set();
  }
}

/** Adds one; those that `stands` knows no more are forgotten. Errors of writing as `private-file` has them. */
export async function keepBoth(
  folder: string,
  copy: RelPath,
  stands: (copy: string) => boolean,
): Promise<void> {
  const file = fileIn(folder);
  await withLock(file, async () => {
    const before = [...(await keptBoth(folder))].filter((other) => other !== copy && stands(other));
    await replacePrivate(file, Buffer.from(JSON.stringify({ version: 1, copies: [...before, copy] })));
  });
}

function copiesIn(content: unknown): readonly string[] {
  if (typeof content !== 'object' || content === null || !('copies' in content)) return [];
  return Array.isArray(content.copies) ? content.copies.filter((copy) => typeof copy === 'string') : [];
}
