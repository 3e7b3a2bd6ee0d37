/** Checksums of the bytes that are sent, and whether the store's answer names the same. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { VaultError } from '../model/errors.ts';
import type { Checksum } from '../model/receipt.ts';
import type { Headers } from './sign.ts';

/**
 * Amazon S3 keeps a CRC-32 of the whole object. Other stores are asked with Content-MD5, which they have verified since
 * the first day, and answer with an ETag that is the MD5: several of them refuse the newer headers.
 */
export type Sums = { readonly crc32: string } | { readonly md5: Buffer };

export function sumsOf(body: Uint8Array, isAws: boolean): Sums {
  return isAws ? { crc32: crc32Text(crc32(body)) } : { md5: createHash('md5').update(body).digest() };
}

/** base64 of the four bytes, big-endian, as the header has it. */
export function crc32Text(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

/** Headers of PutObject and UploadPart. */
export function sumHeaders(sums: Sums): Headers {
  return 'crc32' in sums
    ? { 'x-amz-checksum-crc32': sums.crc32 }
    : { 'content-md5': sums.md5.toString('base64') };
}

/** The ETag of a multipart object whose store builds it of the parts' MD5s, and how Amazon's first implementation did. */
export function multipartMd5(parts: readonly Buffer[]): string {
  return `${createHash('md5').update(Buffer.concat(parts)).digest('hex')}-${parts.length}`;
}

export const unquoted = (etag: string): string => etag.replace(/^"|"$/g, '');

/**
 * The checksum that an answer and the sent bytes share; undefined where the answer names none that can be compared.
 * Throws kind `security` where a CRC-32 of the same kind differs. An ETag that differs says nothing: it is no MD5 under
 * most encryption modes.
 */
export function sharedChecksum(
  answer: Headers,
  sent: { readonly crc32?: string; readonly md5?: string },
): Checksum | undefined {
  const crc = answer['x-amz-checksum-crc32'];
  if (crc !== undefined && sent.crc32 !== undefined && !crc.includes('-')) {
    if (crc !== sent.crc32) throw checksumDiffers(sent.crc32, crc);
    return { algorithm: 'crc32', value: crc };
  }
  const etag = unquoted(answer['etag'] ?? '').toLowerCase();
  return sent.md5 !== undefined && etag === sent.md5 ? { algorithm: 'md5', value: etag } : undefined;
}

function checksumDiffers(expected: string, came: string): VaultError {
  return new VaultError(
    'security',
    'proof-missing',
    `the stored object is not what was sent: expected CRC-32 ${expected}, got ${came.slice(0, 40)}`,
    {
      hint: 'the object was removed again; if this happens often the store, or a proxy before it, is broken',
    },
  );
}
