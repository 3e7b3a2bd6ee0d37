/** `keys rotate` and what it leaves needed, on a bucket with versions; the commands run in this process, with a quick key file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keysCommand } from '../../src/cli/keys.ts';
import { systemClock } from '../../src/clock.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { asVaultError } from '../../src/model/errors.ts';
import { type Ended, Machine } from '../e2e/harness.ts';

let server: EmbeddedServer;
let folder: string;
let machine: Machine;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-rotate-'));
  server = await startEmbedded({});
  const { url: endpoint, credentials, region } = server;
  machine = new Machine({ endpoint, caFile: await server.caFile(folder), ...credentials, region });
  writeFileSync(machine.passphraseFile, 'correct horse', { mode: 0o600 });
});
afterAll(async () => {
  machine.remove();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function keys(args: readonly string[]): Promise<Said> {
  let [out, err, code] = ['', '', 0];
  const command = keysCommand(
    {
      env: machine.env(),
      clock: systemClock,
      stdin: Object.assign(Readable.from([]), { isTTY: false }),
      stdout: { write: (text) => (out += text) },
      stderr: { write: (text) => (err += text) },
      terminal: () => undefined,
      workFactorForTests: 2,
    },
    (exit) => {
      code = exit;
    },
  );
  try {
    await command.parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    const error = asVaultError(thrown);
    return { code: error.exit, out, err: `${err}${error.message}` };
  }
  return { code, out, err };
}

function sync(...more: string[]): Promise<Ended> {
  return machine.run(['sync', machine.root, '--once', ...machine.remoteArgs, ...more]);
}

async function vault(bucket: string, key: string): Promise<void> {
  server.createBucket(bucket, { versioning: true });
  for (let n = 0; n < 5; n++) machine.write(`f${n}`, `${bucket} ${n}`);
  const made = await keys(['create', key, '--key-store', 'file']);
  expect(made.code, made.err).toBe(0);
  const first = await sync('--to', `s3://${bucket}/v`, '--key', key, '--key-store', 'file');
  expect(first.code, first.stderr).toBe(0);
  machine.write('f0', 'a second version');
  expect((await sync()).code).toBe(0);
}

test('a dry run makes no key; older versions keep the old key needed; --all-versions frees it', async () => {
  await vault('rotated', 'laptop');
  const dry = await keys(['rotate', 'laptop', '--dry-run', '--all-versions']);
  expect(dry.code, dry.err).toBe(0);
  expect(dry.out).toMatch(/6 versions of 5 objects, .* only the wrapping of the data keys changes/);
  expect(dry.out).toMatch(/about 64 requests, \$0\.01 on Amazon S3/);
  const json = await keys(['rotate', 'laptop', '--dry-run', '--json']);
  expect(JSON.parse(json.out)).toMatchObject({ event: 'estimate', name: 'laptop', objects: 5, versions: 5 });
  expect((await keys(['list'])).out).not.toContain('laptop-2');

  const plain = await keys(['rotate', 'laptop', '--yes']);
  expect(plain.code, plain.err).toBe(0);
  expect(plain.err).toMatch(/older versions in s3:\/\/rotated\/v\/ still need key laptop/);
  const needed = await keys(['delete', 'laptop', '--yes']);
  expect([needed.code, needed.err]).toEqual([
    5,
    expect.stringContaining('older versions in s3://rotated/v/'),
  ]);
  // Of the versions under the first key the second one opens none: those objects are reported and stay, and so does the key.
  const half = await keys(['rotate', 'laptop-2', '--yes', '--all-versions']);
  expect([half.code, half.out]).toEqual([3, expect.stringContaining('5 not')]);
  expect((await keys(['delete', 'laptop-2', '--yes'])).code).toBe(5);
  expect((await keys(['test', 'laptop-2'])).code).toBe(0);
  const forgotten = await machine.run(['forget', machine.root]);
  expect(forgotten.code, forgotten.stderr).toBe(0);

  rmSync(join(machine.root, '.s3vault'), { recursive: true });
  await vault('all', 'fresh');
  const all = await keys(['rotate', 'fresh', '--yes', '--all-versions']);
  expect(all.code, all.err).toBe(0);
  expect(all.err).not.toContain('older versions');
  expect(all.out).toContain('nothing needs key fresh any more');
  expect((await keys(['delete', 'fresh', '--yes'])).code).toBe(0);
  expect((await sync('--check-remote')).code).toBe(0);
}, 120_000);
