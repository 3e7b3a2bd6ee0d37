/** Files brought into a real folder: safe against every name, link and file that may be in the way. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isDraftName } from '../../src/local/draft-name.ts';
import { nameFault } from '../../src/local/names.ts';
import { subjectLine } from '../../src/local/resumable.ts';
import { type TargetOptions, openTarget } from '../../src/local/write.ts';
import { objectKey, relPath } from '../../src/model/brands.ts';
import type { Entry } from '../../src/model/entry.ts';
import type { FileFacts, FileTarget, Placed } from '../../src/model/target.ts';
import { Folder } from '../support/folder.ts';

const facts: FileFacts = { mtime: 1_577_880_000_123.456, mode: 0o640 };
const NOW = Date.parse('2026-11-25T10:20:30.000Z');

let folder: Folder;
let target: FileTarget;

const open = (over: Partial<TargetOptions> = {}): FileTarget =>
  openTarget({ root: folder.root, clock: { now: () => NOW }, ...over });

beforeEach(async () => {
  folder = new Folder();
  target = open();
  await target.open();
});
afterEach(() => folder.remove());

async function put(path: string, content: string, keepOld = false, to = target): Promise<Placed> {
  const draft = await to.begin(relPath(path));
  await draft.write(Buffer.from(content), 0);
  return draft.place(facts, { keepOld });
}

const fault = async (work: Promise<unknown>): Promise<{ code: string; message: string }> =>
  work.then(
    () => ({ code: 'none', message: '' }),
    (thrown: { code: string; message: string }) => ({ code: thrown.code, message: thrown.message }),
  );

/** Everything below the folder. */
const all = (): string[] => readdirSync(folder.root, { recursive: true }).map(String).sort();

test('a file gets its bytes, its permissions and its time to the microsecond; folders are made', async () => {
  await put('a/b/file', 'bytes');
  expect(readFileSync(folder.at('a/b/file'), 'utf8')).toBe('bytes');
  const stat = statSync(folder.at('a/b/file'));
  expect(stat.mode & 0o7777).toBe(0o640);
  expect((stat.mtimeMs / 1_000).toFixed(6)).toBe('1577880000.123456');
  expect(all()).toEqual(['a', 'a/b', 'a/b/file']);
  await target.settle();
});

test('any time until 2038 comes back as it was, to the microsecond', async () => {
  for (let n = 0; n < 200; n++) {
    const mtime = Math.round((1.2e12 + n * 4_119_013_131.777) * 1_000) / 1_000;
    const draft = await target.begin(relPath(`t${n}`));
    await draft.place({ mtime, mode: 0o644 }, { keepOld: false });
    expect((statSync(folder.at(`t${n}`)).mtimeMs / 1_000).toFixed(6)).toBe((mtime / 1_000).toFixed(6));
  }
});

test('the microsecond that an object remembers is the one the disk shows, whether the rest is cut or rounded', async () => {
  for (let n = 0; n < 200; n++) {
    const micros = BigInt(1_577_880_000_123_457) + BigInt(n) * 1_999_333_777_331n;
    const draft = await target.begin(relPath(`m${n}`));
    await draft.place({ mtime: Number(micros) / 1_000, mode: 0o644 }, { keepOld: false });
    const { mtimeNs } = statSync(folder.at(`m${n}`), { bigint: true });
    expect(mtimeNs / 1_000n).toBe(micros);
    expect(mtimeNs % 1_000n).toBeLessThan(500n);
  }
});

test('a target that is a file, or lies below one, is no folder: said so, with another --out as the way out', async () => {
  await put('file', 'bytes');
  for (const root of [folder.at('file'), folder.at('file/below/it')]) {
    const refused = await open({ root })
      .open()
      .catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({
      kind: 'usage',
      code: 'out-is-file',
      message: `${folder.at('file')} is a file, not a folder`,
      hint: 'choose another --out',
    });
  }
  expect(readFileSync(folder.at('file'), 'utf8')).toBe('bytes');
});

test('only the nine bits of permission are taken: nobody gets set-user-id out of a bucket', async () => {
  const draft = await target.begin(relPath('tool'));
  await draft.place({ mtime: 0, mode: 0o104755 }, { keepOld: false });
  expect(statSync(folder.at('tool')).mode & 0o7777).toBe(0o755);
});

test('nobody sees a file before it is placed, and a discarded one leaves nothing', async () => {
  const draft = await target.begin(relPath('half'));
  await draft.write(Buffer.from('half of it'), 0);
  expect(all().every(isDraftName)).toBe(true);
  await draft.discard();
  await draft.discard();
  expect(all()).toEqual([]);
});

