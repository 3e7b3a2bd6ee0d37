import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openWriter } from '../../src/local/incoming.ts';
import { openTree } from '../../src/local/tree.ts';
import { objectKey, relPath } from '../../src/model/brands.ts';
import type { DraftSubject } from '../../src/model/draft.ts';
import type { Entry } from '../../src/model/entry.ts';
import type { FileTree, FileTraits, FolderWriter } from '../../src/model/ports.ts';
import { Folder } from '../support/folder.ts';
import { ManualClock } from '../support/manual-clock.ts';

let folder: Folder;
let writer: FolderWriter;
let tree: FileTree;
const TRAITS: FileTraits = { kind: 'file', permissions: 0o640, mtime: 1_700_000_000_123.456 };

beforeEach(async () => {
  folder = new Folder();
  writer = openWriter(folder.root);
  tree = openTree({ root: folder.root, include: [], exclude: [], clock: new ManualClock() });
  await tree.mark('id');
});
afterEach(() => folder.remove());

const at = (path: string): string => join(folder.root, path);
const names = (path = ''): string[] => readdirSync(at(path)).toSorted();

async function incoming(text: string) {
  const draft = await writer.begin();
  await draft.write(Buffer.from(text), 0);
  return draft;
}

async function entry(path: string): Promise<Entry> {
  const seen = await tree.look(relPath(path));
  if (seen === undefined || seen.kind === 'oddity') throw new Error(`no file ${path}`);
  return seen;
}

const place = async (path: string, text: string, over?: Entry, keepAs?: string, traits = TRAITS) =>
  (
    await (
      await incoming(text)
    ).place(
      relPath(path),
      traits,
      over && { entry: over, as: relPath(keepAs ?? `${path} (late)`), always: keepAs !== undefined },
    )
  ).entry;

describe('a file that comes', () => {
  test('appears whole, with its time and permissions, folders made; nothing of it is seen before', async () => {
    const draft = await incoming('hello');
    expect(names()).toEqual(['.s3vault']);
    const placed = await draft.place(relPath('d/e/note'), TRAITS, undefined);
    expect(placed).toEqual({ entry: await entry('d/e/note') });
    expect(readFileSync(at('d/e/note'), 'utf8')).toBe('hello');
    expect(placed.entry).toMatchObject({ mode: 0o100640, size: 5 });
    expect(Math.round(placed.entry.mtime * 1_000)).toBe(Math.round(TRAITS.mtime * 1_000));
    expect(names('.s3vault/tmp')).toEqual([]);
  });

  test('no set-user-id from a bucket', async () => {
    expect((await place('x', 'x', undefined, undefined, { ...TRAITS, permissions: 0o6755 })).mode).toBe(
      0o100755,
    );
  });

  test('a link comes as a link, over a file too', async () => {
    const traits = { ...TRAITS, kind: 'link' as const };
    const link = await place('link', '../else where', undefined, undefined, traits);
    expect(link).toMatchObject({ kind: 'link', size: 13 });
    await place('file', 'x');
    await place('file', 'target', await entry('file'), undefined, traits);
    expect(lstatSync(at('file')).isSymbolicLink()).toBe(true);
  });

  test('what stands where nothing should is left alone', async () => {
    writeFileSync(at('note'), 'mine');
    await expect(place('note', 'theirs')).rejects.toMatchObject({ kind: 'changed' });
    expect(readFileSync(at('note'), 'utf8')).toBe('mine');
  });

  test('a file goes only over what it was planned to go over', async () => {
    writeFileSync(at('note'), 'old');
    const seen = await entry('note');
    await place('note', 'new', seen);
    expect(readFileSync(at('note'), 'utf8')).toBe('new');
    await expect(place('note', 'newer', seen)).rejects.toMatchObject({ kind: 'changed' });
    expect(readFileSync(at('note'), 'utf8')).toBe('new');
  });

  test('the old one goes on under another name, the same file to the inode', async () => {
    writeFileSync(at('note'), 'mine');
    const seen = await entry('note');
    await place('note', 'theirs', seen, 'note (conflict)');
    expect(readFileSync(at('note (conflict)'), 'utf8')).toBe('mine');
    expect(readFileSync(at('note'), 'utf8')).toBe('theirs');
    expect((await entry('note (conflict)')).inode).toBe(seen.inode);
  });

  test('a name that is taken keeps everything as it is', async () => {
    writeFileSync(at('note'), 'mine');
    writeFileSync(at('taken'), 'other');
    await expect(place('note', 'theirs', await entry('note'), 'taken')).rejects.toMatchObject({
      kind: 'changed',
    });
    expect([readFileSync(at('note'), 'utf8'), readFileSync(at('taken'), 'utf8')]).toEqual(['mine', 'other']);
  });

  test('nothing is written through a link, or where a folder or a file is in the way', async () => {
    const outside = new Folder();
    symlinkSync(outside.root, at('link'));
    mkdirSync(at('folder'));
    writeFileSync(at('file'), 'x');
    for (const path of ['link/x', 'folder', 'file/x', 'link/d/x']) {
      await expect(place(path, 'x')).rejects.toMatchObject({ kind: 'file', code: 'name-clash' });
    }
    expect(readdirSync(outside.root)).toEqual([]);
    outside.remove();
  });

  test('below a root that lost its own folder nothing is made', async () => {
    const bare = new Folder();
    await expect(openWriter(bare.root).begin()).rejects.toMatchObject({ kind: 'changed' });
    expect(readdirSync(bare.root)).toEqual([]);
    bare.remove();
  });

  test('a discarded one leaves nothing', async () => {
    const draft = await incoming('x');
    await draft.discard();
    await draft.discard();
    expect(names('.s3vault/tmp')).toEqual([]);
  });
});

