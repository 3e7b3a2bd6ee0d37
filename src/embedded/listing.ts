/** ListObjects, ListObjectsV2, ListObjectVersions: pages in UTF-8 byte order, with common prefixes. */
import { bucketOf } from './buckets.ts';
import { invalidArgument } from './errors.ts';
import { type Reply, type S3Request, isoDate, wholeNumber, xmlReply } from './request.ts';
import { firstWhere, lowerBound } from './sorted-keys.ts';
import { ACCOUNT, type Bucket, type StoredVersion, current } from './world.ts';
import { document, element, urlEncode, wrap } from './xml.ts';
import { compareUtf8 } from '../model/brands.ts';

export const PAGE = 1000;

interface Walk {
  readonly prefix: string;
  readonly delimiter: string;
  /** Strictly behind this key; behind everything under it where it is a common prefix. */
  readonly after: string | undefined;
  /** From this key on, instead. */
  readonly from?: string | undefined;
  readonly limit: number;
}

type Found =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'prefix'; readonly prefix: string };

interface Page {
  readonly found: readonly Found[];
  readonly more: boolean;
  readonly last: string | undefined;
}

/** One page of keys and common prefixes; `alive` says which keys count. */
function walk(keys: readonly string[], asked: Walk, alive: (key: string) => boolean): Page {
  const { prefix, delimiter, after, limit } = asked;
  const found: Found[] = [];
  let last: string | undefined;
  let at = asked.from === undefined ? startOf(keys, prefix, delimiter, after) : lowerBound(keys, asked.from);
  while (at < keys.length) {
    const key = keys[at] ?? '';
    if (!key.startsWith(prefix)) break;
    if (!alive(key)) {
      at++;
      continue;
    }
    if (found.length >= limit) return { found, more: limit > 0, last };
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (cut < 0) {
      found.push({ kind: 'key', key });
      last = key;
      at++;
    } else {
      const common = key.slice(0, cut + delimiter.length);
      found.push({ kind: 'prefix', prefix: common });
      last = common;
      at = behindPrefix(keys, at, common);
    }
  }
  return { found, more: false, last };
}

function startOf(
  keys: readonly string[],
  prefix: string,
  delimiter: string,
  after: string | undefined,
): number {
  const from = lowerBound(keys, prefix);
  if (after === undefined || after === '') return from;
  const rolled =
    delimiter !== '' && after.endsWith(delimiter) && after.startsWith(prefix) && after !== prefix;
  const behind = rolled
    ? behindPrefix(keys, lowerBound(keys, after), after)
    : firstWhere(keys, 0, (key) => compareUtf8(key, after) > 0);
  return Math.max(from, behind);
}

/** Keys with one prefix stand together. */
const behindPrefix = (keys: readonly string[], from: number, prefix: string): number =>
  firstWhere(keys, from, (key) => !key.startsWith(prefix) && compareUtf8(key, prefix) > 0);

interface Common {
  readonly bucket: Bucket;
  readonly prefix: string;
  readonly delimiter: string;
  readonly limit: number;
  readonly encode: (text: string) => string;
  /** Elements every listing begins with. */
  readonly head: string;
}

export function common(request: S3Request, limitName: string, encodedName: string): Common {
  const { query } = request;
  const bucket = bucketOf(request);
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const encoding = query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url') {
    throw invalidArgument('Invalid Encoding Method specified in Request', { ArgumentName: 'encoding-type' });
  }
  const encode = encoding === 'url' ? urlEncode : (text: string): string => text;
  const limit = Math.min(
    PAGE,
    wholeNumber(query.get(limitName), limitName, { least: 0, most: 2 ** 31 - 1, otherwise: PAGE }),
  );
  const head =
    element(encodedName, bucket.name) +
    element('Prefix', encode(prefix)) +
    (delimiter === '' ? '' : element('Delimiter', encode(delimiter))) +
    element('EncodingType', encoding);
  return { bucket, prefix, delimiter, limit, encode, head };
}

const inOrder = (bucket: Bucket): readonly string[] =>
  bucket.sorted.inOrder((key) => bucket.objects.has(key));

/** A token says where to go on, and nothing to whoever holds it. */
const token = (last: string): string => Buffer.from(`1${last}`, 'utf8').toString('base64url');

function fromToken(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const decoded = Buffer.from(text, 'base64url').toString('utf8');
  if (!decoded.startsWith('1')) throw invalidArgument('The continuation token provided is incorrect');
  return decoded.slice(1);
}

export function listObjectsV2(request: S3Request): Reply {
  const { query } = request;
  const { bucket, prefix, delimiter, limit, encode, head } = common(request, 'max-keys', 'Name');
  const given = query.get('continuation-token');
  const startAfter = query.get('start-after');
  const resumed = fromToken(given);
  const page = walk(
    inOrder(bucket),
    { prefix, delimiter, after: resumed ?? plainStart(startAfter, delimiter), limit },
    (key) => current(bucket, key) !== undefined,
  );
  const xml =
    head +
    element('MaxKeys', limit) +
    element('KeyCount', page.found.length) +
    element('StartAfter', startAfter === undefined ? undefined : encode(startAfter)) +
    element('ContinuationToken', given) +
    element('IsTruncated', page.more) +
    element('NextContinuationToken', page.more ? token(page.last ?? '') : undefined) +
    foundXml(bucket, page, encode, query.get('fetch-owner') === 'true');
  return xmlReply(document('ListBucketResult', xml));
}