test('what an interrupted run left behind goes when its folder is met again; others are left alone', async () => {
  const gone = spawnSync('true').pid;
  const host = /-([0-9a-f]{8})-/.exec(await nameOfADraft())?.[1];
  const left = `.s3vault-${host}-${gone}-0123456789ab.part`;
  const theirs = `.s3vault-00000000-${gone}-0123456789ab.part`;
  for (const name of [left, theirs, 'mine.part']) folder.write(name);
  const again = open();
  await again.open();
  expect(all()).toEqual([theirs, 'mine.part'].sort());
});

test('what was left of another object for the same path goes, of other paths it stays', async () => {
  const host = /-([0-9a-f]{8})-/.exec(await nameOfADraft())?.[1];
  const gone = spawnSync('true').pid;
  const PART = 8 * 2 ** 20;
  const left = (path: string, etag: string, n: number): void => {
    const draft = `.s3vault-${host}-${gone}-00000000000${n}.part`;
    const line = subjectLine(path, { key: objectKey(`docs/${path}`), etag, size: 3 * PART });
    for (const [name, content] of [
      [draft, Buffer.alloc(PART)],
      [`${draft}s`, `${line}\n${createHash('sha256').update(Buffer.alloc(PART)).digest('base64')}\n`],
    ] as const) {
      folder.write(name, content);
      chmodSync(folder.at(name), 0o600);
    }
  };
  left('x', 'old', 1);
  left('y', 'old', 2);
  const again = open();
  await again.open();
  const kept = (): number => readdirSync(folder.root).filter(isDraftName).length;
  expect(kept()).toBe(4);
  const draft = await again.begin(relPath('x'), { key: objectKey('docs/x'), etag: 'new', size: 3 * PART });
  await draft.discard();
  expect(kept()).toBe(2);
});

async function nameOfADraft(): Promise<string> {
  const draft = await target.begin(relPath('x'));
  const [name = ''] = all();
  await draft.discard();
  return name;
}

describe('a file that stands there', () => {
  test('is never replaced without consent', async () => {
    folder.write('file', 'mine');
    expect(await fault(put('file', 'theirs'))).toMatchObject({ code: 'target-exists' });
    expect(readFileSync(folder.at('file'), 'utf8')).toBe('mine');
    expect(all()).toEqual(['file']);
  });

  test('is kept under another name with it, however often [REST-3]', async () => {
    folder.write('dir/file.txt', 'one');
    expect(await put('dir/file.txt', 'two', true)).toEqual({
      aside: 'dir/file (before restore 2026-11-25T10.20.30).txt',
    });
    expect(await put('dir/file.txt', 'three', true)).toEqual({
      aside: 'dir/file (before restore 2026-11-25T10.20.30 2).txt',
    });
    expect(
      all()
        .slice(1)
        .map((path) => readFileSync(folder.at(path), 'utf8')),
    ).toEqual(['two', 'one', 'three']);
  });

  test('is kept also where its name is as long as names can be', async () => {
    const long = 'ü'.repeat(127);
    folder.write(long, 'one');
    const { aside = '' } = await put(long, 'two', true);
    expect(readFileSync(folder.at(aside), 'utf8')).toBe('one');
    expect(readFileSync(folder.at(long), 'utf8')).toBe('two');
  });

  test('is not replaced by what came while it was fetched', async () => {
    const draft = await target.begin(relPath('file'));
    folder.write('file', 'mine');
    expect(await fault(draft.place(facts, { keepOld: false }))).toMatchObject({ code: 'target-exists' });
    expect(readFileSync(folder.at('file'), 'utf8')).toBe('mine');
  });

  test('a folder, a pipe: said, and left alone', async () => {
    mkdirSync(folder.at('dir'));
    spawnSync('mkfifo', [folder.at('pipe')]);
    expect(await fault(put('dir', 'x', true))).toMatchObject({ code: 'name-clash' });
    expect(await fault(put('pipe', 'x', true))).toMatchObject({ code: 'name-clash' });
    expect(await target.look(relPath('dir'))).toEqual({ kind: 'folder' });
    expect(await target.look(relPath('pipe'))).toEqual({ kind: 'other' });
  });
});

describe('links', () => {
  test('are made as links, with their time, wherever they lead', async () => {
    await target.link(relPath('a/link'), '/etc/passwd', facts, { keepOld: false });
    expect(readlinkSync(folder.at('a/link'))).toBe('/etc/passwd');
    expect((lstatSync(folder.at('a/link')).mtimeMs / 1_000).toFixed(6)).toBe('1577880000.123456');
    expect(await target.look(relPath('a/link'))).toMatchObject({ kind: 'link', size: 11 });
  });

  test('are never written through, not one of ours either, nor one that comes in between', async () => {
    const outside = new Folder();
    try {
      await target.link(relPath('door'), outside.root, facts, { keepOld: false });
      for (const work of [
        put('door/in', 'x', true),
        target.link(relPath('door/in'), 'x', facts, { keepOld: true }),
        target.look(relPath('door/in')),
      ])
        expect(await fault(work)).toMatchObject({ code: 'name-clash' });
      const draft = await target.begin(relPath('room/in'));
      spawnSync('mv', [folder.at('room'), folder.at('elsewhere')]);
      symlinkSync(outside.root, folder.at('room'));
      expect(await fault(draft.place(facts, { keepOld: true }))).toMatchObject({ code: 'name-clash' });
      expect(readdirSync(outside.root)).toEqual([]);
    } finally {
      outside.remove();
    }
  });

  test('a link that stands where a file belongs is replaced itself, not what it leads to', async () => {
    const outside = new Folder();
    try {
      outside.write('secret', 'theirs');
      symlinkSync(outside.at('secret'), folder.at('file'));
      await put('file', 'mine', true);
      expect(readFileSync(outside.at('secret'), 'utf8')).toBe('theirs');
      expect(lstatSync(folder.at('file')).isFile()).toBe(true);
    } finally {
      outside.remove();
    }
  });
});

