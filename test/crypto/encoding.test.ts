import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64, readMap, undoWords, writeMap } from '../../src/crypto/encoding.ts';
import { readEnvelope } from '../../src/crypto/envelope.ts';
import { generateAes } from '../../src/crypto/generate.ts';
import { startOpen } from '../../src/crypto/open.ts';
import { startSeal } from '../../src/crypto/seal.ts';
import { keyringOf } from '../../src/crypto/wrap.ts';
import type { Metadata } from '../../src/model/ports.ts';
import { failure } from './vectors.ts';

describe('base64', () => {
  test('what Node skips silently is refused', () => {
    expect(decodeBase64('x', 'AAEC')).toEqual(Buffer.of(0, 1, 2));
    for (const text of ['', 'AAE', 'AA=C', 'AAEC\n', ' AAEC', 'AA*EC', 'A-_C', 'AAF=', 'AAECA===', 'AAEC=']) {
      expect(() => decodeBase64('x', text), text).toThrow('cannot be opened');
    }
  });
});

describe('JSON maps', () => {
  const maps = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }));

  test('come back as they were written, and are ASCII', () => {
    fc.assert(
      fc.property(maps, (map) => {
        const text = writeMap(map);
        expect(text).toMatch(/^[\u0020-\u007e]*$/);
        expect(Object.entries(readMap('m', text))).toEqual(Object.entries(map));
      }),
    );
  });

  test('are read like JSON.parse reads them, white space and escapes included', () => {
    fc.assert(
      fc.property(maps, fc.constantFrom('', ' ', '\t', '\n  '), (map, space) => {
        const text = `${space}${JSON.stringify(map, undefined, space)}${space}`;
        expect(readMap('m', text)).toEqual(JSON.parse(text));
      }),
    );
    expect(readMap('m', String.raw`{"a\"\\\u0041" : "\/\n","b":""}`)).toEqual({ 'a"\\A': '/\n', b: '' });
  });

  test.each([
    '',
    'null',
    '"a"',
    '[]',
    '[{"a":"b"}]',
    '{',
    '}',
    '{}{}',
    '{"a"}',
    '{"a":}',
    '{"a":"b",}',
    '{,"a":"b"}',
    '{"a":"b"}x',
    'x{"a":"b"}',
    '{"a":"b" "c":"d"}',
    '{"a":null}',
    '{"a":true}',
    '{"a":1}',
    '{"a":{"b":"c"}}',
    '{"a":["b"]}',
    "{'a':'b'}",
    '{a:"b"}',
    '{"a":"b","a":"c"}',
    String.raw`{"a":"b","\u0061":"c"}`,
    '{"__proto__":"a","__proto__":"b"}',
    '{"a":"\n"}',
    String.raw`{"a":"\x"}`,
    String.raw`{"a":"\u12"}`,
    '{"a":"b\\"}',
    '\u00a0{"a":"b"}',
    '\ufeff{}',
  ])('refuses %j', (text) => {
    expect(() => readMap('m', text)).toThrow('cannot be opened');
  });

  test('take whole numbers for the names that may have them', () => {
    const numbers = new Set(['n']);
    expect(readMap('m', '{"n":128,"s":"1"}', numbers)).toEqual({ n: '128', s: '1' });
    for (const text of ['{"n":1.5}', '{"n":-1}', '{"n":01}', '{"n":1e3}', '{"s":1}']) {
      expect(() => readMap('m', text, numbers), text).toThrow('cannot be opened');
    }
  });
});

describe('the double encoding of S3', () => {
  const doubled = (text: string): Buffer => Buffer.from(Buffer.from(text, 'utf8').toString('latin1'), 'utf8');
  const b = (bytes: Buffer): string => `=?UTF-8?B?${bytes.toString('base64')}?=`;
  const q = (bytes: Buffer): string => {
    const kept = /[!"#-<>@-^`-~]/;
    const quoted = [...bytes].map((byte) => {
      const letter = String.fromCharCode(byte);
      if (letter === ' ') return '_';
      const hex = byte.toString(16).toUpperCase().padStart(2, '0');
      return byte < 128 && kept.test(letter) ? letter : `=${hex}`;
    });
    return `=?UTF-8?Q?${quoted.join('')}?=`;
  };

  test('known answers', () => {
    expect(undoWords('m', 'plain')).toBe('plain');
    expect(undoWords('m', '')).toBe('');
    expect(undoWords('m', 'not =?UTF-8?Q?a?= at its begin')).toBe('not =?UTF-8?Q?a?= at its begin');
    expect(undoWords('m', '=?UTF-8?Q?M=C3=83=C2=BCnchen?=')).toBe('München');
    expect(undoWords('m', '=?UTF-8?B?TcODwrxuY2hlbg==?=')).toBe('München');
    expect(undoWords('m', '=?utf-8?q?{"Stadt":"M=C3=83=C2=BCn?= =?UTF-8?b?Y2hlbiJ9?=')).toBe(
      '{"Stadt":"München"}',
    );
    // One character, whose two inner bytes stand in two words.
    expect(undoWords('m', '=?UTF-8?Q?=C3=83=C2?= =?UTF-8?Q?=BC?=')).toBe('ü');
  });

  test('is undone for any text, in words cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        (text, size, base64) => {
          const bytes = doubled(text);
          const words: string[] = [];
          for (let at = 0; at < bytes.length; at += size) {
            words.push((base64 ? b : q)(bytes.subarray(at, at + size)));
          }
          expect(undoWords('m', words.join(' '))).toBe(text);
        },
      ),
    );
  });

  test.each([
    '=?',
    '=?UTF-8?Q?a',
    '=?UTF-8?X?a?=',
    '=?ISO-8859-1?Q?a?=',
    '=?UTF-8?Q?a?= b',
    '=?UTF-8?B?A?=',
    '=?UTF-8?Q?=FF?=',
    '=?UTF-8?Q?=E2=82=AC?=',
    '=?UTF-8?Q?=C3=83?=',
  ])('%s is refused', (value) => {
    expect(() => undoWords('m', value)).toThrow('cannot be opened');
  });

  test('is undone in the metadata, and not in an instruction file', async () => {
    const keyring = keyringOf(generateAes());
    const { metadata } = await startSeal(keyring);
    const map = { Stadt: 'München' };
    const stored = { ...metadata, 'x-amz-m': q(doubled(JSON.stringify(map))) };
    expect(readEnvelope(stored).context).toEqual(map);
    await startOpen(keyring, stored);
    const { 'x-amz-3': key = '', 'x-amz-w': wrap = '', ...own } = metadata;
    const file = JSON.stringify({ 'x-amz-3': key, 'x-amz-w': wrap, 'x-amz-m': stored['x-amz-m'] });
    const error = await failure(() => startOpen(keyring, own, { instructionFile: file }));
    expect(error.code).toBe('cannot-open');
  });
});

