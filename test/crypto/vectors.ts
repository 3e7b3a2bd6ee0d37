import { createCipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rsaFingerprint } from '../../src/crypto/fingerprint.ts';
import type { OpenOptions } from '../../src/crypto/open.ts';
import { keyringOf, kmsKeyring } from '../../src/crypto/wrap.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Keyring, Kms, Metadata } from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';

/** The vectors of `test/vectors/s3ec`, as its README describes them, and what reading them needs. */

export interface Vector {
  readonly id: string;
  readonly format: 'V1' | 'V2' | 'V3';
  readonly wrap: string;
  readonly wrappingKey: string;
  readonly metadata: Metadata;
  readonly instructionFile?: { readonly suffix: string; readonly body: string };
  readonly kms?: readonly KmsAnswer[];
  readonly options: {
    readonly commitmentPolicy: string;
    readonly requestContext?: Metadata;
    readonly legacyContent?: boolean;
    readonly legacyWrap?: boolean;
  };
  readonly plaintext?: Bytes;
  readonly body: Bytes & { readonly tail?: string };
  readonly parts?: { readonly [name: string]: string };
  readonly ranges?: readonly {
    readonly request: string;
    readonly minimalS3Start: number;
    plaintext: Bytes;
  }[];
  readonly multipart?: unknown;
  readonly expect: 'decrypt' | 'reject' | 'either';
  readonly stage?: string;
}

interface Bytes {
  readonly base64?: string;
  readonly pattern?: string;
  readonly length: number;
  readonly sha256?: string;
}

interface KmsAnswer {
  readonly ciphertextBlob: string;
  readonly encryptionContext: Metadata;
  readonly plaintextDataKey: string;
}

interface VectorKey {
  readonly type: 'AES' | 'RSA' | 'KMS-mock';
  readonly hex: string;
  readonly privatePkcs8Pem: string;
  readonly publicSpkiPem: string;
  readonly keyId: string;
}

const file = (name: string): string =>
  readFileSync(new URL(`../vectors/s3ec/${name}`, import.meta.url), 'utf8');
const load = (name: string): readonly Vector[] =>
  (JSON.parse(file(name)) as { vectors: readonly Vector[] }).vectors;

export const positive = load('reference/positive.json');
export const ranged = load('reference/ranged.json');
export const negative = load('negative/negative.json');
export const keys = JSON.parse(file('keys.json')) as { readonly [name: string]: VectorKey };

/** Needs what s3vault never reads. */
export const isLegacy = (vector: Vector): boolean =>
  vector.format === 'V1' || vector.options.legacyContent === true || vector.options.legacyWrap === true;

export function keyringFor(vector: Vector, requestContext = vector.options.requestContext): Keyring {
  const key = keys[vector.wrappingKey]!;
  switch (key.type) {
    case 'AES': {
      const secret = new Secret(Buffer.from(key.hex, 'hex'));
      return keyringOf({ kind: 'aes-256', fingerprint: 'of-a-vector', secret });
    }
    case 'RSA':
      return keyringOf({
        kind: 'rsa',
        fingerprint: rsaFingerprint(key.publicSpkiPem),
        publicPem: key.publicSpkiPem,
        secret: new Secret(Buffer.from(key.privatePkcs8Pem)),
      });
    case 'KMS-mock':
      return kmsKeyring(kmsMock(vector.kms ?? []), key.keyId, requestContext ?? {});
    default:
      return key.type satisfies never;
  }
}

/** Answers only where blob and whole context match, as KMS does. */
export function kmsMock(answers: readonly KmsAnswer[]): Kms {
  return {
    generateDataKey: async () => {
      throw new Error('a vector needs no new data key');
    },
    encrypt: async () => {
      throw new Error('a vector wraps nothing');
    },
    decrypt: async (_keyId, wrapped, context) => {
      const blob = Buffer.from(wrapped).toString('base64');
      const answer = answers.find(
        (known) => known.ciphertextBlob === blob && sorted(known.encryptionContext) === sorted(context),
      );
      if (answer === undefined) throw new VaultError('security', 'kms-ciphertext', 'invalid ciphertext');
      return new Secret(Buffer.from(answer.plaintextDataKey, 'hex'));
    },
    describe: async (keyId) => keyId,
  };
}

const sorted = (map: Metadata): string =>
  JSON.stringify(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));

export function optionsOf(vector: Vector): OpenOptions {
  const require = vector.options.commitmentPolicy === 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT';
  return {
    commitment: require ? 'require' : 'allow',
    ...(vector.instructionFile === undefined ? {} : { instructionFile: vector.instructionFile.body }),
  };
}

export function plaintextOf(vector: Vector): Buffer {
  return bytesOf(vector.plaintext!);
}

export function bytesOf(bytes: Bytes): Buffer {
  if (bytes.base64 !== undefined) return Buffer.from(bytes.base64, 'base64');
  const made = Buffer.alloc(bytes.length);
  for (let i = 0; i < made.length; i++) made[i] = (i * 131 + (i >> 8) * 17 + 7) % 256;
  return made;
}

/** The stored body; a long one is made from `parts` and must hash to what the vector says. */
export function bodyOf(vector: Vector): Buffer {
  if (vector.body.base64 !== undefined) return Buffer.from(vector.body.base64, 'base64');
  const part = (name: string) => Buffer.from(vector.parts![name] ?? '', 'hex');
  const key = vector.format === 'V3' ? part('derivedKey') : part('dataKey');
  const cipher = createCipheriv('aes-256-gcm', key, part('contentIv'), { authTagLength: 16 });
  cipher.setAAD(part('contentAad'));
  const body = Buffer.concat([cipher.update(plaintextOf(vector)), cipher.final(), cipher.getAuthTag()]);
  if (createHash('sha256').update(body).digest('hex') !== vector.body.sha256) {
    throw new Error(`${vector.id}: body can't be made from its parts`);
  }
  return body;
}

/** `bytes` in chunks of `size`; each chunk is overwritten once the next is asked for, as a reader's buffer may be. */
export async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    yield chunk;
    chunk.fill(0xaa);
  }
}

/** Everything, but only once the iteration ended well. */
export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** The VaultError that `run` ends in. */
export async function failure(run: () => unknown): Promise<VaultError> {
  let released: unknown;
  try {
    released = await run();
  } catch (thrown) {
    if (thrown instanceof VaultError) return thrown;
    throw thrown;
  }
  throw new Error(`should have been refused, and gave ${String(released)}`);
}
