import { createHash, createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateAes } from '../../src/crypto/generate.ts';
import { macOf } from '../../src/crypto/mac.ts';
import { startOpen } from '../../src/crypto/open.ts';
import { openRange, storedRange } from '../../src/crypto/range.ts';
import {
  MAX_PLAINTEXT,
  type Seal,
  TAG_BYTES,
  openedSize,
  resumeSeal,
  sealedSize,
  startSeal,
} from '../../src/crypto/seal.ts';
import { checkSize, gcmCipher, gcmDecipher, openPieces, sealPieces } from '../../src/crypto/stream.ts';
import { sealKeys, v3Cipher, withMacKey } from '../../src/crypto/derive.ts';
import { keyringOf } from '../../src/crypto/wrap.ts';
import { Secret } from '../../src/model/secret.ts';
import { twinKeys, twinOpen } from './twin.ts';
import { chunked, collect, failure } from './vectors.ts';

const PART = 64;
/** Around every boundary there is: nothing, blocks of 16, pieces of 64, the tag's own 16 bytes. */
const SIZES = [
  0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 79, 80, 81, 111, 112, 113, 127, 128, 129, 1_000,
];

const material = generateAes();
const keyring = keyringOf(material);
const bytes = (size: number): Buffer =>
  createHash('shake256', { outputLength: size }).update(`${size}`).digest();
const plain = (size: number): Buffer => (size === 0 ? Buffer.alloc(0) : bytes(size));
const digestOf = (plaintext: Uint8Array): Buffer => createHash('sha256').update(plaintext).digest();

async function* given(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function piecesOf(seal: Seal, chunks: AsyncIterable<Uint8Array>, partSize: number): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  for await (const piece of seal.stream(chunks, partSize)) pieces.push(piece);
  return pieces;
}

describe('seal and open', () => {
  test.each(SIZES)('are inverse for %d bytes, whole and streamed', async (size) => {
    const plaintext = plain(size);
    const seal = await startSeal(keyring);
    const body = seal.whole(plaintext);
    expect(body.length).toBe(sealedSize(size));
    expect(openedSize(body.length)).toBe(size);
    const opening = await startOpen(keyring, seal.metadata);
    expect(opening.whole(body)).toEqual(plaintext);
    expect(await collect(opening.stream(chunked(body, 13)))).toEqual(plaintext);
  });

  test('are inverse for any bytes, chunks and piece size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 200 }),
        async (chunks, blocks, readSize) => {
          const seal = await startSeal(keyring);
          const pieces = await piecesOf(seal, given(chunks), blocks * 16);
          const opening = await startOpen(keyring, seal.metadata);
          const back = await collect(opening.stream(chunked(Buffer.concat(pieces), readSize)));
          expect(back).toEqual(Buffer.concat(chunks));
          expect(pieces.slice(0, -1).every((piece) => piece.length === blocks * 16)).toBe(true);
          expect(pieces.at(-1)!.length).toBeGreaterThan(0);
          expect(pieces.at(-1)!.length).toBeLessThanOrEqual(blocks * 16);
        },
      ),
    );
  });

  test('a range is the same bytes as the whole', async () => {
    const plaintext = plain(1_000);
    const seal = await startSeal(keyring);
    const body = seal.whole(plaintext);
    await fc.assert(
      fc.asyncProperty(fc.nat(1_100), fc.nat(1_100), async (first, length) => {
        const range = storedRange(first, first + length, body.length);
        const expected = plaintext.subarray(first, first + length + 1);
        if (range === undefined) {
          expect(expected.length).toBe(0);
          return;
        }
        const fetched = body.subarray(range.first, range.last + 1);
        expect(await openRange(keyring, seal.metadata, range, fetched)).toEqual(expected);
      }),
    );
  });

  test('a range that the store cut otherwise is refused', async () => {
    const seal = await startSeal(keyring);
    const body = seal.whole(plain(100));
    const range = storedRange(16, 40, body.length)!;
    for (const wrong of [body, body.subarray(16, 40), body.subarray(0, 0)]) {
      const error = await failure(() => openRange(keyring, seal.metadata, range, wrong));
      expect(error.code).toBe('cannot-open');
    }
  });

  test('the slow twin opens what was sealed', async () => {
    const seal = await startSeal(keyring);
    const body = seal.whole(plain(333));
    const dataKey = await keyring.unwrap(
      { wrapped: Buffer.from(seal.metadata['x-amz-3']!, 'base64'), context: {} },
      '115',
    );
    const messageId = Buffer.from(seal.metadata['x-amz-i']!, 'base64');
    const { content, commitment } = dataKey.use((key) => twinKeys(key, messageId));
    expect(seal.metadata['x-amz-d']).toBe(commitment.toString('base64'));
    expect(twinOpen(content, Buffer.alloc(12, 1), Buffer.of(0, 0x73), body)).toEqual(plain(333));
  });

  test('every object has its own data key, message id and bytes', async () => {
    const seals = await Promise.all(Array.from({ length: 50 }, () => startSeal(keyring)));
    for (const name of ['x-amz-3', 'x-amz-d', 'x-amz-i']) {
      expect(new Set(seals.map((seal) => seal.metadata[name])).size).toBe(50);
    }
    expect(new Set(seals.map((seal) => seal.whole(plain(32)).toString('hex'))).size).toBe(50);
  });

  test('the envelope is that of format V3, and ASCII', async () => {
    const { metadata } = await startSeal(keyring);
    expect(Object.keys(metadata)).toEqual(['x-amz-c', 'x-amz-3', 'x-amz-w', 'x-amz-d', 'x-amz-i']);
    expect([metadata['x-amz-c'], metadata['x-amz-w']]).toEqual(['115', '02']);
    expect(Buffer.from(metadata['x-amz-3']!, 'base64').length).toBe(60);
    expect(Buffer.from(metadata['x-amz-d']!, 'base64').length).toBe(28);
    expect(Buffer.from(metadata['x-amz-i']!, 'base64').length).toBe(28);
  });
});

