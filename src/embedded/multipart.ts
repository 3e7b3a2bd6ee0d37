/** CreateMultipartUpload, UploadPart, AbortMultipartUpload. */
import { randomBytes } from 'node:crypto';
import { bodyChecksum, checkMd5 } from './body.ts';
import { bucketOf } from './buckets.ts';
import {
  type Algorithm,
  type ChecksumType,
  type GivenChecksum,
  algorithmNamed,
  checksumOf,
  headerOf,
  verifyGiven,
} from './checksums.ts';
import { refuseConditions } from './conditions.ts';
import { keysForPart, protect, sseHeaders } from './encryption.ts';
import { invalidArgument, invalidRequest, noSuchUpload } from './errors.ts';
import { attributesOf } from './metadata.ts';
import { checkKey, etagOf } from './objects.ts';
import { type Reply, type S3Request, empty, header, wholeNumber, xmlReply } from './request.ts';
import { sealChunk } from './seal.ts';
import type { Bucket, Part, Upload } from './world.ts';
import { document, element } from './xml.ts';

/** User Guide, "Amazon S3 multipart upload limits". */
export const MAX_PART_NUMBER = 10_000;

export function createMultipartUpload(request: S3Request): Reply {
  const { world, headers, key } = request;
  const bucket = bucketOf(request);
  checkKey(key);
  refuseConditions(headers);
  const attributes = attributesOf(headers);
  const { algorithm, type } = checksumChoice(request);
  const { encryption } = protect(world, bucket, key, headers);
  const upload: Upload = {
    ...attributes,
    id: randomBytes(48).toString('base64url'),
    key,
    initiated: world.now(),
    encryption,
    algorithm,
    type,
    parts: new Map(),
    written: false,
    removed: false,
  };
  bucket.uploads.set(upload.id, upload);
  const xml = element('Bucket', bucket.name) + element('Key', key) + element('UploadId', upload.id);
  return xmlReply(document('InitiateMultipartUploadResult', xml), {
    ...sseHeaders(encryption, { context: true }),
    ...(algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm }),
    ...(type === undefined ? {} : { 'x-amz-checksum-type': type }),
  });
}

interface ChecksumChoice {
  readonly algorithm: Algorithm | undefined;
  readonly type: ChecksumType | undefined;
}

/** CRC64NVME is always of the full object, SHA never; CRC32 and CRC32C are composite unless asked otherwise. */
function checksumChoice(request: S3Request): ChecksumChoice {
  const named = header(request, 'x-amz-checksum-algorithm');
  const type = header(request, 'x-amz-checksum-type');
  if (named === undefined) {
    if (type !== undefined) {
      throw invalidRequest(
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
      );
    }
    return { algorithm: undefined, type: undefined };
  }
  const algorithm = algorithmNamed(named);
  if (type !== undefined && type !== 'FULL_OBJECT' && type !== 'COMPOSITE') {
    throw invalidRequest('Value for x-amz-checksum-type header is invalid.');
  }
  const chosen = type ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  const impossible = chosen === 'COMPOSITE' ? algorithm === 'CRC64NVME' : algorithm.startsWith('SHA');
  if (impossible) {
    throw invalidRequest(
      `The ${chosen} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return { algorithm, type: chosen };
}

export function uploadOf(request: S3Request, bucket: Bucket): Upload {
  const id = request.query.get('uploadId') ?? '';
  const upload = bucket.uploads.get(id);
  if (upload === undefined || upload.key !== request.key) throw noSuchUpload(id);
  return upload;
}

export function partNumberOf(request: S3Request): number {
  const text = request.query.get('partNumber');
  if (text === undefined) throw invalidArgument('This operation does not accept a query-string.');
  return wholeNumber(text, 'partNumber', { least: 1, most: MAX_PART_NUMBER, otherwise: 1 });
}

export function uploadPart(request: S3Request): Reply {
  const { world, body, headers } = request;
  const bucket = bucketOf(request);
  const number = partNumberOf(request);
  const upload = uploadOf(request, bucket);
  refuseConditions(headers);
  const keys = keysForPart(world, bucket, upload.encryption, headers);
  checkMd5(headers, body);
  const given = bodyChecksum(headers, request.trailers);
  checkAlgorithm(upload, given);
  if (given !== undefined) verifyGiven(given, body);
  const part = makePart(request, upload, number, body, keys, given);
  upload.parts.set(number, part);
  return empty(200, {
    etag: part.etag,
    ...sseHeaders(upload.encryption),
    ...(given === undefined ? {} : { [headerOf(given.algorithm)]: given.value }),
  });
}

export function makePart(
  request: S3Request,
  upload: Upload,
  number: number,
  body: Buffer,
  keys: readonly Buffer[],
  given: GivenChecksum | undefined,
): Part {
  const algorithm = upload.algorithm;
  const calculated =
    algorithm === undefined ? undefined : { algorithm, value: checksumOf(algorithm, [body]) };
  return {
    number,
    etag: etagOf(body, upload.encryption),
    modified: request.world.now(),
    chunk: sealChunk(body, keys, request.world.keepBodies),
    checksum: given ?? calculated,
  };
}

/** A part carries the checksum that Create announced; only a full-object one may leave that to S3. */
function checkAlgorithm(upload: Upload, given: GivenChecksum | undefined): void {
  if (upload.algorithm === undefined || given?.algorithm === upload.algorithm) return;
  if (given === undefined && upload.type === 'FULL_OBJECT') return;
  throw invalidRequest(
    `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm.toLowerCase()}, actual checksum Type: ${given?.algorithm.toLowerCase() ?? 'null'}`,
  );
}

export function abortMultipartUpload(request: S3Request): Reply {
  const bucket = bucketOf(request);
  bucket.uploads.delete(uploadOf(request, bucket).id);
  return empty(204);
}
