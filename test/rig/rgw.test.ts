import { GetBucketVersioningCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { describeRgw, rgw } from '../rgw.ts';

const script = join(import.meta.dirname, '..', '..', 'scripts', 'rgw.ts');

describe('a start that cannot work', () => {
  test('names the Debian packages where programs are missing', async () => {
    const started = promisify(execFile)(process.execPath, [script, 'up', '/nonexistent/x'], {
      env: { PATH: '/nonexistent' },
    });
    await expect(started).rejects.toThrow(/no ceph, ceph-mon, .*apt-get install .*radosgw ceph-mon ceph-osd/);
  });
});

describeRgw('the server of the tests', () => {
  test('stores and answers over TLS', async () => {
    const Bucket = await rgw().createBucket();
    await rgw().client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'content' }));
    const got = await rgw().client.send(new GetObjectCommand({ Bucket, Key: 'a' }));
    expect(await got.Body?.transformToString()).toBe('content');
  });

  test('makes versioned buckets', async () => {
    const Bucket = await rgw().createBucket('abc', { versioning: true });
    const answer = await rgw().client.send(new GetBucketVersioningCommand({ Bucket }));
    expect(answer.Status).toBe('Enabled');
  });

  test('uses the KMS keys it names, and no other', async () => {
    const Bucket = await rgw().createBucket();
    const put = (SSEKMSKeyId: string) =>
      rgw().client.send(
        new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ServerSideEncryption: 'aws:kms', SSEKMSKeyId }),
      );
    for (const id of rgw().kmsKeyIds) expect((await put(id)).SSEKMSKeyId).toBe(id);
    await expect(put('not-a-key')).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
  });

  test('starts nothing where a port is taken', async () => {
    const folder = await mkdtemp(join(tmpdir(), 's3vault-rgw-taken-'));
    const monitor = /mon host = v1:127.0.0.1:(\d+)/.exec(
      await readFile(join(rgw().dir, 'ceph.conf'), 'utf8'),
    );
    for (const option of [`--port=${new URL(rgw().endpoint).port}`, `--mon-port=${monitor?.[1]}`]) {
      const second = promisify(execFile)(process.execPath, [script, 'up', folder, option]);
      await expect(second).rejects.toThrow(/did not start in .*: port \d+ cannot be used/);
    }
  });

  test('leaves no process behind when a start fails half-way', async () => {
    const folder = await mkdtemp(join(tmpdir(), 's3vault-rgw-broken-'));
    const programs = join(folder, 'bin');
    const home = join(folder, 'ceph');
    await mkdir(programs);
    await writeFile(join(programs, 'radosgw'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const PATH = `${programs}:${process.env['PATH']}`;
    const up = promisify(execFile)(process.execPath, [script, 'up', home], { env: { ...process.env, PATH } });
    await expect(up).rejects.toThrow(/radosgw ended at once/);
    expect(await processesOf(home)).toStrictEqual([]);
    await rm(folder, { recursive: true });
  });
});

async function processesOf(home: string): Promise<readonly string[]> {
  const all = await promisify(execFile)('ps', ['-e', '-o', 'args']);
  return all.stdout.split('\n').filter((line) => line.includes(`${home}/ceph.conf`));
}