describe('pieces for a multipart upload', () => {
  test.each(SIZES)('of %d bytes are as long as asked for, whatever the chunks', async (size) => {
    const expected = Math.ceil((size + TAG_BYTES) / PART);
    for (const chunkSize of [1, 7, 16, 63, PART, 65, 1_000]) {
      const pieces = await piecesOf(await startSeal(keyring), chunked(plain(size), chunkSize), PART);
      expect(pieces.map((piece) => piece.length)).toEqual([
        ...Array.from({ length: expected - 1 }, () => PART),
        size + TAG_BYTES - (expected - 1) * PART,
      ]);
    }
  });

  test('an empty file is one piece, the tag', async () => {
    expect((await piecesOf(await startSeal(keyring), given([]), PART)).map((p) => p.length)).toEqual([16]);
    const empty = [Buffer.alloc(0), Buffer.alloc(0)];
    expect((await piecesOf(await startSeal(keyring), given(empty), PART)).map((p) => p.length)).toEqual([16]);
  });

  test('are not written to again after they were handed out', async () => {
    const pieces: Buffer[] = [];
    const copies: string[] = [];
    const seal = await startSeal(keyring);
    for await (const piece of seal.stream(chunked(plain(1_000), 30), PART)) {
      pieces.push(piece);
      copies.push(piece.toString('hex'));
    }
    expect(pieces.map((piece) => piece.toString('hex'))).toEqual(copies);
  });

  test('a piece size that is no positive multiple of 16 is refused, and costs no use', async () => {
    const seal = await startSeal(keyring);
    for (const size of [0, -16, 8, 24, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => seal.stream(given([]), size)).toThrow('multiple of 16');
    }
    expect(seal.whole(plain(1)).length).toBe(17);
  });

  test('an error of the source comes through, and the source is ended when the reader leaves', async () => {
    const gone = new Error('gone');
    const failing = async function* () {
      yield plain(100);
      throw gone;
    };
    await expect(collect((await startSeal(keyring)).stream(failing(), PART))).rejects.toBe(gone);
    let ended = false;
    const endless = async function* () {
      try {
        for (;;) yield plain(100);
      } finally {
        ended = true;
      }
    };
    for await (const _ of (await startSeal(keyring)).stream(endless(), PART)) break;
    expect(ended).toBe(true);
  });
});

describe('the largest object', () => {
  test('is 64 GiB less 32 bytes', () => {
    expect(MAX_PLAINTEXT).toBe(68_719_476_704);
    expect(() => checkSize(MAX_PLAINTEXT)).not.toThrow();
    expect(() => checkSize(MAX_PLAINTEXT + 1)).toThrow('larger than 68719476704 bytes');
  });

  test('is counted over all chunks, in both directions', async () => {
    const content = v3Cipher(new Secret(plain(32)), plain(28));
    const seal = (size: number) =>
      collect(sealPieces(gcmCipher(content), chunked(plain(size), 30), PART, 100));
    const body = await seal(100);
    expect((await failure(() => seal(101))).code).toBe('too-large');
    const open = (limit: number) =>
      collect(openPieces(gcmDecipher(content), chunked(body, 30), undefined, limit));
    expect(await open(100)).toEqual(plain(100));
    expect((await failure(() => open(99))).code).toBe('cannot-open');
  });

  test('is refused as soon as it is noticed, before a byte beyond it is sealed', async () => {
    // A chunk that says it is as long as the format allows, and one byte more: nothing of it may be read.
    const huge = new Proxy(Buffer.alloc(0), {
      get: (target, name) => {
        if (name === 'length') return MAX_PLAINTEXT + 1;
        if (name === 'then') return undefined;
        throw new Error(`${String(name)} of ${target.length} bytes was read`);
      },
    });
    const seal = await startSeal(keyring);
    const error = await failure(() => collect(seal.stream(given([huge]), PART)));
    expect([error.kind, error.code]).toEqual(['file', 'too-large']);
    const whole = await failure(async () => (await startSeal(keyring)).whole(huge));
    expect(whole.code).toBe('too-large');
  });
});

