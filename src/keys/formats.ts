/** The forms in which a key comes in on stdin and goes out on stdout. No error quotes what was read. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { aesMaterial, rsaMaterial, rsaPublicMaterial } from '../crypto/generate.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyMaterial } from '../model/keyref.ts';
import { Secret } from '../model/secret.ts';

export type KeyFormat = 'base64' | 'pem' | 'words' | 'age';
export const KEY_FORMATS: readonly KeyFormat[] = ['base64', 'words', 'pem', 'age'];

const AES_BYTES = 32;
const MIN_RSA_BITS = 2048;
const WORDS = 24;

const wrong = (message: string, hint: string) => new VaultError('usage', 'key-format', message, { hint });

/** A key as text. Line ends around it do not count; anything else that is not the key is refused. */
export function parseKeyText(format: 'base64' | 'pem', text: string): KeyMaterial {
  return format === 'pem' ? parsePem(text) : parseBase64(text.replace(/\r?\n$/, ''));
}

function parseBase64(text: string): KeyMaterial {
  const hint = 'give 32 bytes in base64, 44 characters; openssl rand -base64 32 makes such a key';
  if (text === '') throw wrong('there is no key on stdin', hint);
  if (/^(?:[0-9a-f]{64}|[0-9A-F]{64})$/.test(text)) {
    throw wrong('this looks like hex, not base64', 'turn it with: xxd -r -p | base64');
  }
  if (/^[A-Za-z0-9_-]{43}=?$/.test(text) && /[_-]/.test(text)) {
    throw wrong('this is base64url, not base64', "turn it with: tr '_-' '/+', with one = at the end");
  }
  const whole = /^([A-Za-z0-9+/]*)(={0,2})$/.exec(text);
  if (whole === null) throw wrong('this is not base64, or something follows or precedes the key', hint);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== AES_BYTES) throw wrong(`the key has ${bytes.length} bytes, not ${AES_BYTES}`, hint);
  if (bytes.toString('base64') !== text) throw wrong('this is not base64 in its one exact form', hint);
  return aesMaterial(Secret.take(bytes));
}

/** PKCS#8, PKCS#1 or SubjectPublicKeyInfo. A private key is kept as PKCS#8. */
function parsePem(text: string): KeyMaterial {
  const blocks = text.trim();
  if (!/^-----BEGIN [A-Z0-9 ]+-----[^-]+-----END [A-Z0-9 ]+-----$/.test(blocks)) {
    throw wrong('this is not one PEM block', 'give one private or public RSA key in PEM and nothing else');
  }
  if (/ENCRYPTED/.test(blocks)) {
    throw wrong(
      'the PEM key has a passphrase of its own',
      'take it off on the way in: openssl pkey -in FILE | s3vault …',
    );
  }
  const isPrivate = /PRIVATE KEY-----/.test(blocks);
  const key = rsaKey(blocks, isPrivate);
  if (!isPrivate) return rsaPublicMaterial(key.export({ type: 'spki', format: 'pem' }).toString());
  const secret = Secret.take(Buffer.from(blocks));
  try {
    return rsaMaterial(secret);
  } finally {
    secret.wipe();
  }
}

function rsaKey(pem: string, isPrivate: boolean): KeyObject {
  let key: KeyObject;
  try {
    key = isPrivate ? createPrivateKey(pem) : createPublicKey(pem);
  } catch {
    throw wrong(
      'this PEM holds no key that can be read',
      'give a private (PKCS#8, PKCS#1) or public RSA key',
    );
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== 'rsa') {
    throw wrong(`this is a key for ${key.asymmetricKeyType ?? 'something else'}, not RSA`, 'give an RSA key');
  }
  if (bits < MIN_RSA_BITS) throw wrong(`an RSA key of ${bits} bits is too short`, 'use 3072 bits or more');
  return key;
}

const english = () => import('@scure/bip39/wordlists/english.js');

/**
 * 24 words of BIP-39 (English list), the checksum in them proven. Case and blanks do not count; where they are numbered, as
 * they are shown, the numbers give their order.
 */
