/** Writing and removing objects: PutObject, DeleteObject, DeleteObjects, and what the other writes share. */
import { hash, randomBytes } from 'node:crypto';
import { checkMd5, bodyChecksum } from './body.ts';
import { bucketOf } from './buckets.ts';
import { type Checksum, checksumHeaders, verifyGiven } from './checksums.ts';
import { checkDelete, checkWrite, matchesForDelete } from './conditions.ts';
import { etagIsMd5, protect, sseHeaders } from './encryption.ts';
import { denialOf } from './permission.ts';
import { S3Error, malformedXml, preconditionFailed } from './errors.ts';
import { attributesOf } from './metadata.ts';
import { type Reply, type S3Request, empty, xmlReply } from './request.ts';
import { sealChunk } from './seal.ts';
import {
  type Bucket,
  type ObjectEncryption,
  type StoredVersion,
  current,
  discard,
  newest,
  store,
} from './world.ts';
import { type XmlNode, document, element, listOf, parseXml, textOf, wrap } from './xml.ts';

/** Largest key, in bytes of UTF-8 (User Guide, "Naming Amazon S3 objects"). */
const MAX_KEY = 1024;

export function checkKey(key: string): void {
  if (key.length * 3 <= MAX_KEY) return;
  const size = Buffer.byteLength(key, 'utf8');
  if (size <= MAX_KEY) return;
  throw new S3Error(400, 'KeyTooLongError', 'Your key is too long', {
    Size: String(size),
    MaxSizeAllowed: String(MAX_KEY),
  });
}

/** 32 letters and digits with versioning, `null` without. */
export const newVersionId = (bucket: Bucket): string =>
  bucket.versioning === 'Enabled' ? randomBytes(24).toString('base64url') : 'null';

/** `x-amz-version-id`, which a bucket that never had versioning does not answer. */
export const versionHeader = (bucket: Bucket, versionId: string): Record<string, string> =>
  bucket.versioning === undefined ? {} : { 'x-amz-version-id': versionId };

/** The ETag of bytes written at once: their MD5 only where nothing but S3's own key is in play. */
export function etagOf(body: Uint8Array, encryption: ObjectEncryption): string {
  return `"${etagIsMd5(encryption) ? hash('md5', body) : randomBytes(16).toString('hex')}"`;
}

export function putObject(request: S3Request): Reply {
  const { world, body, headers, key } = request;
  const bucket = bucketOf(request);
  checkKey(key);
  const attributes = attributesOf(headers);
  if (!bucket.ignoresConditions) checkWrite(key, headers, current(bucket, key));
  const { encryption, keys } = protect(world, bucket, key, headers);
  checkMd5(headers, body);
  const given = bodyChecksum(headers, request.trailers);
  const checksum = given === undefined ? undefined : verifyGiven(given, body);
  const version: StoredVersion = {
    ...attributes,
    key,
    versionId: newVersionId(bucket),
    deleteMarker: false,
    modified: world.now(),
    etag: etagOf(body, encryption),
    size: body.length,
    encryption,
    checksum: checksum ?? 'default',
    chunks: [sealChunk(body, keys, world.keepBodies)],
    parts: 0,
  };
  store(bucket, version);
  return empty(200, writtenHeaders(bucket, version, checksum));
}

export function writtenHeaders(
  bucket: Bucket,
  version: StoredVersion,
  checksum: Checksum | undefined,
): Record<string, string> {
  return {
    etag: version.etag,
    ...sseHeaders(version.encryption, { context: true }),
    ...(checksum === undefined ? {} : checksumHeaders(checksum)),
    ...versionHeader(bucket, version.versionId),
  };
}

export function deleteObject(request: S3Request): Reply {
  const bucket = bucketOf(request);
  const versionId = request.query.get('versionId');
  if (!bucket.ignoresConditions) checkDelete(request.headers, targetOf(bucket, request.key, versionId));
  const removed = remove(bucket, request.key, versionId, request.world.now());
  return empty(204, {
    ...(removed.marker ? { 'x-amz-delete-marker': 'true' } : {}),
    ...(removed.versionId === undefined ? {} : versionHeader(bucket, removed.versionId)),
  });
}

/** What a conditional delete is judged by: that version, or what a GET finds. */
function targetOf(bucket: Bucket, key: string, versionId: string | undefined): StoredVersion | undefined {
  if (versionId === undefined) return current(bucket, key);
  return bucket.objects.get(key)?.find((version) => version.versionId === versionId);
}

