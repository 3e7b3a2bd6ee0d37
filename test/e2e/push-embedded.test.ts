/** The built program against the embedded server: what needs counting requests, faults, or watching. */
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { openIndependently } from '../support/independent-open.ts';
import { Machine } from './harness.ts';

let server: EmbeddedServer;
let folder: string;
let machine: Machine;
let bucketNumber = 0;
let bucket = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-e2e-ca-'));
  server = await startEmbedded({ kmsKeys: [{ id: 'vault-key-1' }] });
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(() => {
  server.faults.clear();
  machine.remove();
});

function newMachine(): Machine {
  bucket = `bucket-${++bucketNumber}`;
  server.createBucket(bucket);
  machine = new Machine({
    endpoint: server.url,
    caFile: join(folder, 'ca.pem'),
    ...server.credentials,
    region: server.region,
  });
  server.requests.reset();
  return machine;
}

const first = (...args: string[]): string[] => [
  'sync',
  machine.root,
  '--to',
  `s3://${bucket}/docs`,
  ...machine.keyArgs,
  ...machine.remoteArgs,
  '--json',
  ...args,
];
const later = (...args: string[]): string[] => ['sync', machine.root, '--json', ...args];

const plaintextOf = (path: string): Buffer => {
  const stored = server.object(bucket, `docs/${path}`);
  if (stored === undefined) throw new Error(`no object docs/${path}`);
  return openIndependently(machine.key, stored.metadata, Buffer.from(stored.body));
};

