/** The search must find what is planted, or it proves nothing. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  findIn,
  findInFolder,
  needlesOfBytes,
  needlesOfRsa,
  needlesOfText,
  needlesOfWords,
} from './secret-search.ts';

const key = randomBytes(32);
const needles = needlesOfBytes('key', key);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-search-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const within = (shift: number): Buffer => Buffer.concat([Buffer.alloc(shift, 5), key, Buffer.alloc(7, 6)]);

describe('a key is found', () => {
  test.each<[string, Buffer | string]>([
    ['raw', Buffer.concat([Buffer.alloc(1000), key])],
    ['half of it', Buffer.concat([Buffer.alloc(1000), key.subarray(0, 16), Buffer.alloc(9)])],
    ['hex', `x${key.toString('hex')}`],
    ['hex in capitals', key.toString('hex').toUpperCase()],
    ['hex with colons', key.toString('hex').replace(/..(?=.)/g, '$&:')],
    ['base64', JSON.stringify({ key: key.toString('base64') })],
    ['base64 of something longer, first place', within(0).toString('base64')],
    ['base64 of something longer, second place', within(1).toString('base64')],
    ['base64 of something longer, third place', within(2).toString('base64')],
    ['base64url', within(1).toString('base64url')],
    ['base64 in lines of 24', key.toString('base64').replace(/.{24}/g, '$&\n')],
    ['a Buffer as JSON', JSON.stringify(key)],
    ['an inspected array', `[ ${[...key].join(', ')} ]`],
    ['UTF-16', Buffer.from(key.toString('base64'), 'utf16le')],
    ['a latin1 string written as UTF-8', key.toString('latin1')],
  ])('as %s', (_form, haystack) => {
    expect(findIn(needles, haystack, 'here')).not.toEqual([]);
    const other = needlesOfBytes('other', randomBytes(32));
    expect(findIn(other, haystack, 'here')).toEqual([]);
  });

  test('in files of a folder, but those that may hold it', () => {
    mkdirSync(join(folder, 'a', 'b'), { recursive: true });
    writeFileSync(join(folder, 'a', 'b', 'log'), `...${key.toString('base64')}`);
    expect(findInFolder(needles, folder)).toContainEqual(
      expect.objectContaining({ what: 'key', where: join(folder, 'a', 'b', 'log') }),
    );
    expect(findInFolder(needles, folder, ['log'])).toEqual([]);
  });
});

test('words, a passphrase, and the numbers of an RSA key', () => {
  const words = 'one two three four five six';
  const word = needlesOfWords('words', words);
  expect(findIn(word, 'x two three four five y', 'here')).not.toEqual([]);
  expect(findIn(word, JSON.stringify(words.split(' ')), 'here')).not.toEqual([]);
  expect(findIn(word, 'one two and three four', 'here')).toEqual([]);
  const phrase = needlesOfText('phrase', 'correct horse');
  expect(findIn(phrase, Buffer.from('correct horse').toString('base64'), 'here')).not.toEqual([]);
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const rsa = needlesOfRsa('rsa', pem);
  expect(findIn(rsa, JSON.stringify({ pem }), 'here')).not.toEqual([]);
  expect(findIn(rsa, privateKey.export({ type: 'pkcs1', format: 'der' }), 'here')).not.toEqual([]);
  expect(findIn(rsa, publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'here')).toEqual([]);
});

describe('in a process', () => {
  const env = { KEY: key.toString('hex').replace(/../g, '$& ') };
  /** The key comes with blanks between its digits, so that the environment is no hit. */
  const bring = "const key = Buffer.from(process.env.KEY.replaceAll(' ', ''), 'hex');";

  test.each([
    ['a string', 'globalThis.kept = key.toString("base64")'],
    ['a string of wide characters', 'globalThis.kept = "\u2713" + key.toString("hex")'],
    ['a joined string', 'globalThis.kept = { a: ["key: " + key.toString("base64") + "."] }'],
    ['a long string', 'globalThis.kept = "x".repeat(5000) + key.toString("base64")'],
    ['what a closure holds', 'const text = key.toString("hex"); globalThis.kept = () => text.length'],
  ])('%s is in the heap snapshot', async (_what, statement) => {
    const path = join(folder, 'planted.heapsnapshot');
    const script = `${bring} ${statement}; key.fill(0); gc(); require('node:v8').writeHeapSnapshot(${JSON.stringify(path)});`;
    const args = ['--expose-gc', '--heap-snapshot-string-limit=1000000', '-e', script];
    await promisify(execFile)(process.execPath, args, { env });
    expect(findIn(needles, readFileSync(path), path)).not.toEqual([]);
  });

  test('bytes beside the heap are among its living buffers', async () => {
    const path = join(folder, 'planted.buffers');
    const module = JSON.stringify(join(import.meta.dirname, 'live-buffers.ts'));
    const script = `${bring} globalThis.kept = Buffer.from(key); key.fill(0);
      const { writeLiveBuffers } = await import(${module}); await writeLiveBuffers(${JSON.stringify(path)});`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env });
    expect(findIn(needles, readFileSync(path), path)).toContainEqual(
      expect.objectContaining({ form: 'raw' }),
    );
  });
});