describe('before anything comes', () => {
  test('a place that cannot take it is refused, and nothing is made', async () => {
    mkdirSync(at('folder'));
    writeFileSync(at('file'), 'x');
    const check = (path: string, bytes = 1) => writer.check(relPath(path), undefined, bytes);
    await expect(check('folder')).rejects.toMatchObject({ kind: 'file', code: 'name-clash' });
    await expect(check('file/below/it')).rejects.toMatchObject({ kind: 'file', code: 'name-clash' });
    await expect(check('file')).rejects.toMatchObject({ kind: 'changed' });
    await expect(check('new', 2 ** 60)).rejects.toMatchObject({ kind: 'file', code: 'disk-full' });
    await writer.check(relPath('folder/new/file'), undefined, 1);
    await writer.check(relPath('file'), await entry('file'), 1);
    expect(names()).toEqual(['.s3vault', 'file', 'folder']);
    expect(names('folder')).toEqual([]);
  });
});

describe('a file that goes', () => {
  test('goes, with the folders that are empty then', async () => {
    mkdirSync(at('d/e'), { recursive: true });
    writeFileSync(at('d/e/note'), 'x');
    writeFileSync(at('d/stays'), 'x');
    await writer.remove(await entry('d/e/note'));
    expect(names('d')).toEqual(['stays']);
    await writer.remove(await entry('d/stays'));
    expect(names()).toEqual(['.s3vault']);
    expect(names('.s3vault/tmp')).toEqual([]);
  });

  test('goes on in the own folder where nobody can tell whether it was to go', async () => {
    mkdirSync(at('d/e'), { recursive: true });
    for (const text of ['one', 'two']) {
      mkdirSync(at('d/e'), { recursive: true });
      writeFileSync(at('d/e/note'), text);
      const aside = await writer.setAside(await entry('d/e/note'));
      expect(aside).toMatch(/^\.s3vault\/removed\/.+\/note$/);
      expect(readFileSync(at(aside), 'utf8')).toBe(text);
    }
    expect(names()).toEqual(['.s3vault']);
    expect(names('.s3vault/removed')).toHaveLength(2);
  });

  test('stays if it is not what was seen', async () => {
    writeFileSync(at('note'), 'old');
    const seen = await entry('note');
    writeFileSync(at('note'), 'newer');
    await expect(writer.remove(seen)).rejects.toMatchObject({ kind: 'changed' });
    expect(readFileSync(at('note'), 'utf8')).toBe('newer');
    utimesSync(at('note'), 1, 1);
    await expect(
      writer.remove(await entry('note').then((now) => ({ ...now, inode: 1 }))),
    ).rejects.toMatchObject({
      kind: 'changed',
    });
  });
});