describe('the envelope', () => {
  const keyring = keyringOf(generateAes());
  const zeros = (length: number): string => Buffer.alloc(length).toString('base64');
  const v2 = (change: Metadata): Metadata => ({
    'x-amz-key-v2': Buffer.alloc(60, 1).toString('base64'),
    'x-amz-iv': Buffer.alloc(12, 1).toString('base64'),
    'x-amz-cek-alg': 'AES/GCM/NoPadding',
    'x-amz-wrap-alg': 'AES/GCM',
    'x-amz-tag-len': '128',
    'x-amz-matdesc': '{}',
    ...change,
  });
  const code = async (metadata: Metadata, instructionFile?: string): Promise<string> =>
    (await failure(() => readEnvelope(metadata, instructionFile))).code;

  test('random values of all zeros are refused', async () => {
    const { metadata } = await startSeal(keyring);
    expect(await code({ ...metadata, 'x-amz-i': zeros(28) })).toBe('cannot-open');
    expect(readEnvelope(v2({})).format).toBe('V2');
    expect(await code(v2({ 'x-amz-iv': zeros(12) }))).toBe('cannot-open');
  });

  test('one name in two spellings is refused', async () => {
    const { metadata } = await startSeal(keyring);
    expect(await code({ ...metadata, 'X-Amz-D': metadata['x-amz-d']! })).toBe('cannot-open');
  });

  test('legacy forms are named, mixtures that nobody wrote are not', async () => {
    for (const wrap of ['AESWrap', 'kms', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding']) {
      expect(await code(v2({ 'x-amz-wrap-alg': wrap }))).toBe('legacy-format');
    }
    const cbc = {
      'x-amz-cek-alg': 'AES/CBC/PKCS5Padding',
      'x-amz-iv': Buffer.alloc(16, 1).toString('base64'),
    };
    expect(await code(v2({ ...cbc, 'x-amz-wrap-alg': 'AESWrap' }))).toBe('legacy-format');
    expect(await code(v2(cbc))).toBe('cannot-open');
    expect(await code({ 'x-amz-key': 'AA==', 'x-amz-iv': 'AA==' })).toBe('legacy-format');
    expect(await code({ 'x-amz-key': 'AA==' })).toBe('cannot-open');
    expect(await code({}, '{"x-amz-key":"AA==","x-amz-iv":"AA=="}')).toBe('legacy-format');
  });

  test('an instruction file of a V3 object with a part missing or a part too many', async () => {
    const { metadata } = await startSeal(keyring);
    const { 'x-amz-3': key = '', 'x-amz-w': wrap = '', ...own } = metadata;
    const file = JSON.stringify({ 'x-amz-3': key, 'x-amz-w': wrap });
    expect(readEnvelope(own, file).format).toBe('V3');
    expect(readEnvelope({ ...own, 'x-amz-m': '' }, file).format).toBe('V3');
    expect(await code(own, JSON.stringify({ 'x-amz-w': wrap }))).toBe('cannot-open');
    expect(await code(own, JSON.stringify({ 'x-amz-3': key }))).toBe('cannot-open');
    expect(await code({ ...own, 'x-amz-w': wrap }, JSON.stringify({ 'x-amz-3': key }))).toBe('cannot-open');
    expect(await code(own, `${file}${' '.repeat(16 * 1024)}`)).toBe('cannot-open');
    for (const name of ['x-amz-c', 'x-amz-d', 'x-amz-i']) {
      const { [name]: _, ...less } = own;
      expect(await code(less, file), name).toBe('cannot-open');
    }
  });

  test('a plain object is refused, not passed through', async () => {
    expect(await code({})).toBe('cannot-open');
    expect(await code({ 'content-note': 'x' }, '{}')).toBe('cannot-open');
  });
});
