import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decrypter } from 'age-encryption';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generateAes } from '../../src/crypto/generate.ts';
import { keyFileStore } from '../../src/keys/key-file.ts';
import { Secret } from '../../src/model/secret.ts';
import { CREATED, bytesOf, keyStoreContract } from '../contract/key-store.ts';

const FAST = 2;
let folder: string;
let path: string;
let asked: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-keys-'));
  path = join(folder, 'config', 'keys.age');
  asked = [];
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

function open(passphrase = 'correct horse', file = path) {
  const ask = async (purpose: string) => {
    asked.push(purpose);
    return new Secret(Buffer.from(passphrase));
  };
  return keyFileStore({ path: file, passphrase: ask, workFactorForTests: FAST });
}

describe('the key file', () => {
  keyStoreContract(() => open());
});

describe('what lies on the disk', () => {
  test('is an age file, closed to others, in a closed folder, with nothing beside it', async () => {
    const material = generateAes();
    await open().save('one', material, CREATED);
    const sealed = readFileSync(path);
    expect(sealed.toString('latin1')).toMatch(/^age-encryption\.org\/v1\n-> scrypt /);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'config')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(folder, 'config'))).toEqual(['keys.age']);
    const key = material.secret.use((bytes) => Buffer.from(bytes));
    expect(sealed.includes(key)).toBe(false);
    expect(sealed.includes(key.toString('base64'))).toBe(false);
  });

  test('opens with another age implementation handed the passphrase', async () => {
    const material = generateAes();
    await open().save('one', material, CREATED);
    const decrypter = new Decrypter();
    decrypter.addPassphrase('correct horse');
    const content = JSON.parse(await decrypter.decrypt(readFileSync(path), 'text'));
    expect(content.version).toBe(1);
    expect(content.keys).toEqual([
      {
        name: 'one',
        version: 1,
        kind: 'aes-256',
        key: material.secret.use((bytes) => bytes.toString('base64')),
        created: CREATED,
        fingerprint: material.fingerprint,
      },
    ]);
  });

  test('is sealed with the work factor 18 outside tests', async () => {
    const real = keyFileStore({ path, passphrase: async () => new Secret(Buffer.from('x')) });
    await real.save('one', generateAes(), CREATED);
    expect(readFileSync(path, 'latin1')).toMatch(/^-> scrypt \S+ 18$/m);
  });
});

describe('the passphrase', () => {
  test('is asked for once per process, and twice-typed only for a new file', async () => {
    const store = open();
    expect(await store.list()).toEqual([]);
    expect(asked).toEqual([]);
    await store.save('one', generateAes(), CREATED);
    await store.save('two', generateAes(), CREATED);
    await store.load('one');
    expect(asked).toEqual(['new']);
    const again = open();
    await again.list();
    await again.load('two');
    expect(asked).toEqual(['new', 'open']);
  });

  test('that is wrong opens nothing and changes nothing', async () => {
    const material = generateAes();
    await open().save('one', material, CREATED);
    const before = readFileSync(path);
    const wrong = open('wrong horse');
    await expect(wrong.load('one')).rejects.toMatchObject({ code: 'passphrase-wrong', exit: 2 });
    await expect(wrong.save('two', generateAes(), CREATED)).rejects.toMatchObject({
      code: 'passphrase-wrong',
    });
    await expect(wrong.remove('one')).rejects.toMatchObject({ code: 'passphrase-wrong' });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(bytesOf(await open().load('one'))).toBe(bytesOf(material));
  });

  test('is asked for again after a wrong one', async () => {
    await open().save('one', generateAes(), CREATED);
    const answers = ['wrong', 'correct horse'];
    const store = keyFileStore({
      path,
      passphrase: async () => new Secret(Buffer.from(answers.shift() ?? '')),
      workFactorForTests: FAST,
    });
    await expect(store.load('one')).rejects.toMatchObject({ code: 'passphrase-wrong' });
    expect(await store.load('one')).toMatchObject({ kind: 'aes-256' });
  });
});