describe('a seal encrypts once', () => {
  const uses: readonly [string, (seal: Seal) => unknown][] = [
    ['whole', (seal) => seal.whole(plain(10))],
    ['stream', (seal) => seal.stream(given([plain(10)]), PART)],
  ];
  const pairs = uses.flatMap((first) =>
    uses.map((second) => [first[0], second[0], first[1], second[1]] as const),
  );

  test.each(pairs)('%s, then %s', async (_first, _second, first, second) => {
    const seal = await startSeal(keyring);
    first(seal);
    expect(() => second(seal)).toThrow('one plaintext only');
  });

  test.each(uses)('%s not after wiping', async (_, use) => {
    const seal = await startSeal(keyring);
    seal.wipe();
    expect(() => use(seal)).toThrow('content key is gone');
    expect(() => seal.mac(Buffer.alloc(32), 'file')).toThrow('is gone');
  });

  test('a stream that was begun goes on though the key is wiped', async () => {
    const seal = await startSeal(keyring);
    const stream = seal.stream(chunked(plain(500), 50), PART);
    seal.wipe();
    const opening = await startOpen(keyring, seal.metadata);
    expect(opening.whole(await collect(stream))).toEqual(plain(500));
  });
});

describe('going on with an interrupted upload', () => {
  test('gives the same bytes, from the metadata that was stored', async () => {
    const seal = await startSeal(keyring);
    const first = await piecesOf(seal, chunked(plain(500), 50), PART);
    const stored = { ...seal.metadata, 's3vault-mode': '33188' };
    const again = await resumeSeal(keyring, stored);
    expect(again.metadata).toEqual(seal.metadata);
    expect(again.mac(digestOf(plain(500)), 'file')).toBe(seal.mac(digestOf(plain(500)), 'file'));
    expect(await piecesOf(again, chunked(plain(500), 64), PART)).toEqual(first);
  });

  test('is refused under another key, and for an envelope that was changed', async () => {
    const { metadata } = await startSeal(keyring);
    const other = await startSeal(keyring);
    expect((await failure(() => resumeSeal(keyringOf(generateAes()), metadata))).code).toBe('cannot-open');
    for (const name of ['x-amz-3', 'x-amz-d', 'x-amz-i']) {
      const mixed = { ...metadata, [name]: other.metadata[name]! };
      expect((await failure(() => resumeSeal(keyring, mixed))).code).toBe('cannot-open');
    }
  });
});

