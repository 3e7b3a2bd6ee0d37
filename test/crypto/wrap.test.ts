import { constants, publicEncrypt, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { generateAes, generateRsa, rsaPublicMaterial } from '../../src/crypto/generate.ts';
import { startOpen } from '../../src/crypto/open.ts';
import { rewrap } from '../../src/crypto/rewrap.ts';
import { resumeSeal, startSeal } from '../../src/crypto/seal.ts';
import { keyringOf, kmsKeyring } from '../../src/crypto/wrap.ts';
import { type ErrorKind, VaultError } from '../../src/model/errors.ts';
import type { KeyMaterial } from '../../src/model/keyref.ts';
import type { Keyring, Kms, Metadata } from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';
import { collect, chunked, failure } from './vectors.ts';

const TEXT = Buffer.from('what is sealed here');
const hex = (secret: Secret): string => secret.use((bytes) => bytes.toString('hex'));

let rsa: Extract<KeyMaterial, { kind: 'rsa' }>;
beforeAll(async () => {
  rsa = await generateRsa(2048);
});

/** A KMS of one key, in memory: wraps by remembering. */
function memoryKms(): Kms & { readonly asked: Metadata[] } {
  const known = new Map<string, { readonly key: Buffer; readonly context: string }>();
  const asked: Metadata[] = [];
  const flat = (context: Metadata) =>
    JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    asked,
    generateDataKey: async (keyId, context) => {
      asked.push(context);
      const key = randomBytes(32);
      const wrapped = randomBytes(184);
      known.set(`${keyId}/${wrapped.toString('hex')}`, { key, context: flat(context) });
      return { dataKey: new Secret(key), wrapped };
    },
    encrypt: async (keyId, dataKey, context) => {
      const wrapped = randomBytes(184);
      const key = dataKey.use((bytes) => Buffer.from(bytes));
      known.set(`${keyId}/${wrapped.toString('hex')}`, { key, context: flat(context) });
      return wrapped;
    },
    decrypt: async (keyId, wrapped, context) => {
      asked.push(context);
      const entry = known.get(`${keyId}/${Buffer.from(wrapped).toString('hex')}`);
      if (entry?.context !== flat(context))
        throw new VaultError('security', 'kms-ciphertext', 'refused by KMS');
      return new Secret(entry.key);
    },
    describe: async (keyId) => keyId,
  };
}

describe('AES/GCM', () => {
  test('gives back the data key under its name only', async () => {
    const keyring = keyringOf(generateAes());
    const { dataKey, ...wrapped } = await keyring.fresh('115');
    expect(dataKey.length).toBe(32);
    expect(hex(await keyring.unwrap(wrapped, '115'))).toBe(hex(dataKey));
    for (const name of ['AES/GCM/NoPadding', '', '1155', '115 ']) {
      expect((await failure(() => keyring.unwrap(wrapped, name))).code).toBe('cannot-open');
    }
  });

  test('never wraps twice under one nonce', async () => {
    const keyring = keyringOf(generateAes());
    const wrapped = await Promise.all(Array.from({ length: 100 }, () => keyring.fresh('115')));
    const nonces = wrapped.map((one) => Buffer.from(one.wrapped).toString('hex', 0, 12));
    expect(new Set(nonces).size).toBe(100);
  });

  test('refuses any byte changed, and any length', async () => {
    const keyring = keyringOf(generateAes());
    const { wrapped } = await keyring.fresh('115');
    for (let at = 0; at < wrapped.length; at++) {
      const flipped = Buffer.from(wrapped);
      flipped[at]! ^= 1;
      await failure(() => keyring.unwrap({ wrapped: flipped, context: {} }, '115'));
      await failure(() => keyring.unwrap({ wrapped: wrapped.subarray(0, at), context: {} }, '115'));
    }
  });

  test.each([16, 24])('a key of %d bytes never writes', async (length) => {
    const secret = new Secret(randomBytes(length));
    const keyring = keyringOf({ kind: 'aes-256', fingerprint: 'f', secret });
    const error = await failure(() => startSeal(keyring));
    expect([error.kind, error.code]).toEqual(['usage', 'key-too-short']);
  });

  test('a key of an impossible length opens nothing', async () => {
    const { metadata } = await startSeal(keyringOf(generateAes()));
    const keyring = keyringOf({ kind: 'aes-256', fingerprint: 'f', secret: new Secret(randomBytes(31)) });
    expect((await failure(() => startOpen(keyring, metadata))).code).toBe('cannot-open');
  });
});

