/** Writes one answer, and spoils it where a fault says so. */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { SSE_HEADER_PREFIX } from './encryption.ts';
import type { Fault } from './faults.ts';
import { type Reply, httpDate } from './request.ts';

const SLOW_MS = 20;
const SLOW_BYTES = 16_384;

let dateSecond = -1;
let dateText = '';

/** Made once a second. */
function dateOf(now: number): string {
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = httpDate(now);
  }
  return dateText;
}

export class Answer {
  readonly #response: ServerResponse;
  readonly #requestId: string;
  readonly #now: number;
  readonly #silent: boolean;

  constructor(response: ServerResponse, requestId: string, now: number, silent: boolean) {
    this.#response = response;
    this.#requestId = requestId;
    this.#now = now;
    this.#silent = silent;
  }

  /** `hadBody`: the request had one, so a reset in mid-body has happened already. */
  async send(reply: Reply, fault: Fault | undefined, hadBody: boolean): Promise<void> {
    const response = this.#response;
    const headers = this.#headers(reply, fault);
    if (typeof reply.body === 'string' || reply.body === undefined) {
      const body = reply.body === undefined ? undefined : Buffer.from(reply.body);
      if (body !== undefined) headers['content-length'] = String(body.length);
      if (fault === undefined || body === undefined) {
        response.writeHead(reply.status, headers);
        response.end(body);
        return;
      }
    }
    response.writeHead(reply.status, headers);
    const pieces = typeof reply.body === 'string' ? [Buffer.from(reply.body)] : (reply.body ?? []);
    const spoilt = spoil(pieces, fault);
    if (fault?.kind === 'reset-mid-body' && !hadBody) {
      this.#breakOff(spoilt);
      return;
    }
    for (const piece of spoilt) {
      if (response.destroyed) return;
      if (!response.write(piece)) await drained(response);
      if (fault?.kind === 'slow-body') await sleep(fault.ms ?? SLOW_MS);
    }
    response.end();
  }

  /** Half of the body, then nothing more. */
  #breakOff(pieces: Iterable<Buffer>): void {
    const body = Buffer.concat([...pieces]);
    const socket = this.#response.socket;
    this.#response.write(body.subarray(0, Math.floor(body.length / 2)), () => socket?.destroy());
  }

  #headers(reply: Reply, fault: Fault | undefined): Record<string, string> {
    const headers: Record<string, string> = {
      ...reply.headers,
      'x-amz-request-id': this.#requestId,
      'x-amz-id-2': 'embedded',
      date: dateOf(this.#now),
      server: 'AmazonS3',
    };
    if (this.#silent) dropWhere(headers, (name) => name.startsWith(SSE_HEADER_PREFIX));
    if (fault?.kind === 'strip-headers') {
      const names = new Set(fault.names.map((name) => name.toLowerCase()));
      dropWhere(headers, (name) => names.has(name.toLowerCase()));
    }
    return headers;
  }
}

function dropWhere(headers: Record<string, string>, gone: (name: string) => boolean): void {
  for (const name of Object.keys(headers)) if (gone(name)) delete headers[name];
}

function spoil(pieces: Iterable<Buffer>, fault: Fault | undefined): Iterable<Buffer> {
  if (fault?.kind === 'corrupt-body') return [flipped(Buffer.concat([...pieces]))];
  if (fault?.kind === 'slow-body') return cut(Buffer.concat([...pieces]), fault.bytes ?? SLOW_BYTES);
  return pieces;
}

function flipped(body: Buffer): Buffer {
  const at = body.length >> 1;
  if (at < body.length) body[at] = (body[at] ?? 0) ^ 1;
  return body;
}

function* cut(body: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

/** Until the client has taken what was written, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    if (response.destroyed) done();
  });
}
