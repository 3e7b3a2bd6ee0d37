/** A rekey and the rest of the world: another machine, a sync that runs, a key that is still needed, a public half. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { type Ended, Machine } from './harness.ts';

describe('rekey and rotate beside others', () => {
  let server: EmbeddedServer;
  let folder: string;
  let machine: Machine;
  let bucket: string;
  let count = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-machines-'));
    server = await startEmbedded({});
    writeFileSync(join(folder, 'ca.pem'), server.caPem);
  });
  beforeEach(() => {
    const { url: endpoint, credentials, region } = server;
    machine = new Machine({ endpoint, caFile: join(folder, 'ca.pem'), ...credentials, region });
    bucket = `machines-${++count}`;
    server.createBucket(bucket, { versioning: count % 2 === 0 });
    for (let n = 0; n < 5; n++) machine.write(`f${n}`, `content ${n}`);
    for (const name of ['one', 'two'])
      writeFileSync(
        join(machine.home, `${name}.b64`),
        Buffer.alloc(32, name.length + name.charCodeAt(0)).toString('base64'),
      );
  });
  afterEach(() => machine.remove());
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const store = (): string[] => [
    '--key-store',
    'command',
    '--key-command',
    `cat ${join(machine.home, '{name}.b64')}`,
  ];
  const register = (...more: string[]): string[] => [
    'sync',
    machine.root,
    '--to',
    `s3://${bucket}/v`,
    '--once',
    ...machine.remoteArgs,
    ...store(),
    ...more,
  ];
  const other = (args: string[]): Promise<Ended> =>
    machine.run(args, { env: { S3VAULT_HOME: join(machine.home, 'other') } });

  test.each([
    ['client'],
    ['sse-c'],
  ])('%s: a second machine with the old key is told, and touches nothing', async (mode) => {
    expect((await machine.run(register('--mode', mode, '--key', 'one'))).code).toBe(0);
    const second = await other(register('--mode', mode, '--key', 'one'));
    expect(second.code, second.stderr).toBe(0);
    const moved = await machine.run(['rekey', machine.root, '--key', 'two', '--yes', ...store()]);
    expect(moved.code, moved.stderr).toBe(0);
    machine.write('f0', 'changed');
    const puts = server.object(bucket, 'v/f0')?.etag;
    const told = await other(['sync', machine.root, '--once', '--check-remote', ...store()]);
    expect(told.code, told.stderr).toBe(6);
    expect(told.stderr).toMatch(/is kept under key|the key is not that of/);
    expect(told.stderr).toMatch(/s3vault keys/);
    const back = await other(['rekey', machine.root, '--to-mode', 'sse-s3', '--yes', ...store()]);
    expect(back.code, back.stderr).toBe(6);
    expect(back.stderr).toMatch(/by now/);
    expect(server.object(bucket, 'v/f0')?.etag).toBe(puts);
    expect((await machine.run(['sync', machine.root, '--once', ...store()])).code).toBe(0);
  });

  test('while it is unfinished, another machine is told to wait, and its own sync as well', async () => {
    expect((await machine.run(register('--key', 'one'))).code).toBe(0);
    expect((await other(register('--key', 'one'))).code).toBe(0);
    const fault = server.faults.add({
      match: 'CopyObject',
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' },
    });
    const stopped = await machine.run(['rekey', machine.root, '--key', 'two', '--yes', ...store()]);
    fault.remove();
    expect(stopped.code, stopped.stdout).toBe(4);
    expect(stopped.stdout).toMatch(
      /every object of the vault is under the old key or the new one; go on with/,
    );
    const told = await other(['sync', machine.root, '--once', ...store()]);
    expect([told.code, told.stderr]).toEqual([
      2,
      expect.stringMatching(/is on its way to mode client, key .*by another machine/),
    ]);
    const own = await machine.run(['sync', machine.root, '--once', ...store()]);
    expect([own.code, own.stderr]).toEqual([2, expect.stringContaining('is on its way to')]);
    const goesOn = await machine.run(['rekey', machine.root, '--yes', ...store()]);
    expect(goesOn.code, goesOn.stderr).toBe(0);
  });

  test('a sync that runs holds the vault, and a dry run prices what it would take', async () => {
    expect((await machine.run(register('--key', 'one'))).code).toBe(0);
    const watching = machine.start(['sync', machine.root, '--json', ...store()]);
    await watching.line(({ event }) => event === 'idle');
    const held = await machine.run(['rekey', machine.root, '--key', 'two', '--yes', ...store()]);
    expect(held.code, held.stderr).toBe(7);
    watching.kill('SIGTERM');
    await watching.ended;
    const dry = await machine.run([
      'rekey',
      machine.root,
      '--key',
      'two',
      '--dry-run',
      '--all-versions',
      '--json',
      ...store(),
    ]);
    expect(dry.code, dry.stderr).toBe(0);
    expect(dry.lines.map(({ event }) => event)).toEqual(['plan', 'estimate', 'summary']);
    expect(dry.lines[1]).toMatchObject({
      objects: 5,
      versions: 5,
      through: 0,
      dollars: expect.closeTo(0.0001, 3),
    });
  });
});
