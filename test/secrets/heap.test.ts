/** What a process still holds of a key once the key was locked [KEY-3]. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { aesMaterial, generateRsa } from '../../src/crypto/generate.ts';
import { firstNamesKey, namesCipher } from '../../src/crypto/names-key.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { toWords } from '../../src/keys/formats.ts';
import { keychainStore } from '../../src/keys/keychain.ts';
import { keyFileStore } from '../../src/keys/key-file.ts';
import { Secret } from '../../src/model/secret.ts';
import { CREATED } from '../contract/key-store.ts';
import { MAIN, Machine } from '../e2e/harness.ts';
import { describeKeychain } from '../keychain.ts';
import {
  findIn,
  type Needle,
  needlesOfBytes,
  needlesOfRsa,
  needlesOfText,
  needlesOfWords,
} from '../support/secret-search.ts';
import type { Use } from '../support/use-and-lock.ts';

const PROGRAM = join(import.meta.dirname, '..', 'support', 'use-and-lock.ts');
const PASSPHRASE = 'correct horse battery staple';
const key = randomBytes(32);
let server: EmbeddedServer;
let folder: string;
let aesNeedles: readonly Needle[];
let needles: readonly Needle[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-heap-'));
  server = await startEmbedded({});
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
  mkdirSync(join(folder, 'files'));
  writeFileSync(join(folder, 'files', 'small'), 'small');
  writeFileSync(join(folder, 'files', 'large'), randomBytes(9 * 2 ** 20));
  writeFileSync(join(folder, 'passphrase'), PASSPHRASE, { mode: 0o600 });
  writeFileSync(join(folder, 'key'), key.toString('base64'), { mode: 0o600 });
  const words = await toWords(aesMaterial(new Secret(key)));
  aesNeedles = [
    ...needlesOfBytes('key', key),
    ...words.use((bytes) => needlesOfWords('words', bytes.toString('utf8'))),
    ...needlesOfText('passphrase', PASSPHRASE),
    ...[0, 1].flatMap(needlesOfNames),
  ];
});

/** The key to the names of a vault of the program, and what it becomes. */
function needlesOfNames(n: number): readonly Needle[] {
  const id = `0b7a2a4e-5f0c-4c8b-9a39-0d9a5d1c2e3${n}`;
  const names = firstNamesKey(aesMaterial(new Secret(key)), id);
  if (names === undefined) throw new Error('an AES key gives a names key');
  const cipher = namesCipher(names, id).secret;
  return [
    ...names.use((bytes) => needlesOfBytes('names key', Buffer.from(bytes))),
    ...cipher.use((bytes) => needlesOfBytes('names cipher', Buffer.from(bytes))),
  ];
}

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  needles = aesNeedles;
});

/** Runs the program until it is idle and gives what is found on its heap and beside it. */
async function afterUse(over: Partial<Use>) {
  const bucket = `bucket-${over.keyStore}`;
  server.createBucket(bucket);
  const home = join(folder, `home-${over.keyStore}`);
  const use: Use = {
    home,
    root: join(folder, 'files'),
    bucket,
    endpoint: server.url,
    caBundle: join(folder, 'ca.pem'),
    modes: ['client', 'sse-c'],
    key: 'laptop',
    keyStore: 'file',
    snapshot: join(folder, 'idle.heapsnapshot'),
    buffers: join(folder, 'idle.buffers'),
    ...over,
  };
  const { accessKeyId, secretAccessKey } = server.credentials;
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    DBUS_SESSION_BUS_ADDRESS: process.env['DBUS_SESSION_BUS_ADDRESS'],
    CREDENTIALS_DIRECTORY: folder,
    S3VAULT_PASSPHRASE_FILE: join(folder, 'passphrase'),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: server.region,
  };
  const args = ['--expose-gc', '--heap-snapshot-string-limit=1000000', PROGRAM];
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(use));
  const idle = await Promise.race([
    new Promise((resolve) => child.stdout.once('data', () => resolve(true))),
    new Promise((resolve) => child.once('close', () => resolve(false))),
  ]);
  expect(idle).toBe(true);
  try {
    return [use.snapshot, use.buffers].flatMap((path) => findIn(needles, readFileSync(path), path));
  } finally {
    child.kill('SIGTERM');
  }
}

