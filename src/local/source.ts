import { lstat, mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OWN_FOLDER } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { SourceState } from '../model/ports.ts';

const MARKER = 'vault.json';

/** What the root and its marker say, for the lost-source guard. */
export async function readSource(root: string): Promise<SourceState> {
  try {
    const found = await stat(root);
    if (!found.isDirectory()) return { state: 'missing' };
    return { state: 'here', device: found.dev, markedAs: await readMarker(root) };
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { state: 'missing' };
    throw unusable(root, thrown);
  }
}

async function readMarker(root: string): Promise<string | undefined> {
  const folder = join(root, OWN_FOLDER);
  try {
    if (!(await lstat(folder)).isDirectory())
      throw unusable(root, new Error(`${OWN_FOLDER} is not a folder`));
    const marker: unknown = JSON.parse(await readFile(join(folder, MARKER), 'utf8'));
    if (typeof marker === 'object' && marker !== null && 'id' in marker && typeof marker.id === 'string') {
      return marker.id;
    }
    // A marker of no vault at all: foreign, never ours.
    return '';
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (thrown instanceof SyntaxError) return '';
    throw thrown;
  }
}

/** Writes the marker durably: temporary file, synced, renamed. */
export async function writeMarker(root: string, id: string, now: number): Promise<void> {
  const folder = join(root, OWN_FOLDER);
  const temporary = join(folder, `${MARKER}.new`);
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(temporary, 'w', 0o644);
    try {
      await file.writeFile(`${JSON.stringify({ version: 1, id, created: new Date(now).toISOString() })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(folder, MARKER));
  } catch (thrown) {
    throw unusable(root, thrown);
  }
}

function unusable(root: string, thrown: unknown): VaultError {
  if (thrown instanceof VaultError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new VaultError('usage', 'marker-unusable', `${join(root, OWN_FOLDER)} cannot be used: ${message}`, {
    cause: thrown,
    hint: 'the vault keeps its marker there; make room, or fix the permissions of the folder',
  });
}
