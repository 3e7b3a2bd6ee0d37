/** What every KeyStore keeps to. Runs on the key file, the command (its reading half) and a real keychain. */
import { expect, test } from 'vitest';
import { generateAes, generateRsa, rsaPublicMaterial } from '../../src/crypto/generate.ts';
import type { KeyMaterial } from '../../src/model/keyref.ts';
import type { KeyStore } from '../../src/model/ports.ts';

export const CREATED = '2026-11-24T01:02:03.000Z';

export const bytesOf = (material: KeyMaterial): string =>
  material.kind === 'rsa-public' ? material.publicPem : material.secret.use((bytes) => bytes.toString('hex'));

/** `open` gives the same store anew, as another process would. Names are unique, so a store may be shared. */
export function keyStoreContract(open: () => KeyStore, unique: () => string = counter('k')): void {
  test('gives back what was saved, byte for byte, to another process too', async () => {
    const name = unique();
    const material = generateAes();
    const info = await open().save(name, material, CREATED);
    expect(info).toMatchObject({
      name,
      kind: 'aes-256',
      fingerprint: material.fingerprint,
      created: CREATED,
    });
    const back = await open().load(name);
    expect(back.kind).toBe('aes-256');
    expect(back.fingerprint).toBe(material.fingerprint);
    expect(bytesOf(back)).toBe(bytesOf(material));
    expect(await open().list()).toContainEqual(info);
    await open().remove(name);
  });

  test('keeps RSA keys, and public ones that only encrypt', async () => {
    const [first, second] = [unique(), unique()];
    const rsa = await generateRsa(2048);
    const open1 = open();
    await open1.save(first, rsa, CREATED);
    await open1.save(second, rsaPublicMaterial(rsa.publicPem), CREATED);
    const [whole, half] = [await open().load(first), await open().load(second)];
    expect(bytesOf(whole)).toBe(bytesOf(rsa));
    expect(half).toMatchObject({
      kind: 'rsa-public',
      publicPem: rsa.publicPem,
      fingerprint: rsa.fingerprint,
    });
    await open1.remove(first);
    await open1.remove(second);
  });

  test('keeps the caller in possession: wiping a loaded key harms nothing stored', async () => {
    const name = unique();
    const store = open();
    const material = generateAes();
    const hex = bytesOf(material);
    await store.save(name, material, CREATED);
    material.secret.wipe();
    const once = await store.load(name);
    if (once.kind === 'aes-256') once.secret.wipe();
    expect(bytesOf(await store.load(name))).toBe(hex);
    await store.remove(name);
  });

  test('never replaces a key', async () => {
    const name = unique();
    const [first, second] = [generateAes(), generateAes()];
    await open().save(name, first, CREATED);
    await expect(open().save(name, second, CREATED)).rejects.toMatchObject({ code: 'key-exists', exit: 2 });
    expect(bytesOf(await open().load(name))).toBe(bytesOf(first));
    await open().remove(name);
  });

  test('says so where there is no such key', async () => {
    const name = unique();
    await expect(open().load(name)).rejects.toMatchObject({ code: 'key-missing', kind: 'usage' });
    await expect(open().remove(name)).rejects.toMatchObject({ code: 'key-missing' });
  });

  test('forgets what was removed', async () => {
    const [name, other] = [unique(), unique()];
    await open().save(name, generateAes(), CREATED);
    await open().save(other, generateAes(), CREATED);
    await open().remove(name);
    const names = (await open().list()).map((info) => info.name);
    expect(names).toContain(other);
    expect(names).not.toContain(name);
    await open().remove(other);
  });

  test.each([
    '',
    'a b',
    'ä',
    'a/b',
    '../x',
    '-x',
    'x'.repeat(65),
    'a\0b',
    'a\n',
  ])('refuses the name %j', async (name) => {
    await expect(open().save(name, generateAes(), CREATED)).rejects.toMatchObject({ code: 'key-name' });
    await expect(open().load(name)).rejects.toMatchObject({ code: 'key-name' });
    await expect(open().remove(name)).rejects.toMatchObject({ code: 'key-name' });
  });

  test('takes names of objects that every object has', async () => {
    for (const name of ['constructor', '__proto__', 'x'.repeat(64), 'A.b_c-1']) {
      await expect(open().load(name)).rejects.toMatchObject({ code: 'key-missing' });
      const material = generateAes();
      await open().save(name, material, CREATED);
      expect(bytesOf(await open().load(name))).toBe(bytesOf(material));
      await open().remove(name);
    }
  });

  test('ends when it is called off', async () => {
    const options = { signal: AbortSignal.abort() };
    await expect(open().list(options)).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(open().load('x', options)).rejects.toMatchObject({ kind: 'cancelled' });
  });
}

export function counter(prefix: string): () => string {
  let n = 0;
  return () => `${prefix}-${process.pid}-${n++}`;
}
