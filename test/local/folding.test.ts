/** A disk that folds names: whole paths are told apart as the bucket does it, and no file goes over another's. */
import type * as Fs from 'node:fs';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FolderLists } from '../../src/local/folder-lists.ts';
import { openWriter } from '../../src/local/incoming.ts';
import { otherSpelling } from '../../src/local/spelling.ts';
import { openTree } from '../../src/local/tree.ts';
import { openTarget } from '../../src/local/write.ts';
import { type RelPath, relPath } from '../../src/model/brands.ts';
import type { Entry } from '../../src/model/entry.ts';
import type { FileTree, FolderWriter } from '../../src/model/ports.ts';
import { Folder } from '../support/folder.ts';
import { foldBelow, listings } from '../support/folding-fs.ts';
import { ManualClock } from '../support/manual-clock.ts';

vi.mock('node:fs', async (original) =>
  (await import('../support/folding-fs.ts')).foldingFs(await original<typeof Fs>()),
);
vi.mock('node:fs/promises', async () => (await import('node:fs')).promises);

let folder: Folder;
let writer: FolderWriter;
let tree: FileTree;

beforeEach(async () => {
  folder = new Folder();
  foldBelow(folder.root);
  writer = openWriter(folder.root);
  tree = openTree({ root: folder.root, include: [], exclude: [], clock: new ManualClock() });
  await tree.mark('id');
});
afterEach(() => {
  foldBelow('');
  folder.remove();
});

async function come(path: string, text: string): Promise<void> {
  const draft = await writer.begin();
  await draft.write(Buffer.from(text), 0);
  try {
    await draft.place(relPath(path), { kind: 'file', permissions: 0o644, mtime: 1_000 }, undefined);
  } catch (thrown) {
    await draft.discard();
    throw thrown;
  }
}

async function restore(path: string, text: string): Promise<void> {
  const target = openTarget({ root: folder.root, clock: { now: () => 0 } });
  await target.open();
  const draft = await target.begin(relPath(path));
  await draft.write(Buffer.from(text), 0);
  await draft.place({ mtime: 1_000, mode: 0o644 }, { keepOld: true });
}

async function entry(path: string): Promise<Entry> {
  const seen = await tree.look(relPath(path));
  if (seen === undefined || seen.kind === 'oddity') throw new Error(`no file ${path}`);
  return seen;
}

/** Everything below the folder but what is s3vault's own. */
const all = (): string[] =>
  readdirSync(folder.root, { recursive: true })
    .map(String)
    .filter((path) => !path.startsWith('.s3vault'))
    .sort();

const text = (path: string): string => readFileSync(folder.at(path), 'utf8');

test('the disk of these tests folds', () => {
  const spelling = (path: string) => otherSpelling(folder.root, path, new FolderLists());
  folder.write('Fold/Er', 'x');
  expect(text('fOLD/eR')).toBe('x');
  expect(spelling('Fold/Er')).toBeUndefined();
  expect(spelling('Fold/er')).toEqual({ part: 'Fold/er', there: 'Fold/Er' });
  expect(spelling('FOLD/Er')).toEqual({ part: 'FOLD', there: 'Fold' });
  expect(spelling('Fold/nothing')).toBeUndefined();
});

describe.each([
  ['a file that comes', come],
  ['a restored file', restore],
])('%s', (_, bring) => {
  const refused = async (path: string, says: string): Promise<void> => {
    const before = all();
    await expect(bring(path, 'theirs')).rejects.toMatchObject({ kind: 'file', code: 'name-clash' });
    await expect(bring(path, 'theirs')).rejects.toThrow(says);
    expect(all()).toEqual(before);
  };

  test('never goes over one whose name differs by case', async () => {
    folder.write('Readme', 'mine');
    await refused('README', 'Readme stands there, and README is the same name on this disk');
    expect(text('Readme')).toBe('mine');
  });

  test('is no file of a folder whose name differs by case, at any depth', async () => {
    folder.write('A/x', 'mine');
    folder.write('top/Photos/2026/y', 'mine');
    await refused('a/y', 'A stands there, and a is the same name on this disk');
    await refused('a/x', 'A stands there');
    await refused('top/photos/2026/new', 'top/Photos stands there, and top/photos is the same name');
    await refused('TOP/Photos/deeper/still', 'top stands there');
  });

  test('a file and a folder of names that differ by case are told as that', async () => {
    folder.write('a', 'mine');
    folder.write('B/x', 'mine');
    await refused('A/x', 'a stands there, and A is the same name on this disk');
    await refused('b', 'B stands there, and b is the same name on this disk');
    expect(text('a')).toBe('mine');
  });

  test('a name in the other Unicode form is the same name, a folder of it the same folder', async () => {
    folder.write('cafe\u0301/x', 'mine');
    await bring('caf\u00e9/y', 'theirs');
    expect(all()).toEqual(['cafe\u0301', 'cafe\u0301/x', 'cafe\u0301/y']);
    folder.write('CAFE\u0301x', 'mine');
    await refused('caf\u00e9X', 'is the same name on this disk');
  });

  test('letters that are no ASCII fold, too', async () => {
    folder.write('Äpfel/x', 'mine');
    folder.write('ß/x', 'mine');
    folder.write('ДОМ', 'mine');
    await refused('äpfel/y', 'Äpfel stands there');
    await refused('SS/y', 'ß stands there');
    await refused('дом', 'ДОМ stands there');
  });
});

