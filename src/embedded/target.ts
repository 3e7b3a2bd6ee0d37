/** What a request is about: bucket and key, from the path or from the host name, and the query. */
import { S3Error } from './errors.ts';

export interface Target {
  /** Empty: the service itself. */
  readonly bucket: string;
  /** Empty: the bucket itself. */
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  /** As sent, for the signature. */
  readonly rawPath: string;
  readonly rawQuery: string;
}

const EMPTY: ReadonlyMap<string, string> = new Map();

/** `url` is the request line's; `host` the Host header. Path style, and `BUCKET.localhost` for virtual-host style. */
export function parseTarget(url: string, host: string): Target {
  const mark = url.indexOf('?');
  const rawPath = mark < 0 ? url : url.slice(0, mark);
  const rawQuery = mark < 0 ? '' : url.slice(mark + 1);
  const query = rawQuery === '' ? EMPTY : parseQuery(rawQuery);
  const virtual = virtualBucket(host);
  if (virtual !== undefined)
    return { bucket: virtual, key: decode(rawPath.slice(1)), query, rawPath, rawQuery };
  const slash = rawPath.indexOf('/', 1);
  const bucket = decode(slash < 0 ? rawPath.slice(1) : rawPath.slice(1, slash));
  const key = slash < 0 ? '' : decode(rawPath.slice(slash + 1));
  return { bucket, key, query, rawPath, rawQuery };
}

function virtualBucket(host: string): string | undefined {
  const name = host.replace(/:\d+$/, '');
  return name.endsWith('.localhost') ? name.slice(0, -'.localhost'.length) : undefined;
}

function parseQuery(rawQuery: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    query.set(name, equals < 0 ? '' : decode(pair.slice(equals + 1).replaceAll('+', ' ')));
  }
  return query;
}

function decode(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error(400, 'InvalidURI', "Couldn't parse the specified URI.");
  }
}
