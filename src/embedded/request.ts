import type { IncomingHttpHeaders } from 'node:http';
import { invalidArgument } from './errors.ts';
import type { Operation } from './operation.ts';
import type { Target } from './target.ts';
import type { World } from './world.ts';

/** One authenticated request with its whole body, ready to be carried out. */
export interface S3Request extends Target {
  readonly world: World;
  readonly operation: Operation;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Decoded: without `aws-chunked` framing. */
  readonly body: Buffer;
  /** Headers behind an `aws-chunked` body. */
  readonly trailers: IncomingHttpHeaders;
  /** `TLSv1.3` and the like. */
  readonly tlsVersion: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Pieces are sent one after another as the client takes them; `content-length` goes with them. */
  readonly body?: string | Iterable<Buffer> | undefined;
}

export type Handler = (request: S3Request) => Reply;

export function header(request: { readonly headers: IncomingHttpHeaders }, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

export const xmlReply = (xml: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status: 200,
  headers: { 'content-type': 'application/xml', ...headers },
  body: xml,
});

export const empty = (status: number, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers,
});

/** A whole number from a query parameter or header; InvalidArgument where it is none or out of bounds. */
export function wholeNumber(
  text: string | undefined,
  name: string,
  bounds: { readonly least: number; readonly most: number; readonly otherwise: number },
): number {
  if (text === undefined || text === '') return bounds.otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < bounds.least || value > bounds.most) {
    throw invalidArgument(`Argument ${name} must be an integer between ${bounds.least} and ${bounds.most}`, {
      ArgumentName: name,
      ArgumentValue: text,
    });
  }
  return value;
}

export const httpDate = (ms: number): string => new Date(ms).toUTCString();
export const isoDate = (ms: number): string => new Date(ms).toISOString();
