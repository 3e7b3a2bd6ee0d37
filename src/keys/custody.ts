/**
 * What can be done with named keys, for the commands and the screen: make, bring in, give out, bring back, remove.
 * Secrets come and go as `Secret`; who asks, prints and confirms is the caller's matter.
 */
import { generateAes, generateRsa } from '../crypto/generate.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyInfo, KeyMaterial, KeyStoreKind } from '../model/keyref.ts';
import type { Clock, KeyStore, Waits } from '../model/ports.ts';
import { Secret } from '../model/secret.ts';
import { openAge, sealAgeText } from './age-file.ts';
import { type KeyFormat, parseKeyText, parseWords, toKeyText, toWords } from './formats.ts';
import { checkKeyName } from './key-name.ts';
import { type KeyStoreOptions, keyFilePath, openKeyStore } from './open-key-store.ts';
import { passphraseSource } from './passphrase.ts';
import { fromStored, toStored, wipeMaterial } from './stored-key.ts';

export interface Custody {
  /** Where keys are kept, in words. */
  readonly place: string;
  list(waits?: Waits): Promise<readonly KeyInfo[]>;
  create(name: string, kind: 'aes-256' | 'rsa', waits?: Waits): Promise<KeyInfo>;
  /** `text` is what came in on stdin; it is wiped. `words` brings a key back from its recovery words. */
  bringIn(name: string, format: KeyFormat, text: Secret, waits?: Waits): Promise<KeyInfo>;
  /** The key as text without a line end. */
  giveOut(name: string, format: KeyFormat, waits?: Waits): Promise<Secret>;
  /** The public half of an RSA key in PEM, without a line end. Kind `usage` for a key that has none. */
  publicHalf(name: string, waits?: Waits): Promise<string>;
  remove(name: string, waits?: Waits): Promise<void>;
  /** Wipes and forgets what was opened. */
  lock(): void;
}

export function openCustody(kind: KeyStoreKind, options: KeyStoreOptions): Custody {
  const store = openKeyStore(kind, options);
  return {
    place: placeOf(kind, options),
    list: (waits) => store.list(waits),
    create: (name, keyKind, waits) => create(store, options.clock, name, keyKind, waits),
    bringIn: (name, format, text, waits) => bringIn(store, options, name, format, text, waits),
    giveOut: (name, format, waits) => giveOut(store, options, name, format, waits),
    publicHalf: (name, waits) => publicHalf(store, name, waits),
    remove: (name, waits) => store.remove(name, waits),
    lock: () => store.lock(),
  };
}

function placeOf(kind: KeyStoreKind, options: KeyStoreOptions): string {
  switch (kind) {
    case 'keychain':
      return "the operating system's keychain";
    case 'file':
      return keyFilePath(options.places);
    case 'command':
      return 'the key command';
    case 'credentials':
      return 'the credentials of this service';
    default:
      return kind satisfies never;
  }
}

const nowIso = (clock: Clock): string => new Date(clock.now()).toISOString();

async function create(
  store: KeyStore,
  clock: Clock,
  name: string,
  kind: 'aes-256' | 'rsa',
  waits?: Waits,
): Promise<KeyInfo> {
  checkKeyName(name);
  const material = kind === 'aes-256' ? generateAes() : await generateRsa();
  return keep(store, name, material, nowIso(clock), waits);
}

/** Stores a key and wipes the copy that was in hand. */
async function keep(
  store: KeyStore,
  name: string,
  material: KeyMaterial,
  created: string,
  waits?: Waits,
): Promise<KeyInfo> {
  try {
    return await store.save(name, material, created, waits);
  } finally {
    wipeMaterial(material);
  }
}

async function publicHalf(store: KeyStore, name: string, waits?: Waits): Promise<string> {
  const material = await store.load(checkKeyName(name), waits);
  wipeMaterial(material);
  if (material.kind !== 'aes-256') return material.publicPem.trimEnd();
  throw new VaultError('usage', 'key-kind', `key ${name} is ${material.kind} and has no public half`, {
    hint: 'make a key pair with: s3vault keys create NAME --kind rsa',
  });
}

async function bringIn(
  store: KeyStore,
  options: KeyStoreOptions,
  name: string,
  format: KeyFormat,
  text: Secret,
  waits?: Waits,
): Promise<KeyInfo> {
  try {
    checkKeyName(name);
    const { material, created } = await parse(options, name, format, text);
    return await keep(store, name, material, created ?? nowIso(options.clock), waits);
  } finally {
    text.wipe();
  }
}

async function parse(
  options: KeyStoreOptions,
  name: string,
  format: KeyFormat,
  text: Secret,
): Promise<{ readonly material: KeyMaterial; readonly created?: string }> {
  const plain = () => text.use((bytes) => bytes.toString('utf8'));
  switch (format) {
    case 'base64':
    case 'pem':
      return { material: parseKeyText(format, plain()) };
    case 'words':
      return { material: await parseWords(plain()) };
    case 'age': {
      const copy = text.use((bytes) => new Uint8Array(bytes));
      const passphrase = await agePassphrase(options)('open');
      const stored = await openAge(copy, passphrase, 'the age file on stdin').finally(() =>
        passphrase.wipe(),
      );
      try {
        return fromStored(stored.toString('utf8'), name);
      } finally {
        stored.fill(0);
      }
    }
    default:
      return format satisfies never;
  }
}

async function giveOut(
  store: KeyStore,
  options: KeyStoreOptions,
  name: string,
  format: KeyFormat,
  waits?: Waits,
): Promise<Secret> {
  checkKeyName(name);
  const material = await store.load(name, waits);
  try {
    return await print(store, options, name, format, material, waits);
  } finally {
    wipeMaterial(material);
  }
}

async function print(
  store: KeyStore,
  options: KeyStoreOptions,
  name: string,
  format: KeyFormat,
  material: KeyMaterial,
  waits?: Waits,
): Promise<Secret> {
  switch (format) {
    case 'base64':
    case 'pem':
      return toKeyText(format, material);
    case 'words':
      return toWords(material);
    case 'age': {
      const info = (await store.list(waits)).find((one) => one.name === name);
      const created = info === undefined || info.created === '' ? nowIso(options.clock) : info.created;
      const plain = Buffer.from(JSON.stringify(toStored(material, created)));
      const passphrase = await agePassphrase(options)('new');
      const sealed = await sealAgeText(plain, passphrase, options.workFactorForTests).finally(() => {
        passphrase.wipe();
        plain.fill(0);
      });
      return new Secret(Buffer.from(sealed.trimEnd()));
    }
    default:
      return format satisfies never;
  }
}

/**
 * The passphrase of a single exported key: from the file that `S3VAULT_EXPORT_PASSPHRASE_FILE` names, else from a person,
 * else, where nobody can be asked, from where that of the key file comes from.
 */
function agePassphrase({ env, prompt, passphraseCommand }: KeyStoreOptions) {
  const subject = 'the age file';
  const file = env['S3VAULT_EXPORT_PASSPHRASE_FILE'];
  if (file !== undefined && file !== '')
    return passphraseSource({ env: { S3VAULT_PASSPHRASE_FILE: file }, prompt, subject });
  // A person is asked: it is another passphrase than the key file's, unless they say the same.
  if (prompt !== undefined) return passphraseSource({ env: {}, prompt, subject });
  return passphraseSource({ env, prompt, command: passphraseCommand, subject });
}
