/** One request from its first byte to the last of its answer: faults, signature, body, operation, answer. */
import { hash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Authority, expiredToken } from './auth.ts';
import { BodyAborted, type Pace, checkLength, decodeBody, readBody } from './body.ts';
import { S3Error, slowDown } from './errors.ts';
import type { Fault, Faults } from './faults.ts';
import { kmsErrorReply, kmsReply } from './kms-endpoint.ts';
import { KmsFault, asS3Error } from './kms-keys.ts';
import { type Operation, type S3Operation, operationOf } from './operation.ts';
import { type RequestLog, loggable } from './request-log.ts';
import type { Reply } from './request.ts';
import { carryOut } from './router.ts';
import { Answer } from './answer.ts';
import { type Target, parseTarget } from './target.ts';
import type { World } from './world.ts';
import { bareDocument, element } from './xml.ts';

export interface Endpoint {
  readonly world: World;
  readonly authority: Authority;
  readonly faults: Faults;
  readonly log: RequestLog;
  /** Answers do not say how objects are encrypted. */
  readonly silent: boolean;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly target: Target;
  readonly operation: Operation;
  readonly fault: Fault | undefined;
  readonly requestId: string;
  received: number;
}

const ID_PREFIX = randomBytes(4).toString('hex').toUpperCase();
let idCounter = 0;
const newRequestId = (): string => ID_PREFIX + (++idCounter).toString(16).toUpperCase().padStart(8, '0');

export async function serve(
  endpoint: Endpoint,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const exchange = begin(endpoint, request);
  const { fault } = exchange;
  if (fault?.kind === 'hang') {
    record(endpoint, exchange, 0);
    return;
  }
  const reply = fault?.kind === 'reset-before' ? undefined : await replyTo(endpoint, exchange);
  if (reply === undefined || fault?.kind === 'reset-after') {
    // A client that went away by itself leaves no trace; a connection that a fault broke does.
    if (fault !== undefined) record(endpoint, exchange, 0);
    request.socket.destroy();
    return;
  }
  record(endpoint, exchange, reply.status);
  const date = endpoint.world.now() + skewOf(fault);
  await new Answer(response, exchange.requestId, date, endpoint.silent).send(
    reply,
    fault,
    exchange.received > 0,
  );
}

/** A target that cannot be parsed is answered like any other error, as an unsupported operation. */
function begin(endpoint: Endpoint, request: IncomingMessage): Exchange {
  const method = request.method ?? 'GET';
  const target = parsed(request);
  const operation = operationOf(method, target, request.headers);
  const { bucket, key, query } = target;
  const fault = endpoint.faults.strike({ method, operation, bucket, key, query, headers: request.headers });
  return { request, target, operation, fault, requestId: newRequestId(), received: 0 };
}

function parsed(request: IncomingMessage): Target {
  const url = request.url ?? '/';
  try {
    return parseTarget(url, request.headers.host ?? '');
  } catch {
    return { bucket: '', key: '', query: new Map(), rawPath: url, rawQuery: '' };
  }
}

function record(endpoint: Endpoint, exchange: Exchange, status: number): void {
  const { request, target, operation, fault } = exchange;
  endpoint.log.record({
    operation,
    method: request.method ?? '',
    bucket: target.bucket,
    key: target.key,
    query: target.query,
    headers: loggable(request.headers),
    status,
    bytesIn: exchange.received,
    fault: fault?.kind,
    at: endpoint.world.now(),
  });
}

const HOUR = 3_600_000;
const skewOf = (fault: Fault | undefined): number => (fault?.kind === 'clock-skew' ? (fault.ms ?? HOUR) : 0);

/** Undefined: there is nobody to answer. */
async function replyTo(endpoint: Endpoint, exchange: Exchange): Promise<Reply | undefined> {
  const { fault, operation, request } = exchange;
  const isKms = operation.startsWith('kms:');
  try {
    if (fault?.kind === 'delay') await sleep(fault.ms);
    const early = fault === undefined ? undefined : faultReply(fault, isKms);
    if (early !== undefined) {
      await readAll(exchange);
      if (early instanceof S3Error) throw early;
      return early;
    }
    return isKms ? await kmsExchange(endpoint, exchange) : await s3Exchange(endpoint, exchange);
  } catch (error) {
    if (error instanceof BodyAborted) return undefined;
    if (!request.complete) await drain(request);
    return errorReply(error, exchange, isKms);
  }
}

