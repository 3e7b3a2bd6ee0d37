/**
 * Signature Version 4 (IAM User Guide, "AWS Signature Version 4 for API requests"), checked for real: who does not hold
 * the secret key gets nothing.
 */
import { type KeyObject, createHmac, createSecretKey, hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error, accessDenied } from './errors.ts';
import { isoDate } from './request.ts';
import type { Target } from './target.ts';

export interface Identity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Temporary credentials only. */
  readonly sessionToken?: string;
  /** ms since 1970. */
  readonly expires?: number;
}

export interface SignedRequest {
  readonly method: string;
  readonly target: Target;
  readonly headers: IncomingHttpHeaders;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
export const UNSIGNED = 'UNSIGNED-PAYLOAD';
export const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const MAX_SKEW = 15 * 60_000;

interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: string;
  readonly signature: string;
}

export class Authority {
  readonly #region: string;
  readonly #identities = new Map<string, Identity>();
  readonly #signingKeys = new Map<string, KeyObject>();

  constructor(region: string) {
    this.#region = region;
  }

  admit(identity: Identity): void {
    this.#identities.set(identity.accessKeyId, identity);
  }

  /**
   * Throws the S3Error of whatever is wrong. `payloadHash` is what was signed for the body: the header
   * `x-amz-content-sha256`, or the body's own hash for services that send none.
   */
  verify(request: SignedRequest, payloadHash: string, service: 's3' | 'kms', now: number): void {
    const authorization = parseAuthorization(request);
    const identity = this.#identities.get(authorization.accessKeyId);
    if (identity === undefined) throw unknownKey(authorization.accessKeyId);
    checkScope(authorization, this.#region, service);
    checkToken(identity, request.headers['x-amz-security-token'], now);
    const stamp = checkTime(request.headers, now);
    checkSigned(authorization.signedHeaders, request.headers);
    const signingKey = this.#signingKey(identity, authorization);
    for (const path of candidatePaths(request.target.rawPath)) {
      const text = stringToSign(request, authorization, path, payloadHash, stamp);
      const expected = createHmac('sha256', signingKey).update(text).digest();
      if (sameBytes(expected, authorization.signature)) return;
    }
    throw new S3Error(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      { AWSAccessKeyId: authorization.accessKeyId, SignatureProvided: authorization.signature },
    );
  }

  /** Kept ready for use: four HMACs and the making of a key are spared for every request of a day. */
  #signingKey(identity: Identity, { date, region, service }: Authorization): KeyObject {
    const name = `${identity.accessKeyId}/${date}/${region}/${service}`;
    const known = this.#signingKeys.get(name);
    if (known !== undefined) return known;
    let bytes: Buffer = Buffer.from(`AWS4${identity.secretAccessKey}`, 'utf8');
    for (const word of [date, region, service, 'aws4_request']) {
      bytes = createHmac('sha256', bytes).update(word).digest();
    }
    const key = createSecretKey(bytes);
    this.#signingKeys.set(name, key);
    return key;
  }
}

const unknownKey = (accessKeyId: string): S3Error =>
  new S3Error(
    403,
    'InvalidAccessKeyId',
    'The AWS Access Key Id you provided does not exist in our records.',
    { AWSAccessKeyId: accessKeyId },
  );

const FORM =
  /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/,]+)\/([^/,]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

function parseAuthorization(request: SignedRequest): Authorization {
  const text = request.headers.authorization;
  if (text === undefined) {
    if (request.target.query.has('X-Amz-Signature')) {
      throw new S3Error(501, 'NotImplemented', 'Presigned URLs are not supported here.');
    }
    throw accessDenied();
  }
  const found = FORM.exec(text);
  if (found === null) {
    throw new S3Error(
      400,
      'AuthorizationHeaderMalformed',
      'The authorization header you provided is invalid.',
    );
  }
  const [, accessKeyId = '', date = '', region = '', service = '', signedHeaders = '', signature = ''] =
    found;
  return { accessKeyId, date, region, service, signedHeaders, signature };
}

function checkScope(authorization: Authorization, region: string, service: string): void {
  if (authorization.region !== region) {
    throw new S3Error(
      400,
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${authorization.region}' is wrong; expecting '${region}'`,
      { Region: region },
      { 'x-amz-bucket-region': region },
    );
  }
  if (authorization.service !== service) {
    throw new S3Error(
      400,
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; incorrect service "${authorization.service}". This endpoint belongs to "${service}".`,
    );
  }
}

function checkToken(identity: Identity, token: string | string[] | undefined, now: number): void {
  if (token !== identity.sessionToken) {
    throw new S3Error(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
  if (identity.expires !== undefined && identity.expires <= now) throw expiredToken();
}

export const expiredToken = (): S3Error =>
  new S3Error(400, 'ExpiredToken', 'The provided token has expired.');

/** Answers the request's own time stamp, `YYYYMMDDTHHMMSSZ`. */
function checkTime(headers: IncomingHttpHeaders, now: number): string {
  const stamp = headers['x-amz-date'];
  const found = typeof stamp === 'string' ? /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp) : null;
  if (typeof stamp !== 'string' || found === null) {
    throw accessDenied('AWS authentication requires a valid Date or x-amz-date header');
  }
  const [, year, month, day, hour, minute, second] = found.map(Number);
  const sent = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  if (Math.abs(sent - now) > MAX_SKEW) {
    throw new S3Error(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      { RequestTime: stamp, ServerTime: isoDate(now), MaxAllowedSkewMilliseconds: String(MAX_SKEW) },
    );
  }
  return stamp;
}

/** The host and every `x-amz-` header must be under the signature. */
function checkSigned(signedHeaders: string, headers: IncomingHttpHeaders): void {
  const signed = new Set(signedHeaders.split(';'));
  const unsigned = Object.keys(headers).filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.has(name),
  );
  if (unsigned.length > 0) {
    throw new S3Error(
      403,
      'AccessDenied',
      'There were headers present in the request which were not signed',
      {
        HeadersNotSigned: unsigned.join(', '),
      },
    );
  }
}

/** The path as sent, and, for clients that sign more than they send encoded, with everything encoded. */
function* candidatePaths(rawPath: string): Generator<string> {
  yield rawPath;
  let decoded: string;
  try {
    decoded = decodeURIComponent(rawPath);
  } catch {
    return;
  }
  const encoded = decoded.split('/').map(uriEncode).join('/');
  if (encoded !== rawPath) yield encoded;
}

const uriEncode = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );

function canonicalQuery({ rawQuery, query }: Target): string {
  if (rawQuery === '') return '';
  return [...query]
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function stringToSign(
  request: SignedRequest,
  authorization: Authorization,
  path: string,
  payloadHash: string,
  stamp: string,
): string {
  let lines = '';
  for (const name of authorization.signedHeaders.split(';')) {
    const value = request.headers[name];
    lines += `${name}:${(Array.isArray(value) ? value.join(',') : (value ?? '')).trim().replace(/ +/g, ' ')}\n`;
  }
  const canonical = `${request.method}\n${path}\n${canonicalQuery(request.target)}\n${lines}\n${authorization.signedHeaders}\n${payloadHash}`;
  const { date, region, service } = authorization;
  return `${ALGORITHM}\n${stamp}\n${date}/${region}/${service}/aws4_request\n${hash('sha256', canonical)}`;
}

function sameBytes(expected: Buffer, hex: string): boolean {
  const given = Buffer.from(hex, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