describe('the keyed digest', () => {
  const digest = digestOf(plain(40));

  test('fits its object and its plaintext only', async () => {
    const seal = await startSeal(keyring);
    const mac = seal.mac(digest, 'file');
    expect(mac).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    const opening = await startOpen(keyring, seal.metadata);
    expect(opening.macFits(digest, mac, 'file')).toBe(true);
    expect(opening.macFits(digestOf(plain(41)), mac, 'file')).toBe(false);
    const other = await startOpen(keyring, (await startSeal(keyring)).metadata);
    expect(other.macFits(digest, mac, 'file')).toBe(false);
  });

  test('of a link is another one, now and for ever', async () => {
    const seal = await startSeal(keyring);
    const [file, link] = [seal.mac(digest, 'file'), seal.mac(digest, 'link')];
    const opening = await startOpen(keyring, seal.metadata);
    expect(opening.macFits(digest, link, 'link')).toBe(true);
    expect(opening.macFits(digest, link, 'file')).toBe(false);
    expect(opening.macFits(digest, file, 'link')).toBe(false);
    const key = plain(32);
    const expected = createHmac('sha256', key)
      .update(Buffer.concat([digest, Buffer.from(' link')]))
      .digest('base64');
    expect(macOf(key, digest, 'link')).toBe(expected);
  });

  test('is HMAC-SHA256 under a key of its own, now and for ever', async () => {
    const [dataKey, messageId] = [plain(32), plain(28)];
    const prk = createHmac('sha512', messageId).update(dataKey).digest();
    const info = Buffer.from('s3vault-mac v1\u0001', 'latin1');
    const key = createHmac('sha512', prk).update(info).digest().subarray(0, 32);
    const expected = createHmac('sha256', key).update(digest).digest('base64');
    const made = withMacKey(new Secret(dataKey), messageId, (macKey) => macOf(macKey, digest, 'file'));
    expect(made).toBe(expected);
    expect(sealKeys(new Secret(dataKey), messageId).mac.use((macKey) => macOf(macKey, digest, 'file'))).toBe(
      expected,
    );
    expect(key).not.toEqual(twinKeys(dataKey, messageId).content);
  });

  test('does not fit when it was shortened, lengthened or is no digest at all', async () => {
    const seal = await startSeal(keyring);
    const mac = seal.mac(digest, 'file');
    const opening = await startOpen(keyring, seal.metadata);
    for (const wrong of ['', mac.slice(0, -1), `${mac}=`, `${mac} `, 'A'.repeat(44), 'ä'.repeat(22)]) {
      expect(opening.macFits(digest, wrong, 'file'), wrong).toBe(false);
    }
  });

  test('is not a plain hash: two objects of one content differ', async () => {
    const [a, b] = [await startSeal(keyring), await startSeal(keyring)];
    expect(a.mac(digest, 'file')).not.toBe(b.mac(digest, 'file'));
  });

  test('wants a digest, not a file', async () => {
    const seal = await startSeal(keyring);
    expect(() => seal.mac(plain(31), 'file')).toThrow('32 bytes');
  });
});

describe('refusals', () => {
  test('another AES key', async () => {
    const { metadata } = await startSeal(keyring);
    const error = await failure(() => startOpen(keyringOf(generateAes()), metadata));
    expect([error.kind, error.code, error.exit]).toEqual(['security', 'cannot-open', 6]);
    expect(error.cause).toBeInstanceOf(Error);
  });

  test('a body of another object under the same key', async () => {
    const [a, b] = [await startSeal(keyring), await startSeal(keyring)];
    const body = b.whole(plain(100));
    const opening = await startOpen(keyring, a.metadata);
    expect((await failure(() => opening.whole(body))).code).toBe('cannot-open');
  });

  test('an opening whose key was wiped, rather than a key of zeros', async () => {
    const seal = await startSeal(keyring);
    const body = seal.whole(plain(10));
    const opening = await startOpen(keyring, seal.metadata);
    opening.wipe();
    expect(() => opening.whole(body)).toThrow('data key is gone');
    expect(() => opening.stream(given([body]))).toThrow('data key is gone');
  });

  test('a keyring whose key was wiped', async () => {
    const own = generateAes();
    const ring = keyringOf(own);
    const { metadata } = await startSeal(ring);
    own.secret.wipe();
    await expect(startSeal(ring)).rejects.toThrow();
    expect((await failure(() => startOpen(ring, metadata))).code).toBe('cannot-open');
  });

  test('a call that was cancelled', async () => {
    const signal = AbortSignal.abort();
    const { metadata } = await startSeal(keyring);
    for (const run of [
      () => startSeal(keyring, { signal }),
      () => resumeSeal(keyring, metadata, { signal }),
      () => startOpen(keyring, metadata, { signal }),
    ]) {
      expect((await failure(run)).kind).toBe('cancelled');
    }
  });

  test('no key stays behind', async () => {
    let dataKey: Secret | undefined;
    const watched = {
      ...keyring,
      fresh: async (name: string) => {
        const fresh = await keyring.fresh(name);
        dataKey = fresh.dataKey;
        return fresh;
      },
    };
    await startSeal(watched);
    expect(dataKey!.length).toBe(0);
    const kept: Buffer[] = [];
    v3Cipher(new Secret(plain(32)), plain(28)).withKey((key) => kept.push(key));
    withMacKey(new Secret(plain(32)), plain(28), (key) => kept.push(key));
    expect(kept).toEqual([Buffer.alloc(32), Buffer.alloc(32)]);
  });

  test('no error holds a key or plaintext', async () => {
    const secret = new Secret(Buffer.from('0123456789abcdef0123456789abcdef'));
    const ring = keyringOf({ kind: 'aes-256', fingerprint: 'f', secret });
    const seal = await startSeal(ring);
    const body = seal.whole(Buffer.from('very private text'));
    body[20]! ^= 1;
    const error = await failure(async () => (await startOpen(ring, seal.metadata)).whole(body));
    const shown = `${error.stack}${JSON.stringify(error)}${String((error.cause as Error).stack)}`;
    expect(shown).not.toMatch(/private text|0123456789abcdef/);
  });
});