test('what a killed run left is cleared away, but never a file on its way out', async () => {
  await incoming('half');
  writeFileSync(at('.s3vault/tmp/going-1'), 'somebody may want it');
  // One that has another name in the folder is on no way.
  writeFileSync(at('note'), 'stands');
  linkSync(at('note'), at('.s3vault/tmp/going-2'));
  // A name outside says nothing of the one that is on its way out.
  const outside = new Folder();
  writeFileSync(join(outside.root, 'theirs'), 'linked');
  linkSync(join(outside.root, 'theirs'), at('.s3vault/tmp/going-3'));
  mkdirSync(at('d/e'), { recursive: true });
  writeFileSync(at('d/e/deep'), 'stands');
  linkSync(at('d/e/deep'), at('.s3vault/tmp/going-4'));
  const [half = ''] = names('.s3vault/tmp').filter((name) => name.startsWith('coming-'));
  // What is being written stays; so does what another process of this machine writes, or another machine.
  const [, host = ''] = half.split('-');
  const others = [`coming-${host}-1-0123456789ab.part`, `coming-00000000-1-0123456789ab.part`];
  for (const name of others) writeFileSync(at(`.s3vault/tmp/${name}`), 'half');
  await writer.sweep();
  expect(names('.s3vault/tmp').filter((name) => name.startsWith('coming-'))).toEqual(
    [half, ...others].toSorted(),
  );
  let now = Date.now();
  const later = openWriter(folder.root, undefined, { now: () => now });
  expect((await later.sweep()).toSorted()).toEqual(['.s3vault/tmp/going-1', '.s3vault/tmp/going-3']);
  expect(names('.s3vault/tmp')).toEqual([...others.toSorted(), 'going-1', 'going-3']);
  // Nobody writes at something for a week.
  now += 8 * 86_400_000;
  await later.sweep();
  expect(names('.s3vault/tmp')).toEqual(['going-1', 'going-3']);
  outside.remove();
  expect(readFileSync(at('note'), 'utf8')).toBe('stands');
});

