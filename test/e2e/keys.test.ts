/** Keys on more than one machine, and in the keychain of a session, by the built program. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { keychainStore } from '../../src/keys/keychain.ts';
import { describeKeychain } from '../keychain.ts';
import { openIndependently } from '../support/independent-open.ts';
import { type Ended, Machine } from './harness.ts';

let server: EmbeddedServer;
let folder: string;
let machines: Machine[];
let count = 0;
let bucket = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-e2e-keys-'));
  server = await startEmbedded({});
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  machines = [];
  bucket = `keys-${++count}`;
  server.createBucket(bucket);
});
afterEach(() => machines.forEach((machine) => machine.remove()));

function newMachine(): Machine {
  const { credentials, region } = server;
  const machine = new Machine({
    endpoint: server.url,
    caFile: join(folder, 'ca.pem'),
    ...credentials,
    region,
  });
  writeFileSync(machine.passphraseFile, `passphrase of ${machine.home}`, { mode: 0o600 });
  machines.push(machine);
  return machine;
}

async function good(
  machine: Machine,
  args: readonly string[],
  options: Parameters<Machine['run']>[1] = {},
): Promise<Ended> {
  const ended = await machine.run(args, options);
  expect(ended, `${args.join(' ')}\n${ended.stderr}`).toMatchObject({ code: 0 });
  return ended;
}

const FILE = ['--key-store', 'file'];
const sync = (machine: Machine, key: string, ...more: readonly string[]): string[] => [
  'sync',
  machine.root,
  '--to',
  `s3://${bucket}/docs`,
  '--once',
  '--json',
  '--key',
  key,
  ...machine.remoteArgs,
  ...more,
];
const fingerprintIn = (text: string): string | undefined => /[0-9a-f]{16}/.exec(text)?.[0];

/** The vault's folder as it was brought to another machine: files, times and the marker. */
function bringFolder(from: Machine, to: Machine): void {
  cpSync(from.root, to.root, { recursive: true, preserveTimestamps: true });
}

