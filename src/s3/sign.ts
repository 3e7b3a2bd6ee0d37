/**
 * AWS Signature Version 4 for single requests ("Signature Calculations for the Authorization Header", Amazon S3 API
 * Reference). The payload is not signed: TLS carries it, and a checksum header, which is signed, binds it. So no byte
 * is hashed twice.
 */
import { createHmac, createSecretKey, hash } from 'node:crypto';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** The account they belong to, where their provider says it. */
  readonly accountId?: string;
}

export type Headers = Readonly<Record<string, string>>;

export interface Signable {
  readonly method: string;
  /** Percent-encoded by `encodeKey`, with its leading slash. */
  readonly path: string;
  /** Plain names and values. */
  readonly query: Headers;
  /** Lower-case names; `host` among them. All are signed. */
  readonly headers: Headers;
}

/** Gives the request's headers with date, payload marker, session token and `authorization` added. */
export type Sign = (request: Signable, credentials: Credentials, now: number) => Headers;

const ALGORITHM = 'AWS4-HMAC-SHA256';
const PAYLOAD = 'UNSIGNED-PAYLOAD';

/** Percent-encodes all but RFC 3986's unreserved characters. Throws URIError for a lone surrogate. */
export const encodeText = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** An object key as the path of a URL; `/` stays, also doubled. */
export const encodeKey = (key: string): string => encodeText(key).replaceAll('%2F', '/');

/** Names and values encoded and sorted by name, as they are sent and signed. */
export function encodeQuery(query: Headers): string {
  return Object.entries(query)
    .map(([name, value]) => [encodeText(name), encodeText(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** A signer for one region. The signing key of the day is kept, four HMACs a request are saved. */
export function createSigner(region: string): Sign {
  let cached: { readonly of: string; readonly key: Buffer } | undefined;
  const signingKey = (secret: string, day: string): Buffer => {
    const of = `${day}\n${secret}`;
    if (cached?.of !== of) cached = { of, key: deriveKey(secret, day, region) };
    return cached.key;
  };
  return (request, credentials, now) => {
    const time = amzDate(now);
    const day = time.slice(0, 8);
    const scope = `${day}/${region}/s3/aws4_request`;
    const headers = withSigned(request.headers, credentials, time);
    const names = Object.keys(headers).sort();
    const toSign = `${ALGORITHM}\n${time}\n${scope}\n${sha256(canonical(request, headers, names))}`;
    const signature = hmac(signingKey(credentials.secretAccessKey, day), toSign).toString('hex');
    const credential = `${credentials.accessKeyId}/${scope}`;
    const authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    return { ...headers, authorization };
  };
}

function withSigned(headers: Headers, credentials: Credentials, time: string): Record<string, string> {
  const token = credentials.sessionToken;
  return {
    ...headers,
    'x-amz-content-sha256': PAYLOAD,
    'x-amz-date': time,
    ...(token === undefined ? {} : { 'x-amz-security-token': token }),
  };
}

function canonical(request: Signable, headers: Headers, names: readonly string[]): string {
  const lines = names
    .map((name) => `${name}:${(headers[name] ?? '').trim().replace(/\s+/g, ' ')}\n`)
    .join('');
  return `${request.method}\n${request.path}\n${encodeQuery(request.query)}\n${lines}\n${names.join(';')}\n${PAYLOAD}`;
}

function deriveKey(secret: string, day: string, region: string): Buffer {
  return [day, region, 's3', 'aws4_request'].reduce<Buffer>(hmac, Buffer.from(`AWS4${secret}`));
}

/** Under a key object: Node spends more on finding out what bytes are than on the digest. */
const hmac = (key: Buffer, text: string): Buffer =>
  createHmac('sha256', createSecretKey(key)).update(text).digest();
const sha256 = (text: string): string => hash('sha256', text);

/** ISO 8601 basic form: 20261124T013000Z. */
const amzDate = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');
