/** The acceptance list on real Ceph RGW over TLS, with the built program and an independent reader. */
import { createHash, createHmac } from 'node:crypto';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeRgw, rgw } from '../rgw.ts';
import { openIndependently } from '../support/independent-open.ts';
import { type JsonLine, Machine, writeMixedFolder } from './harness.ts';

const FILES = process.env['S3VAULT_TEST_LONG'] === '1' ? 2_000 : 80;

async function inTens<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += 10) await Promise.all(all.slice(at, at + 10).map(work));
}

describeRgw('a mixed folder on Ceph RGW', () => {
  let machine: Machine;
  let digests: Map<string, string>;

  beforeAll(async () => {
    machine = new Machine(rgw());
    await machine.importKey('laptop');
    digests = writeMixedFolder(machine, FILES);
  });

  afterAll(() => {
    machine.remove();
  });

  const fetched = async (bucket: string, key: string, sseC: boolean) => {
    const keys = sseC
      ? { SSECustomerAlgorithm: 'AES256', SSECustomerKey: machine.key as unknown as string }
      : {};
    const answer = await rgw().client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...keys }));
    const body = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
    return { answer, body };
  };

  const listed = async (bucket: string): Promise<string[]> => {
    const keys: string[] = [];
    for (let token: string | undefined; ; ) {
      const page = await rgw().client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          EncodingType: 'url',
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      );
      for (const object of page.Contents ?? [])
        keys.push(decodeURIComponent((object.Key ?? '').replaceAll('+', ' ')));
      token = page.NextContinuationToken;
      if (token === undefined) return keys;
    }
  };

  const syncAll = async (bucket: string, modeArgs: string[], args: string[] = []) =>
    machine.run([
      'sync',
      machine.root,
      '--to',
      `s3://${bucket}/docs`,
      ...modeArgs,
      ...machine.remoteArgs,
      '--key-store',
      'file',
      '--once',
      '--json',
      ...args,
    ]);

  const proofs = (lines: readonly JsonLine[]) =>
    lines
      .filter((line) => line.event === 'transfer.done')
      .map((line) => line.proof as { [name: string]: unknown });

  const mode = (
    name: string,
    modeArgs: () => Promise<string[]> | string[],
    check: (proof: { [name: string]: unknown }) => void,
  ) =>
    test(`mode ${name}: every file is there, proved, and equal when read back independently`, async () => {
      const bucket = await rgw().createBucket();
      const forgotten = await machine.run(['forget', machine.root]);
      expect([0, 2]).toContain(forgotten.code);
      const ended = await syncAll(bucket, await modeArgs());
      expect(ended.stderr).toBe('');
      expect(ended.code).toBe(0);
      const done = proofs(ended.lines);
      expect(done).toHaveLength(digests.size + 1);
      for (const proof of done) check(proof);
      expect(ended.lines.at(-1)).toMatchObject({ event: 'summary', failed: 0, skipped: 0, exit: 0 });

      const keys = (await listed(bucket)).filter((key) => !key.startsWith('docs/.s3vault/'));
      const wanted = [...digests.keys(), 'a-link'].map((path) => `docs/${path.normalize('NFC')}`);
      expect(keys.toSorted()).toEqual(wanted.toSorted());
      await inTens([...digests], async ([path, digest]) => {
        const { answer, body } = await fetched(bucket, `docs/${path.normalize('NFC')}`, name === 'sse-c');
        const metadata = answer.Metadata ?? {};
        const plaintext = name === 'client' ? openIndependently(machine.key, metadata, body) : body;
        expect(createHash('sha256').update(plaintext).digest('hex'), path).toBe(digest);
        expect(metadata['s3vault-mtime']).toMatch(/^\d+\.\d{6}$/);
        expect(metadata['s3vault-mode']).toBe('100644');
        if (name !== 'client') expect(metadata).not.toHaveProperty('s3vault-mac');
        // Never a bare hash of the plaintext in the bucket.
        expect(JSON.stringify(metadata)).not.toContain(digest);
        expect(JSON.stringify(metadata)).not.toContain(Buffer.from(digest, 'hex').toString('base64'));
      });
      const link = await fetched(bucket, 'docs/a-link', name === 'sse-c');
      expect(link.answer.Metadata?.['s3vault-mode']).toBe('120777');

      const again = await syncAll(bucket, []);
      expect(again.code).toBe(0);
      expect(again.lines.filter((line) => line.event === 'transfer.start')).toEqual([]);
      expect(again.lines.find((line) => line.event === 'plan')).toMatchObject({ put: 0, bytes: 0 });
    }, 300_000);

  const keyMd5 = () => createHash('md5').update(machine.key).digest('base64');
  const fingerprint = () =>
    createHmac('sha256', machine.key).update('s3vault key check value v1').digest('hex').slice(0, 16);

  mode(
    'client',
    () => ['--mode', 'client', '--key', 'laptop'],
    (proof) =>
      expect(proof).toMatchObject({
        mode: 'client',
        format: 'V3',
        key: fingerprint(),
        checksum: { algorithm: 'md5' },
      }),
  );
  mode(
    'sse-c',
    () => ['--mode', 'sse-c', '--key', 'laptop'],
    (proof) => expect(proof).toMatchObject({ mode: 'sse-c', algorithm: 'AES256', keyMd5: keyMd5() }),
  );
  mode(
    'sse-kms',
    () => ['--mode', 'sse-kms', '--kms-key', rgw().kmsKeyIds[0] ?? ''],
    (proof) => expect(proof).toMatchObject({ mode: 'sse-kms', algorithm: 'aws:kms', keyId: 'vault-key-1' }),
  );

  test('sse-s3, which this store does not confirm, exits 6 and leaves nothing behind [PROOF-1]', async () => {
    const bucket = await rgw().createBucket();
    await machine.run(['forget', machine.root]);
    const ended = await syncAll(bucket, ['--mode', 'sse-s3']);
    expect(ended.code).toBe(6);
    expect(ended.lines.find((line) => line.event === 'warning')).toMatchObject({ code: 'proof-missing' });
    expect(await listed(bucket)).toEqual([]);
  });
});
