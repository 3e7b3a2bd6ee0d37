/** No reader, writer or remover of the disk follows a path out of its folder, whoever asked for it. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dropCopy, sideAt, takeName } from '../../src/local/conflict-files.ts';
import { openWriter } from '../../src/local/incoming.ts';
import { openTree } from '../../src/local/tree.ts';
import { openTarget } from '../../src/local/write.ts';
import { nameKey, relPath } from '../../src/model/brands.ts';
import type { Entry } from '../../src/model/entry.ts';
import { Folder } from '../support/folder.ts';
import { ManualClock } from '../support/manual-clock.ts';

let folder: Folder;
/** Below the folder that a test may write to; the root is a folder of it. */
let root: string;

const OUT = ['../secret', 'a/../../secret', '/../secret', './../secret', '..', 'a/../b', './b', 'a//b', ''];
const OWN = ['.s3vault/marker', '.s3vault'];
const traits = { kind: 'file', permissions: 0o600, mtime: 1_700_000_000_000 } as const;
const facts = { mtime: 1_700_000_000_000, mode: 0o600 };

beforeEach(() => {
  folder = new Folder();
  root = folder.at('root');
  mkdirSync(join(root, 'a'), { recursive: true });
  writeFileSync(join(root, 'b'), 'b');
  folder.write('secret', 'not yours');
});
afterEach(() => folder.remove());

const tree = (exclude: string[] = []) =>
  openTree({ root, include: [], exclude, clock: new ManualClock(1_700_000_000_000) });

/** As whoever follows the path would see it. */
function entryAt(path: string): Entry {
  const seen = sideAt(folder.root, relPath('secret'));
  if (seen === undefined) throw new Error('no file');
  return { ...seen, path: relPath(path), key: nameKey(path), kind: 'file', ctime: 0, mode: 0o100644 };
}

const untouched = (): void => {
  expect(readFileSync(folder.at('secret'), 'utf8')).toBe('not yours');
  expect(readFileSync(join(root, 'b'), 'utf8')).toBe('b');
  expect(readdirSync(folder.root).toSorted()).toEqual(['root', 'secret']);
  expect(existsSync(join(root, '.s3vault/marker'))).toBe(false);
};

describe.each([...OUT, ...OWN, 'nul\0'])('%j', (path) => {
  test.each([
    ['no rules', []],
    ['ignore rules', ['*.tmp', 'x/']],
  ])('nothing is seen there, with %s', async (_, rules) => {
    const disk = tree(rules);
    expect(await disk.look(relPath(path))).toBeUndefined();
    expect(await disk.isFolder(relPath(path))).toBe(false);
    // The root itself may be asked about.
    expect(disk.ignores(relPath(path))).toBe(path !== '');
    if (path === '') return;
    const seen = [];
    for await (const batch of disk.walk({ under: relPath(path) })) seen.push(...batch);
    expect(seen).toEqual([]);
  });

  test('nothing is read there', async () => {
    await expect(tree().read(entryAt(path))).rejects.toMatchObject({ kind: 'file', code: 'outside' });
    const reading = async () => {
      for await (const _ of tree().stream(entryAt(path), 10)) throw new Error('was read');
    };
    await expect(reading()).rejects.toMatchObject({ code: 'outside' });
  });

  test('nothing that comes is written, and nothing is removed, there', async () => {
    await tree().mark('id');
    const writer = openWriter(root);
    await expect(writer.check(relPath(path), undefined, 1)).rejects.toMatchObject({ code: 'outside' });
    const draft = await writer.begin();
    await draft.write(Buffer.from('mine'), 0);
    await expect(draft.place(relPath(path), traits, undefined)).rejects.toMatchObject({ code: 'outside' });
    await draft.discard();
    const entry = entryAt(path);
    await expect(writer.remove(entry)).rejects.toMatchObject({ code: 'outside' });
    await expect(writer.setAside(entry)).rejects.toMatchObject({ code: 'outside' });
    await expect(writer.move(entry, relPath('c'))).rejects.toMatchObject({ code: 'outside' });
    const b = await tree().look(relPath('b'));
    if (b === undefined || b.kind === 'oddity') throw new Error('no b');
    await expect(writer.move(b, relPath(path))).rejects.toMatchObject({ code: 'outside' });
    const over = { entry: b, as: relPath(path), always: true };
    const second = await writer.begin();
    await expect(second.place(relPath('b'), traits, over)).rejects.toMatchObject({ code: 'outside' });
    await second.discard();
    expect(readFileSync(folder.at('secret'), 'utf8')).toBe('not yours');
    expect(readFileSync(join(root, 'b'), 'utf8')).toBe('b');
    expect(readdirSync(folder.root).toSorted()).toEqual(['root', 'secret']);
    expect(readdirSync(root).toSorted()).toEqual(['.s3vault', 'a', 'b']);
  });

  test('nothing is restored there, looked at or changed', async () => {
    const target = openTarget({ root, clock: new ManualClock(1_700_000_000_000) });
    await target.open();
    await expect(target.look(relPath(path))).rejects.toMatchObject({ kind: 'file' });
    await expect(target.begin(relPath(path))).rejects.toMatchObject({ kind: 'file' });
    await expect(target.link(relPath(path), 'b', facts, { keepOld: true })).rejects.toMatchObject({
      kind: 'file',
    });
    await expect(target.amend(entryAt(path), facts)).rejects.toMatchObject({ kind: 'file' });
    await expect(target.digest(entryAt(path))).rejects.toMatchObject({ kind: 'file' });
    untouched();
  });

  test('no side of a conflict is there', () => {
    const b = sideAt(root, relPath('b'));
    const out = sideAt(folder.root, relPath('secret'));
    if (b === undefined || out === undefined) throw new Error('no sides');
    expect(sideAt(root, relPath(path))).toBeUndefined();
    const pair = { path: relPath(path), copy: relPath('b'), mine: b, theirs: out };
    expect(() => takeName(root, pair)).toThrowError(expect.objectContaining({ code: 'outside' }));
    const other = { path: relPath('b'), copy: relPath(path), mine: out, theirs: b };
    expect(() => dropCopy(root, other)).toThrowError(expect.objectContaining({ code: 'outside' }));
    expect(() => takeName(root, other)).toThrowError(expect.objectContaining({ code: 'outside' }));
    untouched();
  });
});
