/** What other programs do to the files that are brought and taken, and what then is on the disk. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import type { Folder } from '../support/folder.ts';

export const errno = (code: string): Error => Object.assign(new Error(code), { code });

export const textOf = (folder: Folder, path: string): string => readFileSync(folder.at(path), 'utf8');

export const filesOf = (folder: Folder): string[] =>
  readdirSync(folder.root, { recursive: true })
    .map(String)
    .filter((path) => statSync(folder.at(path)).isFile() && !path.endsWith('vault.json'));

export const contentsOf = (folder: Folder): string[] =>
  filesOf(folder)
    .map((path) => textOf(folder, path))
    .toSorted();

/** As editors save: a new file over the old name. */
export const save = (folder: Folder, path: string, content: string): void =>
  void spawnSync('sh', ['-c', 'printf %s "$1" > "$2~" && mv "$2~" "$2"', '-', content, folder.at(path)]);

/**
 * Edits the file whose content is `mine`: by its name as editors do, or where it has lost that, as a program that has it open
 * does. False where there is none, or the call removes its last name: nothing can tell of a write after the last look.
 */
export function editMine(folder: Folder, call: string, from: string): boolean {
  const mine = filesOf(folder).filter((path) => textOf(folder, path) === 'mine');
  const [first] = mine;
  if (first === undefined) return false;
  if (mine.includes('d/note.txt')) {
    save(folder, 'd/note.txt', 'late');
    return true;
  }
  if (call === 'unlinkSync' && mine.length === 1 && from === folder.at(first)) return false;
  folder.write(first, 'late');
  return true;
}