describe('RSA-OAEP-SHA1', () => {
  const forge = (message: Buffer): { wrapped: Buffer; context: Metadata } => ({
    wrapped: publicEncrypt(
      { key: rsa.publicPem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
      message,
    ),
    context: {},
  });

  test('binds length, key and name', async () => {
    const keyring = keyringOf(rsa);
    const key = randomBytes(32);
    const name = Buffer.from('115');
    const right = forge(Buffer.concat([Buffer.of(32), key, name]));
    expect(hex(await keyring.unwrap(right, '115'))).toBe(key.toString('hex'));
    const wrong = [
      Buffer.concat([key]),
      Buffer.concat([Buffer.of(32), key]),
      Buffer.concat([Buffer.of(31), key, name]),
      Buffer.concat([Buffer.of(33), key, name]),
      Buffer.concat([Buffer.of(0), name]),
      Buffer.concat([Buffer.of(255), key, name]),
      Buffer.concat([Buffer.of(32), key, name, Buffer.of(0)]),
      Buffer.concat([Buffer.of(32), key, Buffer.from('116')]),
      Buffer.concat([Buffer.of(32), key, Buffer.from('AES/GCM/NoPadding')]),
      Buffer.alloc(0),
      Buffer.from([32]),
    ];
    for (const message of wrong) {
      const error = await failure(() => keyring.unwrap(forge(message), '115'));
      expect([error.kind, error.code]).toEqual(['security', 'cannot-open']);
    }
  });

  test('another padding or hash is refused', async () => {
    const keyring = keyringOf(rsa);
    const message = Buffer.concat([Buffer.of(32), randomBytes(32), Buffer.from('115')]);
    const others = [
      { padding: constants.RSA_PKCS1_PADDING },
      { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    ];
    for (const other of others) {
      const wrapped = publicEncrypt({ key: rsa.publicPem, ...other }, message);
      expect((await failure(() => keyring.unwrap({ wrapped, context: {} }, '115'))).code).toBe('cannot-open');
    }
  });

  test('a public key seals and does not open', async () => {
    const publicOnly = keyringOf(rsaPublicMaterial(rsa.publicPem));
    expect([publicOnly.canOpen, keyringOf(rsa).canOpen]).toEqual([false, true]);
    expect(publicOnly.fingerprint).toBe(rsa.fingerprint);
    const seal = await startSeal(publicOnly);
    expect(seal.metadata['x-amz-w']).toBe('22');
    const body = seal.whole(TEXT);
    expect((await startOpen(keyringOf(rsa), seal.metadata)).whole(body)).toEqual(TEXT);
    for (const run of [startOpen, resumeSeal]) {
      const error = await failure(() => run(publicOnly, seal.metadata));
      expect([error.kind, error.code]).toEqual(['security', 'encrypt-only']);
    }
    const wrapped = { wrapped: Buffer.from(seal.metadata['x-amz-3']!, 'base64'), context: {} };
    expect((await failure(() => publicOnly.unwrap(wrapped, '115'))).code).toBe('encrypt-only');
  });

  test('the key of another pair does not open', async () => {
    const seal = await startSeal(keyringOf(rsa));
    const other = keyringOf(await generateRsa(2048));
    expect((await failure(() => startOpen(other, seal.metadata))).code).toBe('cannot-open');
  });
});

describe('kms+context', () => {
  const context = { tenant: '42', Größe: 'groß 😀' };

  test('seals with the reserved pair, as ASCII, and opens with the same context', async () => {
    const kms = memoryKms();
    const keyring = kmsKeyring(kms, 'key-1', context);
    expect(keyring.fingerprint).toBe('key-1');
    const seal = await startSeal(keyring);
    expect(kms.asked).toEqual([{ ...context, 'aws:x-amz-cek-alg': '115' }]);
    expect(seal.metadata['x-amz-w']).toBe('12');
    expect(seal.metadata['x-amz-t']).toMatch(/^[\u0020-\u007e]+$/);
    expect(JSON.parse(seal.metadata['x-amz-t']!)).toEqual({ ...context, 'aws:x-amz-cek-alg': '115' });
    const body = seal.whole(TEXT);
    const opening = await startOpen(keyring, seal.metadata);
    expect(await collect(opening.stream(chunked(body, 3)))).toEqual(TEXT);
  });

  test('opens only with the same context and key, and does not ask KMS for another context', async () => {
    const kms = memoryKms();
    const { metadata } = await startSeal(kmsKeyring(kms, 'key-1', context));
    const asked = kms.asked.length;
    for (const other of [{}, { tenant: '42' }, { ...context, tenant: '43' }, { ...context, more: '' }]) {
      const error = await failure(() => startOpen(kmsKeyring(kms, 'key-1', other), metadata));
      expect(error.code).toBe('cannot-open');
    }
    expect(kms.asked.length).toBe(asked);
    const error = await failure(() => startOpen(kmsKeyring(kms, 'key-2', context), metadata));
    expect(error.code).toBe('cannot-open');
  });

  test('a name that every object has is no pair', async () => {
    const kms = memoryKms();
    const { metadata } = await startSeal(kmsKeyring(kms, 'key-1', { a: '1' }));
    for (const stored of ['{"__proto__":"1","aws:x-amz-cek-alg":"115"}', '{"a":"1"}', '{"toString":"1"}']) {
      const error = await failure(() =>
        startOpen(kmsKeyring(kms, 'key-1', { a: '1' }), { ...metadata, 'x-amz-t': stored }),
      );
      expect(error.code).toBe('cannot-open');
    }
    const odd = kmsKeyring(kms, 'key-1', Object.fromEntries([['__proto__', 'x']]));
    const seal = await startSeal(odd);
    expect(seal.metadata['x-amz-t']).toContain('"__proto__":"x"');
    expect((await startOpen(odd, seal.metadata)).whole(seal.whole(TEXT))).toEqual(TEXT);
  });

  test.each(['aws:x-amz-cek-alg', 'kms_cmk_id'])('a caller may not give %s', async (name) => {
    const error = await failure(() => kmsKeyring(memoryKms(), 'key-1', { [name]: '115' }));
    expect([error.kind, error.code]).toEqual(['usage', 'reserved-context']);
  });

  test.each([
    'throttled',
    'transient',
    'offline',
    'refused',
    'cancelled',
  ] satisfies ErrorKind[])('an error of kind %s says nothing about the object and comes through', async (kind) => {
    const kms = memoryKms();
    const { metadata } = await startSeal(kmsKeyring(kms, 'key-1', {}));
    const broken = { ...kms, decrypt: () => Promise.reject(new VaultError(kind, 'kms-x', 'no answer')) };
    const error = await failure(() => startOpen(kmsKeyring(broken, 'key-1', {}), metadata));
    expect([error.kind, error.code]).toEqual([kind, 'kms-x']);
  });

  test('any other failure of KMS is one of opening', async () => {
    const kms = memoryKms();
    const { metadata } = await startSeal(kmsKeyring(kms, 'key-1', {}));
    const reason = new Error('InvalidCiphertextException');
    const broken = { ...kms, decrypt: () => Promise.reject(reason) };
    const error = await failure(() => startOpen(kmsKeyring(broken, 'key-1', {}), metadata));
    expect([error.code, error.cause]).toEqual(['cannot-open', reason]);
  });

  test.each([0, 16, 31, 33])('a data key of %d bytes is refused', async (length) => {
    const kms = memoryKms();
    const { metadata } = await startSeal(kmsKeyring(kms, 'key-1', {}));
    const secret = new Secret(randomBytes(length));
    const odd: Kms = {
      ...kms,
      generateDataKey: async () => ({ dataKey: secret, wrapped: randomBytes(184) }),
      decrypt: async () => new Secret(randomBytes(length)),
    };
    expect((await failure(() => startSeal(kmsKeyring(odd, 'key-1', {})))).code).toBe('kms-answer');
    expect(secret.length).toBe(0);
    expect((await failure(() => startOpen(kmsKeyring(odd, 'key-1', {}), metadata))).code).toBe('cannot-open');
  });

  test('a context too long for S3 metadata is refused before anything is sealed', async () => {
    const error = await failure(() => startSeal(kmsKeyring(memoryKms(), 'key-1', { note: 'ü'.repeat(250) })));
    expect([error.kind, error.code]).toEqual(['usage', 'envelope-too-large']);
  });
});

describe('rewrapping', () => {
  const sealed = async (keyring: Keyring) => {
    const seal = await startSeal(keyring);
    return { metadata: seal.metadata, mac: seal.mac(Buffer.alloc(32, 7), 'file'), body: seal.whole(TEXT) };
  };

  test('moves an object to another key; body and keyed digest stay', async () => {
    const [old, next] = [keyringOf(generateAes()), keyringOf(generateAes())];
    for (const to of [next, keyringOf(rsa)]) {
      const { metadata, mac, body } = await sealed(old);
      const moved = await rewrap(old, to, { ...metadata, 's3vault-mode': '33188' });
      expect(Object.keys(moved)).toEqual(Object.keys(metadata));
      const opening = await startOpen(to, moved);
      expect(opening.whole(body)).toEqual(TEXT);
      expect(opening.macFits(Buffer.alloc(32, 7), mac, 'file')).toBe(true);
      expect((await failure(() => startOpen(old, moved))).code).toBe('cannot-open');
    }
  });

  test('moves an object to a KMS key with its context, and back', async () => {
    const [raw, kms] = [keyringOf(generateAes()), kmsKeyring(memoryKms(), 'key-1', { team: 'a' })];
    const { metadata, body } = await sealed(raw);
    const moved = await rewrap(raw, kms, metadata);
    expect(moved['x-amz-t']).toContain('team');
    expect((await startOpen(kms, moved)).whole(body)).toEqual(TEXT);
    const back = await rewrap(kms, raw, moved);
    expect(Object.keys(back).sort()).toEqual(Object.keys(metadata).sort());
    expect((await startOpen(raw, back)).whole(body)).toEqual(TEXT);
  });

  test('does not move what the old key does not open', async () => {
    const { metadata } = await sealed(keyringOf(generateAes()));
    const error = await failure(() => rewrap(keyringOf(generateAes()), keyringOf(rsa), metadata));
    expect(error.code).toBe('cannot-open');
  });

  test('does not move a data key that the object does not commit to', async () => {
    const keyring = keyringOf(generateAes());
    const [one, other] = [await sealed(keyring), await sealed(keyring)];
    const mixed = { ...one.metadata, 'x-amz-3': other.metadata['x-amz-3']! };
    expect((await failure(() => rewrap(keyring, keyringOf(rsa), mixed))).code).toBe('cannot-open');
  });
});
