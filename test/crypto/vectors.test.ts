import { describe, expect, test } from 'vitest';
import { needsInstructionFile, startOpen } from '../../src/crypto/open.ts';
import { openRange, storedRange } from '../../src/crypto/range.ts';
import { resumeSeal } from '../../src/crypto/seal.ts';
import type { Metadata } from '../../src/model/ports.ts';
import { twinKeys, twinOpen, twinSeal } from './twin.ts';
import {
  type Vector,
  bodyOf,
  bytesOf,
  chunked,
  collect,
  failure,
  isLegacy,
  keyringFor,
  negative,
  optionsOf,
  plaintextOf,
  positive,
  ranged,
} from './vectors.ts';

const all = [...positive, ...ranged, ...negative];
const accepted = all.filter((vector) => vector.expect !== 'reject' && !isLegacy(vector));
const legacy = all.filter((vector) => vector.expect !== 'reject' && isLegacy(vector));
const named = (vectors: readonly Vector[]) => vectors.map((vector) => [vector.id, vector] as const);
const SHORT = 4_096;

const open = (vector: Vector) => startOpen(keyringFor(vector), vector.metadata, optionsOf(vector));

test('the vectors are all there', () => {
  expect([positive.length, ranged.length, negative.length]).toEqual([79, 2, 239]);
  expect(legacy.length).toBeGreaterThanOrEqual(8 + 3);
  expect(accepted.length).toBe(79 - 8 + 2 + 14 - 3);
});

describe('objects that must open', () => {
  test.each(named(accepted))('%s, whole', async (_, vector) => {
    const opening = await open(vector);
    expect(opening.format).toBe(vector.format);
    expect(opening.whole(bodyOf(vector)).equals(plaintextOf(vector))).toBe(true);
  });

  test.each(named(accepted))('%s, streamed', async (_, vector) => {
    const body = bodyOf(vector);
    const opening = await open(vector);
    const sizes = body.length <= SHORT ? [1, 2, 7, 15, 16, 17, 31, 33, SHORT] : [4_093, 65_536, body.length];
    for (const size of sizes) {
      const plaintext = await collect(opening.stream(chunked(body, size)));
      expect(plaintext.equals(plaintextOf(vector)), `in chunks of ${size}`).toBe(true);
    }
  });

  test.each(
    named(accepted.filter((vector) => bodyOf(vector).length <= SHORT && vector.parts)),
  )('%s, and the slow twin agrees', (_, vector) => {
    const { key, iv, aad } = twinParts(vector);
    expect(twinOpen(key, iv, aad, bodyOf(vector))).toEqual(plaintextOf(vector));
    expect(twinSeal(key, iv, aad, plaintextOf(vector))).toEqual(bodyOf(vector));
  });

  test.each(named(accepted))('%s, with names in capitals among foreign metadata', async (_, vector) => {
    const metadata: Metadata = {
      's3vault-mode': '33188',
      ...capitals(vector.metadata),
      'x-amz-foreign': '1',
    };
    const opening = await startOpen(keyringFor(vector), metadata, optionsOf(vector));
    expect(opening.whole(bodyOf(vector)).equals(plaintextOf(vector))).toBe(true);
  });

  test.each(named(accepted))('%s says whether its envelope is elsewhere', (_, vector) => {
    expect(needsInstructionFile(vector.metadata)).toBe(vector.instructionFile !== undefined);
    expect(needsInstructionFile(capitals(vector.metadata))).toBe(vector.instructionFile !== undefined);
  });
});

describe('sealing again with the parts of a vector', () => {
  const v3 = accepted.filter((vector) => vector.format === 'V3');

  test.each(named(v3))('%s gives the stored body', async (_, vector) => {
    const metadata = wholeEnvelope(vector);
    const body = bodyOf(vector);
    const whole = await resumeSeal(keyringFor(vector), metadata);
    expect(whole.whole(plaintextOf(vector)).equals(body)).toBe(true);
    for (const size of [16, 1_024, 2 ** 20]) {
      if (body.length / size > 5_000) continue;
      const seal = await resumeSeal(keyringFor(vector), metadata);
      const streamed = await collect(seal.stream(chunked(plaintextOf(vector), 1_000), size));
      expect(streamed.equals(body), `in pieces of ${size}`).toBe(true);
    }
  });
});

describe('objects that must be refused', () => {
  const rejected = negative.filter((vector) => vector.expect === 'reject');

  test.each(named(rejected))('%s, whole', async (_, vector) => {
    const error = await failure(async () => (await open(vector)).whole(bodyOf(vector)));
    expectRefusal(error.code, vector);
    expect([error.kind, error.exit]).toEqual(['security', 6]);
  });

  test.each(named(rejected))('%s, streamed', async (_, vector) => {
    for (const size of [1, 16, 61, SHORT]) {
      const error = await failure(async () =>
        collect((await open(vector)).stream(chunked(bodyOf(vector), size))),
      );
      expectRefusal(error.code, vector);
    }
  });

  test.each(
    named(rejected.filter((vector) => vector.stage !== 'content')),
  )('%s, before the body is looked at', async (_, vector) => {
    await failure(() => open(vector));
  });

  test('all of them look alike', async () => {
    const faces = new Set<string>();
    for (const vector of rejected) {
      const error = await failure(async () => (await open(vector)).whole(bodyOf(vector)));
      if (error.code === 'cannot-open') faces.add(`${error.message}; ${error.hint}`);
    }
    expect(faces.size).toBe(1);
  });
});

