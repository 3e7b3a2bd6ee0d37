/** The two files of a conflict on a real disk: nothing is lost whatever comes in between. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dropCopy, sideAt, takeName } from '../../src/local/conflict-files.ts';
import { relPath } from '../../src/model/brands.ts';

let root: string;
const path = relPath('sub/todo.md');
const copy = relPath('sub/todo (conflict laptop 2026-11-24 12-04-29).md');

const write = (name: string, text: string): void => writeFileSync(join(root, name), text);
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const names = (): string[] => readdirSync(join(root, 'sub'));

function pair() {
  const mine = sideAt(root, copy);
  if (mine === undefined) throw new Error('no copy');
  return { path, copy, mine, theirs: sideAt(root, path) };
}

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 's3vault-conflicts-')));
  mkdirSync(join(root, 'sub'));
  write(path, 'theirs');
  write(copy, 'mine, longer');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('keep mine', () => {
  test('the copy has the name, and nothing else is left', () => {
    takeName(root, pair());
    expect(names()).toEqual(['todo.md']);
    expect(read(path)).toBe('mine, longer');
  });

  test('where the other one is gone the copy is renamed, and never over what came meanwhile', () => {
    unlinkSync(join(root, path));
    const gone = pair();
    write(path, 'new');
    expect(() => takeName(root, gone)).toThrowError(expect.objectContaining({ code: 'conflict-moved' }));
    expect(read(path)).toBe('new');
    unlinkSync(join(root, path));
    takeName(root, gone);
    expect(names()).toEqual(['todo.md']);
    expect(read(path)).toBe('mine, longer');
  });

  test('a side that changed since it was shown: both stay', () => {
    const shown = pair();
    write(path, 'theirs, another version');
    expect(() => takeName(root, shown)).toThrowError(expect.objectContaining({ code: 'conflict-moved' }));
    expect(read(path)).toBe('theirs, another version');
    expect(read(copy)).toBe('mine, longer');
    const again = pair();
    write(copy, 'mine, too');
    expect(() => takeName(root, again)).toThrowError(expect.objectContaining({ code: 'conflict-moved' }));
    expect(names()).toHaveLength(2);
  });

  test('a folder that became a link leads nowhere', () => {
    const shown = pair();
    renameSync(join(root, 'sub'), join(root, 'elsewhere'));
    symlinkSync('elsewhere', join(root, 'sub'));
    expect(() => takeName(root, shown)).toThrowError(expect.objectContaining({ code: 'conflict-moved' }));
    expect(() => dropCopy(root, shown)).toThrowError(expect.objectContaining({ code: 'conflict-moved' }));
    expect(names()).toHaveLength(2);
  });
});

describe('keep theirs', () => {
  test('the copy is removed', () => {
    dropCopy(root, pair());
    expect(names()).toEqual(['todo.md']);
    expect(read(path)).toBe('theirs');
  });

  test('not where the other one is gone, or either changed', () => {
    const shown = pair();
    write(copy, 'mine, edited');
    expect(() => dropCopy(root, shown)).toThrowError(expect.objectContaining({ code: 'conflict-moved' }));
    const edited = pair();
    unlinkSync(join(root, path));
    expect(() => dropCopy(root, edited)).toThrowError(expect.objectContaining({ code: 'conflict-moved' }));
    expect(read(copy)).toBe('mine, edited');
  });
});
