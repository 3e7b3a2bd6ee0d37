/** Where files are on their way into a folder or out of it, and what killed runs left there. */
import { type Stats, lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { OWN_FOLDER } from '../model/brands.ts';
import { standing } from './placing.ts';
import { journalOf, leftDraft, removeDraft } from './resumable.ts';

/** Drafts and files on their way out: in the vault's own folder, so never scanned, watched or synced. */
export const PLACE = `${OWN_FOLDER}/tmp`;
export const COMING = 'coming-';
export const DRAFT = '.part';
export const GOING = 'going-';
const JOURNAL = journalOf(DRAFT);

/** Removes drafts that nothing goes on with. Gives the files that were on their way out, which stay. */
export function sweep(root: string, now: number): readonly string[] {
  let names: readonly string[];
  try {
    names = readdirSync(`${root}/${PLACE}`);
  } catch {
    return [];
  }
  for (const name of names) {
    const at = `${root}/${PLACE}/${name}`;
    if (name.startsWith(GOING)) dropSecond(root, at);
    if (!name.startsWith(COMING)) continue;
    const draft = name.endsWith(JOURNAL) ? at.slice(0, -1) : at;
    if (leftDraft(draft, now) === undefined) removeDraft(draft);
  }
  return names
    .filter((name) => name.startsWith(GOING) && standing(root, `${PLACE}/${name}`) !== undefined)
    .map((name) => `${PLACE}/${name}`);
}

/** A file that has another name in this folder is not on its way out. One outside is the user's own affair. */
function dropSecond(root: string, at: string): void {
  const stat = lstatSync(at, { throwIfNoEntry: false });
  if (stat?.isFile() === true && stat.nlink > 1 && isNamed(root, '', stat)) unlinkSync(at);
}

function isNamed(root: string, folder: string, file: Stats): boolean {
  const below: string[] = [];
  for (const entry of readdirSync(`${root}/${folder}`, { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && path !== PLACE) below.push(path);
    if (!entry.isFile()) continue;
    const stat = standing(root, path);
    if (stat?.ino === file.ino && stat.dev === file.dev) return true;
  }
  return below.some((path) => {
    try {
      return isNamed(root, path, file);
    } catch {
      // What cannot be read may hold it: then the file is told of.
      return false;
    }
  });
}
