/** ListMultipartUploads and ListParts. */
import { compareUtf8 } from '../model/brands.ts';
import { bucketOf } from './buckets.ts';
import { elementOf } from './checksums.ts';
import { readingKey } from './customer-key.ts';
import { PAGE, common } from './listing.ts';
import { MAX_PART_NUMBER, uploadOf } from './multipart.ts';
import { type Reply, type S3Request, isoDate, wholeNumber, xmlReply } from './request.ts';
import { ACCOUNT, type Part, type Upload } from './world.ts';
import { document, element, wrap } from './xml.ts';

const OWNERS = wrap('Initiator', element('ID', ACCOUNT)) + wrap('Owner', element('ID', ACCOUNT));

export function listMultipartUploads(request: S3Request): Reply {
  const { query } = request;
  const { bucket, prefix, delimiter, limit, encode, head } = common(request, 'max-uploads', 'Bucket');
  const keyMarker = query.get('key-marker') ?? '';
  const idMarker = query.get('upload-id-marker') ?? '';
  const all = [...bucket.uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .sort((a, b) => compareUtf8(a.key, b.key) || a.initiated - b.initiated || compareUtf8(a.id, b.id));
  const rest = all.slice(startAt(all, keyMarker, idMarker));
  const rows = grouped(rest, prefix, delimiter, encode);
  const page = rows.slice(0, limit);
  const more = rows.length > limit && limit > 0;
  const last = page.at(-1);
  const xml =
    head +
    element('KeyMarker', encode(keyMarker)) +
    element('UploadIdMarker', idMarker) +
    element('MaxUploads', limit) +
    element('IsTruncated', more) +
    (more && last !== undefined
      ? element('NextKeyMarker', encode(last.key)) + element('NextUploadIdMarker', last.id)
      : '') +
    page.map((row) => row.xml).join('');
  return xmlReply(document('ListMultipartUploadsResult', xml));
}

function startAt(all: readonly Upload[], keyMarker: string, idMarker: string): number {
  if (keyMarker === '') return 0;
  const same = idMarker === '' ? -1 : all.findIndex(({ key, id }) => key === keyMarker && id === idMarker);
  if (same >= 0) return same + 1;
  const next = all.findIndex(({ key }) => compareUtf8(key, keyMarker) > 0);
  return next < 0 ? all.length : next;
}

interface Row {
  readonly key: string;
  readonly id: string;
  readonly xml: string;
}

function grouped(
  uploads: readonly Upload[],
  prefix: string,
  delimiter: string,
  encode: (text: string) => string,
): readonly Row[] {
  const rows: Row[] = [];
  const seen = new Set<string>();
  for (const upload of uploads) {
    const cut = delimiter === '' ? -1 : upload.key.indexOf(delimiter, prefix.length);
    if (cut < 0) {
      rows.push({ key: upload.key, id: upload.id, xml: wrap('Upload', uploadXml(upload, encode)) });
      continue;
    }
    const shared = upload.key.slice(0, cut + delimiter.length);
    if (seen.has(shared)) continue;
    seen.add(shared);
    rows.push({ key: upload.key, id: '', xml: wrap('CommonPrefixes', element('Prefix', encode(shared))) });
  }
  return rows;
}

function uploadXml(upload: Upload, encode: (text: string) => string): string {
  return (
    element('Key', encode(upload.key)) +
    element('UploadId', upload.id) +
    OWNERS +
    element('StorageClass', upload.storageClass ?? 'STANDARD') +
    element('Initiated', isoDate(upload.initiated)) +
    element('ChecksumAlgorithm', upload.algorithm) +
    element('ChecksumType', upload.type)
  );
}

export function listParts(request: S3Request): Reply {
  const { query } = request;
  const bucket = bucketOf(request);
  const upload = uploadOf(request, bucket);
  // The key is needed only for the checksums of parts under SSE-C.
  if (upload.algorithm !== undefined) readingKey(upload.encryption, request.headers);
  const limit = Math.min(
    PAGE,
    wholeNumber(query.get('max-parts'), 'max-parts', { least: 0, most: 2 ** 31 - 1, otherwise: PAGE }),
  );
  const marker = wholeNumber(query.get('part-number-marker'), 'part-number-marker', {
    least: 0,
    most: MAX_PART_NUMBER,
    otherwise: 0,
  });
  const rest = [...upload.parts.values()]
    .filter(({ number }) => number > marker)
    .sort((a, b) => a.number - b.number);
  const page = rest.slice(0, limit);
  const xml =
    element('Bucket', bucket.name) +
    element('Key', upload.key) +
    element('UploadId', upload.id) +
    OWNERS +
    element('StorageClass', upload.storageClass ?? 'STANDARD') +
    element('PartNumberMarker', marker) +
    element('NextPartNumberMarker', page.at(-1)?.number ?? 0) +
    element('MaxParts', limit) +
    element('IsTruncated', rest.length > page.length) +
    element('ChecksumAlgorithm', upload.algorithm) +
    element('ChecksumType', upload.type) +
    page.map((part) => wrap('Part', partXml(part))).join('');
  return xmlReply(document('ListPartsResult', xml));
}

function partXml(part: Part): string {
  return (
    element('PartNumber', part.number) +
    element('LastModified', isoDate(part.modified)) +
    element('ETag', part.etag) +
    element('Size', part.chunk.size) +
    (part.checksum === undefined ? '' : element(elementOf(part.checksum.algorithm), part.checksum.value))
  );
}
