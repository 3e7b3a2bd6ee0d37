/** Sealed names: the cipher by its RFC, one name for one path, and nothing of a path in its name. */
import { randomBytes } from 'node:crypto';
import { aessiv } from '@noble/ciphers/aes.js';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { base32Length, fromBase32, toBase32 } from '../../src/crypto/base32.ts';
import { type SealedNamesOptions, sealedNames } from '../../src/crypto/names.ts';
import { Recent } from '../../src/crypto/recent.ts';
import { type NameKey, nameKey } from '../../src/model/brands.ts';
import { META_NAME, type Names, namesBelow, pathTyped } from '../../src/model/names.ts';
import { Secret } from '../../src/model/secret.ts';

const KEY = Buffer.alloc(64, 7);
const make = (over: Partial<SealedNamesOptions> = {}, key = KEY): Names =>
  sealedNames(new Secret(key), { id: 'test', maxBytes: 1_000, metadataRoom: 1_500, ...over });
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** As disks have them: any characters but `/` and NUL, up to 255 bytes. */
const segment = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    fc.constantFrom('a', '.git', 'index.js', 'x'.repeat(255), 'é'.repeat(127), 'e\u0301', '_a', ' '),
  )
  .map((text) => text.replaceAll(/[/\0]/g, '-'))
  .filter((text) => text !== '.' && text !== '..' && text.isWellFormed());
const path = fc.array(segment, { minLength: 1, maxLength: 12 }).map((segments) => segments.join('/'));

describe('the cipher', () => {
  test('is AES-SIV as RFC 5297 has it (A.1, A.2)', () => {
    const a1 = aessiv(
      hex('fffefdfc fbfaf9f8 f7f6f5f4 f3f2f1f0 f0f1f2f3 f4f5f6f7 f8f9fafb fcfdfeff'),
      hex('10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627'),
    );
    const sealed = hex('85632d07 c6e8f37f 950acd32 0a2ecc93 40c02b96 90c4dc04 daef7f6a fe5c');
    expect(a1.encrypt(hex('11223344 55667788 99aabbcc ddee'))).toEqual(sealed);
    expect(a1.decrypt(sealed)).toEqual(hex('11223344 55667788 99aabbcc ddee'));
    const a2 = aessiv(
      hex('7f7e7d7c 7b7a7978 77767574 73727170 40414243 44454647 48494a4b 4c4d4e4f'),
      hex('00112233 44556677 8899aabb ccddeeff deaddada deaddada ffeeddcc bbaa9988 77665544 33221100'),
      hex('10203040 50607080 90a0'),
      hex('09f91102 9d74e35b d84156c5 635688c0'),
    );
    expect(
      a2.encrypt(
        hex(
          '74686973 20697320 736f6d65 20706c61 696e7465 78742074 6f20656e 63727970 74207573 696e6720 5349562d 414553',
        ),
      ),
    ).toEqual(
      hex(
        '7bdb6e3b 432667eb 06f4d14b ff2fbd0f cb900f2f ddbe4043 26601965 c889bf17 dba77ceb 094fa663 b7a3f748 ba8af829 ea64ad54 4a272e9c 485b62a3 fd5c0d',
      ),
    );
  });

  test('base32 is RFC 4648 in lower case without padding, one text for each content', () => {
    expect(['f', 'fo', 'foo', 'foob', 'fooba', 'foobar'].map((text) => toBase32(Buffer.from(text)))).toEqual([
      'my',
      'mzxq',
      'mzxw6',
      'mzxw6yq',
      'mzxw6ytb',
      'mzxw6ytboi',
    ]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const text = toBase32(bytes);
        expect(text).toHaveLength(base32Length(bytes.length));
        expect(fromBase32(text)).toEqual(Buffer.from(bytes));
      }),
    );
    for (const other of ['a', 'mz', 'MY', 'm1', 'mzx', 'my======', 'm\u017f'])
      expect(fromBase32(other)).toBeUndefined();
  });
});

