/**
 * Keys in one file in the age format, protected with a passphrase: for machines where no keychain answers. Any age
 * program opens it (`age -d keys.age`); inside is JSON, `{version, keys: {name: stored key}}`.
 */
import * as v from 'valibot';
import { dirname } from 'node:path';
import { throwIfCancelled } from '../crypto/fault.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyInfo, KeyMaterial } from '../model/keyref.ts';
import type { KeyStore } from '../model/ports.ts';
import type { Secret } from '../model/secret.ts';
import { privateFolder, readSecretFile, replacePrivate, withLock } from '../private-file.ts';
import { openAge, sealAge } from './age-file.ts';
import { checkKeyName, keyExists, keyMissing } from './key-name.ts';
import { type StoredKey, damaged, infoOf, materialOf, storedKeySchema, toStored } from './stored-key.ts';

const VERSION = 1;

const contentSchema = v.object({ version: v.number(), keys: v.record(v.string(), storedKeySchema) });

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
  };
}

type Keys = Readonly<{ [name: string]: StoredKey }>;

class KeyFile {
  readonly #options: KeyFileOptions;
  /** What was decrypted, and the sealed bytes it came from: the file is decrypted again only when it has changed. */
  #opened: { readonly sealed: Buffer; readonly keys: Keys } | undefined;
  #passphrase: Promise<Secret> | undefined;

  constructor(options: KeyFileOptions) {
    this.#options = options;
  }

  async list(): Promise<readonly KeyInfo[]> {
    const entries = Object.entries((await this.#read()) ?? {});
    return entries
      .map(([name, stored]) => infoOf(name, stored, stored.created, 'file'))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async load(name: string): Promise<KeyMaterial> {
    const stored = own((await this.#read()) ?? {}, name);
    if (stored === undefined) throw this.#missing(name);
    const material = materialOf(stored, name);
    if (material.fingerprint !== stored.fingerprint) throw damaged(name);
    return material;
  }

  async save(name: string, material: KeyMaterial, created: string): Promise<KeyInfo> {
    await this.#change((keys) => {
      if (own(keys, name) !== undefined) throw keyExists(name, this.#options.path);
      return { ...keys, [name]: toStored(material, created) };
    });
    return infoOf(name, material, created, 'file');
  }

  async remove(name: string): Promise<void> {
    await this.#change((keys) => {
      if (own(keys, name) === undefined) throw this.#missing(name);
      const { [name]: _removed, ...rest } = keys;
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
    const keys = parseContent(plain, path);
    this.#opened = { sealed, keys };
    return keys;
  }

  async #unseal(sealed: Buffer): Promise<Buffer> {
    try {
      return await openAge(sealed, await this.#ask('open'), this.#options.path);
    } catch (thrown) {
      // Another try, in a program that lives on, must ask again.
      this.#passphrase = undefined;
      throw thrown;
    }
  }

  /** Only a file that was opened is ever replaced, and what was written is opened again before the old one goes. */
  async #change(change: (keys: Keys) => Keys): Promise<void> {
    const { path, workFactorForTests } = this.#options;
    await privateFolder(dirname(path));
    await withLock(path, async () => {
      const before = await this.#read();
      const keys = change(before ?? {});
      const plain = Buffer.from(JSON.stringify({ version: VERSION, keys }, undefined, 2));
      const passphrase = await this.#ask(before === undefined ? 'new' : 'open');
      const sealed = await sealAge(plain, passphrase, workFactorForTests);
      const back = await openAge(sealed, passphrase, path);
      if (!back.equals(plain)) throw fileDamaged(path);
      await replacePrivate(path, sealed);
      this.#opened = { sealed, keys };
    });
  }

  #ask(purpose: 'open' | 'new'): Promise<Secret> {
    this.#passphrase ??= this.#options.passphrase(purpose);
    return this.#passphrase;
  }
}

/** A name such as `constructor` must not find what every object inherits. */
const own = (keys: Keys, name: string): StoredKey | undefined =>
  Object.hasOwn(keys, name) ? keys[name] : undefined;

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
  return result.output.keys;
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
