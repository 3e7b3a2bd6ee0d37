import { generateKeyPairSync, randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aesMaterial, generateAes, generateRsa, rsaPublicMaterial } from '../../src/crypto/generate.ts';
import { parseKeyText, parseWords, toKeyText, toWords } from '../../src/keys/formats.ts';
import { Secret } from '../../src/model/secret.ts';
import { bytesOf } from '../contract/key-store.ts';

const text = (secret: Secret): string => secret.use((bytes) => bytes.toString('utf8'));
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('base64', () => {
  test('there and back', () => {
    fc.assert(
      fc.property(key32, (bytes) => {
        const material = aesMaterial(new Secret(bytes));
        const out = text(toKeyText('base64', material));
        for (const end of ['', '\n', '\r\n']) {
          expect(bytesOf(parseKeyText('base64', out + end))).toBe(Buffer.from(bytes).toString('hex'));
        }
      }),
    );
  });

  const good = Buffer.alloc(32, 0xfb).toString('base64');
  test.each([
    ['nothing', '', 'no key'],
    ['hex', randomBytes(32).toString('hex'), 'hex'],
    ['hex in capitals', randomBytes(32).toString('hex').toUpperCase(), 'hex'],
    ['base64url', Buffer.alloc(32, 0xfb).toString('base64url'), 'base64url'],
    ['31 bytes', randomBytes(31).toString('base64'), '31 bytes'],
    ['33 bytes', randomBytes(33).toString('base64'), '33 bytes'],
    ['garbage after it', `${good}x`, 'follows'],
    ['a second line', `${good}\n${good}`, 'follows'],
    ['two line ends', `${good}\n\n`, 'follows'],
    ['a blank before it', ` ${good}`, 'precedes'],
    ['a label', `key=${good}`, 'precedes'],
    ['no padding', good.slice(0, -1), 'exact'],
    ['stray bits in the last character', `${good.slice(0, 42)}t=`, 'exact'],
  ])('refuses %s and does not repeat it', (_what, input, words) => {
    try {
      parseKeyText('base64', input);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: 'key-format', exit: 2, message: expect.stringContaining(words) });
      if (input.length > 8) expect((thrown as Error).stack).not.toContain(input.slice(0, 20));
    }
  });
});

describe('recovery words', () => {
  test('there and back, however they are spelled', async () => {
    await fc.assert(
      fc.asyncProperty(key32, async (bytes) => {
        const words = text(await toWords(aesMaterial(new Secret(bytes))));
        expect(words.split(' ')).toHaveLength(24);
        const spelled = `  ${words.toUpperCase().replaceAll(' ', '\n\t')}\r\n`;
        expect(bytesOf(await parseWords(spelled))).toBe(Buffer.from(bytes).toString('hex'));
      }),
      { numRuns: 25 },
    );
  });

  test('are those of BIP-39: its published vector', async () => {
    const words = `${'abandon '.repeat(23)}art`;
    expect(text(await toWords(aesMaterial(new Secret(Buffer.alloc(32)))))).toBe(words);
    expect(bytesOf(await parseWords(words))).toBe('00'.repeat(32));
  });

  test.each([
    ['23 words', 'abandon '.repeat(23), '23 words'],
    ['25 words', 'abandon '.repeat(25), '25 words'],
    ['a wrong checksum', 'abandon '.repeat(24), 'checksum'],
    ['a strange word', `${'abandon '.repeat(22)}hunter2 art`, 'word 23'],
    ['nothing', '', '0 words'],
    ['two words swapped', 'art abandon '.repeat(1) + 'abandon '.repeat(22), 'checksum'],
    ['a number twice', Array.from({ length: 24 }, () => '1 abandon').join(' '), 'numbers'],
  ])('refuses %s', async (_what, input, words) => {
    await expect(parseWords(input)).rejects.toMatchObject({
      code: 'key-format',
      message: expect.stringMatching(new RegExp(words)),
    });
  });
});

describe('slips of the pen', () => {
  const from23 = 'abandon '.repeat(22);
  test.each([
    ['one wrong letter', `${from23}abandom art`, 'it may be abandon'],
    ['the end left out', `${from23}aban art`, 'it may be abandon'],
    ['a letter too many in a short word', `${from23}abandon artt`, 'it may be art'],
    ['a letter missing at the start', `${from23}bandon art`, 'it may be abandon'],
    ['nothing like it', `${from23}xyzzy art`, 'slip of the pen'],
  ])('%s', async (_what, input, hint) => {
    await expect(parseWords(input)).rejects.toMatchObject({ hint: expect.stringContaining(hint) as unknown });
  });

  test('words as they are shown, with their numbers and row by row', async () => {
    const words = text(await toWords(aesMaterial(new Secret(Buffer.from(randomBytes(32)))))).split(' ');
    const rows = [0, 1, 2, 3, 4, 5].map((row) =>
      [0, 6, 12, 18].map((at) => `${at + row + 1} ${words[at + row]}`).join('   '),
    );
    expect(bytesOf(await parseWords(rows.join('\n')))).toBe(bytesOf(await parseWords(words.join(' '))));
  });
});

describe('PEM', () => {
  test('private keys of both forms, public ones', async () => {
    const rsa = await generateRsa(2048);
    expect(bytesOf(parseKeyText('pem', text(toKeyText('pem', rsa))))).toBe(bytesOf(rsa));
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pkcs1 = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    expect(parseKeyText('pem', pkcs1)).toMatchObject({ kind: 'rsa' });
    const half = rsaPublicMaterial(rsa.publicPem);
    expect(parseKeyText('pem', text(toKeyText('pem', half)))).toEqual(half);
  });

  const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
    key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const locked = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  });
  test.each([
    ['an elliptic curve', pem(generateKeyPairSync('ed25519').privateKey), 'not RSA'],
    ['1024 bits', pem(small), 'too short'],
    ['a locked key', String(locked), 'passphrase of its own'],
    ['two keys', pem(small) + pem(small), 'one PEM block'],
    ['something else', 'hello', 'one PEM block'],
    ['garbage', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', 'no key that can be read'],
  ])('refuses %s', (_what, input, words) => {
    expect(() => parseKeyText('pem', input)).toThrow(
      expect.objectContaining({ code: 'key-format', message: expect.stringContaining(words) }),
    );
  });

  test('a form that a kind does not have is refused', async () => {
    const rsa = await generateRsa(2048);
    expect(() => toKeyText('base64', rsa)).toThrow('no base64 form');
    expect(() => toKeyText('pem', generateAes())).toThrow('no pem form');
    await expect(toWords(rsa)).rejects.toThrow('an RSA key has no recovery words');
    expect(() => toKeyText('base64', rsaPublicMaterial(rsa.publicPem))).toThrow('the public half');
  });
});
