/** The key to names: one for the life of a vault, under whichever key the vault has [NAME-1]. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { aesMaterial, generateRsa } from '../../src/crypto/generate.ts';
import {
  firstNamesKey,
  freshNamesKey,
  namesCipher,
  openNamesKey,
  withWrapping,
  wrapNamesKey,
} from '../../src/crypto/names-key.ts';
import { keyringOf, kmsKeyring } from '../../src/crypto/wrap.ts';
import type { NamesSetting, WrappedNamesKey } from '../../src/model/names.ts';
import type { Keyring, Kms } from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';

const ID = '11111111-1111-4111-8111-111111111111';
const OTHER_ID = '22222222-2222-4222-8222-222222222222';
const aes = (byte: number) => aesMaterial(new Secret(Buffer.alloc(32, byte)));
const bytes = (secret: Secret | undefined): string | undefined => secret?.use((all) => all.toString('hex'));
const setting = (...keys: WrappedNamesKey[]): NamesSetting => ({ scheme: 'aes-siv', keys });

/** Wraps by remembering; opens only with the same context. */
function fakeKms(): Kms {
  const known = new Map<string, Buffer>();
  const wrap = (key: Secret, context: object): Uint8Array => {
    const wrapped = randomBytes(184);
    known.set(
      wrapped.toString('hex') + JSON.stringify(context),
      key.use((all) => Buffer.from(all)),
    );
    return wrapped;
  };
  return {
    generateDataKey: async (_, context) => {
      const dataKey = new Secret(randomBytes(32));
      return { dataKey, wrapped: wrap(dataKey, context) };
    },
    encrypt: async (_, dataKey, context) => wrap(dataKey, context),
    decrypt: async (_, wrapped, context) => {
      const key = known.get(Buffer.from(wrapped).toString('hex') + JSON.stringify(context));
      if (key === undefined) throw new Error('InvalidCiphertextException');
      return new Secret(key);
    },
    describe: async (keyId) => keyId,
  };
}

describe('the first key of a vault', () => {
  test('follows from an AES key and the id of the vault, and from nothing else', async () => {
    const first = bytes(firstNamesKey(aes(1), ID));
    expect(first).toHaveLength(64);
    expect(bytes(firstNamesKey(aes(1), ID))).toBe(first);
    expect(bytes(firstNamesKey(aes(2), ID))).not.toBe(first);
    expect(bytes(firstNamesKey(aes(1), OTHER_ID))).not.toBe(first);
    expect(first).not.toBe(Buffer.alloc(32, 1).toString('hex'));
    expect(firstNamesKey(await generateRsa(2_048), ID)).toBeUndefined();
  });

  test('a wiped key gives none', () => {
    const material = aes(1);
    if (material.kind !== 'aes-256') throw new Error('it is AES');
    material.secret.wipe();
    expect(() => firstNamesKey(material, ID)).toThrow('gone');
  });

  test('what names are sealed with is another key, and its fingerprint gives neither away', () => {
    const key = new Secret(Buffer.alloc(32, 4));
    const { secret, id } = namesCipher(key, ID);
    expect(secret.length).toBe(64);
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(bytes(secret)).not.toContain(id);
    expect(bytes(namesCipher(key, OTHER_ID).secret)).not.toBe(bytes(secret));
    expect(() => namesCipher(new Secret(Buffer.alloc(31)), ID)).toThrow('wrong length');
  });
});

describe('wrapped', () => {
  const keyrings: readonly [string, () => Promise<Keyring>][] = [
    ['AES', async () => keyringOf(aes(1))],
    ['RSA', async () => keyringOf(await generateRsa(2_048))],
    ['KMS', async () => kmsKeyring(fakeKms(), 'key-id', { team: 'a' })],
  ];

  test.each(keyrings)('under %s: opened again, for this vault only', async (_, make) => {
    const keyring = await make();
    const key = new Secret(randomBytes(32));
    const wrapped = await wrapNamesKey(keyring, key, ID);
    const stored = JSON.parse(JSON.stringify(setting(wrapped))) as NamesSetting;
    expect(bytes(await openNamesKey(keyring, stored, ID))).toBe(bytes(key));
    expect(JSON.stringify(stored)).not.toContain(bytes(key));
    await expect(openNamesKey(keyring, stored, OTHER_ID)).rejects.toMatchObject({ kind: 'security' });
    const fresh = await freshNamesKey(keyring, ID);
    expect(fresh.key.length).toBe(32);
    expect(bytes(await openNamesKey(keyring, setting(fresh.wrapped), ID))).toBe(bytes(fresh.key));
  });

  test('a changed wrapping does not open, and one under no key at hand is not found', async () => {
    const keyring = keyringOf(aes(1));
    const wrapped = await wrapNamesKey(keyring, new Secret(randomBytes(32)), ID);
    const changed = Buffer.from(wrapped.wrapped, 'base64');
    changed[20] = (changed[20] ?? 0) ^ 1;
    const bad = { ...wrapped, wrapped: changed.toString('base64') };
    await expect(openNamesKey(keyring, setting(bad), ID)).rejects.toMatchObject({
      code: 'names-key',
      exit: 6,
    });
    await expect(openNamesKey(keyring, setting({ ...wrapped, wrapped: '!' }), ID)).rejects.toMatchObject({
      kind: 'security',
    });
    expect(await openNamesKey(keyringOf(aes(2)), setting(wrapped), ID)).toBeUndefined();
  });

  test('a data key of an object in its place does not open', async () => {
    const keyring = keyringOf(aes(1));
    const data = await keyring.fresh('115');
    const stored = {
      key: keyring.fingerprint,
      wrap: keyring.wrap,
      wrapped: Buffer.from(data.wrapped).toString('base64'),
    };
    await expect(openNamesKey(keyring, setting(stored), ID)).rejects.toMatchObject({ kind: 'security' });
  });

  test('another key is added, and the same one replaced', async () => {
    const key = new Secret(randomBytes(32));
    const [one, two] = [keyringOf(aes(1)), keyringOf(aes(2))];
    let all = setting(await wrapNamesKey(one, key, ID));
    all = withWrapping(all, await wrapNamesKey(two, key, ID));
    all = withWrapping(all, await wrapNamesKey(one, key, ID));
    expect(all.keys.map((wrapped) => wrapped.key)).toEqual([two.fingerprint, one.fingerprint]);
    for (const keyring of [one, two]) expect(bytes(await openNamesKey(keyring, all, ID))).toBe(bytes(key));
  });
});