describe('a run', () => {
  test('a second sync sends nothing and makes no request per file', async () => {
    newMachine();
    for (let n = 0; n < 300; n++) machine.write(`d${n % 7}/f${n}`, `file ${n}`);
    expect((await machine.run(first('--once'))).code).toBe(0);
    server.requests.reset();
    const again = await machine.run(later('--once'));
    expect(again.code).toBe(0);
    expect(again.lines.filter((line) => line.event.startsWith('transfer'))).toEqual([]);
    expect(server.requests.total).toBeLessThanOrEqual(5);
  });

  test('a lost Index is rebuilt from the bucket without sending anything again [INDEX-1]', async () => {
    newMachine();
    for (let n = 0; n < 50; n++) machine.write(`f${n}`, `file ${n}`);
    machine.write('changed', 'before');
    expect((await machine.run(first('--once'))).code).toBe(0);
    rmSync(join(machine.home, 's3vault', 'state'), { recursive: true, force: true });
    machine.write('changed', 'AFTER!');
    server.requests.reset();
    const again = await machine.run(later('--once'));
    expect(again.code).toBe(0);
    const done = again.lines.filter((line) => line.event === 'transfer.done');
    expect(done.filter((line) => line.proof !== null).map((line) => line.path)).toEqual(['changed']);
    expect(server.requests.count('PutObject')).toBe(1);
    expect(plaintextOf('changed').toString()).toBe('AFTER!');
  });

  test('plain HTTP is refused before a key is read or a byte is sent', async () => {
    newMachine();
    let connections = 0;
    const plain = createServer().on('connection', () => connections++);
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const address = plain.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    try {
      machine.write('f', 'x');
      const args = [
        'sync',
        machine.root,
        '--to',
        `s3://${bucket}/docs`,
        '--mode',
        'sse-c',
        '--key',
        'laptop',
      ];
      const withoutKey = { S3VAULT_PASSPHRASE_FILE: join(machine.home, 'no-such-file') };
      for (const env of [{ AWS_ENDPOINT_URL_S3: url }, { AWS_ENDPOINT_URL: url }]) {
        const ended = await machine.run([...args, '--key-store', 'file', '--once', '--json'], {
          env: { ...env, ...withoutKey },
        });
        expect(ended.code).toBe(2);
        expect(ended.stderr).toMatch(/https/i);
        expect(ended.stderr).not.toMatch(/passphrase/i);
      }
      const asOption = await machine.run([...args, '--endpoint', url, '--once'], { env: withoutKey });
      expect(asOption.code).toBe(2);
      expect(connections).toBe(0);
    } finally {
      plain.close();
    }
  });

  test('a removal is reported, done with --delete, and braked when there are too many', async () => {
    newMachine();
    for (let n = 0; n < 20; n++) machine.write(`f${n}`, `file ${n}`);
    expect((await machine.run(first('--once'))).code).toBe(0);
    rmSync(join(machine.root, 'f0'));
    const kept = await machine.run(later('--once'));
    expect(kept.code).toBe(0);
    expect(kept.lines).toContainEqual(expect.objectContaining({ event: 'warning', code: 'removal-off' }));
    expect(server.object(bucket, 'docs/f0')).toBeDefined();
    expect((await machine.run(later('--once', '--delete'))).code).toBe(0);
    expect(server.object(bucket, 'docs/f0')).toBeUndefined();
    for (let n = 1; n < 12; n++) rmSync(join(machine.root, `f${n}`));
    machine.write('new', 'still sent');
    const braked = await machine.run(later('--once', '--delete'));
    expect(braked.code).toBe(5);
    expect(server.object(bucket, 'docs/f1')).toBeDefined();
    expect(server.object(bucket, 'docs/new')).toBeDefined();
    expect((await machine.run(later('--once', '--delete', '--yes'))).code).toBe(0);
    expect(server.object(bucket, 'docs/f1')).toBeUndefined();
  });

  test('a lost source sends and removes nothing and exits 5 [DEL-5]', async () => {
    newMachine();
    machine.write('f', 'x');
    expect((await machine.run(first('--once'))).code).toBe(0);
    renameSync(join(machine.root, '.s3vault'), join(machine.home, 'marker'));
    machine.write('g', 'y');
    const unmarked = await machine.run(later('--once', '--delete', '--yes'));
    expect(unmarked.code).toBe(5);
    expect(server.object(bucket, 'docs/g')).toBeUndefined();
    renameSync(join(machine.home, 'marker'), join(machine.root, '.s3vault'));
    rmSync(join(machine.root, 'f'));
    rmSync(join(machine.root, 'g'));
    const emptied = await machine.run(later('--once', '--delete', '--yes'));
    expect(emptied.code).toBe(5);
    expect(server.object(bucket, 'docs/f')).toBeDefined();
  });

  test('a second process on the same vault exits 7 [LOCK-1]', async () => {
    newMachine();
    machine.write('f', 'x');
    const holding = machine.start(first());
    await holding.line((line) => line.event === 'idle');
    const second = await machine.run(later('--once'));
    expect(second.code).toBe(7);
    holding.kill('SIGTERM');
    expect((await holding.ended).code).toBe(130);
  });

  test('a wrong certificate is refused with the way out', async () => {
    newMachine();
    machine.write('f', 'x');
    const args = first('--once').filter((arg) => arg !== '--ca-bundle' && arg !== join(folder, 'ca.pem'));
    const ended = await machine.run(args);
    expect(ended.code).toBe(4);
    expect(ended.lines.find((line) => line.event === 'warning')).toMatchObject({
      hint: expect.stringMatching(/--ca-bundle/) as unknown,
    });
  });

  test('dry run says what it would do and does nothing', async () => {
    newMachine();
    machine.write('f', 'x');
    symlinkSync('f', join(machine.root, 'l'));
    const args = first('--dry-run').filter((arg) => arg !== '--json');
    const ended = await machine.run(args);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/send {4}f {2}1 B {2}new/);
    expect(server.object(bucket, 'docs/f')).toBeUndefined();
  });

  test('what did not work on first use, and what was only tried, is not remembered', async () => {
    newMachine();
    machine.write('f', 'x');
    expect((await machine.run(first('--once', '--dry-run'))).code).toBe(0);
    for (const command of ['vaults', 'status']) {
      expect((await machine.run([command])).stderr).toMatch(/^no vaults yet; make one with/);
    }
    expect((await machine.run(later('--once'))).code).toBe(2);
    const mistaken = ['--to', `s3://${bucket}-mistyped/docs`];
    expect((await machine.run(first('--once', ...mistaken))).code).toBe(4);
    expect((await machine.run(first('--once'))).code).toBe(0);
    expect((await machine.run(later('--once'))).code).toBe(0);
    expect((await machine.run(later('--once', ...mistaken))).code).toBe(2);
  });

  test('ends in order when nobody reads any more', async () => {
    newMachine();
    for (let n = 0; n < 500; n++) machine.write(`f${n}`, String(n));
    const started = machine.start(first('--once').filter((arg) => arg !== '--json'));
    started.child.stdout?.once('data', () => started.child.stdout?.destroy());
    const { code, stderr } = await started.ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect((await machine.run(later('--once'))).code).toBe(0);
    for (let n = 0; n < 500; n++) expect(server.object(bucket, `docs/f${n}`)).toBeDefined();
  });

  test('waits for the next try of what failed, even when nothing else is going on', async () => {
    newMachine();
    machine.write('f', 'x');
    // One more than the store adapter tries by itself: the seventh comes from the engine.
    const fault = server.faults.add({
      match: ({ key, method }) => method === 'PUT' && key === 'docs/f',
      times: 6,
      fault: { kind: 'error-500' },
    });
    const { code, stderr } = await machine.run(first('--once'));
    expect(fault.hits).toBe(6);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(plaintextOf('f').toString()).toBe('x');
  });

  test('throttling lowers the pace and loses nothing', async () => {
    newMachine();
    for (let n = 0; n < 60; n++) machine.write(`f${n}`, `file ${n}`);
    server.faults.add({ match: 'PutObject', times: 200, fault: { kind: 'slow-down' } });
    const running = machine.start(first('--once'));
    await running.line((line) => line.event === 'throttle');
    server.faults.clear();
    const ended = await running.ended;
    expect(ended.code).toBe(0);
    expect(plaintextOf('f59').toString()).toBe('file 59');
  });
});

