/**
 * What every KeyStore keeps to: runs on the key file and a real keychain, and its reading half on all of them, the key
 * command and systemd's credentials too.
 */
import { expect, test } from 'vitest';
import { generateAes, generateRsa, rsaPublicMaterial } from '../../src/crypto/generate.ts';
import type { KeyMaterial } from '../../src/model/keyref.ts';
import type { KeyStore } from '../../src/model/ports.ts';

export const CREATED = '2026-11-24T01:02:03.000Z';

export const bytesOf = (material: KeyMaterial): string =>
  material.kind === 'rsa-public' ? material.publicPem : material.secret.use((bytes) => bytes.toString('hex'));

/** A store to read from. Names are unique, so a store may be shared. */
export interface Readable {
  /** The same store anew, as another process would open it; `names` are those that `list` is to know. */
  readonly open: (names: readonly string[]) => KeyStore;
  /** Puts a key there by whatever means the store has; it stays the caller's. */
  readonly put: (name: string, material: KeyMaterial) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
  readonly unique: () => string;
  /** The code for a key that is not there; of a command nothing more is known than that it failed. */
  readonly missing?: 'key-missing' | 'command-failed';
}

export function keyReadingContract({ open, put, remove, unique, missing = 'key-missing' }: Readable): void {
  test('gives back what is there, byte for byte, and says what may be said of it', async () => {
    const name = unique();
    const material = generateAes();
    await put(name, material);
    const back = await open([name]).load(name);
    expect(back).toMatchObject({ kind: 'aes-256', fingerprint: material.fingerprint });
    expect(bytesOf(back)).toBe(bytesOf(material));
    const info = (await open([name]).list()).find((one) => one.name === name);
    expect(info).toMatchObject({ kind: 'aes-256', fingerprint: material.fingerprint, created: CREATED });
    expect(JSON.stringify(info)).not.toContain(material.secret.use((bytes) => bytes.toString('base64')));
    await remove(name);
  });

  test('has RSA keys, and public ones that only encrypt', async () => {
    const [first, second] = [unique(), unique()];
    const rsa = await generateRsa(2048);
    await put(first, rsa);
    await put(second, rsaPublicMaterial(rsa.publicPem));
    const [whole, half] = [await open([first]).load(first), await open([second]).load(second)];
    expect(bytesOf(whole)).toBe(bytesOf(rsa));
    expect(half).toMatchObject({
      kind: 'rsa-public',
      publicPem: rsa.publicPem,
      fingerprint: rsa.fingerprint,
    });
    await remove(first);
    await remove(second);
  });

  test('keeps the caller in possession: wiping a loaded key harms nothing stored', async () => {
    const name = unique();
    const material = generateAes();
    const hex = bytesOf(material);
    await put(name, material);
    const store = open([name]);
    for (let times = 0; times < 2; times++) {
      const once = await store.load(name);
      expect(bytesOf(once)).toBe(hex);
      if (once.kind === 'aes-256') once.secret.wipe();
    }
    await remove(name);
  });

  test('says so where there is no such key', async () => {
    const name = unique();
    await expect(open([]).load(name)).rejects.toMatchObject({ code: missing, kind: 'usage' });
  });

  test.each(NO_NAMES)('refuses the name %j', async (name) => {
    await expect(open([]).load(name)).rejects.toMatchObject({ code: 'key-name' });
    await expect(open([]).save(name, generateAes(), CREATED)).rejects.toMatchObject({ code: 'key-name' });
    await expect(open([]).remove(name)).rejects.toMatchObject({ code: 'key-name' });
  });

  test('takes names of objects that every object has', async () => {
    for (const name of ['constructor', '__proto__', 'x'.repeat(64), 'A.b_c-1']) {
      await expect(open([]).load(name)).rejects.toMatchObject({ code: missing });
      const material = generateAes();
      await put(name, material);
      expect(bytesOf(await open([name]).load(name))).toBe(bytesOf(material));
      await remove(name);
    }
  });

  test('ends when it is called off', async () => {
    const options = { signal: AbortSignal.abort() };
    await expect(open(['x']).list(options)).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(open(['x']).load('x', options)).rejects.toMatchObject({ kind: 'cancelled' });
  });
}

const NO_NAMES = ['', 'a b', 'ä', 'a/b', '../x', '-x', 'x'.repeat(65), 'a\0b', 'a\n'];

/** For stores that s3vault only reads. `place` is what the message says of them. */
export function readOnlyContract(open: () => KeyStore, place: RegExp): void {
  test('keeps nothing and removes nothing, and says who does', async () => {
    const refused = { code: 'store-read-only', exit: 2, message: expect.stringMatching(place) as unknown };
    const material = generateAes();
    await expect(open().save('a', material, CREATED)).rejects.toMatchObject(refused);
    await expect(open().remove('a')).rejects.toMatchObject(refused);
    expect(material.secret.length).toBe(32);
  });
}

/** `open` gives the same store anew, as another process would. */
export function keyStoreContract(open: () => KeyStore, unique: () => string = counter('k')): void {
  keyReadingContract({
    open,
    unique,
    put: async (name, material) => {
      expect(await open().save(name, material, CREATED)).toMatchObject({ name, created: CREATED });
    },
    remove: (name) => open().remove(name),
  });

  test('lists what was saved as it said', async () => {
    const name = unique();
    const info = await open().save(name, generateAes(), CREATED);
    expect(await open().list()).toContainEqual(info);
    await open().remove(name);
  });

  test('keeps its own copy: wiping a saved key harms nothing stored', async () => {
    const name = unique();
    const store = open();
    const material = generateAes();
    const hex = bytesOf(material);
    await store.save(name, material, CREATED);
    material.secret.wipe();
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

  test('says so where there is no such key to remove', async () => {
    await expect(open().remove(unique())).rejects.toMatchObject({ code: 'key-missing' });
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
}

export function counter(prefix: string): () => string {
  let n = 0;
  return () => `${prefix}-${process.pid}-${n++}`;
}