/** Faults that stand for the whole answer; undefined for those that strike elsewhere. */
function faultReply(fault: Fault, isKms: boolean): Reply | S3Error | undefined {
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- the others change how a request is read or answered
  switch (fault.kind) {
    case 'slow-down':
      return slowDown(false);
    case 'kms-slow-down':
      return slowDown(true);
    case 'error-500':
      return new S3Error(500, 'InternalError', 'We encountered an internal error. Please try again.');
    case 'expired-token':
      return expiredToken();
    case 'status':
      return isKms || fault.status >= 300
        ? new S3Error(fault.status, fault.code, fault.message)
        : { status: fault.status, headers: {} };
    case 'redirect':
      return new S3Error(
        fault.status ?? 307,
        'TemporaryRedirect',
        'Please re-send this request to the specified temporary endpoint.',
        { Endpoint: fault.location },
        { location: fault.location },
      );
    default:
      return undefined;
  }
}

async function kmsExchange(endpoint: Endpoint, exchange: Exchange): Promise<Reply> {
  const { request, target, operation, fault } = exchange;
  const method = request.method ?? 'POST';
  checkLength(request.headers, false);
  const body = await readAll(exchange);
  const signed = { method, target, headers: request.headers };
  const now = endpoint.world.now() + skewOf(fault);
  endpoint.authority.verify(signed, hash('sha256', body), 'kms', now);
  return kmsReply(endpoint.world.kms, operation.slice('kms:'.length), body);
}

async function s3Exchange(endpoint: Endpoint, exchange: Exchange): Promise<Reply> {
  const { request, target, operation, fault } = exchange;
  const method = request.method ?? 'GET';
  const { headers, socket } = request;
  const payloadHash = headers['x-amz-content-sha256'];
  if (typeof payloadHash !== 'string' && headers.authorization !== undefined) {
    throw new S3Error(
      400,
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    );
  }
  const now = endpoint.world.now() + skewOf(fault);
  endpoint.authority.verify({ method, target, headers }, String(payloadHash), 's3', now);
  checkLength(headers, operation === 'PutObject' || operation === 'UploadPart');
  const raw = await readAll(exchange);
  const { body, trailers } = decodeBody(headers, raw);
  const tlsVersion = socket instanceof TLSSocket ? (socket.getProtocol() ?? '') : '';
  const { world } = endpoint;
  return carryOut(
    { ...target, world, operation, method, headers, body, trailers, tlsVersion },
    operation as S3Operation,
  );
}

async function readAll(exchange: Exchange): Promise<Buffer> {
  const { request, fault } = exchange;
  const body = await readBody(request, paceOf(fault, Number(request.headers['content-length'] ?? 0)));
  exchange.received = body.length;
  return body;
}

const SLOW_MS = 20;

function paceOf(fault: Fault | undefined, length: number): Pace | undefined {
  if (fault?.kind === 'slow-body') return () => sleep(fault.ms ?? SLOW_MS);
  if (fault?.kind !== 'reset-mid-body') return undefined;
  return async (received) => {
    if (received >= length / 2) throw new BodyAborted('broken on command');
  };
}

/** Takes the rest of a body that nobody wants, so that the client can read the answer. */
function drain(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    request.on('end', resolve);
    request.on('close', resolve);
    request.resume();
  });
}

function errorReply(error: unknown, exchange: Exchange, isKms: boolean): Reply {
  const known = error instanceof S3Error || error instanceof KmsFault ? error : internal(error);
  if (isKms) return kmsErrorReply(known);
  const answered = known instanceof KmsFault ? asS3Error(known) : known;
  return errorXml(answered, exchange);
}

const internal = (error: unknown): S3Error =>
  new S3Error(500, 'InternalError', error instanceof Error ? (error.stack ?? error.message) : String(error));

function errorXml({ status, code, message, extra, headers }: S3Error, exchange: Exchange): Reply {
  if (status === 304) return { status, headers };
  const details = Object.entries(extra).map(([name, value]) => element(name, value));
  const xml =
    element('Code', code) +
    element('Message', message) +
    details.join('') +
    element('Resource', exchange.target.rawPath) +
    element('RequestId', exchange.requestId) +
    element('HostId', 'embedded');
  return {
    status,
    headers: { 'content-type': 'application/xml', ...headers },
    body: bareDocument('Error', xml),
  };
}
