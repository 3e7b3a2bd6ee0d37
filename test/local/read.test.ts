/** Reading: whole or in chunks, and never what is not provably the file that was seen. */
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openTree } from '../../src/local/tree.ts';
import { relPath } from '../../src/model/brands.ts';
import type { Entry } from '../../src/model/entry.ts';
import type { FileTree } from '../../src/model/ports.ts';
import { Folder } from '../support/folder.ts';

let folder: Folder;
let tree: FileTree;

beforeEach(() => {
  folder = new Folder();
  tree = openTree({ root: folder.root, include: [], exclude: [], clock: systemClock });
});
afterEach(() => folder.remove());

async function entry(path: string): Promise<Entry> {
  const seen = await tree.look(relPath(path));
  if (seen === undefined || seen.kind === 'oddity') throw new Error(`no entry ${path}`);
  return seen;
}

async function chunks(of: Entry, size: number): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const chunk of tree.stream(of, size)) all.push(Buffer.from(chunk));
  return all;
}

const SIZES = [0, 1, 1_000, 256 * 1024, 256 * 1024 + 1, 1_000_000];

test.each(SIZES)('%i bytes: whole', async (size) => {
  const content = randomBytes(size);
  folder.write('f', content);
  expect((await tree.read(await entry('f'))).equals(content)).toBe(true);
});

test.each([
  [0, 10],
  [9, 10],
  [10, 10],
  [11, 10],
  [1_000_000, 65_536],
])('%i bytes in chunks of %i: all full but the last', async (size, chunkSize) => {
  const content = randomBytes(size);
  folder.write('f', content);
  const all = await chunks(await entry('f'), chunkSize);
  expect(Buffer.concat(all).equals(content)).toBe(true);
  expect(all.slice(0, -1).every((chunk) => chunk.length === chunkSize)).toBe(true);
  expect(all.length).toBe(Math.ceil(size / chunkSize));
});

test('a link is read as its target', async () => {
  symlinkSync('ziel/é', folder.at('link'));
  expect((await tree.read(await entry('link'))).toString()).toBe('ziel/é');
});

describe('what changed since it was seen is refused', () => {
  const changes: readonly (readonly [string, (path: string) => void])[] = [
    ['appended to', (path) => appendFileSync(path, 'x')],
    ['cut short', (path) => truncateSync(path, 3)],
    [
      'replaced by another of the same size',
      (path) => {
        writeFileSync(`${path}.new`, randomBytes(1_000_000));
        renameSync(`${path}.new`, path);
      },
    ],
    ['touched', (path) => utimesSync(path, 1, 1)],
    [
      'replaced by a link',
      (path) => {
        rmSync(path);
        symlinkSync('/etc/passwd', path);
      },
    ],
    [
      'replaced by a pipe, without hanging',
      (path) => {
        rmSync(path);
        spawnSync('mkfifo', [path]);
      },
    ],
    [
      'replaced by a folder',
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
    ['removed', (path) => rmSync(path)],
  ];

  test.each(changes)('%s before reading', async (_name, change) => {
    for (const size of [1_000, 1_000_000]) {
      rmSync(folder.at('f'), { recursive: true, force: true });
      folder.write('f', randomBytes(size));
      const before = await entry('f');
      change(folder.at('f'));
      await expect(tree.read(before)).rejects.toMatchObject({ kind: 'changed' });
      await expect(chunks(before, 1_000)).rejects.toMatchObject({ kind: 'changed' });
    }
  });

  test.each(
    changes.slice(0, 4),
  )('%s while reading: the last bytes are not handed on', async (_name, change) => {
    folder.write('f', randomBytes(1_000_000));
    const before = await entry('f');
    let got = 0;
    const reading = (async () => {
      for await (const chunk of tree.stream(before, 100_000)) {
        if (got === 0) change(folder.at('f'));
        got += chunk.length;
      }
    })();
    await expect(reading).rejects.toMatchObject({ kind: 'changed' });
    expect(got).toBeLessThan(1_000_000);
  });

  test('a folder above it swapped for a link is not looked through', async () => {
    folder.write('dir/f', 'inside');
    const outside = new Folder();
    outside.write('f', 'outside');
    await entry('dir/f');
    renameSync(folder.at('dir'), folder.at('dir-away'));
    symlinkSync(outside.root, folder.at('dir'));
    expect(await tree.look(relPath('dir/f'))).toBeUndefined();
    outside.remove();
  });
});

test('reading can be called off', async () => {
  folder.write('f', randomBytes(1_000_000));
  const controller = new AbortController();
  const of = await entry('f');
  const reading = (async () => {
    for await (const _chunk of tree.stream(of, 1_000, { signal: controller.signal })) controller.abort();
  })();
  await expect(reading).rejects.toMatchObject({ kind: 'cancelled' });
});

test('what may not be read is named with a way out', async () => {
  const { readEntry } = await import('../../src/local/read.ts');
  folder.write('f', 'x');
  const of = await entry('f');
  if (process.getuid?.() === 0) process.setegid?.(65_534);
  if (process.getuid?.() === 0) process.seteuid?.(65_534);
  try {
    const { chmodSync } = await import('node:fs');
    expect(chmodSync).toBeDefined();
    await expect(readEntry('/root', { ...of, path: relPath('.profile') })).rejects.toMatchObject({
      kind: 'file',
      code: 'unreadable',
    });
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
});
