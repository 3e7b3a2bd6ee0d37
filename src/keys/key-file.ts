/**
 * Keys in one file in the age format, protected with a passphrase: for machines where no keychain answers. Any age
 * program opens it (`age -d keys.age`); inside is JSON, `{version, keys: [{name, …stored key}]}`: a list, because names such
 * as `constructor` are no safe names of fields.
 */
import * as v from 'valibot';
import { dirname } from 'node:path';
import { throwIfCancelled } from '../crypto/fault.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyInfo, KeyMaterial } from '../model/keyref.ts';
import type { KeyStore } from '../model/ports.ts';
import { Secret } from '../model/secret.ts';
import { privateFolder, readSecretFile, replacePrivate, withLock } from '../private-file.ts';
import { openAge, sealAge } from './age-file.ts';
import { checkKeyName, keyExists, keyMissing } from './key-name.ts';
import { type StoredKey, infoOf, materialOf, storedKeySchema, toStored } from './stored-key.ts';

const VERSION = 1;

const contentSchema = v.object({
  version: v.number(),
  keys: v.array(v.object({ name: v.string(), ...storedKeySchema.entries })),
});

export interface KeyFileOptions {
  readonly path: string;
  /** Asked once per process at most; told whether the file is opened or made new (ask twice then). */
  readonly passphrase: (purpose: 'open' | 'new') => Promise<Secret>;
  /** For tests only: age's scrypt work factor as a power of two; default 18, about a second. */
  readonly workFactorForTests?: number;
}

/** Errors of its own: `passphrase-wrong`, `key-file-newer` (`usage`), `key-file-damaged` (`security`). */
export function keyFileStore(options: KeyFileOptions): KeyStore {
  const file = new KeyFile(options);
  return {
    list: async (options) => {
      throwIfCancelled(options);
      return file.list();
    },
    load: async (name, options) => {
      throwIfCancelled(options);
      return file.load(checkKeyName(name));
    },
    save: async (name, material, created, options) => {
      throwIfCancelled(options);
      return file.save(checkKeyName(name), material, created);
    },
    remove: async (name, options) => {
      throwIfCancelled(options);
      return file.remove(checkKeyName(name));
    },
    lock: () => file.lock(),
  };
}

/** A key of the file in memory: as it is stored, but for its text, which can be wiped here. */
interface HeldKey extends Omit<StoredKey, 'key'> {
  readonly key: Secret;
}

type Keys = ReadonlyMap<string, HeldKey>;
const NONE: Keys = new Map();

const held = ({ key, ...rest }: StoredKey): HeldKey => ({ ...rest, key: Secret.take(Buffer.from(key)) });

function asStored({ key, ...rest }: HeldKey): StoredKey {
  if (key.length === 0) throw new VaultError('cancelled', 'cancelled', 'the keys were locked meanwhile');
  return { ...rest, key: key.use((bytes) => bytes.toString('utf8')) };
}

class KeyFile {
  readonly #options: KeyFileOptions;
  /** What was decrypted, and the sealed bytes it came from: the file is decrypted again only when it has changed. */
  #opened: { readonly sealed: Buffer; readonly keys: Keys } | undefined;
  readonly #held = new Set<HeldKey>();
  #passphrase: Promise<Secret> | undefined;

  constructor(options: KeyFileOptions) {
    this.#options = options;
  }