/** `start-after` names a key even where it ends in the delimiter: what is under it still counts. */
const plainStart = (startAfter: string | undefined, delimiter: string): string | undefined =>
  startAfter !== undefined && delimiter !== '' && startAfter.endsWith(delimiter)
    ? `${startAfter}\u0000`
    : startAfter;

export function listObjects(request: S3Request): Reply {
  const { bucket, prefix, delimiter, limit, encode, head } = common(request, 'max-keys', 'Name');
  const marker = request.query.get('marker');
  const page = walk(
    inOrder(bucket),
    { prefix, delimiter, after: marker, limit },
    (key) => current(bucket, key) !== undefined,
  );
  const xml =
    head +
    element('Marker', encode(marker ?? '')) +
    element('MaxKeys', limit) +
    element('IsTruncated', page.more) +
    element('NextMarker', page.more && delimiter !== '' ? encode(page.last ?? '') : undefined) +
    foundXml(bucket, page, encode, true);
  return xmlReply(document('ListBucketResult', xml));
}

const OWNER = wrap('Owner', element('ID', ACCOUNT));

function foundXml(bucket: Bucket, page: Page, encode: (text: string) => string, owner: boolean): string {
  let contents = '';
  let prefixes = '';
  for (const found of page.found) {
    if (found.kind === 'prefix') {
      prefixes += wrap('CommonPrefixes', element('Prefix', encode(found.prefix)));
      continue;
    }
    const version = current(bucket, found.key);
    if (version !== undefined)
      contents += wrap('Contents', contentXml(version, encode) + (owner ? OWNER : ''));
  }
  return contents + prefixes;
}

function contentXml(version: StoredVersion, encode: (text: string) => string): string {
  return (
    element('Key', encode(version.key)) +
    element('LastModified', isoDate(version.modified)) +
    element('ETag', version.etag) +
    checksumXml(version) +
    element('Size', version.size) +
    element('StorageClass', version.storageClass ?? 'STANDARD')
  );
}

function checksumXml({ checksum }: StoredVersion): string {
  if (checksum === undefined) return '';
  const { algorithm, type } = checksum === 'default' ? DEFAULT_CHECKSUM : checksum;
  return element('ChecksumAlgorithm', algorithm) + element('ChecksumType', type);
}

const DEFAULT_CHECKSUM = { algorithm: 'CRC64NVME', type: 'FULL_OBJECT' } as const;

/** Versions of one key come newest first; a page may end between two of them. */
export function listObjectVersions(request: S3Request): Reply {
  const { query } = request;
  const { bucket, prefix, delimiter, limit, encode, head } = common(request, 'max-keys', 'Name');
  const keyMarker = query.get('key-marker') ?? '';
  const versionMarker = query.get('version-id-marker') ?? '';
  let xml = '';
  let count = 0;
  let last: { readonly key: string; readonly versionId: string | undefined } | undefined;
  let more = false;
  const page = walk(
    inOrder(bucket),
    // The page before may have ended inside a key: then that key comes once more.
    {
      prefix,
      delimiter,
      after: keyMarker,
      from: versionMarker === '' ? undefined : keyMarker,
      limit: PAGE + 1,
    },
    (key) => bucket.objects.has(key),
  );
  outer: for (const found of page.found) {
    const rows = rowsOf(
      bucket,
      found,
      found.kind === 'key' && found.key === keyMarker ? versionMarker : '',
      encode,
    );
    for (const row of rows) {
      if (count >= limit) {
        more = limit > 0;
        break outer;
      }
      xml += row.xml;
      count++;
      last = row;
    }
  }
  const answer =
    head +
    element('KeyMarker', encode(keyMarker)) +
    element('VersionIdMarker', versionMarker) +
    element('MaxKeys', limit) +
    element('IsTruncated', more) +
    (more && last !== undefined
      ? element('NextKeyMarker', encode(last.key)) + element('NextVersionIdMarker', last.versionId)
      : '') +
    xml;
  return xmlReply(document('ListVersionsResult', answer));
}

interface Row {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly xml: string;
}

function rowsOf(
  bucket: Bucket,
  found: Found,
  after: string,
  encode: (text: string) => string,
): readonly Row[] {
  if (found.kind === 'prefix') {
    const xml = wrap('CommonPrefixes', element('Prefix', encode(found.prefix)));
    return [{ key: found.prefix, versionId: undefined, xml }];
  }
  const versions = (bucket.objects.get(found.key) ?? []).toReversed();
  const from = after === '' ? 0 : versions.findIndex(({ versionId }) => versionId === after) + 1;
  return versions.slice(from).map((version, index) => ({
    key: version.key,
    versionId: version.versionId,
    xml: versionXml(version, from + index === 0, encode),
  }));
}

function versionXml(version: StoredVersion, latest: boolean, encode: (text: string) => string): string {
  const ids = element('VersionId', version.versionId) + element('IsLatest', latest);
  if (!version.deleteMarker) return wrap('Version', contentXml(version, encode) + ids + OWNER);
  const marker = element('Key', encode(version.key)) + element('LastModified', isoDate(version.modified));
  return wrap('DeleteMarker', marker + ids + OWNER);
}
