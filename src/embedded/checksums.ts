/**
 * S3's object checksums (User Guide, "Checking object integrity"): CRC32, CRC32C, CRC64NVME, SHA1 and SHA256, of the
 * full object or composite of the checksums of parts. Values are base64.
 */
import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { CRC32, CRC32C, CRC64NVME, type Crc, combineCrc } from './crc.ts';
import { S3Error, invalidRequest, notImplemented } from './errors.ts';

export type Algorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface Checksum {
  readonly algorithm: Algorithm;
  /** Base64; of a composite checksum with `-PARTS` behind it. */
  readonly value: string;
  readonly type: ChecksumType;
}

export interface GivenChecksum {
  readonly algorithm: Algorithm;
  readonly value: string;
}

const CRCS: { readonly [K in Algorithm]: Crc | undefined } = {
  CRC32,
  CRC32C,
  CRC64NVME,
  SHA1: undefined,
  SHA256: undefined,
};
const ALGORITHMS = Object.keys(CRCS) as readonly Algorithm[];
const HEADERS = new Map(ALGORITHMS.map((algorithm) => [headerOf(algorithm), algorithm]));
/** Headers of the same prefix that carry no checksum. */
const OTHER = new Set(['x-amz-checksum-algorithm', 'x-amz-checksum-type', 'x-amz-checksum-mode']);

export function headerOf(algorithm: Algorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** Name of the XML element that carries it. */
export const elementOf = (algorithm: Algorithm): string => `Checksum${algorithm}`;

export const ELEMENTS: readonly (readonly [string, Algorithm])[] = ALGORITHMS.map((algorithm) => [
  elementOf(algorithm),
  algorithm,
]);

export function algorithmNamed(name: string): Algorithm {
  const found = ALGORITHMS.find((algorithm) => algorithm === name.toUpperCase());
  if (found === undefined) {
    throw invalidRequest(
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  }
  return found;
}

/** The checksum that headers (or trailers) give, if any. More than one, or one of the wrong length, is refused. */
export function givenChecksum(headers: IncomingHttpHeaders): GivenChecksum | undefined {
  let found: GivenChecksum | undefined;
  for (const name in headers) {
    if (!name.startsWith('x-amz-checksum-') || OTHER.has(name)) continue;
    const algorithm = HEADERS.get(name);
    if (algorithm === undefined) throw notImplemented(name);
    if (found !== undefined) {
      throw invalidRequest(
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      );
    }
    found = { algorithm, value: checkedValue(algorithm, String(headers[name]), name) };
  }
  return found;
}

function checkedValue(algorithm: Algorithm, value: string, header: string): string {
  const raw = Buffer.from(value, 'base64');
  if (raw.toString('base64') !== value || raw.length !== lengthOf(algorithm)) {
    throw invalidRequest(`Value for ${header} header is invalid.`);
  }
  return value;
}

function lengthOf(algorithm: Algorithm): number {
  const crc = CRCS[algorithm];
  if (crc !== undefined) return crc.bytes;
  return algorithm === 'SHA1' ? 20 : 32;
}

export const badDigest = (algorithm: string): S3Error =>
  new S3Error(400, 'BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);

/** Checksum of chunks that follow one another. */
export function checksumOf(algorithm: Algorithm, chunks: readonly Uint8Array[]): string {
  const crc = CRCS[algorithm];
  if (crc === undefined) return hash(algorithm.toLowerCase(), joined(chunks), 'base64');
  let value = 0n;
  for (const chunk of chunks) value = crc.update(chunk, value);
  return encode(crc, value);
}

const joined = (chunks: readonly Uint8Array[]): Uint8Array =>
  chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);

const encode = (crc: Crc, value: bigint): string =>
  Buffer.from(value.toString(16).padStart(crc.bytes * 2, '0'), 'hex').toString('base64');

const decode = (value: string): bigint => BigInt(`0x${Buffer.from(value, 'base64').toString('hex')}`);

/** Throws BadDigest where the bytes do not have the checksum given; answers it otherwise. */
export function verifyGiven(given: GivenChecksum, body: Uint8Array): Checksum {
  if (checksumOf(given.algorithm, [body]) !== given.value) throw badDigest(given.algorithm);
  return { ...given, type: 'FULL_OBJECT' };
}

/** The composite checksum of S3: the checksum over the parts' raw checksums, `-` and the number of parts. */
export function compositeOf(algorithm: Algorithm, values: readonly string[]): Checksum {
  const raw = Buffer.concat(values.map((value) => Buffer.from(value, 'base64')));
  return { algorithm, type: 'COMPOSITE', value: `${checksumOf(algorithm, [raw])}-${values.length}` };
}

/** The full-object checksum out of those of the parts, without their bytes. Only CRCs can do this. */
export function fullOf(
  algorithm: Algorithm,
  parts: readonly { readonly value: string; readonly size: number }[],
): Checksum {
  const crc = CRCS[algorithm];
  if (crc === undefined)
    throw invalidRequest(
      `The FULL_OBJECT checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  const value = parts.reduce((sum, part) => combineCrc(crc, sum, decode(part.value), part.size), 0n);
  return { algorithm, type: 'FULL_OBJECT', value: encode(crc, value) };
}

export const checksumHeaders = (checksum: Checksum): Record<string, string> => ({
  [headerOf(checksum.algorithm)]: checksum.value,
  'x-amz-checksum-type': checksum.type,
});
