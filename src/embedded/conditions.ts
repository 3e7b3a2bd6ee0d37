/** Conditional headers (User Guide, "conditional writes"; RFC 9110, section 13 for reads). */
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error, noSuchKey, notImplemented, preconditionFailed } from './errors.ts';
import type { StoredVersion, Upload } from './world.ts';

/** ETags come quoted or not. */
const bare = (etag: string): string => etag.trim().replace(/^"(.*)"$/, '$1');
const isSame = (given: string, etag: string): boolean => bare(given) === bare(etag);

interface WriteCondition {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/** Forms that S3 does not take are 501, before anything is looked at. */
function writeCondition(headers: IncomingHttpHeaders): WriteCondition {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifMatch !== undefined && ifNoneMatch !== undefined) throw notImplemented('If-Match,If-None-Match');
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') throw notImplemented('If-None-Match');
  if (ifMatch?.trim() === '*') throw notImplemented('If-Match');
  return { ifMatch, ifNoneMatch };
}

/** PutObject and CopyObject. `existing` is what a GET would find now. */
export function checkWrite(
  key: string,
  headers: IncomingHttpHeaders,
  existing: StoredVersion | undefined,
): void {
  const { ifMatch, ifNoneMatch } = writeCondition(headers);
  if (ifNoneMatch !== undefined && existing !== undefined) throw preconditionFailed('If-None-Match');
  if (ifMatch === undefined) return;
  if (existing === undefined) throw noSuchKey(key);
  if (!isSame(ifMatch, existing.etag)) throw preconditionFailed('If-Match');
}

/** CompleteMultipartUpload, where what happened to the key since Create counts too. */
export function checkComplete(
  upload: Upload,
  headers: IncomingHttpHeaders,
  existing: StoredVersion | undefined,
): void {
  const { ifMatch, ifNoneMatch } = writeCondition(headers);
  if (ifNoneMatch !== undefined) {
    if (existing !== undefined) throw preconditionFailed('If-None-Match');
    if (upload.removed) throw conflict('If-None-Match', upload.key);
  }
  if (ifMatch === undefined) return;
  if (existing === undefined) throw noSuchKey(upload.key);
  if (upload.written) throw conflict('If-Match', upload.key);
  if (!isSame(ifMatch, existing.etag)) throw preconditionFailed('If-Match');
}

const conflict = (condition: string, key: string): S3Error =>
  new S3Error(
    409,
    'ConditionalRequestConflict',
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
    { Condition: condition, Key: key },
  );

export function refuseConditions(headers: IncomingHttpHeaders): void {
  for (const name of ['if-match', 'if-none-match']) {
    if (headers[name] !== undefined) throw notImplemented(name);
  }
}

/** DeleteObject. */
export function checkDelete(headers: IncomingHttpHeaders, existing: StoredVersion | undefined): void {
  for (const name of ['x-amz-if-match-last-modified-time', 'x-amz-if-match-size']) {
    if (headers[name] !== undefined) throw notImplemented(name);
  }
  const ifMatch = headers['if-match'];
  if (ifMatch === undefined) return;
  if (!matchesForDelete(ifMatch, existing)) throw preconditionFailed('If-Match');
}

export function matchesForDelete(ifMatch: string, existing: StoredVersion | undefined): boolean {
  return existing !== undefined && (ifMatch.trim() === '*' || isSame(ifMatch, existing.etag));
}

const SECOND = 1000;
const time = (text: string | undefined): number => (text === undefined ? Number.NaN : Date.parse(text));
/** HTTP dates know no milliseconds. */
const inSeconds = (ms: number): number => Math.floor(ms / SECOND) * SECOND;

/** GetObject and HeadObject; with another set of header names, the source of a copy. */
export function checkRead(version: StoredVersion, headers: IncomingHttpHeaders): void {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  const modified = inSeconds(version.modified);
  if (ifMatch !== undefined && ifMatch !== '*' && !isSame(ifMatch, version.etag)) {
    throw preconditionFailed('If-Match');
  }
  if (ifMatch === undefined && modified > time(headers['if-unmodified-since'])) {
    throw preconditionFailed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch === '*' || isSame(ifNoneMatch, version.etag)) throw notModified(version);
  } else if (modified <= time(headers['if-modified-since'])) {
    throw notModified(version);
  }
}

const notModified = (version: StoredVersion): S3Error =>
  new S3Error(304, 'NotModified', 'Not Modified', {}, { etag: version.etag });

export function checkCopySource(version: StoredVersion, headers: IncomingHttpHeaders): void {
  const asRead: Record<string, string> = {};
  for (const name of ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']) {
    const value = headers[`x-amz-copy-source-${name}`];
    if (typeof value === 'string') asRead[name] = value;
  }
  try {
    checkRead(version, asRead);
  } catch (error) {
    if (error instanceof S3Error && error.status === 304)
      throw preconditionFailed('x-amz-copy-source-If-None-Match');
    throw error;
  }
}