describe('the rules that give more tests', () => {
  const v2 = accepted.filter((vector) => vector.format === 'V2');

  test.each(
    named(v2),
  )('%s is refused where commitment is required, which is the default', async (_, vector) => {
    for (const commitment of [{ commitment: 'require' as const }, {}]) {
      const { instructionFile } = optionsOf(vector);
      const options = instructionFile === undefined ? commitment : { ...commitment, instructionFile };
      const error = await failure(() => startOpen(keyringFor(vector), vector.metadata, options));
      expect(error.code).toBe('not-committing');
      expect(error.hint).toContain('--commitment allow');
    }
  });

  test.each(named(legacy))('%s is legacy and never opens', async (_, vector) => {
    for (const commitment of ['require', 'allow'] as const) {
      const error = await failure(() => startOpen(keyringFor(vector), vector.metadata, { commitment }));
      expect(error.code).toBe('legacy-format');
      expect(error.message).toContain('legacy');
      expect(error.hint).toContain('--commitment allow');
    }
  });

  test.each(
    named(accepted.filter((vector) => vector.wrap === 'kms+context')),
  )('%s is refused under any other context', async (_, vector) => {
    const right = vector.options.requestContext ?? {};
    const others: Metadata[] = [{ ...right, more: '1' }, { tenant: '43' }];
    if (Object.keys(right).length > 0) others.push({}, changed(right), withoutFirst(right));
    for (const context of others) {
      const keyring = keyringFor(vector, context);
      const error = await failure(() => startOpen(keyring, vector.metadata, optionsOf(vector)));
      expect(error.code).toBe('cannot-open');
    }
  });

  test.each(
    named(accepted.filter((vector) => vector.body.length <= 256)),
  )('%s is refused with any byte of its body flipped', async (_, vector) => {
    const opening = await open(vector);
    const body = bodyOf(vector);
    for (let at = 0; at < body.length; at++) {
      const flipped = Buffer.from(body);
      flipped[at]! ^= 1 << (at % 8);
      const error = await failure(() => opening.whole(flipped));
      expect(error.code, `byte ${at}`).toBe('cannot-open');
      await failure(() => collect(opening.stream(chunked(flipped, 7))));
    }
  });

  test.each(
    named(accepted.filter((vector) => vector.body.length <= 256)),
  )('%s is refused cut at any place', async (_, vector) => {
    const opening = await open(vector);
    const body = bodyOf(vector);
    for (let length = 0; length < body.length; length++) {
      await failure(() => opening.whole(body.subarray(0, length)));
      await failure(() => collect(opening.stream(chunked(body.subarray(0, length), 5))));
    }
  });
});

describe('ranges', () => {
  const wishes = ranged.flatMap((vector) =>
    (vector.ranges ?? []).map((range) => [`${vector.id} ${range.request}`, vector, range] as const),
  );

  test('the ranges are all there', () => expect(wishes.length).toBe(24));

  test.each(wishes)('%s', async (_, vector, wish) => {
    const body = bodyOf(vector);
    const [first, last] = wish.request.replace('bytes=', '').split('-');
    const range = storedRange(Number(first), last === '' ? undefined : Number(last), body.length)!;
    expect(range.first).toBe(wish.minimalS3Start);
    const fetched = body.subarray(range.first, range.last + 1);
    const read = await openRange(keyringFor(vector), vector.metadata, range, fetched, optionsOf(vector));
    expect(read).toEqual(bytesOf(wish.plaintext));
  });
});

function expectRefusal(code: string, vector: Vector): void {
  const policy = ['not-committing', 'legacy-format'];
  const legacyForm =
    vector.format === 'V1' || vector.id.startsWith('neg-legacy') || vector.stage === 'policy';
  const downgraded = vector.id.includes('downgrade');
  expect(legacyForm || downgraded ? [...policy, 'cannot-open'] : ['cannot-open']).toContain(code);
}

function twinParts(vector: Vector) {
  const part = (name: string) => Buffer.from(vector.parts![name] ?? '', 'hex');
  if (vector.format === 'V2') return { key: part('dataKey'), iv: part('contentIv'), aad: Buffer.alloc(0) };
  const { content, commitment } = twinKeys(part('dataKey'), part('messageId'));
  expect([content, commitment]).toEqual([part('derivedKey'), part('commitment')]);
  return { key: content, iv: Buffer.alloc(12, 1), aad: Buffer.of(0, 0x73) };
}

/** What a writer without instruction files would have stored. */
function wholeEnvelope(vector: Vector): Metadata {
  const moved = vector.instructionFile === undefined ? {} : JSON.parse(vector.instructionFile.body);
  return { ...vector.metadata, ...(moved as Metadata) };
}

const capitals = (metadata: Metadata): Metadata =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name.toUpperCase(), value]));
const changed = (map: Metadata): Metadata =>
  Object.fromEntries(Object.entries(map).map(([name, value]) => [name, `${value}x`]));
const withoutFirst = (map: Metadata): Metadata => Object.fromEntries(Object.entries(map).slice(1));
