/**
 * Names on a disk that folds them: `A` and `a`, or two Unicode forms, are one name there and two in a bucket. Such disks
 * answer to a name that does not stand in the folder, so being found proves nothing: a name stands where its folder lists it.
 * Asked of each name by itself, for one folder may fold and the next one not.
 */
import { type Stats, lstatSync } from 'node:fs';
import type { FolderLists } from './folder-lists.ts';

/** A part of a path that another name answers to. */
export interface OtherSpelling {
  /** The path so far, as it was asked for. */
  readonly part: string;
  /** The same as the disk has it. */
  readonly there: string;
}

/** The first part of a path, its last name included, for which something else stands; undefined where none is. */
export function otherSpelling(root: string, path: string, lists: FolderLists): OtherSpelling | undefined {
  for (let at = path.indexOf('/'); ; at = path.indexOf('/', at + 1)) {
    const part = at < 0 ? path : path.slice(0, at);
    const stat = lstatSync(`${root}/${part}`, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const there = nameThere(root, part, stat, lists);
    if (there !== undefined) return { part, there };
    if (at < 0 || !stat.isDirectory()) return undefined;
  }
}

/** What stands where `part` was found, where that is not its name in either Unicode form. */
export function nameThere(root: string, part: string, stat: Stats, lists: FolderLists): string | undefined {
  const slash = part.lastIndexOf('/') + 1;
  const [above, name] = [part.slice(0, slash), part.slice(slash).normalize('NFC')];
  if (!mayFold(`${root}/${above}`, name, stat)) return undefined;
  const { names, nfc } = lists.of(`${root}/${above}`);
  if (nfc.has(name)) return undefined;
  const isSame = (other: string): boolean => {
    const seen = lstatSync(`${root}/${above}${other}`, { throwIfNoEntry: false });
    return seen?.ino === stat.ino && seen.dev === stat.dev;
  };
  const lower = name.toLowerCase();
  const there =
    names.find((other) => other.normalize('NFC').toLowerCase() === lower && isSame(other)) ??
    names.find(isSame);
  // Gone this moment: whoever asked looks again.
  return there === undefined ? undefined : above + there;
}

/** Whether the disk finds the same under the name with its case turned round. Where no letter has a case: by what it is made of. */
function mayFold(folder: string, name: string, stat: Stats): boolean {
  const turned = turn(name);
  if (turned === name) return name.normalize('NFKC') !== name || ODD.test(name);
  const other = lstatSync(folder + turned, { throwIfNoEntry: false });
  return other?.ino === stat.ino && other.dev === stat.dev;
}

/** What folds to other letters, or to nothing. */
const ODD = /[\p{Changes_When_Casefolded}\p{Default_Ignorable_Code_Point}\u00df]/u;

/** ASCII letters only, where there are any: some disks fold no others. */
function turn(name: string): string {
  const ascii = name.replaceAll(/[a-z]/giu, turnOne);
  return ascii === name ? name.replaceAll(/\p{L}/gu, turnOne) : ascii;
}

/** Where upper case is two letters, as of `ß`, not every disk folds. */
function turnOne(letter: string): string {
  const upper = letter.toUpperCase();
  if (upper !== letter && upper.length === letter.length) return upper;
  const lower = letter.toLowerCase();
  return lower.length === letter.length ? lower : letter;
}
