import { execFile } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Config,
  type Places,
  changeConfig,
  configFile,
  findVault,
  parseTarget,
  places,
  readConfig,
} from '../src/config.ts';
import { vaultId } from '../src/model/brands.ts';
import type { Vault } from '../src/model/vault.ts';

let home: string;
let where: Places;

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 's3vault-config-')));
  where = places({ S3VAULT_HOME: home });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const vault = (root: string): Vault => ({
  id: vaultId('0b7a2a4e-5f0c-4c8b-9a39-0d9a5d1c2e3f'),
  root,
  remote: { bucket: 'my-bucket', prefix: 'docs/', endpoint: 'https://s3.example.org', tlsMin: '1.3' },
  mode: { kind: 'client', key: { kind: 'stored', name: 'laptop' } },
  direction: 'push',
  rules: { removals: false, include: [], exclude: ['*.tmp'] },
});

function write(text: string, mode = 0o600): string {
  const path = configFile(where);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

describe('places', () => {
  test('S3VAULT_HOME puts all under it, also as a relative path', () => {
    expect(Object.values(where).every((path) => path.startsWith(`${home}/`))).toBe(true);
    expect(places({ S3VAULT_HOME: 'x' }).config.startsWith(process.cwd())).toBe(true);
    expect(new Set(Object.values(where)).size).toBe(4);
  });

  test.runIf(process.platform === 'linux')('XDG folders otherwise, relative ones ignored', () => {
    expect(places({ HOME: '/h', S3VAULT_HOME: '' })).toEqual({
      config: '/h/.config/s3vault',
      state: '/h/.local/state/s3vault',
      logs: '/h/.local/state/s3vault/logs',
      runtime: '/h/.local/state/s3vault/run/s3vault',
    });
    const env = {
      HOME: '/h',
      XDG_CONFIG_HOME: '/c',
      XDG_STATE_HOME: 'relative',
      XDG_RUNTIME_DIR: '/run/user/1',
    };
    expect(places(env)).toMatchObject({
      config: '/c/s3vault',
      state: '/h/.local/state/s3vault',
      runtime: '/run/user/1/s3vault',
    });
  });
});

describe('reading', () => {
  test('no file is an empty configuration', async () => {
    expect(await readConfig(where)).toEqual({ version: 1, vaults: [] });
    expect(readdirSync(home)).toEqual([]);
  });

  test('gives back all that was written, and closes the file to others', async () => {
    const root = join(home, 'docs');
    const kms: Vault = {
      ...vault(join(home, 'other')),
      mode: { kind: 'sse-kms', keyId: 'alias/x', context: { constructor: 'c', a: 'b' }, bucketKey: true },
      keyStore: 'file',
    };
    const config: Config = { version: 1, keyStore: 'keychain', vaults: [vault(root), kms] };
    await changeConfig(where, () => config);
    expect(await readConfig(where)).toEqual(config);
    expect(statSync(configFile(where)).mode & 0o777).toBe(0o600);
    expect(statSync(where.config).mode & 0o777).toBe(0o700);
    expect(readdirSync(where.config)).toEqual(['config.json']);
  });

  const valid = () => JSON.parse(JSON.stringify({ version: 1, vaults: [vault('/docs')] }));
  const at = (path: readonly (string | number)[], value: unknown): string => {
    const config = valid();
    let target = config;
    for (const step of path.slice(0, -1)) target = target[step];
    const last = path.at(-1) ?? '';
    if (value === undefined) delete target[last];
    else target[last] = value;
    return JSON.stringify(config);
  };
  const V = ['vaults', 0] as const;

  test.each([
    [[...V, 'remote', 'endpoint'], 'http://s3.example.org', 'plain-http', 'vaults.0.remote.endpoint'],
    [[...V, 'remote', 'endpoint'], 'HTTP://s3.example.org', 'plain-http', 'vaults.0.remote.endpoint'],
    [[...V, 'remote', 'endpoint'], 's3.example.org:9000', 'plain-http', 'vaults.0.remote.endpoint'],
    [[...V, 'remote', 'endpoint'], 'nonsense', 'config-field', 'vaults.0.remote.endpoint'],
    [[...V, 'remote', 'endpoint'], 'https://me:secret@s3.example.org', 'config-field', 'a user name'],
    [[...V, 'remote', 'bucket'], 'My_Bucket', 'config-field', 'vaults.0.remote.bucket'],
    [[...V, 'remote', 'prefix'], 'docs', 'config-field', 'vaults.0.remote.prefix'],
    [[...V, 'remote', 'prefix'], '../', 'config-field', 'vaults.0.remote.prefix'],
    [[...V, 'remote', 'tlsMin'], '1.1', 'config-field', '"1.2"'],
    [[...V, 'root'], 'relative', 'config-field', 'absolute'],
    [[...V, 'root'], undefined, 'config-field', 'missing'],
    [[...V, 'id'], 'x', 'config-field', 'UUID'],
    [[...V, 'mode'], { kind: 'plain' }, 'config-field', '"sse-s3"'],
    [
      [...V, 'mode'],
      { kind: 'sse-c', key: { kind: 'kms', keyId: 'x', context: {} } },
      'config-field',
      'mode',
    ],
    [[...V, 'mode', 'secret'], 'x', 'config-field', 'vaults.0.mode.secret'],
    [[...V, 'direction'], 'sideways', 'config-field', '"both"'],
    [[...V, 'rules', 'transfers'], 0, 'config-field', 'at least 1'],
    [[...V, 'rules', 'kmsQuota'], 0, 'config-field', 'at least 1'],
    [[...V, 'rules', 'kmsQuota'], 2.5, 'config-field', 'whole number'],
    [[...V, 'rules', 'kmsShare'], 101, 'config-field', 'at most 100'],
    [[...V, 'rules', 'typo'], 1, 'config-field', 'vaults.0.rules.typo'],
    [['keyStore'], 'usb', 'config-field', '"keychain"'],
    [['password'], 'x', 'config-field', 'password: is not known'],
    [['version'], 2, 'config-newer', 'newer'],
    [['version'], '1', 'config-field', 'version'],
    [['vaults'], {}, 'config-field', 'vaults'],
  ])('refuses %j = %j', async (path, value, code, words) => {
    const file = write(at(path, value));
    const before = readFileSync(file);
    await expect(readConfig(where)).rejects.toMatchObject({
      kind: 'usage',
      code,
      message: expect.stringContaining(words),
      hint: expect.any(String),
    });
    await expect(readConfig(where)).rejects.toThrow(file);
    await expect(changeConfig(where, (now) => now)).rejects.toMatchObject({ code });
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test.each(['', '{', '[]', 'null', '"x"', '{"version":1}'])('refuses %j', async (text) => {
    write(text);
    await expect(readConfig(where)).rejects.toMatchObject({ kind: 'usage' });
  });

  test('others may read it but not write it; a link may lead to it', async () => {
    const path = write(JSON.stringify(valid()), 0o644);
    expect((await readConfig(where)).vaults).toHaveLength(1);
    chmodSync(path, 0o664);
    await expect(readConfig(where)).rejects.toMatchObject({ code: 'file-exposed' });
    rmSync(path);
    const real = join(home, 'dotfiles.json');
    writeFileSync(real, JSON.stringify(valid()), { mode: 0o600 });
    symlinkSync(real, path);
    await changeConfig(where, (now) => ({ ...now, keyStore: 'file' }));
    expect(JSON.parse(readFileSync(real, 'utf8')).keyStore).toBe('file');
    expect(await readConfig(where)).toMatchObject({ keyStore: 'file' });
  });
});

describe('changing', () => {
  test('what would not be read again is not written', async () => {
    await changeConfig(where, (now) => ({ ...now, vaults: [vault('/docs')] }));
    const bad = { ...vault('/x'), remote: { bucket: 'my-bucket', prefix: '', endpoint: 'http://x' } };
    await expect(changeConfig(where, (now) => ({ ...now, vaults: [bad] }))).rejects.toMatchObject({
      code: 'plain-http',
    });
    expect((await readConfig(where)).vaults[0]?.root).toBe('/docs');
    expect(readdirSync(where.config)).toEqual(['config.json']);
  });

  test('by several processes at once loses nothing', async () => {
    const script = `
      import { changeConfig, places } from ${JSON.stringify(join(import.meta.dirname, '..', 'src', 'config.ts'))};
      const at = places({ S3VAULT_HOME: process.argv[1] });
      for (let i = 0; i < 5; i++) {
        await changeConfig(at, (now) => ({ ...now, passphraseCommand: (now.passphraseCommand ?? '') + process.argv[2] }));
      }`;
    const run = promisify(execFile);
    const letters = ['a', 'b', 'c'];
    await Promise.all(
      letters.map((letter) => run(process.execPath, ['--input-type=module', '-e', script, home, letter])),
    );
    const text = (await readConfig(where)).passphraseCommand ?? '';
    expect(Array.from(text).sort().join('')).toBe('aaaaabbbbbccccc');
  });

  test('a lock whose holder lives is waited for, not broken', async () => {
    const lock = `${configFile(where)}.lock`;
    mkdirSync(where.config, { recursive: true });
    const { hostname } = await import('node:os');
    writeFileSync(lock, JSON.stringify({ host: hostname(), pid: process.pid }));
    let done = false;
    const change = changeConfig(where, (now) => ({ ...now, keyStore: 'file' })).then(() => (done = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    expect(readFileSync(lock, 'utf8')).toContain(String(process.pid));
    rmSync(lock);
    await change;
    expect(await readConfig(where)).toMatchObject({ keyStore: 'file' });
  });
});

describe('finding a vault', () => {
  test('by whatever path leads to its folder', () => {
    const root = join(home, 'docs');
    mkdirSync(root);
    symlinkSync(root, join(home, 'link'));
    const config: Config = { version: 1, vaults: [vault(root), vault(join(home, 'gone'))] };
    for (const dir of [root, `${root}/`, join(home, 'link'), join(home, 'docs', '..', 'docs')]) {
      expect(findVault(config, dir)?.root).toBe(root);
    }
    expect(findVault(config, join(home, 'gone'))?.root).toBe(join(home, 'gone'));
    expect(findVault(config, home)).toBeUndefined();
  });
});

describe('targets', () => {
  test.each([
    ['s3://bucket', 'bucket', ''],
    ['s3://bucket/', 'bucket', ''],
    ['s3://bucket/a/b', 'bucket', 'a/b/'],
    ['s3://bucket/a/b/', 'bucket', 'a/b/'],
    ['s3://my.bucket-1/ö ü/…', 'my.bucket-1', 'ö ü/…/'],
  ])('%s', (text, bucket, prefix) => expect(parseTarget(text)).toEqual({ bucket, prefix }));

  test.each([
    'bucket/a',
    'https://bucket/a',
    's3:/bucket',
    's3://',
    's3:///a',
    's3://ab',
    's3://Bucket',
    's3://a_b_c',
    's3://-abc',
    's3://abc-',
    's3://a..b',
    's3://192.168.1.1',
    's3://xn--abc',
    's3://abc--x-s3',
    `s3://${'a'.repeat(64)}`,
    's3://arn:aws:s3:::bucket',
    's3://bucket//a',
    's3://bucket/a//b',
    's3://bucket/../a',
    's3://bucket/a/..',
    's3://bucket/./a',
    's3://bucket/a\nb',
    's3://bucket/.s3vault',
    's3://bucket/a/.s3vault/b',
    's3://bucket/a//',
    `s3://bucket/${'a'.repeat(600)}`,
    's3://bucket/u\u0308',
  ])('refuses %j', (text) =>
    expect(() => parseTarget(text)).toThrow(expect.objectContaining({ kind: 'usage', code: 'bad-target' })));

  test('what is taken comes out in its one form', () => {
    fc.assert(
      fc.property(fc.string(), (rest) => {
        let target;
        try {
          target = parseTarget(`s3://bucket/${rest}`);
        } catch {
          return;
        }
        expect(target.prefix === '' || target.prefix.endsWith('/')).toBe(true);
        expect(parseTarget(`s3://${target.bucket}/${target.prefix}`)).toEqual(target);
      }),
    );
  });
});
