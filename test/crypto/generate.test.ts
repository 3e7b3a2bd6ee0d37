import { createHash, createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { aesFingerprint, rsaFingerprint } from '../../src/crypto/fingerprint.ts';
import {
  aesMaterial,
  generateAes,
  generateRsa,
  rsaMaterial,
  rsaPublicMaterial,
} from '../../src/crypto/generate.ts';
import { startOpen } from '../../src/crypto/open.ts';
import { startSeal } from '../../src/crypto/seal.ts';
import { keyringOf } from '../../src/crypto/wrap.ts';
import { Secret } from '../../src/model/secret.ts';
import { failure, keys } from './vectors.ts';

const secretOf = (text: string): Secret => new Secret(Buffer.from(text));
const pem = keys['rsa2048-a']!.privatePkcs8Pem;
const publicPem = keys['rsa2048-a']!.publicSpkiPem;

describe('AES keys', () => {
  test('are 32 random bytes with the fingerprint of these bytes', () => {
    const made = Array.from({ length: 20 }, generateAes);
    expect(new Set(made.map((key) => key.fingerprint)).size).toBe(20);
    expect(made.every((key) => key.secret.length === 32)).toBe(true);
    expect(made.every((key) => key.fingerprint === aesFingerprint(key.secret))).toBe(true);
    expect(inspect(made[0])).toContain('[secret]');
  });

  test('have a check value that is no block of the cipher', () => {
    const key = Buffer.from(keys['aes256-a']!.hex, 'hex');
    const value = createHmac('sha256', key).update('s3vault key check value v1').digest('hex');
    expect(aesMaterial(new Secret(key)).fingerprint).toBe(value.slice(0, 16));
  });

  test.each([0, 16, 24, 31, 33, 64])('of %d bytes are refused', async (length) => {
    const error = await failure(() => aesMaterial(new Secret(Buffer.alloc(length, 1))));
    expect([error.kind, error.code]).toEqual(['usage', 'bad-key']);
  });
});

describe('RSA keys', () => {
  test('are generated with 3072 bits, and work', async () => {
    const made = await generateRsa();
    expect(createPublicKey(made.publicPem).asymmetricKeyDetails?.modulusLength).toBe(3072);
    const seal = await startSeal(keyringOf(made));
    const body = seal.whole(Buffer.from('text'));
    expect((await startOpen(keyringOf(made), seal.metadata)).whole(body).toString()).toBe('text');
    expect(inspect(made)).not.toContain('PRIVATE');
  });

  test('have the fingerprint of their public half', () => {
    const der = Buffer.from(publicPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    const expected = createHash('sha256').update(der).digest('hex').slice(0, 16);
    expect(rsaFingerprint(publicPem)).toBe(expected);
    expect(rsaMaterial(secretOf(pem)).fingerprint).toBe(expected);
    expect(rsaPublicMaterial(publicPem).fingerprint).toBe(expected);
  });

  test('of other programs are normalised to PKCS#8 and SPKI', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const old = rsaMaterial(secretOf(privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()));
    expect(old.secret.use((bytes) => bytes.toString())).toBe(
      privateKey.export({ type: 'pkcs8', format: 'pem' }),
    );
    expect(old.publicPem).toBe(publicKey.export({ type: 'spki', format: 'pem' }));
    const oldPublic = rsaPublicMaterial(publicKey.export({ type: 'pkcs1', format: 'pem' }).toString());
    expect(oldPublic.publicPem).toBe(old.publicPem);
  });

  test('that are none, too short, of another kind, or locked are refused', async () => {
    const encoding = { type: 'pkcs8', format: 'pem' } as const;
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const curve = generateKeyPairSync('ed25519');
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
    const locked = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
      ...encoding,
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    });
    const wrong = [
      '',
      'nonsense',
      publicPem,
      short.privateKey.export(encoding),
      curve.privateKey.export(encoding),
      pss.privateKey.export(encoding),
      locked,
    ];
    for (const text of wrong) {
      const error = await failure(() => rsaMaterial(secretOf(text.toString())));
      expect([error.kind, error.code]).toEqual(['usage', 'bad-key']);
    }
    const wrongPublic = ['', pem, short.publicKey, curve.publicKey, pss.publicKey].map((key) =>
      typeof key === 'string' ? key : key.export({ type: 'spki', format: 'pem' }).toString(),
    );
    for (const text of wrongPublic) {
      expect((await failure(() => rsaPublicMaterial(text))).code).toBe('bad-key');
    }
    expect((await failure(() => generateRsa(1024))).code).toBe('bad-key');
    expect((await failure(() => generateRsa(16_384))).code).toBe('bad-key');
  });
});