describe('a draft that was interrupted', () => {
  const PART = 8 * 2 ** 20;
  const subject = { key: objectKey('docs/large'), etag: 'e', size: 3 * PART };
  const first = Buffer.alloc(PART, 1);

  async function interrupted(): Promise<void> {
    const draft = await writer.begin(subject);
    await draft.write(Buffer.concat([first, Buffer.from('and more')]), 0);
    await draft.keep();
  }

  test('is gone on with behind its last whole part, for the same object only [REST-4]', async () => {
    await interrupted();
    const other = await writer.begin({ ...subject, etag: 'other' });
    expect(other.kept).toBe(0);
    await other.discard();
    const draft = await writer.begin(subject);
    expect(draft.kept).toBe(PART);
    // One that is being written is nobody else's.
    expect((await writer.begin(subject)).kept).toBe(0);
    const pieces: Buffer[] = [];
    for await (const piece of draft.keptBytes()) pieces.push(Buffer.from(piece));
    expect(Buffer.concat(pieces).equals(first)).toBe(true);
    await draft.write(Buffer.from('the end'), PART);
    await draft.place(relPath('large'), TRAITS, undefined);
    expect(readFileSync(at('large')).equals(Buffer.concat([first, Buffer.from('the end')]))).toBe(true);
  });

  test('with a tag over all of it: its parts are counted, and what the disk lost is for the tag to find', async () => {
    const tagged = { ...subject, tagged: true };
    const draft = await writer.begin(tagged);
    await draft.write(Buffer.concat([first, first, Buffer.from('and more')]), 0);
    await draft.keep();
    const [name = ''] = names('.s3vault/tmp').filter((one) => one.endsWith('.parts'));
    expect(
      readFileSync(at(`.s3vault/tmp/${name}`), 'utf8')
        .split('\n')
        .slice(1),
    ).toEqual(['-', '-', '']);
    // Nothing else may go on with it, and no count stands for a digest.
    const other = await writer.begin(subject);
    expect(other.kept).toBe(0);
    await other.discard();
    const again = await writer.begin(tagged);
    expect(again.kept).toBe(2 * PART);
    const pieces: Buffer[] = [];
    for await (const piece of again.keptBytes()) pieces.push(Buffer.from(piece));
    expect(Buffer.concat(pieces).equals(Buffer.concat([first, first]))).toBe(true);
    await again.discard();
    await interrupted();
    const [plain = ''] = names('.s3vault/tmp').filter((one) => one.endsWith('.parts'));
    const lines = readFileSync(at(`.s3vault/tmp/${plain}`), 'utf8').split('\n');
    writeFileSync(at(`.s3vault/tmp/${plain}`), [lines[0], '-', ''].join('\n'));
    expect((await writer.begin(subject)).kept).toBe(0);
  });

  test('goes where it is not wanted any more or of another format, and never while it is written', async () => {
    await interrupted();
    const kept = names('.s3vault/tmp');
    const asked: DraftSubject[] = [];
    const sweep = (wanted: boolean) =>
      writer.sweepDrafts(async (one) => {
        asked.push(one);
        return wanted;
      });
    await sweep(true);
    expect(names('.s3vault/tmp')).toEqual(kept);
    expect(asked).toEqual([{ ...subject, tagged: false }]);
    const going = await writer.begin(subject);
    await sweep(false);
    expect([going.kept, names('.s3vault/tmp').length, asked.length]).toEqual([PART, 2, 1]);
    await going.keep();
    await sweep(false);
    expect(names('.s3vault/tmp')).toEqual([]);
    await interrupted();
    const [journal = ''] = names('.s3vault/tmp').filter((one) => one.endsWith('.parts'));
    const text = readFileSync(at(`.s3vault/tmp/${journal}`), 'utf8');
    writeFileSync(at(`.s3vault/tmp/${journal}`), text.replace('s3vault-draft 1', 's3vault-draft 0'));
    await sweep(true);
    expect([asked.length, names('.s3vault/tmp')]).toEqual([2, []]);
  });

  test('of another process is neither gone on with nor removed', async () => {
    await interrupted();
    for (const name of names('.s3vault/tmp'))
      renameSync(at(`.s3vault/tmp/${name}`), at(`.s3vault/tmp/${name.replace(`-${process.pid}-`, '-1-')}`));
    const theirs = names('.s3vault/tmp');
    expect(theirs).toHaveLength(2);
    await writer.sweepDrafts(async () => false);
    const draft = await writer.begin(subject);
    expect(draft.kept).toBe(0);
    await draft.discard();
    expect(names('.s3vault/tmp')).toEqual(theirs);
  });

  test('outlives a start, but not a week, nor damage', async () => {
    await interrupted();
    let now = Date.now();
    const later = openWriter(folder.root, undefined, { now: () => now });
    await later.sweep();
    const draft = await later.begin(subject);
    expect(draft.kept).toBe(PART);
    const name = names('.s3vault/tmp').find((one) => one.endsWith('.part')) ?? '';
    writeFileSync(at(`.s3vault/tmp/${name}`), Buffer.alloc(PART, 2));
    const read = async (): Promise<void> => {
      for await (const piece of draft.keptBytes()) expect(piece).toHaveLength(PART);
    };
    await expect(read()).rejects.toMatchObject({ code: 'draft-damaged' });
    await draft.keep();
    now += 8 * 86_400_000;
    await later.sweep();
    expect(names('.s3vault/tmp')).toEqual([]);
  });
});