describe('a machine that only encrypts', () => {
  test('sends under the public half and opens nothing; the private half opens it', {
    timeout: 240_000,
  }, async () => {
    const [reader, sender] = [newMachine(), newMachine()];
    const created = await good(reader, ['keys', 'create', 'pair', '--kind', 'rsa', ...FILE]);
    expect(created.stderr).toContain('an RSA key has no recovery words');
    await reader.quickenKeys();
    const { stdout: pem } = await good(reader, ['keys', 'export', 'pair', '--format', 'pem', '--public']);
    expect(pem).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    const imported = await good(sender, ['keys', 'import', 'pair', '--format', 'pem', ...FILE], {
      stdin: pem,
    });
    expect(imported.stdout).toMatch(/\(rsa-public, fingerprint /);
    await sender.quickenKeys();
    expect(fingerprintIn(imported.stdout)).toBe(fingerprintIn(created.stdout));

    sender.write('a.txt', 'sent by a machine that cannot read it');
    await good(sender, sync(sender, 'pair'));
    expect(server.object(bucket, 'docs/a.txt')?.metadata['x-amz-w']).toBe('22');
    sender.write('a.txt', 'changed');
    await good(sender, ['sync', sender.root, '--once']);

    const refused = await sender.run(['keys', 'test', 'pair']);
    expect(refused.code).toBe(6);
    expect(refused.stderr).toContain('this key can only encrypt');
    expect(refused.stderr).toContain('use the private key, on a machine that may read');
    const words = await sender.run(['keys', 'export', 'pair', '--format', 'words', '--yes']);
    expect(words).toMatchObject({ code: 2, stdout: '' });

    bringFolder(sender, reader);
    await good(reader, sync(reader, 'pair'));
    const opened = await good(reader, ['keys', 'test', 'pair']);
    expect(opened.stdout).toMatch(/a\.txt opens/);
  });
});

describe('a second machine with nothing but 24 words', () => {
  test('opens the objects of the first', { timeout: 240_000 }, async () => {
    const [first, second] = [newMachine(), newMachine()];
    const created = await good(first, ['keys', 'create', 'laptop', ...FILE]);
    await first.quickenKeys();
    const { stdout: words } = await good(first, ['keys', 'export', 'laptop', '--format', 'words', '--yes']);
    first.write('letter.txt', 'dear second machine');
    await good(first, sync(first, 'laptop'));

    const recovered = await good(second, ['keys', 'recover', 'again', ...FILE], {
      stdin: words.toUpperCase(),
    });
    expect(fingerprintIn(recovered.stdout)).toBe(fingerprintIn(created.stdout));
    await second.quickenKeys();
    const untested = await good(second, ['keys', 'test', 'again']);
    expect(untested.stdout).toContain('s3vault sync DIR --to s3://BUCKET/PREFIX --key again');

    const { stdout: key } = await good(second, ['keys', 'export', 'again', '--format', 'base64', '--yes']);
    const stored = server.object(bucket, 'docs/letter.txt');
    const bytes = Buffer.from(key, 'base64');
    const plain = openIndependently(bytes, stored?.metadata ?? {}, Buffer.from(stored?.body ?? []));
    expect(plain.toString()).toBe('dear second machine');

    bringFolder(first, second);
    await good(second, sync(second, 'again'));
    expect((await good(second, ['keys', 'test', 'again'])).stdout).toMatch(/letter\.txt opens/);
  });

  test('an exported age file is opened by the age program and by the next machine', {
    timeout: 240_000,
  }, async () => {
    const [first, second] = [newMachine(), newMachine()];
    await good(first, ['keys', 'create', 'laptop', ...FILE]);
    await first.quickenKeys();
    const { stdout: age } = await good(first, ['keys', 'export', 'laptop', '--format', 'age', '--yes']);
    const path = join(first.home, 'laptop.age');
    writeFileSync(path, age, { mode: 0o600 });
    const { stdout: key } = await good(first, ['keys', 'export', 'laptop', '--format', 'base64', '--yes']);
    // age asks on a terminal and nowhere else.
    const typed = `passphrase of ${first.home}\r`;
    const plain = join(first.home, 'plain');
    execFileSync('script', ['-qec', `age -d -o '${plain}' '${path}'`, '/dev/null'], { input: typed });
    expect(JSON.parse(execFileSync('cat', [plain]).toString())).toMatchObject({
      version: 1,
      kind: 'aes-256',
      key: key.trim(),
    });
    await good(second, ['keys', 'import', 'laptop', '--format', 'age', ...FILE], {
      stdin: age,
      env: { S3VAULT_PASSPHRASE_FILE: first.passphraseFile },
    });
  });
});

describeKeychain('a session with a keychain', () => {
  const bus = (): NodeJS.ProcessEnv => ({
    DBUS_SESSION_BUS_ADDRESS: process.env['DBUS_SESSION_BUS_ADDRESS'],
  });

  test.each(['client', 'sse-c'] as const)('create, sync in %s, and again without a question', {
    timeout: 240_000,
  }, async (mode) => {
    const machine = newMachine();
    const name = `e2e-${process.pid}-${mode}`;
    const env = bus();
    const created = await good(machine, ['keys', 'create', name], { env });
    expect(created.stdout).toContain("in the operating system's keychain");
    machine.write('a.txt', 'first');
    await good(machine, sync(machine, name, '--mode', mode), { env });
    machine.write('a.txt', 'second');
    const again = await good(machine, ['sync', machine.root, '--once', '--json'], { env });
    expect(again.lines.filter(({ event }) => event === 'transfer.done')).toHaveLength(1);
    expect(again.stderr).toBe('');
    expect((await good(machine, ['keys', 'test', name], { env })).stdout).toMatch(/a\.txt opens/);

    // The same folder and key from where there is no session: said, and nothing else is tried.
    machine.write('a.txt', 'third');
    for (const nowhere of [undefined, `unix:path=${join(folder, 'no-bus')}`]) {
      const refused = await machine.run(['sync', machine.root, '--once'], {
        env: { DBUS_SESSION_BUS_ADDRESS: nowhere },
      });
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('there is no D-Bus session bus here');
      expect(refused.stderr).toContain('--key-store file');
      expect(refused.stderr).toContain('dbus-run-session');
    }
    await good(machine, ['forget', machine.root], { env });
    // Its objects stay, so the key is not deleted as if nothing needed it.
    expect(await machine.run(['keys', 'delete', name, '--yes'], { env })).toMatchObject({ code: 5 });
    await keychainStore({ clock: systemClock }).remove(name);
  });
});
