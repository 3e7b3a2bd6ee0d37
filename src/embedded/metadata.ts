/** What is kept of a write's headers and answered with the object. */
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error, invalidArgument } from './errors.ts';
import type { ObjectAttributes } from './world.ts';

const META = 'x-amz-meta-';
/** User metadata: 2 KB over names and values (User Guide, "Working with object metadata"). */
const MAX_METADATA = 2048;
const KEPT = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
] as const;
const STORAGE_CLASSES = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
]);

export function attributesOf(headers: IncomingHttpHeaders): ObjectAttributes {
  const metadata: Record<string, string> = {};
  let size = 0;
  for (const name in headers) {
    if (!name.startsWith(META)) continue;
    const value = String(headers[name]);
    metadata[name.slice(META.length)] = value;
    size += Buffer.byteLength(name) - META.length + Buffer.byteLength(value);
  }
  if (size > MAX_METADATA) {
    throw new S3Error(
      400,
      'MetadataTooLarge',
      'Your metadata headers exceed the maximum allowed metadata size',
      {
        Size: String(size),
        MaxSizeAllowed: String(MAX_METADATA),
      },
    );
  }
  return { metadata, headers: keptHeaders(headers), storageClass: storageClass(headers) };
}

/** One for all the objects that have no other: a million of them fit in memory. */
const DEFAULT_HEADERS: Readonly<Record<string, string>> = { 'content-type': 'binary/octet-stream' };

function keptHeaders(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const name of KEPT) {
    const value = headers[name];
    if (value === undefined) continue;
    const text = name === 'content-encoding' ? withoutFraming(String(value)) : String(value);
    if (text !== '') kept[name] = text;
  }
  for (const _ in kept) return { ...DEFAULT_HEADERS, ...kept };
  return DEFAULT_HEADERS;
}

/** `aws-chunked` says how the request was sent, not how the object is encoded. */
const withoutFraming = (encoding: string): string =>
  encoding
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== 'aws-chunked')
    .join(',');

function storageClass(headers: IncomingHttpHeaders): string | undefined {
  const name = headers['x-amz-storage-class'];
  if (name === undefined || name === 'STANDARD') return undefined;
  if (!STORAGE_CLASSES.has(String(name))) {
    throw new S3Error(400, 'InvalidStorageClass', 'The storage class you specified is not valid');
  }
  return String(name);
}

export function attributeHeaders(attributes: ObjectAttributes): Record<string, string> {
  const headers: Record<string, string> = { ...attributes.headers };
  for (const name in attributes.metadata) headers[META + name] = attributes.metadata[name] ?? '';
  if (attributes.storageClass !== undefined) headers['x-amz-storage-class'] = attributes.storageClass;
  return headers;
}

const OVERRIDES = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
] as const;

/** `response-content-type` and the like in the query of a GET. */
export function overriddenHeaders(query: ReadonlyMap<string, string>): Record<string, string> {
  const headers: Record<string, string> = {};
  if (query.size === 0) return headers;
  for (const name of OVERRIDES) {
    const value = query.get(`response-${name}`);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

/** REPLACE or COPY (the default) of a copy's header. */
export function directive(headers: IncomingHttpHeaders, name: string): 'COPY' | 'REPLACE' {
  const value = headers[name] ?? 'COPY';
  if (value === 'COPY' || value === 'REPLACE') return value;
  throw invalidArgument('Unknown metadata directive.', { ArgumentName: name, ArgumentValue: String(value) });
}