interface Removed {
  readonly versionId: string | undefined;
  /** A delete marker was made, or one was removed. */
  readonly marker: boolean;
  readonly made: boolean;
}

function remove(bucket: Bucket, key: string, versionId: string | undefined, now: number): Removed {
  if (versionId !== undefined) {
    const gone = discard(bucket, key, versionId);
    return { versionId, marker: gone?.deleteMarker === true, made: false };
  }
  if (bucket.versioning === undefined) {
    discard(bucket, key, 'null');
    return { versionId: undefined, marker: false, made: false };
  }
  const marker = deleteMarker(bucket, key, now);
  store(bucket, marker);
  return { versionId: marker.versionId, marker: true, made: true };
}

const deleteMarker = (bucket: Bucket, key: string, now: number): StoredVersion => ({
  key,
  versionId: newVersionId(bucket),
  deleteMarker: true,
  modified: now,
  etag: '',
  size: 0,
  encryption: { kind: 's3', dataKey: undefined },
  checksum: undefined,
  chunks: [],
  parts: 0,
  metadata: {},
  headers: {},
  storageClass: undefined,
});

/** Most keys in one DeleteObjects. */
const MAX_DELETES = 1000;

export function deleteObjects(request: S3Request): Reply {
  const bucket = bucketOf(request);
  if (
    request.headers['content-md5'] === undefined &&
    bodyChecksum(request.headers, request.trailers) === undefined
  ) {
    throw new S3Error(
      400,
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    );
  }
  checkMd5(request.headers, request.body);
  const given = bodyChecksum(request.headers, request.trailers);
  if (given !== undefined) verifyGiven(given, request.body);
  const root = parseXml(request.body, 'Delete');
  const objects = listOf(root, 'Object');
  if (objects.length === 0 || objects.length > MAX_DELETES) throw malformedXml();
  const quiet = textOf(root, 'Quiet') === 'true';
  const now = request.world.now();
  return xmlReply(
    document('DeleteResult', objects.map((node) => deleteListed(request, bucket, node, quiet, now)).join('')),
  );
}

function deleteListed(
  request: S3Request,
  bucket: Bucket,
  node: XmlNode,
  quiet: boolean,
  now: number,
): string {
  const key = textOf(node, 'Key');
  if (key === undefined || key === '') throw malformedXml();
  const versionId = textOf(node, 'VersionId');
  const etag = textOf(node, 'ETag');
  const named = element('Key', key) + element('VersionId', versionId);
  const refusal = deleteRefusal(request, bucket, key, versionId, etag);
  if (refusal !== undefined) {
    return wrap('Error', named + element('Code', refusal.code) + element('Message', refusal.message));
  }
  const removed = remove(bucket, key, versionId, now);
  if (quiet) return '';
  const marker = removed.marker
    ? element('DeleteMarker', true) + element('DeleteMarkerVersionId', removed.versionId)
    : '';
  return wrap('Deleted', named + marker);
}

function deleteRefusal(
  request: S3Request,
  bucket: Bucket,
  key: string,
  versionId: string | undefined,
  etag: string | undefined,
): S3Error | undefined {
  const action = versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
  const denied = denialOf(request, bucket, action, key);
  if (denied !== undefined || etag === undefined) return denied;
  return matchesForDelete(etag, targetOf(bucket, key, versionId))
    ? undefined
    : preconditionFailed('If-Match');
}

/** The version a read is about: by id, or the newest. Throws as S3 does for what is missing or deleted. */
export function readTarget(bucket: Bucket, key: string, versionId: string | undefined): StoredVersion {
  if (versionId === undefined) {
    const version = newest(bucket, key);
    if (version === undefined) throw missingKey(key);
    if (version.deleteMarker) throw missingKey(key, version.versionId);
    return version;
  }
  const version = targetOf(bucket, key, versionId);
  if (version === undefined) {
    throw new S3Error(404, 'NoSuchVersion', 'The specified version does not exist.', {
      Key: key,
      VersionId: versionId,
    });
  }
  if (version.deleteMarker) {
    throw new S3Error(
      405,
      'MethodNotAllowed',
      'The specified method is not allowed against this resource.',
      { Method: 'GET', ResourceType: 'DeleteMarker' },
      { 'x-amz-delete-marker': 'true', 'x-amz-version-id': versionId, allow: 'DELETE' },
    );
  }
  return version;
}

const missingKey = (key: string, marker?: string): S3Error =>
  new S3Error(
    404,
    'NoSuchKey',
    'The specified key does not exist.',
    { Key: key },
    marker === undefined ? {} : { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker },
  );