  async list(): Promise<readonly KeyInfo[]> {
    return [...((await this.#read()) ?? NONE)]
      .map(([name, stored]) => infoOf(name, stored, stored.created, 'file'))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async load(name: string): Promise<KeyMaterial> {
    const stored = ((await this.#read()) ?? NONE).get(name);
    if (stored === undefined) throw this.#missing(name);
    return materialOf(asStored(stored), name);
  }

  lock(): void {
    for (const { key } of this.#held) key.wipe();
    this.#held.clear();
    this.#opened = undefined;
    void this.#passphrase?.then(
      (passphrase) => passphrase.wipe(),
      () => undefined,
    );
    this.#passphrase = undefined;
  }

  async save(name: string, material: KeyMaterial, created: string): Promise<KeyInfo> {
    await this.#change((keys) => {
      if (keys.has(name)) throw keyExists(name, this.#options.path);
      return new Map(keys).set(name, held(toStored(material, created)));
    });
    return infoOf(name, material, created, 'file');
  }

  async remove(name: string): Promise<void> {
    await this.#change((keys) => {
      const rest = new Map(keys);
      const gone = rest.get(name);
      if (gone === undefined) throw this.#missing(name);
      rest.delete(name);
      return rest;
    });
  }

  #missing(name: string): VaultError {
    return keyMissing(name, this.#options.path, 'see what is there: s3vault keys list --key-store file');
  }

  /** Undefined where there is no file yet. */
  async #read(): Promise<Keys | undefined> {
    const { path } = this.#options;
    const sealed = await readSecretFile(path);
    if (sealed === undefined) return undefined;
    if (this.#opened?.sealed.equals(sealed) === true) return this.#opened.keys;
    const plain = await this.#unseal(sealed);
    try {
      return this.#hold(sealed, parseContent(plain, path));
    } finally {
      plain.fill(0);
    }
  }

  /** Older ones stay whole until `lock`: a call that is under way may still be writing them. */
  #hold(sealed: Buffer, keys: Keys): Keys {
    for (const key of keys.values()) this.#held.add(key);
    this.#opened = { sealed, keys };
    return keys;
  }

  async #unseal(sealed: Buffer): Promise<Buffer> {
    try {
      return await openAge(sealed, await this.#ask('open'), this.#options.path);
    } catch (thrown) {
      // Another try, in a program that lives on, must ask again.
      this.lock();
      throw thrown;
    }
  }

  /** Only a file that was opened is ever replaced, and what was written is opened again before the old one goes. */
  async #change(change: (keys: Keys) => Keys): Promise<void> {
    const { path, workFactorForTests } = this.#options;
    await privateFolder(dirname(path));
    await withLock(path, async () => {
      const before = await this.#read();
      const keys = change(before ?? NONE);
      const plain = contentOf(keys);
      const passphrase = await this.#ask(before === undefined ? 'new' : 'open');
      const sealed = await sealAge(plain, passphrase, workFactorForTests);
      const back = await openAge(sealed, passphrase, path);
      const same = back.equals(plain);
      plain.fill(0);
      back.fill(0);
      if (!same) throw fileDamaged(path);
      await replacePrivate(path, sealed);
      this.#hold(sealed, keys);
    });
  }

  #ask(purpose: 'open' | 'new'): Promise<Secret> {
    this.#passphrase ??= this.#options.passphrase(purpose);
    return this.#passphrase;
  }
}

function contentOf(keys: Keys): Buffer {
  const list = [...keys].map(([name, key]) => ({ name, ...asStored(key) }));
  return Buffer.from(JSON.stringify({ version: VERSION, keys: list }, undefined, 2));
}

function parseContent(plain: Buffer, path: string): Keys {
  let value: unknown;
  try {
    value = JSON.parse(plain.toString('utf8'));
  } catch {
    // The parser's own message quotes the text.
    throw fileDamaged(path);
  }
  const result = v.safeParse(contentSchema, value);
  if (!result.success) throw fileDamaged(path);
  if (result.output.version > VERSION) {
    throw new VaultError('usage', 'key-file-newer', `${path} was written by a newer s3vault`, {
      hint: 'use that version here too',
    });
  }
  return new Map(result.output.keys.map(({ name, ...stored }) => [name, held(stored)]));
}

function fileDamaged(path: string): VaultError {
  return new VaultError(
    'security',
    'key-file-damaged',
    `${path} opens, but there are no keys of s3vault in it`,
    {
      hint: 'bring the file back from a backup, or the keys from their recovery words',
    },
  );
}