describe('a file that cannot be trusted is refused, and left as it is', () => {
  beforeEach(async () => {
    await open().save('one', generateAes(), CREATED);
  });

  const unchanged = async (code: string, kind: string) => {
    const before = readFileSync(path);
    await expect(open().load('one')).rejects.toMatchObject({ code, kind });
    await expect(open().save('two', generateAes(), CREATED)).rejects.toMatchObject({ code, kind });
    expect(readFileSync(path).equals(before)).toBe(true);
  };

  test.each([0o644, 0o640, 0o604, 0o620, 0o610])('mode %o', async (mode) => {
    chmodSync(path, mode);
    await unchanged('file-exposed', 'usage');
  });

  test('a symbolic link', async () => {
    const link = join(folder, 'link.age');
    symlinkSync(path, link);
    await expect(open('correct horse', link).load('one')).rejects.toMatchObject({ code: 'file-is-link' });
    const dangling = join(folder, 'dangling.age');
    symlinkSync(join(folder, 'nowhere'), dangling);
    await expect(open('x', dangling).save('a', generateAes(), CREATED)).rejects.toMatchObject({
      code: 'file-is-link',
    });
    expect(readdirSync(folder)).not.toContain('nowhere');
  });

  test('a folder or a pipe', async () => {
    await expect(open('x', folder).load('one')).rejects.toMatchObject({ code: 'file-odd' });
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    await expect(open('x', pipe).load('one')).rejects.toMatchObject({ code: 'file-odd' });
  });

  test('cut at any point', async () => {
    const whole = readFileSync(path);
    const cuts = [0, 1, 20, 60, 120, whole.length - 40, whole.length - 17, whole.length - 1];
    for (const cut of cuts) {
      writeFileSync(path, whole.subarray(0, cut));
      await unchanged('key-file-damaged', 'security');
    }
  });

  test('a changed byte anywhere', async () => {
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 7) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(path, changed);
      await expect(open().load('one'), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^(key-file-damaged|passphrase-wrong)$/),
      });
    }
  });

  test('an age file with something else in it', async () => {
    const { sealAge } = await import('../../src/keys/age-file.ts');
    for (const text of ['hello', '[]', '{"version":1}', '{"version":1,"keys":[{"name":"one"}]}']) {
      writeFileSync(path, await sealAge(Buffer.from(text), new Secret(Buffer.from('correct horse')), FAST));
      await unchanged('key-file-damaged', 'security');
    }
  });

  test('a key that its fingerprint does not name', async () => {
    const { sealAge } = await import('../../src/keys/age-file.ts');
    const key = Buffer.alloc(32, 7).toString('base64');
    const stored = { version: 1, kind: 'aes-256', key, created: CREATED, fingerprint: '0011223344556677' };
    const text = JSON.stringify({ version: 1, keys: [{ name: 'one', ...stored }] });
    writeFileSync(path, await sealAge(Buffer.from(text), new Secret(Buffer.from('correct horse')), FAST));
    const failure = await open()
      .load('one')
      .catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ code: 'key-damaged', kind: 'security' });
    expect(String((failure as Error).stack)).not.toContain(key);
  });

  test('one from a newer version', async () => {
    const { sealAge } = await import('../../src/keys/age-file.ts');
    const text = JSON.stringify({ version: 2, keys: [] });
    writeFileSync(path, await sealAge(Buffer.from(text), new Secret(Buffer.from('correct horse')), FAST));
    await unchanged('key-file-newer', 'usage');
  });
});

describe('writing', () => {
  test('that fails leaves the old file and says what it is', async () => {
    await open().save('one', generateAes(), CREATED);
    const before = readFileSync(path);
    // A folder in the way of the temporary name cannot be made for root by permissions: the target itself is one.
    const blocked = join(folder, 'blocked', 'keys.age');
    writeFileSync(join(folder, 'blocked'), '');
    await expect(open('x', blocked).save('one', generateAes(), CREATED)).rejects.toMatchObject({
      code: 'file-unwritable',
      kind: 'usage',
      hint: expect.stringContaining('nothing was changed'),
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('by many at once loses no key', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `key-${i}`);
    await open().save('first', generateAes(), CREATED);
    await Promise.all(names.map((name) => open().save(name, generateAes(), CREATED)));
    const kept = (await open().list()).map(({ name }) => name);
    expect(kept).toEqual([...names, 'first'].sort());
  });

  test('goes on after a process that died with the lock in its hand', async () => {
    await open().save('one', generateAes(), CREATED);
    const gone = execFileSync(process.execPath, ['-p', 'process.pid']).toString().trim();
    const { hostname } = await import('node:os');
    writeFileSync(`${path}.lock`, JSON.stringify({ host: hostname(), pid: Number(gone) }));
    await open().save('two', generateAes(), CREATED);
    expect((await open().list()).map(({ name }) => name)).toEqual(['one', 'two']);
    expect(readdirSync(join(folder, 'config'))).toEqual(['keys.age']);
  });
});