describe('names', () => {
  test('are read back as the path in form NFC, whoever reads them', () => {
    const other = make();
    fc.assert(
      fc.property(path, (one) => {
        const names = make();
        const key = names.keyOf(one);
        expect(names.read(key)).toEqual({ kind: 'path', path: nameKey(one) });
        const read = other.read(key);
        if (read.kind === 'cut') expect(make().readCut(key, names.metadata(one))).toBe(nameKey(one));
        else expect(read).toEqual({ kind: 'path', path: nameKey(one) });
        expect(read.kind === 'cut').toBe(META_NAME in names.metadata(one));
      }),
      { numRuns: 300 },
    );
  });

  test('are the same each time, one for each path, and below the name of their folder', () => {
    fc.assert(
      fc.property(path, path, segment, (a, b, last) => {
        const [names, again] = [make(), make()];
        expect(again.keyOf(a)).toBe(names.keyOf(a));
        expect(names.keyOf(a) === names.keyOf(b)).toBe(nameKey(a) === nameKey(b));
        const below = names.keyOf(`${a}/${last}`);
        expect(below.startsWith(`${names.keyOf(a)}/`)).toBe(true);
        expect(names.segment(`${names.keyOf(a)}/`, last.normalize('NFC'))).toBe(
          below.slice(names.keyOf(a).length + 1),
        );
      }),
      { numRuns: 200 },
    );
  });

  test('have only small letters, digits 2 to 7, the mark of a cut and slashes, and never the own folder', () => {
    fc.assert(
      fc.property(path, (one) => {
        const key = make().keyOf(one);
        expect(key).toMatch(/^(_?[a-z2-7]+)(\/_?[a-z2-7]+)*$/);
        expect(key.split('/')).toHaveLength(one.split('/').length);
      }),
      { numRuns: 300 },
    );
    expect(make().keyOf('.s3vault/vault.json')).not.toContain('.');
  });

  test('equal segments have nothing in common in different folders, nor under different keys', () => {
    const names = make();
    const [a, b] = [names.keyOf('one/index.js'), names.keyOf('two/index.js')].map((key) => key.split('/')[1]);
    expect(a).not.toBe(b);
    expect(make({}, Buffer.alloc(64, 8)).keyOf('one')).not.toBe(names.keyOf('one'));
  });

  test('both forms of a name are one', () => {
    expect(make().keyOf('e\u0301/x')).toBe(make().keyOf('\u00e9/x'));
  });

  test('of others are foreign: another key, another folder, a letter changed, plain text, a mark alone', () => {
    const names = make();
    const key = names.keyOf('one/two');
    const [one = '', two = ''] = key.split('/');
    const foreign = [
      make({}, Buffer.alloc(64, 8)).keyOf('one/two'),
      two,
      `${two}/${one}`,
      `${names.keyOf('three')}/${two}`,
      `${one}/${two.startsWith('a') ? 'b' : 'a'}${two.slice(1)}`,
      `${key}/`,
      `/${key}`,
      `${one}//${two}`,
      'notes.txt',
      'readme',
      '_',
      '_abc',
      `${one}/_`,
      '',
      '/'.repeat(900),
    ];
    for (const other of foreign) expect(make().read(other as NameKey), other).toEqual({ kind: 'foreign' });
  });

  test('a wiped key makes no names', () => {
    const names = make();
    const key = names.keyOf('one');
    names.wipe();
    expect(() => names.keyOf('one')).toThrow('gone');
    expect(() => names.read(key)).toThrow('gone');
  });
});

