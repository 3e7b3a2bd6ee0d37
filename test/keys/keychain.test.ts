import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type Server, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { generateAes } from '../../src/crypto/generate.ts';
import { callKeychain } from '../../src/keys/keychain-call.ts';
import {
  keychainCrashed,
  keychainFailed,
  keychainUnloadable,
  type Machine,
} from '../../src/keys/keychain-errors.ts';
import { keychainStore } from '../../src/keys/keychain.ts';
import { CREATED, counter, keyStoreContract } from '../contract/key-store.ts';
import { describeKeychain } from '../keychain.ts';
import { ManualClock } from '../support/manual-clock.ts';

const open = () => keychainStore({ clock: systemClock });
const call = { clock: systemClock, timeoutMs: 20_000 };
const unique = counter('test');

describe('what a keychain can have', () => {
  test.each([
    ['Cannot autolaunch D-Bus without X11 $DISPLAY', 'keychain-no-bus'],
    ['Could not connect: No such file or directory', 'keychain-no-bus'],
    ['The name org.freedesktop.secrets was not provided by any .service files', 'keychain-no-provider'],
    ['Object does not exist at path “/org/freedesktop/secrets/collection/login”', 'keychain-no-provider'],
    ['Cannot create an item in a locked collection', 'keychain-locked'],
    ['User interaction is not allowed.', 'keychain-locked'],
    ['The prompt was dismissed', 'keychain-dismissed'],
    ['User canceled the operation.', 'keychain-dismissed'],
    ['something new', 'keychain-failed'],
  ])('%s', (text, code) => {
    const error = keychainFailed(text);
    expect(error).toMatchObject({ kind: 'usage', exit: 2, code });
    expect(error.hint).toContain('--key-store file');
  });

  test.each<[string, Machine, RegExp]>([
    ['Alpine', { platform: 'linux', arch: 'x64', glibc: undefined }, /no build of it for Alpine.*musl/],
    ['a Raspberry Pi 3', { platform: 'linux', arch: 'arm', glibc: '2.36' }, /no build of it for 32-bit ARM/],
    ['an s390x', { platform: 'linux', arch: 's390x', glibc: '2.36' }, /no build of it for .* s390x/],
    ['Debian', { platform: 'linux', arch: 'x64', glibc: '2.36' }, /^the keychain library cannot be loaded$/],
    [
      'a Mac',
      { platform: 'darwin', arch: 'arm64', glibc: undefined },
      /^the keychain library cannot be loaded$/,
    ],
  ])('a library that does not load on %s says why', (_what, machine, message) => {
    const error = keychainUnloadable('Failed to load keytar native addon', machine);
    expect(error).toMatchObject({ kind: 'usage', exit: 2, code: 'keychain-unloadable' });
    expect(error.message).toMatch(message);
    expect(error.hint).toContain('--key-store file');
    if (machine.arch === 'x64' && machine.glibc !== undefined)
      expect(error.hint).toMatch(/libsecret-1-0.*Fedora/);
  });

  test('a library built for another processor does not load, and only its child knows', async () => {
    const folder = mkdtempSync(join(tmpdir(), 's3vault-keytar-'));
    try {
      const top = join(import.meta.dirname, '..', '..');
      const keytar = join(folder, 'node_modules', 'keytar');
      cpSync(join(top, 'src', 'keys', 'keychain-child.ts'), join(folder, 'keychain-child.ts'));
      cpSync(join(top, 'node_modules', 'keytar', 'package.json'), join(keytar, 'package.json'));
      cpSync(join(top, 'node_modules', 'keytar', 'lib'), join(keytar, 'lib'), { recursive: true });
      const foreign = process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64';
      for (const place of [`prebuilds/${process.platform}-${process.arch}`, 'build/Release'])
        cpSync(join(top, 'node_modules', 'keytar', 'prebuilds', foreign), join(keytar, place), {
          recursive: true,
        });
      const child = promisify(execFile)(process.execPath, [join(folder, 'keychain-child.ts')]);
      child.child.stdin?.end(JSON.stringify({ call: 'find', service: 's3vault' }));
      const answer: unknown = JSON.parse((await child).stdout);
      expect(answer).toEqual({
        failed: 'load',
        message: expect.stringContaining('Failed to load') as unknown,
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('a crash is a locked collection', () => {
    expect(keychainCrashed('SIGSEGV')).toMatchObject({ code: 'keychain-locked' });
    expect(keychainCrashed('SIGABRT')).toMatchObject({ code: 'keychain-failed' });
  });
});

describeKeychain('the keychain', () => {
  keyStoreContract(open, unique);

  test('holds one JSON value under the service s3vault', async () => {
    const name = unique();
    const material = generateAes();
    await open().save(name, material, CREATED);
    const value = await callKeychain({ call: 'get', service: 's3vault', account: name }, call);
    expect(JSON.parse(String(value))).toEqual({
      version: 1,
      kind: 'aes-256',
      key: material.secret.use((bytes) => bytes.toString('base64')),
      created: CREATED,
      fingerprint: material.fingerprint,
    });
    await open().remove(name);
  });

  test('what is no key of ours, or not the key it was, is refused without being shown', async () => {
    const name = unique();
    const key = Buffer.alloc(32, 9).toString('base64');
    for (const value of [
      'hello',
      JSON.stringify({ version: 1, kind: 'aes-256', key, created: CREATED, fingerprint: '00' }),
    ]) {
      await callKeychain({ call: 'set', service: 's3vault', account: name, value }, call);
      const failure = (await open()
        .load(name)
        .catch((thrown: unknown) => thrown)) as Error;
      expect(failure).toMatchObject({ code: 'key-damaged', kind: 'security' });
      expect(failure.stack).not.toContain(key);
      await expect(open().list()).rejects.toMatchObject({ code: 'key-damaged' });
    }
    await open().remove(name);
  });
});

describeKeychain('a keychain that does not answer', () => {
  let saved: string | undefined;
  let folder: string;
  beforeEach(() => {
    saved = process.env['DBUS_SESSION_BUS_ADDRESS'];
    folder = mkdtempSync(join(tmpdir(), 's3vault-bus-'));
  });
  afterEach(() => {
    if (saved === undefined) delete process.env['DBUS_SESSION_BUS_ADDRESS'];
    else process.env['DBUS_SESSION_BUS_ADDRESS'] = saved;
    rmSync(folder, { recursive: true, force: true });
  });

  test('because there is no bus', async () => {
    process.env['DBUS_SESSION_BUS_ADDRESS'] = `unix:path=${folder}/none`;
    await expect(open().load('a')).rejects.toMatchObject({ code: 'keychain-no-bus', exit: 2 });
    await expect(open().save('a', generateAes(), CREATED)).rejects.toMatchObject({ code: 'keychain-no-bus' });
    await expect(open().list()).rejects.toMatchObject({ code: 'keychain-no-bus' });
  });

  /** A bus that takes the connection and never says a word. */
  async function silentBus(): Promise<{ server: Server; connected: Promise<void> }> {
    const path = join(folder, 'silent');
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    const server = createServer((socket) => {
      socket.resume();
      socket.on('error', () => undefined);
      resolve();
    });
    await new Promise<void>((done) => server.listen(path, done));
    process.env['DBUS_SESSION_BUS_ADDRESS'] = `unix:path=${path}`;
    return { server, connected };
  }

  test('and hangs: time is up, and the process that hangs is gone', async () => {
    const { server, connected } = await silentBus();
    const clock = new ManualClock();
    const loading = keychainStore({ clock, timeoutMs: 20_000 }).load('a');
    const failed = expect(loading).rejects.toMatchObject({
      code: 'keychain-timeout',
      exit: 2,
      message: 'the keychain did not answer within 20 seconds',
    });
    await connected;
    clock.advance(20_000);
    await failed;
    // Closes only when no process holds a connection any more.
    await new Promise((done) => server.close(done));
  });

  test('and is called off', async () => {
    const { server, connected } = await silentBus();
    const controller = new AbortController();
    const listing = open().list({ signal: controller.signal });
    const failed = expect(listing).rejects.toMatchObject({ kind: 'cancelled' });
    await connected;
    controller.abort();
    await failed;
    await new Promise((done) => server.close(done));
  });
});

describeKeychain('a keyring of its own session', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-ring-'));
    mkdirSync(join(folder, 'run'), { mode: 0o700 });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs statements over `store` in a session of its own and gives the last line they printed. */
  async function session(before: string, statements: string): Promise<string> {
    const source = (path: string) => JSON.stringify(join(import.meta.dirname, '..', '..', 'src', path));
    const script = `
      import { keychainStore } from ${source('keys/keychain.ts')};
      import { systemClock } from ${source('clock.ts')};
      import { generateAes } from ${source('crypto/generate.ts')};
      const store = keychainStore({ clock: systemClock });
      const codeOf = (promise) => promise.then(() => 'done', (error) => error.code);
      console.log(JSON.stringify(await (async () => { ${statements} })()));`;
    const env: NodeJS.ProcessEnv = { ...process.env, HOME: folder, SCRIPT: script, NODE: process.execPath };
    env['XDG_DATA_HOME'] = join(folder, 'data');
    env['XDG_RUNTIME_DIR'] = join(folder, 'run');
    for (const name of ['DISPLAY', 'WAYLAND_DISPLAY', 'DBUS_SESSION_BUS_ADDRESS', 'GNOME_KEYRING_CONTROL'])
      delete env[name];
    const line = `${before}; "$NODE" --input-type=module -e "$SCRIPT"`;
    const { stdout } = await promisify(execFile)('dbus-run-session', ['--', 'sh', '-c', line], { env });
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  }
  const unlocked = 'printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1';
  const locked = 'gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1';

  test('that is locked is not one without the key', async () => {
    expect(await session(unlocked, `return codeOf(store.save('a', generateAes(), '${CREATED}'));`)).toBe(
      'done',
    );
    const codes = await session(
      locked,
      `return [await codeOf(store.load('a')), await codeOf(store.list()), await codeOf(store.remove('a')),
               await codeOf(store.save('b', generateAes(), '${CREATED}'))];`,
    );
    expect(codes).toEqual(Array.from({ length: 4 }, () => 'keychain-locked'));
    expect(await session(unlocked, `return codeOf(store.load('a'));`)).toBe('done');
  });

  test('that has no collection keeps nothing, and says so', async () => {
    expect(await session('true', `return codeOf(store.save('a', generateAes(), '${CREATED}'));`)).toMatch(
      /^keychain-(no-provider|locked|dismissed)$/,
    );
  });
});
