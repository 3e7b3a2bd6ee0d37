/** Where files are on their way into a folder or out of it, and what killed runs left there. */
import { type Stats, lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { OWN_FOLDER } from '../model/brands.ts';
import type { DraftSubject } from '../model/draft.ts';
import { isNobodyElses } from './draft-name.ts';
import { standing } from './placing.ts';
import { KEPT_MS, journalOf, leftDraft, readSubject, removeDraft } from './resumable.ts';

/** Drafts and files on their way out: in the vault's own folder, so never scanned, watched or synced. */
export const PLACE = `${OWN_FOLDER}/tmp`;
export const COMING = 'coming-';
export const DRAFT = '.part';
export const GOING = 'going-';
const JOURNAL = journalOf(DRAFT);

/** What is being written, by absolute path. */
type Busy = Pick<ReadonlySet<string>, 'has'>;

/** Removes drafts that nothing goes on with. Gives the files that were on their way out, which stay. */
export function sweep(root: string, now: number, busy: Busy): readonly string[] {
  const names = namesIn(root);
  for (const name of names) if (name.startsWith(GOING)) dropSecond(root, `${root}/${PLACE}/${name}`);
  for (const draft of freeDrafts(root, now, busy))
    if (leftDraft(draft, now) === undefined) removeDraft(draft);
  return names
    .filter((name) => name.startsWith(GOING) && standing(root, `${PLACE}/${name}`) !== undefined)
    .map((name) => `${PLACE}/${name}`);
}

/** Removes also drafts that somebody could go on with and nobody will. Those being written stay, whoever does it. */
export async function sweepDrafts(
  root: string,
  now: () => number,
  busy: Busy,
  wants: (subject: DraftSubject) => Promise<boolean>,
): Promise<void> {
  for (const draft of freeDrafts(root, now(), busy)) {
    const left = leftDraft(draft, now());
    const subject = left === undefined ? undefined : readSubject(left.subject)?.subject;
    if (subject !== undefined && (await wants(subject))) continue;
    // Somebody may have begun to go on with it meanwhile.
    if (!busy.has(draft)) removeDraft(draft);
  }
}

function namesIn(root: string): readonly string[] {
  try {
    return readdirSync(`${root}/${PLACE}`);
  } catch {
    return [];
  }
}

/** Absolute paths of drafts that nobody is writing, or has for long. */
function freeDrafts(root: string, now: number, busy: Busy): ReadonlySet<string> {
  const drafts = new Set<string>();
  for (const name of namesIn(root)) {
    if (!name.startsWith(COMING)) continue;
    const at = `${root}/${PLACE}/${name}`;
    const draft = name.endsWith(JOURNAL) ? at.slice(0, -1) : at;
    const { mtimeMs } = standing(root, `${PLACE}/${name}`) ?? { mtimeMs: now };
    if (!busy.has(draft) && (isNobodyElses(name) || now - mtimeMs > KEPT_MS)) drafts.add(draft);
  }
  return drafts;
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
