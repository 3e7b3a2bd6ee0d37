/** Out and back on real Ceph RGW, with the built program, compared by diff and find. */
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeRgw, rgw } from '../rgw.ts';
import { differences, facts, giveFacts } from './compare.ts';
import { Machine, writeMixedFolder } from './harness.ts';
import { namesNothing } from './names-rounds.ts';

/** All of them with the long tests; else enough for every kind of file. */
const FILES = process.env['S3VAULT_TEST_LONG'] === '1' ? 2_000 : 60;
const NFD = 'cafe\u0301 (NFD)';

describeRgw('out and back on Ceph RGW', () => {
  let machine: Machine;
  let fresh: Machine;
  let out: string;

  beforeAll(async () => {
    machine = new Machine(rgw());
    fresh = new Machine(rgw());
    out = join(machine.home, 'out');
    await machine.importKey('laptop');
    writeMixedFolder(machine, FILES, 20 * 2 ** 20);
    giveFacts(machine.root);
  });

  afterAll(() => {
    machine.remove();
    fresh.remove();
  });

  const sync = async (machine: Machine, bucket: string, ...more: string[]) => {
    await machine.run(['forget', machine.root]);
    const to = ['--to', `s3://${bucket}/docs`, '--key-store', 'file', ...machine.remoteArgs];
    return machine.run(['sync', machine.root, ...to, '--once', '--json', ...more]);
  };

  const restore = (on: Machine, to: string, ...more: string[]) =>
    on.run(['restore', '--out', to, '--key-store', 'file', '--json', ...more]);

  /** The disk here remembers how names are spelled; a fresh machine knows them in the form of keys. */
  const respell = (root: string): void =>
    renameSync(join(root, 'odd', NFD.normalize('NFC')), join(root, 'odd', NFD));

  for (const [name, args] of [
    ['client', () => ['--mode', 'client', '--key', 'laptop']],
    ['sse-c', () => ['--mode', 'sse-c', '--key', 'laptop', '--encrypt-names']],
    ['sse-kms', () => ['--mode', 'sse-kms', '--kms-key', rgw().kmsKeyIds[0] ?? '']],
  ] as const) {
    test(`mode ${name}: mixed files come back equal: contents, times, permissions, links`, async () => {
      const bucket = await rgw().createBucket();
      expect((await sync(machine, bucket, ...args())).code).toBe(0);
      if (name === 'sse-c') await namesNothing(rgw().client, bucket, machine);
      rmSync(out, { recursive: true, force: true });
      const back = await restore(machine, out, machine.root);
      expect(back.stderr).toBe('');
      expect(back.code).toBe(0);
      expect(back.lines.at(-1)).toMatchObject({ event: 'summary', files: FILES + 1, failed: 0, exit: 0 });
      expect(differences(machine.root, out)).toBe('');
      expect(facts(out)).toEqual(facts(machine.root));

      const again = await restore(machine, out, machine.root);
      expect(again.code).toBe(0);
      expect(again.lines.at(-1)).toMatchObject({ files: 0, bytes: 0, failed: 0 });
    }, 300_000);
  }

  test('a second home, with recovery words only, gets all of it, encrypted names too', async () => {
    const bucket = await rgw().createBucket();
    const names = '--encrypt-names';
    expect((await sync(machine, bucket, '--mode', 'client', '--key', 'laptop', names)).code).toBe(0);
    await namesNothing(rgw().client, bucket);
    const exporting = ['keys', 'export', 'laptop', '--format', 'words', '--yes', '--key-store', 'file'];
    const words = await machine.run(exporting);
    expect(words.stdout.trim().split(/\s+/)).toHaveLength(24);
    const env = { S3VAULT_PASSPHRASE_FILE: machine.passphraseFile };
    const recovered = await fresh.run(['keys', 'recover', 'found', '--key-store', 'file'], {
      stdin: words.stdout,
      env,
    });
    expect(recovered.stderr).not.toContain('s3vault:');
    expect(recovered.code).toBe(0);
    const to = join(fresh.home, 'out');
    const place = ['--from', `s3://${bucket}/docs`, ...fresh.remoteArgs];
    const back = await fresh.run(['restore', '--out', to, '--key-store', 'file', '--json', ...place], {
      env,
    });
    expect(back.stderr).toBe('');
    expect(back.code).toBe(0);
    respell(to);
    expect(differences(machine.root, to)).toBe('');
    expect(facts(to)).toEqual(facts(machine.root));
  }, 300_000);

  test('one flipped byte: exit 6, that file not there, all others are', async () => {
    const bucket = await rgw().createBucket();
    expect((await sync(machine, bucket, '--mode', 'client', '--key', 'laptop')).code).toBe(0);
    const name = 'percent %41 plus + and & =?#';
    const Key = `docs/odd/${name}`;
    const stored = await rgw().client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    const body = Buffer.from((await stored.Body?.transformToByteArray()) ?? []);
    body[0] = (body[0] ?? 0) ^ 1;
    await rgw().client.send(
      new PutObjectCommand({ Bucket: bucket, Key, Body: body, Metadata: stored.Metadata }),
    );
    rmSync(out, { recursive: true, force: true });
    const back = await restore(machine, out, machine.root);
    expect(back.code).toBe(6);
    expect(back.lines.filter((line) => line.event === 'transfer.failed')).toMatchObject([
      { path: `odd/${name}`, error: { code: 'cannot-open' } },
    ]);
    expect(back.lines.at(-1)).toMatchObject({ files: FILES, failed: 1, exit: 6 });
    expect(differences(machine.root, out)).toBe(`Only in ${machine.root}/odd: ${name}\n`);
    expect(facts(out)).toEqual(facts(machine.root).filter((line) => !line.startsWith(`odd/${name}`)));
  }, 300_000);

  test.each([
    ['sse-c', () => ['--mode', 'sse-c', '--key', 'laptop']],
    ['sse-kms', () => ['--mode', 'sse-kms', '--kms-key', rgw().kmsKeyIds[0] ?? '']],
  ] as const)(
    "mode %s: a stranger's plain object comes neither by restore nor by a sync both ways [READ-1]",
    async (_, args) => {
      const bucket = await rgw().createBucket();
      const one = new Machine(rgw());
      await one.importKey('laptop');
      for (const name of ['a', 'b', 'replaced']) one.write(name, `of ${name}`);
      expect((await sync(one, bucket, '--direction', 'both', ...args())).code).toBe(0);
      const evil = {
        Bucket: bucket,
        Body: Buffer.from('evil'),
        Metadata: { 's3vault-mtime': '1577880000.1' },
      };
      for (const name of ['planted', 'replaced'])
        await rgw().client.send(new PutObjectCommand({ ...evil, Key: `docs/${name}` }));
      const to = join(one.home, 'out');
      const back = await restore(one, to, one.root);
      expect(back.code).toBe(6);
      expect(differences(one.root, to)).toBe(`Only in ${one.root}: replaced\n`);
      const synced = await one.run(['sync', one.root, '--once', '--json', '--key-store', 'file']);
      expect(synced.code).toBe(6);
      // Either may be tried first.
      const failed = synced.lines.filter(({ event }) => event === 'transfer.failed');
      expect(failed).toHaveLength(2);
      expect(Object.fromEntries(failed.map(({ path, error }) => [path, error]))).toMatchObject({
        planted: { code: 'not-protected' },
        replaced: { code: 'not-protected', hint: expect.stringContaining('the file here is kept as it is') },
      });
      expect(readFileSync(join(one.root, 'replaced'), 'utf8')).toBe('of replaced');
      one.remove();
    },
    120_000,
  );

  test('--at before a mass removal gives the old tree, and undelete brings the files back', async () => {
    const bucket = await rgw().createBucket('versions', { versioning: true });
    const few = new Machine(rgw());
    await few.importKey('laptop');
    writeMixedFolder(few, 60, 9 * 2 ** 20);
    few.write('changed', 'first');
    const before = facts(few.root).length;
    expect((await sync(few, bucket, '--mode', 'client', '--key', 'laptop')).code).toBe(0);
    const out = join(few.home, 'out');
    const kept = join(few.home, 'kept');
    renameSync(join(few.root, 'folder-1'), kept);
    const old = await newest(bucket);
    few.write('changed', 'second');
    const args = ['--once', '--json', '--delete', '--yes', '--key-store', 'file'];
    expect((await few.run(['sync', few.root, ...args])).code).toBe(0);
    renameSync(kept, join(few.root, 'folder-1'));
    rmSync(out, { recursive: true, force: true });
    expect((await restore(few, out, few.root)).code).toBe(0);
    expect(facts(out).some((line) => line.startsWith('folder-1/'))).toBe(false);
    rmSync(out, { recursive: true, force: true });
    const back = await restore(few, out, few.root, '--at', old);
    expect(back.code).toBe(0);
    expect(facts(out)).toHaveLength(before);
    expect(differences(join(few.root, 'folder-1'), join(out, 'folder-1'))).toBe('');
    expect(
      (await few.run(['cat', join(few.root, 'changed'), '--at', old, '--key-store', 'file'])).stdout,
    ).toBe('first');
    const undeleted = await few.run(['undelete', join(few.root, 'folder-1'), '--yes', '--key-store', 'file']);
    expect(undeleted.code).toBe(0);
    const again = await restore(few, join(few.home, 'again'), join(few.root, 'folder-1'));
    expect(again.code).toBe(0);
    expect(differences(join(few.root, 'folder-1'), join(few.home, 'again', 'folder-1'))).toBe('');
    few.remove();
  }, 300_000);

  /** The store's own time of what it took last: the clocks need not agree, and it counts in whole seconds at best. */
  async function newest(bucket: string): Promise<string> {
    // Everything that is there was written by the second of the first look, or before it.
    let first: number | undefined;
    for (;;) {
      const probe = { Bucket: bucket, Key: 'probe' };
      await rgw().client.send(new PutObjectCommand({ ...probe, Body: Buffer.alloc(0) }));
      const { Body, LastModified } = await rgw().client.send(new GetObjectCommand(probe));
      await Body?.transformToString();
      const now = LastModified?.getTime() ?? 0;
      if (first !== undefined && now > first) return new Date(now).toISOString();
      first ??= now;
    }
  }
});
