/** Getting it back, by the built program on the embedded server. */
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey } from '../../src/model/brands.ts';
import { bytesIn } from '../contract/object-store.ts';
import { type Vector, bodyOf, keys, plaintextOf, positive } from '../crypto/vectors.ts';
import { storeOn } from '../s3/rig.ts';
import { differences, facts, giveFacts } from './compare.ts';
import { Machine } from './harness.ts';

const MIB = 2 ** 20;
const KMS = '1234abcd-12ab-34cd-56ef-1234567890ab';

describe('getting it back', () => {
  let server: EmbeddedServer;
  let folder: string;
  let machine: Machine;
  let bucket: string;
  let count = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-restore-'));
    server = await startEmbedded({ kmsKeys: [{ id: KMS }] });
    writeFileSync(join(folder, 'ca.pem'), server.caPem);
  });
  beforeEach(() => {
    machine = newMachine();
    bucket = `restore-${++count}`;
    server.createBucket(bucket, { versioning: true });
  });
  afterEach(() => machine.remove());
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const newMachine = (): Machine =>
    new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });

  /** Keys by their names in files: quick, and several of them. */
  const keyArgs = (on: Machine): string[] => {
    writeFileSync(join(on.home, 'laptop.key'), machine.key.toString('base64'), { mode: 0o600 });
    return ['--key-store', 'command', '--key-command', `cat ${join(on.home, '{name}.key')}`];
  };

  const store = () =>
    storeOn(
      { endpoint: server.url, caFile: join(folder, 'ca.pem'), region: server.region, ...server.credentials },
      bucket,
      { mode: 'client', key: 'test' },
    );

  function writeFiles(): void {
    machine.write('empty', '');
    machine.write('one', 'x');
    machine.write('odd\nname 🏔/ü', 'odd');
    machine.write('deep/er/still/file', 'deep');
    machine.write('large', randomBytes(17 * MIB + 3));
    symlinkSync('../one', join(machine.root, 'deep', 'link'));
    symlinkSync('/nowhere', join(machine.root, 'dangling'));
    giveFacts(machine.root);
  }

  const sync = (...more: string[]) =>
    machine.run([
      'sync',
      machine.root,
      '--once',
      '--json',
      ...machine.remoteArgs,
      ...keyArgs(machine),
      ...more,
    ]);
  const register = (...more: string[]) => sync('--to', `s3://${bucket}/docs`, ...more);
  const restore = (out: string, ...more: string[]) =>
    machine.run(['restore', '--out', out, '--json', ...keyArgs(machine), ...more]);

  const MODES: readonly (readonly [string, readonly string[]])[] = [
    ['client', ['--key', 'laptop']],
    ['sse-c', ['--mode', 'sse-c', '--key', 'laptop']],
    ['dsse-kms', ['--mode', 'dsse-kms', '--kms-key', KMS]],
    ['sse-kms', ['--mode', 'sse-kms', '--kms-key', KMS]],
    ['sse-s3', ['--mode', 'sse-s3']],
  ];

  /** All with the long tests; else one of each way in which objects are fetched and opened. */
  test.each(process.env['S3VAULT_TEST_LONG'] === '1' ? MODES : MODES.slice(0, 3))(
    'mode %s: out and back here, and on a machine that knows nothing',
    async (mode, args) => {
      writeFiles();
      expect((await register(...args)).code).toBe(0);
      const out = join(machine.home, 'out');
      const back = await restore(out, machine.root);
      expect(back.stderr).toBe('');
      expect(back.code).toBe(0);
      expect(differences(machine.root, out)).toBe('');
      expect(facts(out)).toEqual(facts(machine.root));

      const fresh = newMachine();
      try {
        const elsewhere = join(fresh.home, 'out');
        const place = ['--from', `s3://${bucket}/docs`, ...fresh.remoteArgs];
        const key = mode === 'client' || mode === 'sse-c' ? ['--key', 'laptop', ...keyArgs(fresh)] : [];
        const there = await fresh.run(['restore', '--out', elsewhere, '--json', ...place, ...key]);
        expect(there.stderr).toBe('');
        expect(there.code).toBe(0);
        expect(there.lines.find((line) => line.event === 'transfer.done')).toMatchObject({
          mode,
          direction: 'down',
        });
        expect(differences(machine.root, elsewhere)).toBe('');
        expect(facts(elsewhere)).toEqual(facts(machine.root));
      } finally {
        fresh.remove();
      }
      const verified = await machine.run([
        'verify',
        machine.root,
        '--deep',
        '100',
        '--json',
        ...keyArgs(machine),
      ]);
      expect(verified.stderr).toBe('');
      expect(verified.code).toBe(0);
      expect(verified.lines.filter((line) => line.result === 'verified')).toHaveLength(7);
    },
    120_000,
  );

  test.each(MODES.slice(1, 3))(
    'mode %s: what a stranger put there is refused, and the hint shows the way [READ-1]',
    async (mode, args) => {
      for (const name of ['a', 'b', 'replaced']) machine.write(name, `of ${name}`);
      expect((await register(...args)).code).toBe(0);
      const stranger = await store();
      for (const name of ['planted', 'replaced']) {
        const metadata = { 's3vault-mtime': '1577880000.1' };
        await stranger.put(objectKey(`docs/${name}`), Buffer.from('evil'), metadata);
      }
      const fresh = newMachine();
      const key = mode === 'sse-c' ? ['--key', 'laptop', ...keyArgs(fresh)] : [];
      const from = ['--from', `s3://${bucket}/docs`, ...fresh.remoteArgs];
      const places = [() => [machine, [machine.root, ...keyArgs(machine)]], () => [fresh, [...from, ...key]]];
      for (const place of places) {
        const [on, where] = place() as [Machine, string[]];
        const out = join(on.home, 'out');
        const back = await on.run(['restore', '--out', out, '--json', ...where]);
        expect(back.code).toBe(6);
        const failed = back.lines.filter((line) => line.event === 'transfer.failed');
        expect(failed.map(({ path }) => String(path)).sort()).toEqual(['planted', 'replaced']);
        for (const { error } of failed)
          expect(error).toMatchObject({
            code: 'not-protected',
            hint: expect.stringContaining('--mode sse-s3'),
          });
        expect(readdirSync(out).sort()).toEqual(['a', 'b']);
      }
      const cat = await machine.run(['cat', join(machine.root, 'replaced'), ...keyArgs(machine)]);
      expect(cat).toMatchObject({ code: 6, stdout: '' });
      expect(cat.stderr).toContain(`docs/replaced is not protected by ${mode}`);
      const asItIs = ['--from', `s3://${bucket}/docs`, '--mode', 'sse-s3'];
      expect(await machine.run(['cat', 'replaced', ...asItIs])).toMatchObject({ code: 0, stdout: 'evil' });
      const taken = join(fresh.home, 'taken');
      const all = await fresh.run(['restore', 'replaced', '--out', taken, ...fresh.remoteArgs, ...asItIs]);
      expect(all.code).toBe(0);
      expect(readFileSync(join(taken, 'replaced'), 'utf8')).toBe('evil');
      const looked = await machine.run(['verify', machine.root, '--deep', '100', ...keyArgs(machine)]);
      expect(looked.code).toBe(6);
      expect(looked.stderr).toContain(`the store does not say that replaced is protected by ${mode}`);
      expect(looked.stderr).toContain('touch the file here and sync');
      fresh.remove();
    },
    60_000,
  );

  test.each(MODES.slice(0, 2))(
    'mode %s, and another machine moves the vault: what it has moved is not called a stranger’s [READ-1]',
    async (mode, args) => {
      for (const name of ['a', 'b']) machine.write(name, `of ${name}`);
      expect((await register(...args)).code).toBe(0);
      const other = newMachine();
      const keys = keyArgs(other);
      const place = ['--to', `s3://${bucket}/docs`, ...other.remoteArgs, ...keys, '--direction', 'pull'];
      const joined = await other.run(['sync', other.root, '--once', ...place, ...args]);
      expect(joined.code, joined.stderr).toBe(0);
      const fault = server.faults.add({
        match: ({ method, key }) => method === 'PUT' && key === 'docs/b',
        fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' },
      });
      const moving = ['rekey', machine.root, '--to-mode', 'sse-s3', '--transfers', '1', '--yes'];
      expect((await machine.run([...moving, ...keyArgs(machine)])).code).toBe(4);
      fault.remove();
      const said = `docs/a is not in mode ${mode}: a rekey from ${mode} to sse-s3 is under way`;
      const out = join(other.home, 'out');
      const back = await other.run(['restore', '--out', out, other.root, '--json', ...keys]);
      expect(back.code).toBe(6);
      const failed = back.lines.filter((line) => line.event === 'transfer.failed');
      expect(failed).toMatchObject([{ path: 'a', error: { message: expect.stringContaining(said) } }]);
      expect(readdirSync(out)).toEqual(['b']);
      const cat = await other.run(['cat', join(other.root, 'a'), ...keys]);
      expect(cat).toMatchObject({ code: 6, stdout: '' });
      expect(cat.stderr).toContain(said);
      // As the hint says.
      const way = ['cat', join(other.root, 'a'), '--mode', 'sse-s3', ...keys];
      expect(await other.run(way)).toMatchObject({ code: 0, stdout: 'of a' });
      const pull = await other.run(['sync', other.root, '--once', ...keys]);
      expect(pull).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('is on its way to mode sse-s3'),
      });
      other.remove();
    },
    60_000,
  );

  test('who writes into the description that a rekey is under way opens no door with it [READ-1]', async () => {
    machine.write('a', 'of a');
    expect((await register('--mode', 'sse-kms', '--kms-key', KMS)).code).toBe(0);
    const stranger = await store();
    const own = objectKey('docs/.s3vault/vault.json');
    const found = JSON.parse(String(await bytesIn((await stranger.get(own)).body))) as object;
    const lie = { ...found, movingTo: { mode: 'sse-s3', key: '' } };
    await stranger.put(own, Buffer.from(JSON.stringify(lie)), {});
    await stranger.put(objectKey('docs/planted'), Buffer.from('evil'), {});
    const out = join(machine.home, 'out');
    const back = await restore(out, machine.root);
    expect(back.code).toBe(6);
    expect(back.lines.filter((line) => line.event === 'transfer.failed')).toMatchObject([
      { path: 'planted', error: { code: 'not-protected', hint: expect.stringContaining('if none did') } },
    ]);
    expect(readdirSync(out)).toEqual(['a']);
    expect(await machine.run(['cat', join(machine.root, 'planted')])).toMatchObject({ code: 6, stdout: '' });
  });

  test('one flipped byte: exit 6, no such file, the rest restored; verify says the same [REST-1]', async () => {
    writeFiles();
    expect((await register('--key', 'laptop')).code).toBe(0);
    const key = objectKey('docs/deep/er/still/file');
    const at = await store();
    const { stat, body } = await at.get(key);
    const bytes = await bytesIn(body);
    bytes[1]! ^= 1;
    await at.put(key, bytes, stat.metadata);
    const out = join(machine.home, 'out');
    const back = await restore(out, machine.root);
    expect(back.code).toBe(6);
    expect(back.lines.filter((line) => line.event === 'transfer.failed')).toMatchObject([
      { path: 'deep/er/still/file', error: { code: 'cannot-open' } },
    ]);
    expect(existsSync(join(out, 'deep/er/still/file'))).toBe(false);
    expect(facts(out)).toEqual(facts(machine.root).filter((line) => !line.startsWith('deep/er/')));
    const cat = await machine.run(['cat', join(machine.root, 'deep/er/still/file'), ...keyArgs(machine)]);
    expect(cat).toMatchObject({ code: 6, stdout: '' });
    // The bucket keeps the version before it.
    const older = await restore(out, join(machine.root, 'deep/er'), '--version', stat.versionId ?? '');
    expect(older.code).toBe(3);
    const version = await restore(
      out,
      join(machine.root, 'deep/er/still/file'),
      '--version',
      stat.versionId ?? '',
    );
    expect(version.code).toBe(0);
    expect(differences(machine.root, out)).toBe('');
    const verified = await machine.run(['verify', machine.root, '--json', ...keyArgs(machine)]);
    expect(verified.code).toBe(3);
    expect(verified.lines.filter((line) => line.event === 'warning')).toMatchObject([
      { code: 'changed-remotely' },
    ]);
    await at.close();
  }, 120_000);

  test('wrong keys, wrong places, wrong paths: said before anything is written', async () => {
    machine.write('one', 'x');
    expect((await register('--key', 'laptop')).code).toBe(0);
    writeFileSync(join(machine.home, 'other.key'), randomBytes(32).toString('base64'));
    const out = join(machine.home, 'out');
    const from = ['--from', `s3://${bucket}/docs`, ...machine.remoteArgs];
    for (const [args, code, message] of [
      [[...from, '--key', 'other', '--mode', 'client'], 6, 'cannot be opened'],
      [['/etc'], 2, 'does not lie in a vault'],
      [['--from', '/etc'], 2, 'is not a vault'],
      [['--from', 's3://UPPER/x'], 2, 'is not a place in S3'],
      [[machine.root, '--at', 'yesterday'], 2, 'is not a time'],
      [[machine.root, '--at', '1d', '--version', 'x'], 2, 'do not go together'],
      [[...from, '--endpoint', 'http://localhost:1'], 2, 'is not HTTPS'],
      [[join(machine.root, 'nope')], 3, 'there is nothing at nope'],
    ] as const) {
      const ended = await machine.run(['restore', '--out', out, ...keyArgs(machine), ...args]);
      expect(ended.stderr, args.join(' ')).toContain(message);
      expect(ended.code, args.join(' ')).toBe(code);
    }
    const fresh = newMachine();
    const unknown = await fresh.run([
      'restore',
      '--out',
      out,
      ...from,
      '--key',
      'other',
      ...keyArgs(machine),
    ]);
    expect(unknown.stderr).toContain('is kept under key');
    expect(unknown.code).toBe(6);
    fresh.remove();
    expect(existsSync(join(out, 'one'))).toBe(false);
  }, 120_000);

  test('ls, cat, versions, undelete, --at: what was there, and what is', async () => {
    machine.write('a/one', 'first');
    machine.write('a/two', 'two');
    machine.write('large', Buffer.alloc(9 * MIB, 7));
    expect((await register('--key', 'laptop')).code).toBe(0);
    const run = (...args: string[]) => machine.run([...args, ...keyArgs(machine)]);
    expect((await run('ls', machine.root)).stdout).toBe('a/\nlarge\n');
    const long = await run('ls', '-lr', machine.root);
    expect(long.stdout.split('\n').map((line) => line.trim().split(/ {2,}/)[0])).toEqual([
      '5',
      '3',
      String(9 * MIB),
      '',
    ]);
    expect((await run('ls', join(machine.root, 'nope'))).code).toBe(3);
    expect(
      createHash('md5')
        .update((await run('cat', join(machine.root, 'large'))).stdout)
        .digest('hex'),
    ).toBe(
      createHash('md5')
        .update(Buffer.alloc(9 * MIB, 7))
        .digest('hex'),
    );
    const { lines } = await run('versions', '--json', join(machine.root, 'a/one'));
    const first = lines.find((line) => line.event === 'version')!;
    expect(first).toMatchObject({ path: 'a/one', bytes: 5, latest: true, marker: false });

    rmSync(join(machine.root, 'a'), { recursive: true });
    machine.write('a/one', 'second');
    // Versions count in whole seconds here: the second one is later than the first for certain.
    const then = await later(Date.parse(String(first['modified'])));
    machine.write('a/one', 'second');
    expect((await sync('--delete', '--yes')).code).toBe(0);
    expect((await run('cat', join(machine.root, 'a/one'))).stdout).toBe('second');
    expect((await run('cat', join(machine.root, 'a/one'), '--at', then)).stdout).toBe('first');
    expect((await run('cat', join(machine.root, 'a/two'))).code).toBe(3);
    const out = join(machine.home, 'out');
    expect((await restore(out, machine.root, '--at', then)).code).toBe(0);
    expect(readFileSync(join(out, 'a/two'), 'utf8')).toBe('two');
    expect(readFileSync(join(out, 'a/one'), 'utf8')).toBe('first');
    const back = await run('undelete', join(machine.root, 'a'));
    expect(back.stdout).toBe('↑ a/two  3 B\n1 file brought back\n');
    expect((await run('cat', join(machine.root, 'a/two'))).stdout).toBe('two');
  }, 120_000);

  /** A moment between `ms` and now, once there is one of whole seconds. */
  async function later(ms: number): Promise<string> {
    for (;;) {
      const at = await store();
      const probe = await at.put(objectKey('probe'), Buffer.alloc(0), {});
      const modified = (await at.head(probe.key))?.modified ?? 0;
      await at.close();
      if (modified > ms + 1_000) return new Date(modified - 1).toISOString();
    }
  }

  describe('objects of S3 Encryption Clients', () => {
    const readable = positive.filter(
      ({ wrappingKey, options, instructionFile }) =>
        (wrappingKey === 'aes256-a' || wrappingKey === 'rsa2048-a' || wrappingKey === 'rsa3072-a') &&
        options.legacyContent !== true &&
        options.legacyWrap !== true &&
        (instructionFile === undefined || instructionFile.suffix === '.instruction'),
    );

    /** As they are, each under the name of its vector. */
    async function putAll(vectors: readonly Vector[]): Promise<void> {
      const at = await store();
      for (const vector of vectors) {
        const key = objectKey(`theirs/${vector.wrappingKey}/${vector.format}/${vector.id}`);
        // Names in lower case, as a store keeps them.
        const metadata = Object.entries(vector.metadata).map(([name, value]) => [name.toLowerCase(), value]);
        await at.put(key, bodyOf(vector), Object.fromEntries(metadata));
        if (vector.instructionFile === undefined) continue;
        await at.put(
          objectKey(key + vector.instructionFile.suffix),
          Buffer.from(vector.instructionFile.body),
          {},
        );
      }
      await at.close();
    }

    function keyFiles(): string[] {
      for (const [name, key] of Object.entries(keys)) {
        const text =
          key.type === 'AES' ? Buffer.from(key.hex, 'hex').toString('base64') : key.privatePkcs8Pem;
        writeFileSync(join(machine.home, `${name}.key`), text ?? '', { mode: 0o600 });
      }
      return [...keyArgs(machine), ...machine.remoteArgs];
    }

    test('are restored: V3, and V2 with --commitment allow, instruction files too', async () => {
      await putAll(readable);
      const common = keyFiles();
      for (const name of ['aes256-a', 'rsa2048-a', 'rsa3072-a']) {
        const mine = readable.filter(({ wrappingKey }) => wrappingKey === name);
        const out = join(machine.home, name);
        mkdirSync(out);
        const place = [`s3://${bucket}/theirs/${name}/`, '--mode', 'client', '--key', name];
        const strict = await machine.run(['restore', '--out', out, '--json', ...place, ...common]);
        const v2 = mine.filter(({ format }) => format === 'V2');
        expect(strict.code).toBe(v2.length > 0 ? 6 : 0);
        const failed = strict.lines.filter((line) => line.event === 'transfer.failed');
        expect(failed.map((line) => (line['error'] as { code: string }).code)).toEqual(
          v2.map(() => 'not-committing'),
        );
        const open = await machine.run([
          'restore',
          '--out',
          out,
          '--json',
          '--commitment',
          'allow',
          ...place,
          ...common,
        ]);
        expect(open.stderr).toBe('');
        expect(open.code).toBe(0);
        for (const vector of mine)
          expect(
            readFileSync(join(out, vector.format, vector.id)).equals(plaintextOf(vector)),
            vector.id,
          ).toBe(true);
        expect(readdirSync(out, { recursive: true })).toHaveLength(
          mine.length + new Set(mine.map(({ format }) => format)).size,
        );
      }
    }, 180_000);

    test('are printed by cat; V2 only where it is allowed', async () => {
      const some = ['V3', 'V2'].map(
        (format) =>
          readable.find(
            (one) => one.format === format && one.wrap === 'AES/GCM' && (one.plaintext?.length ?? 0) > 16,
          )!,
      );
      await putAll(some);
      const common = [...keyFiles(), '--mode', 'client', '--key', 'aes256-a'];
      for (const vector of some) {
        const url = `s3://${bucket}/theirs/aes256-a/${vector.format}/${vector.id}`;
        const strict = await machine.run(['cat', url, ...common]);
        const open = await machine.run(['cat', url, '--commitment', 'allow', ...common]);
        expect(open.stdout).toBe(plaintextOf(vector).toString('utf8'));
        if (vector.format === 'V3') expect(strict.stdout).toBe(open.stdout);
        else {
          expect(strict).toMatchObject({ code: 6, stdout: '' });
          expect(strict.stderr).toContain('--commitment allow');
        }
      }
      const listed = await machine.run(['ls', '-lr', `s3://${bucket}/theirs/`, ...common]);
      expect(listed.stdout).toContain(` ${some[0]!.plaintext!.length}  `);
    }, 120_000);
  });
});
