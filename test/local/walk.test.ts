/** Walking real folders: order, rules, everything that is not a plain file. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { compareUtf8, relPath } from '../../src/model/brands.ts';
import type { Oddity, Seen } from '../../src/model/entry.ts';
import { type Names, plainNames } from '../../src/model/names.ts';
import type { FileTree } from '../../src/model/ports.ts';
import { openTree } from '../../src/local/tree.ts';
import { Folder } from '../support/folder.ts';

let folder: Folder;

beforeEach(() => {
  folder = new Folder();
});
afterEach(() => folder.remove());

const tree = (over: { include?: string[]; exclude?: string[]; names?: Names } = {}): FileTree =>
  openTree({ root: folder.root, include: [], exclude: [], clock: systemClock, ...over });

async function seen(of: FileTree = tree(), under = ''): Promise<Seen[]> {
  const all: Seen[] = [];
  for await (const batch of of.walk({ under: relPath(under) })) all.push(...batch);
  return all;
}
const paths = async (of?: FileTree, under?: string): Promise<string[]> =>
  (await seen(of, under)).map(({ path }) => path);
const oddities = async (of?: FileTree): Promise<Pick<Oddity, 'path' | 'reason'>[]> =>
  (await seen(of)).filter((one) => one.kind === 'oddity').map(({ path, reason }) => ({ path, reason }));

describe('order and completeness', () => {
  test('folders sort as their keys do: with the slash', async () => {
    for (const path of ['a/x', 'a-b', 'a.b', 'a0', 'a b/y', 'b']) folder.write(path);
    expect(await paths()).toEqual(['a b/y', 'a-b', 'a.b', 'a/x', 'a0', 'b']);
  });

  test('any tree: the same files as an independent listing, in the order of UTF-8 bytes', async () => {
    const name = fc
      .string({
        unit: fc.constantFrom(
          'a',
          'b',
          '-',
          '.',
          '0',
          ' ',
          '\n',
          '\uE000',
          '\u{1F3D4}',
          'é',
          '\u00fc',
          "'",
          '\\',
        ),
        minLength: 1,
        maxLength: 5,
      })
      .filter((text) => text !== '.' && text !== '..');
    const path = fc.array(name, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.array(path, { maxLength: 25 }), async (all) => {
        folder.remove();
        mkdirSync(folder.root);
        for (const parts of all) {
          try {
            folder.write(parts.join('/'));
          } catch {
            // A file stands where a folder is wanted, or the other way round.
          }
        }
        const found = await paths();
        const listed = readdirSync(folder.root, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => `${entry.parentPath}/${entry.name}`.slice(folder.root.length + 1));
        expect(found.toSorted()).toEqual(listed.toSorted());
        expect(found).toEqual(found.toSorted(compareUtf8));
      }),
      { numRuns: 80 },
    );
  });

  test('a folder alone, and nothing beside it', async () => {
    for (const path of ['a/x', 'a/b/y', 'a-b/z', 'c']) folder.write(path);
    expect(await paths(tree(), 'a')).toEqual(['a/b/y', 'a/x']);
    expect(await paths(tree(), 'none')).toEqual([]);
    expect(await paths(tree(), 'c')).toEqual([]);
  });

  test('names of 255 bytes, with line breaks, emoji, quotes and backslashes', async () => {
    const names = [
      'x'.repeat(255),
      'line\nbreak',
      '🏔️ und 漢字',
      'quote"s\\',
      ' blanks ',
      '-rf',
      '~',
      '.hidden',
    ];
    for (const name of names) folder.write(name);
    expect((await paths()).toSorted()).toEqual(names.toSorted());
  });

  test('the entry is what stat says', async () => {
    folder.write('f', 'hello');
    chmodSync(folder.at('f'), 0o640);
    const { size, mtimeMs: mtime, ctimeMs: ctime, ino: inode, mode } = statSync(folder.at('f'));
    expect(await seen()).toEqual([{ path: 'f', key: 'f', kind: 'file', size, mtime, ctime, inode, mode }]);
    expect(mode).toBe(0o100640);
    expect(await tree().look(relPath('f'))).toEqual((await seen())[0]);
  });

  test('a large tree: timers fire between batches', async () => {
    for (let n = 0; n < 20_000; n++) {
      if (n % 100 === 0) mkdirSync(folder.at(`d${n / 100}`));
      closeSync(openSync(folder.at(`d${Math.floor(n / 100)}/f${n}`), 'w'));
    }
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    expect((await paths()).length).toBe(20_000);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  }, 30_000);
});

describe('what is no plain file', () => {
  test('links are links: to files, to folders, to nothing, to themselves; never followed', async () => {
    folder.write('real/inner');
    symlinkSync('real/inner', folder.at('to-file'));
    symlinkSync('real', folder.at('to-folder'));
    symlinkSync('nowhere/at all', folder.at('dangling'));
    symlinkSync('loop', folder.at('loop'));
    const links = (await seen()).filter((one) => one.kind === 'link');
    expect(links.map((link) => [link.path, 'size' in link && link.size])).toEqual([
      ['dangling', 14],
      ['loop', 4],
      ['to-file', 10],
      ['to-folder', 4],
    ]);
    expect(await paths(tree(), 'to-folder')).toEqual([]);
    expect(await tree().look(relPath('to-folder/inner'))).toBeUndefined();
  });

  test('sockets, pipes and devices are named with their reason', async () => {
    folder.write('plain');
    spawnSync('mkfifo', [folder.at('pipe')]);
    spawnSync('mknod', [folder.at('null'), 'c', '1', '3']);
    const server = createServer().listen(folder.at('socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    const found = await oddities();
    expect(found).toContainEqual({ path: 'pipe', reason: 'fifo' });
    expect(found).toContainEqual({ path: 'socket', reason: 'socket' });
    // Making a device needs root.
    if (process.getuid?.() === 0) expect(found).toContainEqual({ path: 'null', reason: 'device' });
    server.close();
  });

  test('a hard link is a file of its own name', async () => {
    folder.write('one', 'x');
    linkSync(folder.at('one'), folder.at('two'));
    expect(await paths()).toEqual(['one', 'two']);
  });

  test('two spellings of one name: the NFC one is the file, the other a clash', async () => {
    if (platform() === 'darwin') return;
    folder.write('caf\u00e9', 'nfc');
    folder.write('cafe\u0301', 'nfd');
    expect((await seen()).map((one) => [one.path, one.kind])).toEqual([
      ['caf\u00e9', 'file'],
      ['cafe\u0301', 'oddity'],
    ]);
    expect(await oddities()).toEqual([{ path: 'cafe\u0301', reason: 'name-clash' }]);
  });

  test('a name in NFD alone is synced under its NFC key', async () => {
    folder.write('cafe\u0301');
    expect(await seen()).toMatchObject([{ path: 'cafe\u0301', key: 'caf\u00e9', kind: 'file' }]);
  });

  test('a name that is no UTF-8 is named, not lost', async () => {
    if (platform() !== 'linux') return;
    writeFileSync(Buffer.concat([Buffer.from(`${folder.root}/bad-`), Buffer.from([0xff])]), 'x');
    expect(await oddities()).toEqual([{ path: 'bad-\ufffd', reason: 'not-utf8' }]);
  });

  test('keys up to the limit, in bytes, not beyond', async () => {
    folder.write('é'.repeat(5));
    folder.write('é'.repeat(6));
    const limited = tree({ names: plainNames(10) });
    expect(await oddities(limited)).toEqual([{ path: 'é'.repeat(6), reason: 'key-too-long' }]);
    expect(await paths(limited)).toHaveLength(2);
  });

  test('what the user may not read is named; the rest is there', () => {
    // The tests' own temporary folder is for the one who runs them alone.
    folder.remove();
    folder = new Folder('/tmp');
    folder.write('open/a');
    folder.write('shut/b');
    folder.write('shut/deep/c');
    chmodSync(folder.root, 0o755);
    chmodSync(folder.at('shut'), 0o000);
    // Root may read anything: nobody walks.
    const script = `
      import { openTree } from ${JSON.stringify(new URL('../../src/local/tree.ts', import.meta.url).href)};
      import { systemClock } from ${JSON.stringify(new URL('../../src/clock.ts', import.meta.url).href)};
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      const tree = openTree({ root: ${JSON.stringify(folder.root)}, include: [], exclude: [], clock: systemClock });
      for await (const batch of tree.walk()) for (const one of batch) console.log(one.path, one.kind, one.reason ?? '');
      for (const path of ['shut/b', 'shut/deep/c']) console.log(path, (await tree.look(path))?.reason);
      for await (const batch of tree.walk({ under: 'shut/deep' })) for (const one of batch) console.log(one.key, one.reason);`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    // What cannot be looked at is never taken for gone, however deep below the closed folder.
    expect(stdout.trimEnd().split('\n')).toEqual([
      'open/a file ',
      'shut oddity unreadable',
      'shut/b unreadable',
      'shut/deep/c unreadable',
      'shut/deep/ unreadable',
    ]);
  });

  test('a root that cannot be listed is no empty root', async () => {
    const of = tree();
    renameSync(folder.root, `${folder.root}-away`);
    await expect(seen(of)).rejects.toMatchObject({ code: 'root-unreadable', exit: 5 });
    renameSync(`${folder.root}-away`, folder.root);
  });

  test('a folder that goes while it is walked is no trouble', async () => {
    for (let n = 0; n < 3_000; n++) folder.write(`a/f${n}`, '');
    folder.write('b/inner', '');
    folder.write('c', '');
    const found: string[] = [];
    for await (const batch of tree().walk()) {
      found.push(...batch.map(({ path }) => path));
      rmSync(folder.at('b'), { recursive: true, force: true });
    }
    expect(found).toContain('c');
    expect(found).not.toContain('b/inner');
  });

  test('the scan can be called off', async () => {
    for (let n = 0; n < 2_500; n++) folder.write(`f${n}`, '');
    const controller = new AbortController();
    const walking = (async () => {
      for await (const _batch of tree().walk({ signal: controller.signal })) controller.abort();
    })();
    await expect(walking).rejects.toMatchObject({ kind: 'cancelled' });
  });
});

describe('what is left out', () => {
  test("the vault's own folder, always", async () => {
    folder.write('.s3vault/vault.json');
    folder.write('sub/.s3vault/kept');
    folder.write('.s3vaultish');
    expect(await paths()).toEqual(['.s3vaultish', 'sub/.s3vault/kept']);
    expect(await tree().look(relPath('.s3vault/vault.json'))).toBeUndefined();
  });

  test('gitignore syntax: folders, negation, anchors, deeper files over higher ones', async () => {
    folder.write('.s3vaultignore', '*.log\n!keep.log\nbuild/\n/top\n# comment\n\n');
    folder.write('sub/.s3vaultignore', '!special.log\nlocal\n');
    for (const path of [
      'a.log',
      'keep.log',
      'build/x',
      'src/build/y',
      'top',
      'src/top',
      'sub/special.log',
      'sub/other.log',
      'sub/local',
      'local',
    ])
      folder.write(path);
    expect(await paths()).toEqual([
      '.s3vaultignore',
      'keep.log',
      'local',
      'src/top',
      'sub/.s3vaultignore',
      'sub/special.log',
    ]);
    const rules = tree();
    for (const path of await paths()) expect(await rules.look(relPath(path)), path).toBeDefined();
    for (const path of ['a.log', 'build/x', 'src/build/y', 'top', 'sub/local']) {
      expect(await rules.look(relPath(path)), path).toBeUndefined();
      expect(rules.ignores(relPath(path)), path).toBe(true);
    }
  });

  test('once a folder is left out nothing in it comes back', async () => {
    folder.write('.s3vaultignore', 'out/\n!out/in\n');
    folder.write('out/in');
    expect(await paths()).toEqual(['.s3vaultignore']);
  });

  test('changed rules hold from the next look on', async () => {
    folder.write('a.log');
    const rules = tree();
    expect(await paths(rules)).toEqual(['a.log']);
    folder.write('.s3vaultignore', '*.log');
    expect(await rules.look(relPath('.s3vaultignore'))).toBeDefined();
    expect(await rules.look(relPath('a.log'))).toBeUndefined();
    rmSync(folder.at('.s3vaultignore'));
    expect(await paths(rules)).toEqual(['a.log']);
  });

  test('--exclude beats everything, --include lets through only what it names', async () => {
    for (const path of ['a.txt', 'b.jpg', 'deep/c.txt', 'deep/secret.txt']) folder.write(path);
    expect(await paths(tree({ include: ['*.txt'], exclude: ['secret*'] }))).toEqual(['a.txt', 'deep/c.txt']);
  });

  test('an ignore file that is a folder rules nothing', async () => {
    folder.write('.s3vaultignore/x');
    folder.write('a');
    expect(await paths()).toEqual(['.s3vaultignore/x', 'a']);
  });
});

describe('the root and its marker', () => {
  test('missing, unmarked, marked, marked by rubbish', async () => {
    const of = tree();
    expect(await of.source()).toMatchObject({ state: 'here', markedAs: undefined });
    await of.mark('id-1');
    expect(await of.source()).toMatchObject({
      state: 'here',
      markedAs: 'id-1',
      device: statSync(folder.root).dev,
    });
    folder.write('.s3vault/vault.json', '{"no":');
    expect(await of.source()).toMatchObject({ markedAs: '' });
    folder.write('.s3vault/vault.json', '{"no":1}');
    expect(await of.source()).toMatchObject({ markedAs: '' });
    renameSync(folder.root, `${folder.root}-away`);
    expect(await of.source()).toEqual({ state: 'missing' });
    renameSync(`${folder.root}-away`, folder.root);
  });

  test('a marker that cannot be written is said so', async () => {
    folder.write('.s3vault', 'a file stands there');
    await expect(tree().mark('id')).rejects.toMatchObject({ code: 'marker-unusable', exit: 2 });
    await expect(tree().source()).rejects.toMatchObject({ code: 'marker-unusable' });
  });
});
