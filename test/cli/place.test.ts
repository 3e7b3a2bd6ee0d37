/** Which vault, or which place in S3, a command line means. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type PlaceFlags, placeFor } from '../../src/cli/place.ts';
import { parseTime } from '../../src/cli/time.ts';
import type { Config } from '../../src/config.ts';
import { vaultId } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Vault } from '../../src/model/vault.ts';

let top: string;
let config: Config;
const cwd = process.cwd();

const vault = (name: string, over: Partial<Vault> = {}): Vault => ({
  id: vaultId(`00000000-0000-4000-8000-00000000000${name.length}`),
  root: join(top, name),
  remote: { bucket: 'bucket', prefix: `${name}/`, endpoint: 'https://s3.example.org' },
  mode: { kind: 'client', key: { kind: 'stored', name: 'laptop' } },
  direction: 'push',
  rules: { removals: false, include: [], exclude: [] },
  ...over,
});

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 's3vault-place-')));
  mkdirSync(join(top, 'docs', 'sub'), { recursive: true });
  mkdirSync(join(top, 'photos'));
  config = { version: 1, vaults: [vault('docs')] };
});
afterEach(() => {
  process.chdir(cwd);
  rmSync(top, { recursive: true, force: true });
});

const place = (paths: readonly string[], flags: PlaceFlags = {}, here = false) => {
  const { prefix, names, source } = placeFor(paths, flags, config, { here });
  return { prefix, names, mode: source.mode, vault: source.vault?.root, endpoint: source.remote.endpoint };
};

const code = (work: () => unknown): string => {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof VaultError) return thrown.code;
    throw thrown;
  }
  return 'none';
};

const laptop = { kind: 'client', key: { kind: 'stored', name: 'laptop' } };

describe('a registered vault', () => {
  test('is found by a path in it, there or gone, relative or through a link, in the form of keys', () => {
    const wanted = { prefix: 'docs/', mode: laptop, vault: join(top, 'docs') };
    expect(place([join(top, 'docs')])).toMatchObject({ ...wanted, names: [''] });
    expect(place([join(top, 'docs/gone/cafe\u0301')])).toMatchObject({
      ...wanted,
      names: ['gone/caf\u00e9'],
    });
    symlinkSync(join(top, 'docs'), join(top, 'door'));
    expect(place([join(top, 'door/sub/x')])).toMatchObject({ ...wanted, names: ['sub/x'] });
    process.chdir(join(top, 'docs', 'sub'));
    expect(place(['x', '../y'])).toMatchObject({ ...wanted, names: ['sub/x', 'y'] });
    expect(place([], {}, true)).toMatchObject({ ...wanted, names: ['sub'] });
    expect(place([])).toMatchObject({ ...wanted, names: [''] });
  });

  test('is found by --from, or by being the only one; several are asked about', () => {
    expect(place(['./sub//x/'], { from: join(top, 'docs') })).toMatchObject({ names: ['sub//x'] });
    expect(place([])).toMatchObject({ names: [''] });
    config = { version: 1, vaults: [vault('docs'), vault('photos')] };
    expect(code(() => place([]))).toBe('which-vault');
    expect(code(() => place([join(top, 'docs/a'), join(top, 'photos/b')]))).toBe('several-vaults');
    expect(code(() => place(['/etc/passwd']))).toBe('not-in-vault');
    expect(code(() => place([], { from: '/etc' }))).toBe('not-registered');
    // Only a folder that begins with the whole name is in it.
    expect(code(() => place([`${join(top, 'docs')}-old/a`]))).toBe('not-in-vault');
  });

  test('on its way to another key is read only where it is said how', () => {
    config = { version: 1, vaults: [vault('docs', { rekeyTo: { kind: 'sse-s3' } })] };
    expect(code(() => place([]))).toBe('rekey-unfinished');
    expect(place([], { mode: 'sse-s3' })).toMatchObject({ mode: { kind: 'sse-s3' } });
  });
});

describe('s3://', () => {
  test('names objects and folders below the deepest folder that holds them all', () => {
    expect(place(['s3://other/a/b/c'])).toMatchObject({ prefix: 'a/b/', names: ['c'], mode: undefined });
    expect(place(['s3://other/a/b/'])).toMatchObject({ prefix: 'a/b/', names: [''] });
    expect(place(['s3://other/a/b/c', 's3://other/a/d'])).toMatchObject({
      prefix: 'a/',
      names: ['b/c', 'd'],
    });
    expect(place(['s3://other'])).toMatchObject({ prefix: '', names: [''] });
    expect(code(() => place(['s3://one/a', 's3://two/a']))).toBe('several-vaults');
    expect(code(() => place(['s3://one/a', 'b']))).toBe('several-vaults');
    expect(code(() => place(['s3://UPPER/a']))).toBe('bad-target');
  });

  test('in a registered vault is read as that vault is, unless a mode is said', () => {
    expect(place(['s3://bucket/docs/x'])).toMatchObject({ mode: laptop, endpoint: 'https://s3.example.org' });
    const other = { kind: 'client', key: { kind: 'stored', name: 'other' } };
    expect(place(['s3://bucket/docs/x'], { mode: 'client', key: 'other' })).toMatchObject({ mode: other });
    expect(place(['s3://bucket/docs/x'], { endpoint: 'https://elsewhere' })).toMatchObject({
      mode: undefined,
    });
    expect(place(['s3://bucket/else/x'])).toMatchObject({ mode: undefined });
  });

  test('with --from: paths in it', () => {
    expect(place(['/a', './b/'], { from: 's3://other/p' })).toMatchObject({
      prefix: 'p/',
      names: ['a', 'b'],
    });
    expect(place([], { from: 's3://other/p', key: 'k', kmsContext: {} })).toMatchObject({
      names: [''],
      mode: { key: { name: 'k' } },
    });
    expect(code(() => place([], { from: 's3://other/p', key: 'k', kmsKey: 'x' }))).toBe('two-keys');
  });
});

test('times: absolute, or how long ago; nothing else, and none to come', () => {
  const now = Date.parse('2026-11-25T12:00:00Z');
  for (const day of ['2026-02-30', '2025-02-29T12:00', '2026-13-01', '2026-04-31', '2026-01-00'])
    expect(() => parseTime(day, now), day).toThrow('is not a time');
  expect(parseTime('2d', now)).toBe(now - 2 * 86_400_000);
  expect(parseTime('1d12h', now)).toBe(now - 36 * 3_600_000);
  expect(parseTime('1.5h', now)).toBe(now - 5_400_000);
  expect(parseTime('2026-11-24T17:30Z', now)).toBe(Date.parse('2026-11-24T17:30:00Z'));
  expect(parseTime('2026-11-24 17:30:15+01:00', now)).toBe(Date.parse('2026-11-24T16:30:15Z'));
  expect(parseTime('2026-11-24', now)).toBe(new Date(2026, 10, 24).getTime());
  for (const text of ['yesterday', '', '2', '2026-13-01', '12:00', '2d ago', '2027-01-01', '-2d'])
    expect(
      code(() => parseTime(text, now)),
      text,
    ).toBe('bad-time');
});
