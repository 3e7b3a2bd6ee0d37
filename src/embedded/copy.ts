/** CopyObject, UploadPartCopy, UpdateObjectEncryption. */
import { bucketNamed, bucketOf } from './buckets.ts';
import { type Algorithm, type Checksum, algorithmNamed, checksumOf, elementOf } from './checksums.ts';
import { checkCopySource, checkWrite, refuseConditions } from './conditions.ts';
import { COPY_SOURCE_CUSTOMER, namesCustomerKey } from './customer-key.ts';
import {
  SSE_HEADER_PREFIX,
  keysForPart,
  keysForReading,
  openingKeys,
  protect,
  sseHeaders,
} from './encryption.ts';
import { S3Error, accessDenied, invalidArgument, invalidRequest } from './errors.ts';
import { attributesOf, directive } from './metadata.ts';
import { makePart, partNumberOf, uploadOf } from './multipart.ts';
import { checkKey, etagOf, newVersionId, readTarget, versionHeader } from './objects.ts';
import { type Reply, type S3Request, empty, header, isoDate, xmlReply } from './request.ts';
import { openChunk, openRange, sealChunk } from './seal.ts';
import { type Bucket, type StoredVersion, current, store } from './world.ts';
import { document, element, parseXml, child, textOf } from './xml.ts';

interface Source {
  readonly bucket: Bucket;
  readonly version: StoredVersion;
  readonly keys: readonly Buffer[];
}

