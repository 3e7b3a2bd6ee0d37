/** Single requests, signed here and sent over a pool of kept connections: a third of what the SDK spends on each. */
import { Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import type { Clock, Waits } from '../model/ports.ts';
import type { ResolvedRemote } from './connect.ts';
import { type Asked, type Complaint, complaintOf, failureOf, isExpired, isSkewed } from './failure.ts';
import { failureOfThrown } from './network-failure.ts';
import { type Headers, type Sign, createSigner, encodeKey, encodeQuery } from './sign.ts';

export interface WireRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly asked: Asked;
  /** Without one the bucket itself is meant. */
  readonly key?: string;
  readonly query?: Headers;
  /** Lower-case names. */
  readonly headers?: Headers;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Must be read to its end, dumped or destroyed. */
  readonly body: Dispatcher.ResponseData['body'];
}

const CONNECT_MS = 10_000;
/** Without a byte either way for so long, a connection is given up. */
const IDLE_MS = 60_000;
/** A body goes out in slices, so that IDLE_MS is counted from the last of them and not from the first. */
const SLICE = 256 * 1024;
/** More of an error's body is not read. */
const ERROR_BYTES = 64 * 1024;
/** Stores refuse what is signed 15 minutes off. */
const TOLERATED_SKEW_MS = 10 * 60_000;
const NOTHING: Headers = {};

export class Wire {
  readonly #remote: ResolvedRemote;
  readonly #clock: Clock;
  readonly #connections: number;
  readonly #sign: Sign;
  #pool: Promise<Pool> | undefined;
  /** Store's time minus ours, once the store has complained. */
  #skew = 0;

  constructor(remote: ResolvedRemote, options: { readonly clock: Clock; readonly connections: number }) {
    this.#remote = remote;
    this.#clock = options.clock;
    this.#connections = options.connections;
    this.#sign = createSigner(remote.region);
  }

  /**
   * Sends one request. Resolves with a 2xx answer, rejects with a VaultError for all else; nothing is tried again but
   * once after expired credentials were refreshed, and once with a corrected clock.
   */
  async send(request: WireRequest): Promise<WireAnswer> {
    let refreshed = false;
    let corrected = false;
    for (;;) {
      const answer = await this.#exchange(request);
      if (answer.status >= 200 && answer.status < 300) return answer;
      const complaint = await complaintIn(answer);
      if (!corrected && this.#isSkewed(request, complaint) && this.#correct(complaint)) corrected = true;
      else if (!refreshed && isExpired(complaint) && (await this.#remote.credentials.refresh()))
        refreshed = true;
      else throw failureOf(complaint, request.asked);
    }
  }

  /** Breaks what is under way and frees the connections. */
  async close(): Promise<void> {
    const pool = await this.#pool?.catch(() => undefined);
    await pool?.destroy();
  }

  async #exchange(request: WireRequest): Promise<WireAnswer> {
    const { method, signal, body } = request;
    try {
      signal?.throwIfAborted();
      const credentials = await this.#remote.credentials.get();
      const { place } = this.#remote;
      const path = place.base + (request.key === undefined ? '/' : `/${encodeKey(request.key)}`);
      const query = request.query ?? NOTHING;
      const headers = { host: place.host, ...request.headers };
      const now = this.#clock.now() + this.#skew;
      const signed = this.#sign({ method, path, query, headers }, credentials, now);
      const search = encodeQuery(query);
      const answer = await (await this.#connect()).request({
        method,
        path: search === '' ? path : `${path}?${search}`,
        headers: body === undefined ? signed : { ...signed, 'content-length': String(body.length) },
        body: body === undefined || body.length <= SLICE ? (body ?? null) : Readable.from(slices(body)),
        ...(signal === undefined ? {} : { signal }),
      });
      return { status: answer.statusCode, headers: plainHeaders(answer.headers), body: answer.body };
    } catch (thrown) {
      throw failureOfThrown(thrown, signal);
    }
  }

  #connect(): Promise<Pool> {
    this.#pool ??= this.#openPool();
    return this.#pool;
  }

  async #openPool(): Promise<Pool> {
    const { Pool } = await import('undici');
    return new Pool(this.#remote.place.origin, {
      connections: this.#connections,
      pipelining: 1,
      allowH2: false,
      headersTimeout: IDLE_MS,
      bodyTimeout: IDLE_MS,
      connect: { timeout: CONNECT_MS, secureContext: this.#remote.tls },
    });
  }

  /** The refusal of a HEAD has no words: then the store's date tells. */
  #isSkewed({ method }: WireRequest, complaint: Complaint): boolean {
    if (isSkewed(complaint)) return true;
    if (method !== 'HEAD' || complaint.status !== 403) return false;
    const theirs = Date.parse(complaint.headers['date'] ?? '');
    return Math.abs(theirs - this.#clock.now() - this.#skew) > TOLERATED_SKEW_MS;
  }

  #correct(complaint: Complaint): boolean {
    const theirs = Date.parse(complaint.headers['date'] ?? '');
    if (Number.isNaN(theirs)) return false;
    this.#skew = theirs - this.#clock.now();
    return true;
  }
}

function* slices(body: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < body.length; at += SLICE) yield body.subarray(at, at + SLICE);
}

async function complaintIn({ status, headers, body }: WireAnswer): Promise<Complaint> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      chunks.push(Buffer.from(chunk));
      length += chunk.length;
      if (length >= ERROR_BYTES) break;
    }
  } catch {
    // The status says enough.
  }
  return complaintOf(status, headers, Buffer.concat(chunks).toString('utf8', 0, ERROR_BYTES));
}

function plainHeaders(headers: Dispatcher.ResponseData['headers']): Headers {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return plain;
}

/** Reads an answer that has nothing to say, so that its connection can be used again. */
export async function drain({ body }: Pick<WireAnswer, 'body'>): Promise<void> {
  await body.dump({ limit: ERROR_BYTES }).catch((thrown: unknown) => {
    throw failureOfThrown(thrown, undefined);
  });
}

/** The whole of an answer that is short by its nature. */
export async function textOf({ body }: Pick<WireAnswer, 'body'>, { signal }: Waits): Promise<string> {
  return body.text().catch((thrown: unknown) => {
    throw failureOfThrown(thrown, signal);
  });
}