describe('watching', () => {
  test('a saved file arrives, a changed one again, a removed one goes', async () => {
    newMachine();
    machine.write('a', '1');
    const running = machine.start(first('--delete', '--yes'));
    await running.line((line) => line.event === 'idle');
    const from = running.lines.length;
    machine.write('new/folder/b', 'two');
    await running.line((line) => line.event === 'transfer.done' && line.path === 'new/folder/b', from);
    expect(plaintextOf('new/folder/b').toString()).toBe('two');
    machine.write('a', 'one, changed');
    await running.line((line) => line.event === 'transfer.done' && line.path === 'a', from);
    expect(plaintextOf('a').toString()).toBe('one, changed');
    rmSync(join(machine.root, 'new'), { recursive: true });
    await running.line((line) => line.event === 'transfer.done' && line.direction === 'remove-remote', from);
    expect(server.object(bucket, 'docs/new/folder/b')).toBeUndefined();
    running.kill('SIGINT');
    expect((await running.ended).code).toBe(130);
  });
});

describe('a large file', () => {
  test('killed in the middle of 300 MiB, the next run sends only the missing parts', async () => {
    newMachine();
    const content = randomBytes(300 * 2 ** 20);
    machine.write('big.bin', content);
    server.faults.add({ match: 'UploadPart', times: 1_000, fault: { kind: 'delay', ms: 40 } });
    const running = machine.start(first('--once'));
    await server.requests.until('UploadPart', 15);
    running.kill('SIGKILL');
    await running.ended;
    server.faults.clear();
    const acknowledged = server.requests.count('UploadPart');
    expect(acknowledged).toBeLessThan(38);
    server.requests.reset();
    const again = await machine.run(later('--once'));
    expect(again.code).toBe(0);
    const sentAgain = server.requests.count('UploadPart');
    // Parts that were in flight when the process died may be sent a second time: at most one queue of them.
    expect(sentAgain).toBeLessThanOrEqual(38 - acknowledged + 5);
    expect(sentAgain).toBeGreaterThan(0);
    expect(server.requests.count('CreateMultipartUpload')).toBe(0);
    expect(plaintextOf('big.bin').equals(content)).toBe(true);
  });

  test('changed after the kill, it is begun anew under a fresh data key [NONCE-1]', async () => {
    newMachine();
    const content = randomBytes(64 * 2 ** 20);
    machine.write('big.bin', content);
    server.faults.add({ match: 'UploadPart', times: 1_000, fault: { kind: 'delay', ms: 40 } });
    const running = machine.start(first('--once'));
    await server.requests.until('UploadPart', 3);
    running.kill('SIGKILL');
    await running.ended;
    server.faults.clear();
    server.requests.reset();
    content[5] = (content[5] ?? 0) ^ 1;
    machine.write('big.bin', content);
    expect((await machine.run(later('--once'))).code).toBe(0);
    expect(server.requests.count('AbortMultipartUpload')).toBe(1);
    expect(server.requests.count('CreateMultipartUpload')).toBe(1);
    expect(plaintextOf('big.bin').equals(content)).toBe(true);
  });
});