export async function parseWords(text: string): Promise<KeyMaterial> {
  const words = inOrder(
    text
      .toLowerCase()
      .split(/[\s,;]+/u)
      .filter((word) => word !== ''),
  );
  const hint = 'give the 24 words in their order, separated by blanks or line ends';
  if (words.length !== WORDS) throw wrong(`there are ${words.length} words, not ${WORDS}`, hint);
  const [{ mnemonicToEntropy }, { wordlist }] = await Promise.all([import('@scure/bip39'), english()]);
  const odd = words.findIndex((word) => !wordlist.includes(word));
  if (odd >= 0) {
    const meant = lookAlikes(words[odd] ?? '', wordlist).join(' or ');
    throw wrong(
      `word ${odd + 1} is not in the list of recovery words`,
      meant === '' ? 'look for a slip of the pen there' : `look at your paper: it may be ${meant}`,
    );
  }
  try {
    return aesMaterial(Secret.take(mnemonicToEntropy(words.join(' '), wordlist)));
  } catch {
    throw wrong(
      'these words do not belong together (their checksum is wrong)',
      'one is wrong or two are swapped: compare them with your paper, one by one and in their order',
    );
  }
}

/** `1 abandon 2 art` as it stands; also `1. abandon`, and in any order. */
function inOrder(tokens: readonly string[]): readonly string[] {
  const numbers = tokens.filter((_, at) => at % 2 === 0).map((token) => /^(\d{1,2})[.):]?$/.exec(token)?.[1]);
  if (tokens.length !== 2 * WORDS || numbers.includes(undefined)) return tokens;
  const places = numbers.map(Number);
  if (new Set(places).size !== WORDS || Math.max(...places) !== WORDS || Math.min(...places) !== 1)
    throw wrong('the numbers before the words are not 1 to 24, each once', 'leave the numbers out');
  return Array.from({ length: WORDS }, (_, at) => tokens[2 * places.indexOf(at + 1) + 1] ?? '');
}

/** The first four letters tell all words of the list apart; else words that differ in one letter. */
function lookAlikes(word: string, list: readonly string[]): readonly string[] {
  const begins = word.length < 4 ? [] : list.filter((one) => one.slice(0, 4) === word.slice(0, 4));
  return (begins.length > 0 ? begins : list.filter((one) => differsInOne(one, word))).slice(0, 3);
}

function differsInOne(a: string, b: string): boolean {
  let from = 0;
  while (from < a.length && a[from] === b[from]) from++;
  const rest = (text: string, skip: number): string => text.slice(from + skip);
  return rest(a, 1) === rest(b, 1) || rest(a, 1) === rest(b, 0) || rest(a, 0) === rest(b, 1);
}

/** The 24 recovery words of an AES key. */
export async function toWords(material: KeyMaterial): Promise<Secret> {
  if (material.kind !== 'aes-256') throw unfit(material, 'words', 'pem');
  const [{ entropyToMnemonic }, { wordlist }] = await Promise.all([import('@scure/bip39'), english()]);
  const entropy = material.secret.use((bytes) => new Uint8Array(bytes));
  try {
    return Secret.take(Buffer.from(entropyToMnemonic(entropy, wordlist)));
  } finally {
    entropy.fill(0);
  }
}

/** A key as text without a line end. */
export function toKeyText(format: 'base64' | 'pem', material: KeyMaterial): Secret {
  if (format === 'base64') {
    if (material.kind !== 'aes-256') throw unfit(material, format, 'pem');
    return Secret.take(Buffer.from(material.secret.use((bytes) => bytes.toString('base64'))));
  }
  if (material.kind === 'aes-256') throw unfit(material, format, 'base64 or words');
  const pem =
    material.kind === 'rsa' ? material.secret.use((bytes) => bytes.toString('utf8')) : material.publicPem;
  return Secret.take(Buffer.from(pem.trimEnd()));
}

function unfit({ kind }: KeyMaterial, format: KeyFormat, better: string): VaultError {
  if (format === 'words' && kind === 'rsa') {
    return wrong(
      'an RSA key has no recovery words: it is far too long for them',
      'keep a copy of it in a safe place instead: --format age (with a passphrase) or --format pem',
    );
  }
  if (kind === 'rsa-public') {
    return wrong(
      `this is the public half of an RSA key: it has no ${format} form and is no secret`,
      'use --format pem; what it sealed needs a copy of the private half, which is not here',
    );
  }
  return wrong(`a key of kind ${kind} has no ${format} form`, `use --format ${better}`);
}
