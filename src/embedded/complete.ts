/** CompleteMultipartUpload, with every rule by which S3 refuses one. */
import { hash } from 'node:crypto';
import { bucketOf } from './buckets.ts';
import {
  type Checksum,
  ELEMENTS,
  badDigest,
  compositeOf,
  elementOf,
  fullOf,
  givenChecksum,
} from './checksums.ts';
import { checkComplete } from './conditions.ts';
import { partKey } from './customer-key.ts';
import { chargeDecrypt, sseHeaders } from './encryption.ts';
import { S3Error, invalidRequest, malformedXml } from './errors.ts';
import { MAX_PART_NUMBER, uploadOf } from './multipart.ts';
import { newVersionId, versionHeader } from './objects.ts';
import { type Reply, type S3Request, header, xmlReply } from './request.ts';
import { type Bucket, type Part, type StoredVersion, type Upload, current, store } from './world.ts';
import { type XmlNode, document, element, listOf, parseXml, textOf } from './xml.ts';

/** Smallest part but the last. */
const MIN_PART = 5 * 2 ** 20;

interface ListedPart {
  readonly number: number;
  readonly etag: string;
  readonly checksums: ReadonlyMap<string, string>;
}

export function completeMultipartUpload(request: S3Request): Reply {
  const bucket = bucketOf(request);
  const upload = uploadOf(request, bucket);
  const listed = listedParts(request.body);
  // Without the customer's key S3 still makes the object, but has no checksum of it.
  const withKey = upload.encryption.kind !== 'customer' || partKeyGiven(request, upload);
  chargeDecrypt(request.world, bucket, upload.encryption);
  const parts = chosenParts(upload, listed);
  checkSizes(request, parts);
  const checksum = withKey ? objectChecksum(request, upload, listed, parts) : undefined;
  if (!bucket.ignoresConditions) checkComplete(upload, request.headers, current(bucket, upload.key));
  const version = assembled(request, bucket, upload, parts, checksum);
  bucket.uploads.delete(upload.id);
  store(bucket, version);
  return completed(bucket, version);
}

function partKeyGiven(request: S3Request, upload: Upload): boolean {
  const names = Object.keys(request.headers).some((name) =>
    name.startsWith('x-amz-server-side-encryption-customer-'),
  );
  return names && partKey(upload.encryption, request.headers) !== undefined;
}

function listedParts(body: Buffer): readonly ListedPart[] {
  const listed = listOf(parseXml(body, 'CompleteMultipartUpload'), 'Part').map(listedPart);
  if (listed.length === 0 || listed.length > MAX_PART_NUMBER) throw malformedXml();
  for (const [index, part] of listed.entries()) {
    if (index === 0 || part.number > (listed[index - 1]?.number ?? 0)) continue;
    throw new S3Error(
      400,
      'InvalidPartOrder',
      'The list of parts was not in ascending order. Parts must be ordered by part number.',
    );
  }
  return listed;
}

function listedPart(node: XmlNode): ListedPart {
  const number = Number(textOf(node, 'PartNumber'));
  const etag = textOf(node, 'ETag');
  if (!Number.isInteger(number) || etag === undefined) throw malformedXml();
  const checksums = new Map<string, string>();
  for (const [name, algorithm] of ELEMENTS) {
    const value = textOf(node, name);
    if (value !== undefined) checksums.set(algorithm, value);
  }
  return { number, etag: etag.replaceAll('"', ''), checksums };
}

function chosenParts(upload: Upload, listed: readonly ListedPart[]): readonly Part[] {
  return listed.map(({ number, etag, checksums }) => {
    const part = upload.parts.get(number);
    const given = part?.checksum === undefined ? undefined : checksums.get(part.checksum.algorithm);
    const differs = given !== undefined && given !== part?.checksum?.value;
    if (part === undefined || part.etag.replaceAll('"', '') !== etag || differs) {
      throw new S3Error(
        400,
        'InvalidPart',
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        { UploadId: upload.id, PartNumber: String(number), ETag: etag },
      );
    }
    return part;
  });
}

