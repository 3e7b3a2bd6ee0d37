/** Encrypted names, by the built program on the embedded server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { Machine } from './harness.ts';
import {
  CUT,
  type Ground,
  description,
  keyArgs,
  namesNothing,
  removeAndUndelete,
  seenAndBack,
  stored,
  sync,
  to,
  versionOf,
  writeNamed,
} from './names-rounds.ts';

describe('encrypted names', () => {
  let server: EmbeddedServer;
  let folder: string;
  let client: S3Client;
  let ground: Ground;
  let count = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-names-'));
    server = await startEmbedded({});
    writeFileSync(join(folder, 'ca.pem'), server.caPem);
    client = new S3Client({
      endpoint: server.url,
      region: server.region,
      forcePathStyle: true,
      credentials: server.credentials,
      requestHandler: { httpsAgent: new Agent({ ca: server.caPem }) },
    });
  });
  beforeEach(() => {
    const bucket = `names-${++count}`;
    server.createBucket(bucket, { versioning: true });
    ground = { client, bucket, machine: newMachine() };
  });
  afterEach(() => ground.machine.remove());
  afterAll(async () => {
    client.destroy();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const newMachine = (key?: Buffer<ArrayBuffer>): Machine =>
    new Machine(
      { endpoint: server.url, caFile: join(folder, 'ca.pem'), ...server.credentials, region: server.region },
      key,
    );

  test('nothing of a name is in the bucket; all of it is seen, comes back, and can be brought back', async () => {
    const { machine } = ground;
    writeNamed(machine);
    const first = await sync(ground, '--key', 'laptop', '--encrypt-names');
    expect(first.stderr).toBe('');
    expect(first.code).toBe(0);
    expect(await namesNothing(client, ground.bucket)).toBe(2);
    const fresh = newMachine(machine.key);
    try {
      await seenAndBack(ground, fresh);
    } finally {
      fresh.remove();
    }
    await removeAndUndelete(ground);
  }, 120_000);

  test('under a customer key: by its address, as people call it and as the bucket does', async () => {
    const { machine } = ground;
    writeNamed(machine);
    const { lines, code } = await sync(ground, '--mode', 'sse-c', '--key', 'laptop', '--encrypt-names');
    expect(code).toBe(0);
    const keyOf = (name: string) =>
      String(lines.find(({ path, event }) => path === name && event === 'transfer.done')?.['key']);
    expect(keyOf(CUT)).toMatch(/\/_[a-z2-7]{16}\//);
    const fresh = newMachine(machine.key);
    try {
      const place = ['--key', 'laptop', ...fresh.remoteArgs, ...keyArgs(fresh)];
      const cat = async (url: string) => (await fresh.run(['cat', url, ...place])).stdout;
      expect(await cat(`${to(ground)}/docs/sub/readme.md`)).toBe('content of docs/sub/readme.md');
      expect(await cat(`s3://${ground.bucket}/${keyOf('plain.txt')}`)).toBe('content of plain.txt');
      const Key = 'docs-vault/notes.txt';
      const SSECustomerKey = machine.key.toString('base64');
      const theirs = {
        Bucket: ground.bucket,
        Key,
        Body: 'theirs',
        SSECustomerAlgorithm: 'AES256',
        SSECustomerKey,
      };
      await client.send(new PutObjectCommand(theirs));
      expect(await cat(`s3://${ground.bucket}/${Key}`)).toBe('theirs');
    } finally {
      fresh.remove();
    }
  }, 120_000);

  test('another key changes no name, and opens them all [NAME-1]', async () => {
    const { machine } = ground;
    const other = Buffer.alloc(32, 5);
    writeNamed(machine);
    expect((await sync(ground, '--key', 'laptop', '--encrypt-names')).code).toBe(0);
    const before = await stored(ground);
    const keys = keyArgs(machine, ['other', other]);
    const versionId = await versionOf(ground, before.find((key) => /^[a-z2-7]+\/_/.test(key)) ?? '');
    const rekey = await machine.run(['rekey', machine.root, '--key', 'other', '--yes', '--json', ...keys]);
    expect(rekey.code).toBe(0);
    const paths = rekey.lines.filter(({ event }) => event === 'transfer.done').map(({ path }) => path);
    expect(paths).toContain(CUT);
    expect(await stored(ground)).toEqual(before);
    expect(await description(ground)).toMatchObject({ version: 2, names: { scheme: 'aes-siv' } });
    const again = await sync(ground, '--check-remote', '--key', 'other');
    expect(again.code).toBe(0);
    expect(again.lines.filter(({ event }) => event === 'transfer.start')).toEqual([]);
    const fresh = newMachine(other);
    try {
      const place = ['--from', to(ground), '--key', 'laptop', ...fresh.remoteArgs, ...keyArgs(fresh)];
      expect((await fresh.run(['cat', CUT, ...place])).stdout).toBe(`content of ${CUT}`);
    } finally {
      fresh.remove();
    }
    const old = ['--version', versionId, '--key', 'laptop', '--mode', 'client'];
    const once = await machine.run(['cat', join(machine.root, CUT), ...old, ...keys]);
    expect(once.stderr).toBe('');
    expect(once.stdout).toBe(`content of ${CUT}`);
  }, 120_000);

  test('what cannot be is refused before anything is sent', async () => {
    const { machine } = ground;
    machine.write('file', 'x');
    const refused = async (code: string, ...more: string[]) => {
      const run = await sync(ground, ...more);
      expect(run.stderr + run.stdout).toContain(code);
      expect(run.code).toBe(2);
    };
    await refused('mode sse-s3 has no key of yours', '--mode', 'sse-s3', '--encrypt-names');
    expect((await sync(ground, '--key', 'laptop')).code).toBe(0);
    await refused('is kept with plain names', '--encrypt-names');
    expect(await stored(ground)).toEqual(['file']);
  }, 120_000);
});