describe('names that are too long', () => {
  const LONG = 'n'.repeat(255);

  test('a segment of 255 bytes is whole while there is room, then cut to its tag', () => {
    const names = make();
    expect(names.keyOf(LONG)).toHaveLength(base32Length(16 + 255));
    const key = names.keyOf(`${LONG}/${LONG}/file`);
    expect(key.split('/').map((part) => part.length)).toEqual([434, 17, base32Length(16 + 4)]);
    expect(key).toMatch(/^[a-z2-7]+\/_[a-z2-7]+\/[a-z2-7]+$/);
  });

  test('what is cut is not read without its object, and known from then on, with its folders', () => {
    const writer = make();
    const deep = `${LONG}/${LONG}/a/${LONG}`;
    const key = writer.keyOf(deep);
    const reader = make();
    expect(reader.read(key)).toEqual({ kind: 'cut' });
    expect(reader.readCut(key, {})).toBeUndefined();
    expect(reader.readCut(key, writer.metadata(`${LONG}/${LONG}/a/other`))).toBeUndefined();
    expect(reader.readCut(key, writer.metadata(deep))).toBe(deep);
    expect(reader.read(key)).toEqual({ kind: 'path', path: deep });
    const sibling = writer.keyOf(`${LONG}/${LONG}/s`);
    expect(reader.read(sibling)).toEqual({ kind: 'path', path: `${LONG}/${LONG}/s` });
  });

  test('metadata of another object, or tampered with, is not taken', () => {
    const names = make();
    const [a, b] = [`${LONG}/${LONG}`, `${LONG}/${LONG}2`];
    const { [META_NAME]: value = '' } = names.metadata(a);
    const reader = make();
    expect(reader.readCut(names.keyOf(b), { [META_NAME]: value })).toBeUndefined();
    const bytes = Buffer.from(value, 'base64');
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    expect(reader.readCut(names.keyOf(a), { [META_NAME]: bytes.toString('base64') })).toBeUndefined();
    expect(value).not.toContain(Buffer.from(LONG).toString('base64').slice(0, 8));
  });

  test('every path of up to 1,000 bytes in segments of up to 255 has a name that fits into S3', () => {
    const names = make({ maxBytes: 1_024 - 30 });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 16 }), (lengths) => {
        const one = lengths.map((length, at) => String(at % 10).repeat(length)).join('/');
        if (one.length > 1_000) return;
        expect(names.fits(names.keyOf(one), one)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('what has no room does not fit: too many folders, or no room in the metadata', () => {
    const deep = Array.from({ length: 80 }, (_, at) => `d${at}`).join('/');
    const names = make();
    expect(names.keyOf(deep).length).toBeGreaterThan(1_000);
    expect(names.fits(names.keyOf(deep), deep)).toBe(false);
    const long = `${LONG}/${LONG}/${LONG}`;
    expect(names.fits(names.keyOf(long), long)).toBe(true);
    const narrow = make({ metadataRoom: 900 });
    expect(narrow.fits(narrow.keyOf(long), long)).toBe(false);
    expect(Buffer.byteLength(JSON.stringify(names.metadata(long)))).toBeLessThan(1_500);
  });
});

describe('what goes round them', () => {
  test('below a folder they are the same names, without the folder', () => {
    const names = make();
    const below = namesBelow(names, 'a/b');
    expect(`${names.keyOf('a/b')}/${below.keyOf('c/d')}`).toBe(names.keyOf('a/b/c/d'));
    expect(below.read(below.keyOf('c/d'))).toEqual({ kind: 'path', path: 'c/d' });
    expect(below.keyOf('')).toBe('');
    expect(below.read(names.keyOf('c'))).toEqual({ kind: 'foreign' });
  });

  test('a path can be typed as people call it or as the bucket does', () => {
    const names = make();
    expect(pathTyped(names, 'a/e\u0301')).toBe('a/\u00e9');
    expect(pathTyped(names, names.keyOf('a/b'))).toBe('a/b');
  });

  test('results are remembered, so many and no more', () => {
    const recent = new Recent(4);
    for (let n = 0; n < 100; n++) recent.set(`d${n % 3}`, String(n), `v${n}`);
    expect([recent.get('d0', '99'), recent.get('d2', '98')]).toEqual(['v99', 'v98']);
    expect(recent.get('d1', '99')).toBeUndefined();
    expect(recent.get('d0', '90')).toBeUndefined();
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (all) => {
        const some = new Recent(4);
        for (const n of all) {
          some.set('d', String(n), `v${n}`);
          expect(some.get('d', String(n))).toBe(`v${n}`);
        }
      }),
    );
  });

  test('random keys never meet', () => {
    const keys = Array.from({ length: 50 }, () => make({}, randomBytes(64)).keyOf('same'));
    expect(new Set(keys).size).toBe(50);
  });
});