function checkSizes(request: S3Request, parts: readonly Part[]): void {
  const small = parts.slice(0, -1).find((part) => part.chunk.size < MIN_PART);
  if (small !== undefined) {
    throw new S3Error(
      400,
      'EntityTooSmall',
      'Your proposed upload is smaller than the minimum allowed size',
      {
        ProposedSize: String(small.chunk.size),
        MinSizeAllowed: String(MIN_PART),
        PartNumber: String(small.number),
        ETag: small.etag.replaceAll('"', ''),
      },
    );
  }
  const promised = header(request, 'x-amz-mp-object-size');
  const size = sizeOf(parts);
  if (promised !== undefined && Number(promised) !== size) {
    throw invalidRequest(
      `The provided 'x-amz-mp-object-size' header value ${promised} does not match what was computed: ${size}`,
    );
  }
}

const sizeOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.chunk.size, 0);

function objectChecksum(
  request: S3Request,
  upload: Upload,
  listed: readonly ListedPart[],
  parts: readonly Part[],
): Checksum | 'default' {
  const { algorithm, type } = upload;
  if (algorithm === undefined) return 'default';
  if (type === 'COMPOSITE') requirePartChecksums(algorithm, listed);
  const values = parts.map((part) => ({ value: part.checksum?.value ?? '', size: part.chunk.size }));
  const calculated =
    type === 'COMPOSITE'
      ? compositeOf(
          algorithm,
          values.map(({ value }) => value),
        )
      : fullOf(algorithm, values);
  if (type === 'FULL_OBJECT') {
    const given = givenChecksum(request.headers);
    if (given !== undefined && given.value !== calculated.value) throw badDigest(given.algorithm);
  }
  return calculated;
}

function requirePartChecksums(algorithm: string, listed: readonly ListedPart[]): void {
  for (const [index, part] of listed.entries()) {
    if (!part.checksums.has(algorithm)) {
      const name = algorithm.toLowerCase();
      throw invalidRequest(
        `The upload was created using a ${name} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`,
      );
    }
    if (part.number !== index + 1) {
      throw new S3Error(
        400,
        'InvalidPart',
        'Composite checksums need parts that are numbered consecutively from 1',
      );
    }
  }
}

function assembled(
  request: S3Request,
  bucket: Bucket,
  upload: Upload,
  parts: readonly Part[],
  checksum: Checksum | 'default' | undefined,
): StoredVersion {
  const tags = Buffer.concat(parts.map((part) => Buffer.from(part.etag.replaceAll('"', ''), 'hex')));
  return {
    key: upload.key,
    versionId: newVersionId(bucket),
    deleteMarker: false,
    modified: request.world.now(),
    etag: `"${hash('md5', tags)}-${parts.length}"`,
    size: sizeOf(parts),
    encryption: upload.encryption,
    checksum,
    chunks: parts.map((part) => part.chunk),
    parts: parts.length,
    metadata: upload.metadata,
    headers: upload.headers,
    storageClass: upload.storageClass,
  };
}

function completed(bucket: Bucket, version: StoredVersion): Reply {
  const { checksum } = version;
  const xml =
    element(
      'Location',
      `https://localhost/${bucket.name}/${encodeURIComponent(version.key.toWellFormed())}`,
    ) +
    element('Bucket', bucket.name) +
    element('Key', version.key) +
    element('ETag', version.etag) +
    (checksum === undefined || checksum === 'default'
      ? ''
      : element(elementOf(checksum.algorithm), checksum.value) + element('ChecksumType', checksum.type));
  return xmlReply(document('CompleteMultipartUploadResult', xml), {
    ...sseHeaders(version.encryption, { customer: false }),
    ...versionHeader(bucket, version.versionId),
  });
}