describe('after lock nothing of the key is left', { timeout: 120_000 }, () => {
  test('of a key file', async () => {
    const path = join(folder, 'home-file', 'config', 'keys.age');
    const passphrase = async () => new Secret(Buffer.from(PASSPHRASE));
    const store = keyFileStore({ path, passphrase, workFactorForTests: 2 });
    await store.save('laptop', aesMaterial(new Secret(key)), CREATED);
    expect(await afterUse({ keyStore: 'file' })).toEqual([]);
  });

  test('of a key command', async () => {
    const keyCommand = `cat ${join(folder, 'key')}`;
    expect(await afterUse({ keyStore: 'command', keyCommand })).toEqual([]);
  });

  test('of an RSA key among the credentials of a service', async () => {
    const pem = (await generateRsa(2048)).secret.use((bytes) => bytes.toString('utf8'));
    writeFileSync(join(folder, 's3vault-key-laptop'), pem, { mode: 0o400 });
    needles = needlesOfRsa('private key', pem);
    expect(await afterUse({ keyStore: 'credentials', modes: ['client'] })).toEqual([]);
  });
});

describeKeychain('after lock nothing of the key is left', () => {
  test('of a keychain', { timeout: 120_000 }, async () => {
    const store = keychainStore({ clock: systemClock });
    const name = `heap-${process.pid}`;
    await store.save(name, aesMaterial(new Secret(key)), CREATED);
    expect(await afterUse({ keyStore: 'keychain', key: name })).toEqual([]);
    await store.remove(name);
  });
});

describe('the daemon', () => {
  test('holds nothing of its keys once it is locked, and did before', { timeout: 180_000 }, async () => {
    server.createBucket('bucket-daemon');
    const machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    writeFileSync(machine.passphraseFile, PASSPHRASE, { mode: 0o600 });
    await keyFileStore({
      path: join(machine.home, 's3vault', 'config', 'keys.age'),
      passphrase: async () => new Secret(Buffer.from(PASSPHRASE)),
      workFactorForTests: 2,
    }).save('laptop', aesMaterial(new Secret(key)), CREATED);
    for (const mode of ['client', 'sse-c']) {
      const root = join(machine.home, mode);
      mkdirSync(root);
      writeFileSync(join(root, 'small'), mode);
      writeFileSync(join(root, 'large'), randomBytes(9 * 2 ** 20));
      const to = ['--to', `s3://bucket-daemon/${mode}`, ...machine.remoteArgs];
      const args = ['sync', root, '--once', ...to, '--mode', mode, '--key', 'laptop', '--key-store', 'file'];
      expect(await machine.run(args)).toMatchObject({ code: 0 });
    }
    const snapshots = join(machine.home, 'snapshots');
    mkdirSync(snapshots);
    const options = [
      '--expose-gc',
      '--import',
      join(import.meta.dirname, '..', 'support', 'snapshot-on-signal.ts'),
    ];
    const daemon = spawn(process.execPath, [...options, MAIN, 'daemon', 'run'], {
      env: { ...machine.env(), S3VAULT_TEST_SNAPSHOT: snapshots },
      stdio: 'ignore',
    });
    try {
      // It has both vaults in step: a run through it waits for that.
      for (const mode of ['client', 'sse-c'])
        expect(await machine.run(['sync', join(machine.home, mode), '--once'])).toMatchObject({ code: 0 });
      expect(await held(daemon, snapshots)).not.toEqual([]);
      expect(await machine.run(['daemon', 'lock'])).toMatchObject({ code: 0 });
      expect(await held(daemon, snapshots)).toEqual([]);
    } finally {
      daemon.kill('SIGTERM');
      await new Promise((resolve) => daemon.once('close', resolve));
      machine.remove();
    }
  });
});

/** Has the process write down what it holds; gives what is found of secrets in it. */
async function held(daemon: { kill(signal: 'SIGUSR2'): boolean }, snapshots: string) {
  const done = join(snapshots, 'done');
  const watching = watch(snapshots);
  const written = new Promise<void>((resolve) => {
    watching.on('change', () => {
      if (existsSync(done)) resolve();
    });
  });
  daemon.kill('SIGUSR2');
  await written;
  watching.close();
  rmSync(done);
  return ['live.heapsnapshot', 'live.buffers'].flatMap((name) =>
    findIn(needles, readFileSync(join(snapshots, name)), name),
  );
}