test('a place is known to be taken before anything is fetched', async () => {
  folder.write('A/x', 'mine');
  for (const path of ['a/y', 'a', 'A/X'])
    await expect(writer.check(relPath(path), undefined, 1), path).rejects.toMatchObject({
      code: 'name-clash',
    });
  await writer.check(relPath('A/y'), undefined, 1);
});

test('nothing stands under a name that the folder does not list', async () => {
  folder.write('A/x', 'mine');
  for (const path of ['a/x', 'A/X']) expect(await tree.look(relPath(path)), path).toBeUndefined();
  expect(await tree.look(relPath('A/x'))).toBeDefined();
  expect([await tree.isFolder(relPath('A')), await tree.isFolder(relPath('a'))]).toEqual([true, false]);
  const under = async (path: string): Promise<number> => {
    let seen = 0;
    for await (const batch of tree.walk({ under: relPath(path) })) seen += batch.length;
    return seen;
  };
  expect([await under('A'), await under('a')]).toEqual([1, 0]);
});

test('a file that was renamed to another case is not removed for the one that it was', async () => {
  writeFileSync(folder.at('Note'), 'mine');
  const seen = await entry('Note');
  renameSync(folder.at('Note'), folder.at('note'));
  const { ctime } = await entry('note');
  await expect(writer.remove({ ...seen, ctime })).rejects.toMatchObject({ code: 'name-clash' });
  mkdirSync(folder.at('D'));
  writeFileSync(folder.at('D/f'), 'mine');
  const inFolder = await entry('D/f');
  renameSync(folder.at('D'), folder.at('d'));
  await expect(writer.remove(inFolder)).rejects.toMatchObject({ kind: 'changed' });
  expect(all()).toEqual(['d', 'd/f', 'note']);
});

describe('500 files of one folder', () => {
  const paths = Array.from({ length: 500 }, (_, n) => relPath(`Top/big/f${n}`));
  const clock = new ManualClock();
  const counts = (): readonly number[] => ['', '/Top', '/Top/big'].map((at) => listings(folder.root + at));

  beforeEach(() => {
    tree = openTree({ root: folder.root, include: [], exclude: [], clock });
    writer = openWriter(folder.root, undefined, { now: () => 0, ticks: () => clock.ticks() });
  });

  /** A millisecond each, as if it took that long. */
  async function each(work: (path: RelPath) => Promise<unknown>): Promise<void> {
    for (const path of paths) {
      await work(path);
      clock.advance(1);
    }
  }

  test('are looked at without a list of it for each', async () => {
    for (const path of paths) folder.write(path);
    await each(async (path) => {
      expect(await tree.look(path)).toBeDefined();
      if (path.endsWith('00')) expect(await tree.look(relPath(path.toUpperCase()))).toBeUndefined();
      await expect(writer.check(path, undefined, 1)).rejects.toMatchObject({ kind: 'changed' });
    });
    // While its times may still be those of a change to come, which is over after 50 ms.
    for (const count of counts()) expect(count).toBeLessThan(165);
    const before = counts();
    await each((path) => tree.look(path));
    expect(counts()).toEqual(before);
  });

  test('come without a list for each of the folders above', async () => {
    folder.write('Top/big/first');
    await each((path) => come(path, 'theirs'));
    for (const count of counts()) expect(count).toBeLessThan(165);
    await expect(come('top/big/new', 'theirs')).rejects.toMatchObject({ code: 'name-clash' });
  });

  test('what is renamed meanwhile is seen at once', async () => {
    for (const path of paths.slice(0, 5)) folder.write(path);
    const first = relPath('Top/big/f0');
    for (let n = 0; n < 3; n++) {
      expect(await tree.look(first)).toBeDefined();
      clock.advance(100);
    }
    renameSync(folder.at('Top/big/f0'), folder.at('Top/big/F0'));
    expect(await tree.look(first)).toBeUndefined();
    expect(await tree.look(relPath('Top/big/F0'))).toBeDefined();
    renameSync(folder.at('Top'), folder.at('TOP'));
    expect(await tree.look(relPath('Top/big/F0'))).toBeUndefined();
  });
});
