/** GetObject and HeadObject. */
import { bucketOf } from './buckets.ts';
import { type Checksum, checksumHeaders, checksumOf } from './checksums.ts';
import { checkRead } from './conditions.ts';
import { chargeDecrypt, openingKeys, refuseSseOnRead, sseHeaders } from './encryption.ts';
import { readingKey } from './customer-key.ts';
import { S3Error } from './errors.ts';
import { attributeHeaders, overriddenHeaders } from './metadata.ts';
import { readTarget, versionHeader } from './objects.ts';
import { type Reply, type S3Request, header, httpDate, wholeNumber } from './request.ts';
import { openChunk, openRange } from './seal.ts';
import type { Bucket, StoredVersion } from './world.ts';

export const getObject = (request: S3Request): Reply => read(request, true);
export const headObject = (request: S3Request): Reply => read(request, false);

function read(request: S3Request, withBody: boolean): Reply {
  const { world, headers, query } = request;
  refuseSseOnRead(headers);
  const bucket = bucketOf(request);
  const version = readTarget(bucket, request.key, query.get('versionId'));
  const customer = readingKey(version.encryption, headers);
  checkRead(version, headers);
  const wantsChecksum = header(request, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
  if (withBody || wantsChecksum) chargeDecrypt(world, bucket, version.encryption);
  const keys = withBody || wantsChecksum ? openingKeys(world, version.encryption, customer?.key) : [];
  const span = wantedSpan(request, version);
  const checksum =
    wantsChecksum && span === undefined && (world.keepBodies || !withBody)
      ? checksumNow(version, keys, world.keepBodies)
      : undefined;
  const reply = {
    status: span === undefined ? 200 : 206,
    headers: {
      ...objectHeaders(bucket, version),
      ...overriddenHeaders(query),
      ...(checksum === undefined ? {} : checksumHeaders(checksum)),
      ...spanHeaders(version, span),
    },
  };
  if (!withBody) return reply;
  const { first, last } = span ?? { first: 0, last: version.size - 1 };
  return { ...reply, body: openRange(version.chunks, keys, first, last) };
}

function objectHeaders(bucket: Bucket, version: StoredVersion): Record<string, string> {
  return {
    ...attributeHeaders(version),
    etag: version.etag,
    'last-modified': httpDate(version.modified),
    'accept-ranges': 'bytes',
    ...sseHeaders(version.encryption),
    ...versionHeader(bucket, version.versionId),
  };
}

/** The default checksum, CRC64NVME, is worked out when first asked for. */
export function checksumNow(
  version: StoredVersion,
  keys: readonly Buffer[],
  bodies: boolean,
): Checksum | undefined {
  if (version.checksum !== 'default') return version.checksum;
  if (!bodies) return undefined;
  const opened = version.chunks.map((chunk) => openChunk(chunk, keys));
  version.checksum = { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: checksumOf('CRC64NVME', opened) };
  return version.checksum;
}

interface Span {
  readonly first: number;
  readonly last: number;
  /** Parts the object has, where one was asked for by number. */
  readonly parts?: number;
}

function wantedSpan(request: S3Request, version: StoredVersion): Span | undefined {
  const partNumber = request.query.get('partNumber');
  if (partNumber !== undefined) {
    return partSpan(version, wholeNumber(partNumber, 'partNumber', { least: 1, most: 10_000, otherwise: 1 }));
  }
  return rangeSpan(header(request, 'range'), version.size);
}

function partSpan(version: StoredVersion, number: number): Span {
  const chunk = version.chunks[number - 1];
  if (chunk === undefined) {
    throw new S3Error(416, 'InvalidPartNumber', 'The requested partnumber is not satisfiable');
  }
  const first = version.chunks.slice(0, number - 1).reduce((sum, { size }) => sum + size, 0);
  return { first, last: first + chunk.size - 1, ...(version.parts > 0 ? { parts: version.parts } : {}) };
}

/** One range only; a header of another form is ignored, as RFC 9110 wants it. */
function rangeSpan(range: string | undefined, size: number): Span | undefined {
  const found = range === undefined ? null : /^bytes=(\d*)-(\d*)$/.exec(range);
  if (found === null) return undefined;
  const [, from = '', to = ''] = found;
  if (from === '' && to === '') return undefined;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(from) > Number(to)) return undefined;
  if (first > last) {
    throw new S3Error(
      416,
      'InvalidRange',
      'The requested range is not satisfiable',
      { RangeRequested: range ?? '', ActualObjectSize: String(size) },
      { 'content-range': `bytes */${size}` },
    );
  }
  return { first, last };
}

function spanHeaders(version: StoredVersion, span: Span | undefined): Record<string, string> {
  if (span === undefined) return { 'content-length': String(version.size) };
  return {
    'content-length': String(span.last - span.first + 1),
    'content-range': `bytes ${span.first}-${span.last}/${version.size}`,
    ...(span.parts === undefined ? {} : { 'x-amz-mp-parts-count': String(span.parts) }),
  };
}
