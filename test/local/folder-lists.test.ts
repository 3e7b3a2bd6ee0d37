import { utimesSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FolderLists } from '../../src/local/folder-lists.ts';
import { Folder } from '../support/folder.ts';

let folder: Folder;
let now: number;
let lists: FolderLists;

beforeEach(() => {
  folder = new Folder();
  now = 0;
  lists = new FolderLists(() => now, 10);
  folder.write('d/a');
});
afterEach(() => {
  folder.remove();
});

const names = (path = 'd') => lists.of(folder.at(path)).names;
/** Whether the list that was given before is given again. */
const isKept = (path = 'd'): boolean => names(path) === names(path);
/** Seconds since 1970, fine enough to be no whole second. */
const setTime = (seconds: number): void => utimesSync(folder.at('d'), seconds, seconds);

test('a list is kept once the times of the folder are old enough, and not for ever', () => {
  setTime(1_600_000_000.5);
  expect(isKept()).toBe(false);
  now = 50;
  expect(isKept()).toBe(false);
  now = 51;
  names();
  expect(isKept()).toBe(true);
  const before = names();
  now = 10_050;
  expect(names()).toBe(before);
  now = 10_051;
  expect(names()).not.toBe(before);
});

test('where times are whole seconds that takes longer', () => {
  setTime(1_600_000_000);
  names();
  now = 2_000;
  expect(isKept()).toBe(false);
  now = 2_001;
  names();
  expect(isKept()).toBe(true);
});

test('another stamp is another list, also where time went backwards', () => {
  setTime(1_600_000_000.5);
  names();
  now = 100;
  expect(names()).toEqual(['a']);
  expect(isKept()).toBe(true);
  folder.write('d/b');
  setTime(1_500_000_000.5);
  expect([...names()].sort()).toEqual(['a', 'b']);
  expect(isKept()).toBe(false);
});

test('without a clock nothing is kept', () => {
  lists = new FolderLists();
  expect(isKept()).toBe(false);
});

test('so many names are kept at most, of the folders that were asked for last', () => {
  for (const at of ['d', 'e', 'f']) for (let n = 0; n < 3; n++) folder.write(`${at}/${n}`);
  for (let n = 0; n < 10; n++) folder.write(`large/${n}`);
  const settle = (path: string): void => {
    names(path);
    now += 3_000;
    names(path);
  };
  settle('e');
  settle('f');
  expect([isKept('e'), isKept('f')]).toEqual([true, true]);
  settle('d');
  expect([isKept('d'), isKept('f'), isKept('e')]).toEqual([true, true, false]);
  settle('large');
  expect(isKept('large')).toBe(false);
});

test('names are known in form NFC, and as the disk has them', () => {
  folder.write('d/cafe\u0301');
  const listed = lists.of(folder.at('d'));
  expect(listed.names).toContain('cafe\u0301');
  expect(listed.nfc.has('caf\u00e9')).toBe(true);
});