test('a path that leads out is refused whoever asks [REST-2]', async () => {
  for (const path of [
    '../out',
    '/etc/out',
    'a/../../out',
    'a//b',
    'a/./b',
    '.s3vault/vault.json',
    'nul\0',
    '',
  ]) {
    expect(nameFault(path, 'linux'), path).toBeDefined();
    expect((await fault(put(path, 'x'))).code, path).not.toBe('none');
  }
  expect(all()).toEqual([]);
});

test('names that only Windows cannot hold are refused there, and fine elsewhere', () => {
  for (const path of [
    'aux',
    'dir/CON.txt',
    'com1.log',
    'LPT²',
    'a:b',
    'back\\slash',
    'dot.',
    'blank ',
    'what?',
    'tab\t',
  ]) {
    expect(nameFault(path, 'win32'), path).toBeDefined();
    expect(nameFault(path, 'linux'), path).toBeUndefined();
  }
  for (const path of [
    'console',
    'auxiliary.txt',
    'COM10',
    '.s3vaultignore',
    'a/.s3vault',
    '...',
    'ü'.repeat(127),
  ])
    expect(nameFault(path, 'win32') ?? nameFault(path, 'linux'), path).toBe(
      path === '...' ? nameFault(path, 'win32') : undefined,
    );
  expect(nameFault('ü'.repeat(128), 'linux')).toContain('longer');
  expect(nameFault('lone \ud800', 'linux')).toContain('Unicode');
  expect(nameFault('.S3VAULT/x', 'linux')).toBeDefined();
});

test('the digest is that of the content, of a link that of its target', async () => {
  await put('file', 'bytes');
  await target.link(relPath('link'), 'bytes', facts, { keepOld: false });
  const wanted = createHash('sha256').update('bytes').digest();
  for (const path of ['file', 'link'])
    expect(await target.digest((await target.look(relPath(path))) as Entry)).toEqual(wanted);
});

test('a full disk, a folder that cannot be made: plain words, and nothing left half done', () => {
  const module = fileURLToPath(new URL('../../src/local/write.ts', import.meta.url));
  const script = `
    import { openTarget } from ${JSON.stringify(module)};
    const target = openTarget({ root: ${JSON.stringify(folder.root)}, clock: Date });
    await target.open();
    process.on('SIGXFSZ', () => undefined);
    const draft = await target.begin('large');
    const told = await draft.write(Buffer.alloc(200_000), 0).catch(({ code, message }) => code + ' ' + message);
    await draft.discard();
    console.log(told);`;
  const ended = spawnSync(
    'sh',
    ['-c', `ulimit -f 64; exec "$0" --input-type=module -e "$1"`, process.execPath, script],
    {
      encoding: 'utf8',
    },
  );
  expect(ended.stdout).toContain('target-failed large is too large for this disk');
  expect(all()).toEqual([]);
});

test('a target in a place where nothing can be made says so', async () => {
  expect((await fault(open({ root: '/proc/nowhere/below' }).open())).code).toMatch(/^(target-|unwritable)/);
});

test('a file that is right but for its times and permissions gets them, and stays the same file', async () => {
  await put('file', 'bytes');
  await target.link(relPath('link'), 'file', facts, { keepOld: false });
  const before = (await target.look(relPath('file'))) as Entry;
  await target.amend(before, { mtime: 1_600_000_000_123.456, mode: 0o600 });
  const after = (await target.look(relPath('file'))) as Entry;
  expect(after).toMatchObject({ inode: before.inode, mode: 0o100600 });
  expect(after.mtime).toBeCloseTo(1_600_000_000_123.456, 3);
  await target.amend((await target.look(relPath('link'))) as Entry, { mtime: 1_000, mode: 0o600 });
  expect(await target.look(relPath('link'))).toMatchObject({ kind: 'link', mtime: 1_000 });
  expect(((await target.look(relPath('file'))) as Entry).mtime).toBe(after.mtime);
  expect((await fault(target.amend({ ...after, inode: 1 }, facts))).code).toBe('target-exists');
});
