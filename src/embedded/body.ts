/** Bodies of requests: read whole, taken out of `aws-chunked` framing, checked against what the headers promise. */
import { hash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { UNSIGNED, UNSIGNED_TRAILER } from './auth.ts';
import { givenChecksum } from './checksums.ts';
import { S3Error } from './errors.ts';

/** Largest single PUT and largest part: 5 GiB (S3 User Guide, "Amazon S3 multipart upload limits"). */
const MAX_BODY = 5 * 2 ** 30;
/** XML and JSON documents; S3's own largest is the list of 10,000 parts. */
const MAX_DOCUMENT = 4 * 2 ** 20;
/** Bodies up to this size are gathered in one allocation made beforehand. */
const MAX_RESERVED = 2 ** 30;

export class BodyAborted extends Error {}

/** Called with the bytes read so far, before the next are taken; may wait, and may throw to stop. */
export type Pace = (received: number) => Promise<void> | void;

export function checkLength(headers: IncomingHttpHeaders, isData: boolean): void {
  const length = Number(headers['x-amz-decoded-content-length'] ?? headers['content-length'] ?? 0);
  if (isData && length > MAX_BODY) {
    throw new S3Error(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
      ProposedSize: String(length),
      MaxSizeAllowed: String(MAX_BODY),
    });
  }
  if (!isData && length > MAX_DOCUMENT) {
    throw new S3Error(400, 'MaxMessageLengthExceeded', 'Your request was too big.');
  }
  if (
    isData &&
    headers['content-length'] === undefined &&
    headers['x-amz-decoded-content-length'] === undefined
  ) {
    throw new S3Error(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
  }
}

/** Rejects with BodyAborted where the client goes away. */
export async function readBody(request: IncomingMessage, pace?: Pace): Promise<Buffer> {
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  if (length === 0) return Buffer.alloc(0);
  if (Number.isSafeInteger(length) && length <= MAX_RESERVED) return readKnown(request, length, pace);
  const pieces: Buffer[] = [];
  await eachPiece(request, (piece) => pieces.push(piece), pace);
  return Buffer.concat(pieces);
}

async function readKnown(request: IncomingMessage, length: number, pace?: Pace): Promise<Buffer> {
  const body = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  await eachPiece(
    request,
    (piece) => {
      filled += piece.copy(body, filled);
    },
    pace,
  );
  return body.subarray(0, filled);
}

/** Reads to the end. A pace makes the reading slower, never the other requests. */
function eachPiece(request: IncomingMessage, take: (piece: Buffer) => void, pace?: Pace): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const stop = (error: unknown): void => {
      request.removeAllListeners('data');
      reject(error instanceof Error ? error : new BodyAborted(String(error)));
    };
    request.on('data', (piece: Buffer) => {
      take(piece);
      received += piece.length;
      if (pace === undefined) return;
      request.pause();
      Promise.resolve(pace(received)).then(() => request.resume(), stop);
    });
    request.on('end', () => (request.complete ? resolve() : stop(new BodyAborted('body cut short'))));
    request.on('error', () => stop(new BodyAborted('connection lost')));
    request.on('close', () => !request.complete && stop(new BodyAborted('connection lost')));
  });
}

export interface DecodedBody {
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

/** Checks the body against the payload hash that was signed, and takes the framing off. */
export function decodeBody(headers: IncomingHttpHeaders, raw: Buffer): DecodedBody {
  const signed = headers['x-amz-content-sha256'];
  if (signed === UNSIGNED_TRAILER) return decodeChunked(headers, raw);
  if (typeof signed !== 'string' || signed === UNSIGNED) return { body: raw, trailers: {} };
  if (signed.startsWith('STREAMING-')) {
    throw new S3Error(501, 'NotImplemented', `The payload form ${signed} is not supported here.`);
  }
  const calculated = hash('sha256', raw);
  if (calculated === signed) return { body: raw, trailers: {} };
  throw new S3Error(
    400,
    'XAmzContentSHA256Mismatch',
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
    { ClientComputedContentSHA256: signed, S3ComputedContentSHA256: calculated },
  );
}

const LINE_END = Buffer.from('\r\n');
/** S3 refuses smaller chunks, the last one apart. */
const LEAST_CHUNK = 8192;

/** `aws-chunked` without chunk signatures: `SIZE-IN-HEX CRLF DATA CRLF ... 0 CRLF TRAILER: VALUE CRLF CRLF`. */
function decodeChunked(headers: IncomingHttpHeaders, raw: Buffer): DecodedBody {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const { line, next } = lineAt(raw, at);
    const size = Number.parseInt(line, 16);
    if (!/^[0-9a-fA-F]+(;.*)?$/.test(line)) throw incompleteBody();
    at = next;
    if (size === 0) break;
    if (at + size + 2 > raw.length) throw incompleteBody();
    chunks.push(raw.subarray(at, at + size));
    at += size + 2;
  }
  checkChunkSizes(chunks);
  const body = Buffer.concat(chunks);
  const promised = headers['x-amz-decoded-content-length'];
  if (promised !== undefined && Number(promised) !== body.length) throw incompleteBody();
  return { body, trailers: trailersAt(raw, at, headers['x-amz-trailer']) };
}

function checkChunkSizes(chunks: readonly Buffer[]): void {
  for (const [index, chunk] of chunks.slice(0, -1).entries()) {
    if (chunk.length >= LEAST_CHUNK) continue;
    throw new S3Error(
      400,
      'InvalidChunkSizeError',
      `Only the last chunk is allowed to have a size less than ${LEAST_CHUNK} bytes`,
      { Chunk: String(index + 1), BadChunkSize: String(chunk.length) },
    );
  }
}

function trailersAt(
  raw: Buffer,
  start: number,
  announced: string | string[] | undefined,
): IncomingHttpHeaders {
  const trailers: Record<string, string> = {};
  let at = start;
  while (at < raw.length) {
    const { line, next } = lineAt(raw, at);
    at = next;
    if (line === '') break;
    const colon = line.indexOf(':');
    trailers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  if (typeof announced === 'string' && trailers[announced.toLowerCase()] === undefined) {
    throw new S3Error(
      400,
      'MalformedTrailerError',
      'The request contained trailing data that was not well-formed or did not conform to our published schema.',
    );
  }
  return trailers;
}

function lineAt(raw: Buffer, at: number): { readonly line: string; readonly next: number } {
  const end = raw.indexOf(LINE_END, at);
  if (end < 0) throw incompleteBody();
  return { line: raw.toString('latin1', at, end), next: end + 2 };
}

const incompleteBody = (): S3Error =>
  new S3Error(
    400,
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
  );

/** Content-MD5, where it is given. */
export function checkMd5(headers: IncomingHttpHeaders, body: Buffer): void {
  const given = headers['content-md5'];
  if (typeof given !== 'string') return;
  if (Buffer.from(given, 'base64').length !== 16) {
    throw new S3Error(400, 'InvalidDigest', 'The Content-MD5 you specified was invalid.');
  }
  const calculated = hash('md5', body, 'base64');
  if (calculated !== given) {
    throw new S3Error(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.', {
      ExpectedDigest: given,
      CalculatedDigest: calculated,
    });
  }
}

/** The checksum of the body in headers or trailers; refused where only its algorithm is named. */
export function bodyChecksum(
  headers: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders,
): ReturnType<typeof givenChecksum> {
  const given = givenChecksum(headers) ?? givenChecksum(trailers);
  if (given === undefined && headers['x-amz-sdk-checksum-algorithm'] !== undefined) {
    throw new S3Error(
      400,
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  }
  return given;
}