/** `x-amz-copy-source`: `/BUCKET/KEY?versionId=ID`, percent-encoded. */
function sourceOf(request: S3Request): Source {
  const text = header(request, 'x-amz-copy-source') ?? '';
  const mark = text.indexOf('?versionId=');
  const path = decoded(mark < 0 ? text : text.slice(0, mark)).replace(/^\//, '');
  const slash = path.indexOf('/');
  if (slash < 1)
    throw invalidArgument('Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  const bucket = bucketNamed(request.world, path.slice(0, slash));
  const versionId = mark < 0 ? undefined : decoded(text.slice(mark + '?versionId='.length));
  const version = readTarget(bucket, path.slice(slash + 1), versionId);
  const keys = keysForReading(
    request.world,
    bucket,
    version.encryption,
    request.headers,
    COPY_SOURCE_CUSTOMER,
  );
  checkCopySource(version, request.headers);
  return { bucket, version, keys };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidArgument('Invalid copy source encoding.');
  }
}

export function copyObject(request: S3Request): Reply {
  const { world, headers, key } = request;
  const bucket = bucketOf(request);
  checkKey(key);
  const source = sourceOf(request);
  const replaces = directive(headers, 'x-amz-metadata-directive') === 'REPLACE';
  if (!replaces && source.bucket === bucket && source.version.key === key) refuseNoChange(request);
  if (!bucket.ignoresConditions) checkWrite(key, headers, current(bucket, key));
  const { encryption, keys } = protect(world, bucket, key, headers);
  const body = Buffer.concat(source.version.chunks.map((chunk) => openChunk(chunk, source.keys)));
  const version: StoredVersion = {
    ...source.version,
    ...(replaces ? attributesOf(headers) : {}),
    key,
    versionId: newVersionId(bucket),
    modified: world.now(),
    etag: world.keepBodies ? etagOf(body, encryption) : source.version.etag,
    encryption,
    checksum: copiedChecksum(request, source.version, body),
    chunks: [sealChunk(body, keys, world.keepBodies)],
    parts: 0,
  };
  store(bucket, version);
  return copied('CopyObjectResult', version, {
    ...sseHeaders(encryption, { context: true }),
    ...versionHeader(bucket, version.versionId),
    ...sourceVersion(source),
  });
}

const sourceVersion = ({ bucket, version }: Source): Record<string, string> =>
  bucket.versioning === undefined ? {} : { 'x-amz-copy-source-version-id': version.versionId };

/** A copy has a checksum of the full object, of the source's algorithm unless another is asked for. */
function copiedChecksum(request: S3Request, source: StoredVersion, body: Buffer): Checksum | 'default' {
  const asked = header(request, 'x-amz-checksum-algorithm');
  const kept = source.checksum === 'default' ? undefined : source.checksum?.algorithm;
  const algorithm: Algorithm | undefined = asked === undefined ? kept : algorithmNamed(asked);
  if (algorithm === undefined || !request.world.keepBodies) return 'default';
  return { algorithm, type: 'FULL_OBJECT', value: checksumOf(algorithm, [body]) };
}

function refuseNoChange({ headers, query }: S3Request): void {
  const changes =
    headers[SSE_HEADER_PREFIX] !== undefined ||
    namesCustomerKey(headers) ||
    headers['x-amz-storage-class'] !== undefined ||
    String(headers['x-amz-copy-source']).includes('?versionId=') ||
    query.has('versionId');
  if (changes) return;
  throw invalidRequest(
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  );
}

function copied(
  root: string,
  made: { readonly etag: string; readonly modified: number; readonly checksum: StoredVersion['checksum'] },
  headers: Record<string, string>,
): Reply {
  const { checksum } = made;
  const xml =
    element('LastModified', isoDate(made.modified)) +
    element('ETag', made.etag) +
    (checksum === undefined || checksum === 'default'
      ? ''
      : element(elementOf(checksum.algorithm), checksum.value) + element('ChecksumType', checksum.type));
  return xmlReply(document(root, xml), headers);
}

export function uploadPartCopy(request: S3Request): Reply {
  const { world, headers } = request;
  const bucket = bucketOf(request);
  const number = partNumberOf(request);
  const upload = uploadOf(request, bucket);
  refuseConditions(headers);
  const source = sourceOf(request);
  const keys = keysForPart(world, bucket, upload.encryption, headers);
  const { first, last } = copyRange(header(request, 'x-amz-copy-source-range'), source.version.size);
  const body = Buffer.concat([...openRange(source.version.chunks, source.keys, first, last)]);
  const part = makePart(request, upload, number, body, keys, undefined);
  upload.parts.set(number, part);
  const checksum = part.checksum;
  return copied(
    'CopyPartResult',
    { ...part, checksum: checksum === undefined ? undefined : { ...checksum, type: 'FULL_OBJECT' } },
    { ...sseHeaders(upload.encryption), ...sourceVersion(source) },
  );
}

function copyRange(
  range: string | undefined,
  size: number,
): { readonly first: number; readonly last: number } {
  if (range === undefined) return { first: 0, last: size - 1 };
  const found = /^bytes=(\d+)-(\d+)$/.exec(range);
  const first = Number(found?.[1]);
  const last = Number(found?.[2]);
  if (found !== null && first <= last && last < size) return { first, last };
  throw invalidArgument(`Range specified is not valid for source object of size: ${size}`, {
    ArgumentName: 'x-amz-copy-source-range',
    ArgumentValue: range,
  });
}

/** Puts an object under another KMS key in place; the ETag stays. Not for SSE-C or DSSE. */
export function updateObjectEncryption(request: S3Request): Reply {
  const { world, key } = request;
  const bucket = bucketOf(request);
  const version = readTarget(bucket, key, request.query.get('versionId'));
  const { encryption } = version;
  if (encryption.kind === 'customer' || (encryption.kind === 'kms' && encryption.dual)) {
    throw accessDenied('The encryption of this object cannot be updated.');
  }
  const wanted = child(parseXml(request.body, 'ObjectEncryption'), 'SSE-KMS');
  const keyId = textOf(wanted, 'KMSKeyArn');
  if (keyId === undefined) throw new S3Error(400, 'MalformedXML', 'A KMS key ARN is needed.');
  const opened = version.chunks.map((chunk) => openChunk(chunk, openingKeys(world, encryption, undefined)));
  const { encryption: next, keys } = protect(world, bucket, key, {
    [SSE_HEADER_PREFIX]: 'aws:kms',
    [`${SSE_HEADER_PREFIX}-aws-kms-key-id`]: keyId,
    [`${SSE_HEADER_PREFIX}-bucket-key-enabled`]: textOf(wanted, 'BucketKeyEnabled') ?? 'false',
  });
  version.chunks = opened.map((body) => sealChunk(body, keys, world.keepBodies));
  version.encryption = next;
  return empty(200, versionHeader(bucket, version.versionId));
}
