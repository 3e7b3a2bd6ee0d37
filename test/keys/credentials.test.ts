/** A folder as systemd lays it for a service: 0500, its files 0400, or 0440 where an access list names the user. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { generateAes, generateRsa } from '../../src/crypto/generate.ts';
import { credentialsStore } from '../../src/keys/credentials.ts';
import { openKeyStore } from '../../src/keys/open-key-store.ts';
import { toStored } from '../../src/keys/stored-key.ts';
import { CREATED, bytesOf, counter, keyReadingContract, readOnlyContract } from '../contract/key-store.ts';

let top: string;
let folder: string;
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), 's3vault-credentials-'));
  folder = join(top, 's3vault.service');
  mkdirSync(folder, { mode: 0o500 });
});
afterAll(() => {
  chmodSync(folder, 0o700);
  rmSync(top, { recursive: true, force: true });
});

/** systemd writes the files before it closes the folder. */
function opened(fn: () => void): void {
  chmodSync(folder, 0o700);
  fn();
  chmodSync(folder, 0o500);
}

const path = (name: string): string => join(folder, `s3vault-key-${name}`);
const put = (name: string, text: string, mode = 0o400): void =>
  opened(() => {
    writeFileSync(path(name), text);
    chmodSync(path(name), mode);
  });
const remove = (name: string): void => opened(() => rmSync(path(name)));
const open = () => credentialsStore({ folder });

describe('the port', () => {
  keyReadingContract({
    open,
    put: async (name, material) => put(name, JSON.stringify(toStored(material, CREATED))),
    remove: async (name) => remove(name),
    unique: counter('c'),
  });
  readOnlyContract(open, /systemd's credentials/);
});

describe('keys from the credentials of a service', () => {
  test('come as base64, PEM or the stored form; what else is there is left alone', async () => {
    const [aes, rsa] = [generateAes(), await generateRsa(2048)];
    put('aes', `${aes.secret.use((bytes) => bytes.toString('base64'))}\n`, 0o440);
    put(
      'rsa',
      rsa.secret.use((bytes) => bytes.toString('utf8')),
    );
    put('not a name', 'x');
    opened(() => writeFileSync(join(folder, 's3vault-passphrase'), 'x'));
    expect(bytesOf(await open().load('aes'))).toBe(bytesOf(aes));
    expect(bytesOf(await open().load('rsa'))).toBe(bytesOf(rsa));
    expect((await open().list()).map(({ name, store }) => [name, store])).toEqual([
      ['aes', 'credentials'],
      ['rsa', 'credentials'],
    ]);
    for (const name of ['aes', 'rsa', 'not a name']) remove(name);
  });

  test.each([
    ['a file that others can read', 0o444, 'file-exposed'],
    ['a file that the group can write', 0o460, 'file-exposed'],
  ])('%s is refused', async (_what, mode, code) => {
    put('open', Buffer.alloc(32, 7).toString('base64'), mode);
    await expect(open().load('open')).rejects.toMatchObject({ code, exit: 2 });
    remove('open');
  });

  test('a link is refused, and so is what is no key', async () => {
    opened(() => symlinkSync('/etc/hostname', path('link')));
    await expect(open().load('link')).rejects.toMatchObject({ code: 'file-is-link', exit: 2 });
    remove('link');
    put('short', 'c2hvcnQ=');
    await expect(open().load('short')).rejects.toMatchObject({ code: 'key-format', exit: 2 });
    remove('short');
  });

  test('outside of a service it says what to do', async () => {
    const options = { clock: systemClock, env: {}, places: { config: top } };
    const outside = openKeyStore('credentials', options);
    const refused = {
      code: 'no-credentials',
      exit: 2,
      hint: expect.stringContaining('LoadCredentialEncrypted='),
    };
    await expect(outside.load('a')).rejects.toMatchObject(refused);
    await expect(outside.list()).rejects.toMatchObject(refused);
    await expect(credentialsStore({ folder: join(top, 'gone') }).list()).rejects.toMatchObject({
      code: 'no-credentials',
      hint: expect.stringContaining('inside the service'),
    });
    const inside = openKeyStore('credentials', { ...options, env: { CREDENTIALS_DIRECTORY: folder } });
    await expect(inside.load('a')).rejects.toMatchObject({
      code: 'key-missing',
      message: 'there is no key a in the credentials of this service',
    });
  });
});
