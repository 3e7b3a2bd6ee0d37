/** Counts what reached the endpoint, for tests and benchmarks. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Fault } from './faults.ts';
import type { Operation } from './operation.ts';

export interface LoggedRequest {
  readonly operation: Operation;
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  /** Without Authorization and without keys. */
  readonly headers: IncomingHttpHeaders;
  /** 0: no answer was given. */
  readonly status: number;
  /** Bytes of the body as received. */
  readonly bytesIn: number;
  readonly fault: Fault['kind'] | undefined;
  /** ms since 1970. */
  readonly at: number;
}

/** Entries kept in `recent`. */
const RECENT = 1000;
const SECRETS = [
  'authorization',
  'x-amz-security-token',
  'x-amz-server-side-encryption-customer-key',
  'x-amz-copy-source-server-side-encryption-customer-key',
];

interface Waiting {
  readonly reached: () => boolean;
  readonly resolve: () => void;
}

/** A request counts when it has been carried out, or when a fault or an error has ended it. */
export class RequestLog {
  #counts = new Map<Operation, number>();
  #bytes = new Map<Operation, number>();
  #recent: LoggedRequest[] = [];
  #total = 0;
  #bytesIn = 0;
  #waiting: Waiting[] = [];

  record(entry: LoggedRequest): void {
    this.#total++;
    this.#bytesIn += entry.bytesIn;
    this.#counts.set(entry.operation, this.count(entry.operation) + 1);
    this.#bytes.set(entry.operation, this.bytes(entry.operation) + entry.bytesIn);
    this.#recent.push(entry);
    if (this.#recent.length > 2 * RECENT) this.#recent = this.#recent.slice(-RECENT);
    if (this.#waiting.length > 0) this.#wake();
  }

  get total(): number {
    return this.#total;
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  count(operation: Operation): number {
    return this.#counts.get(operation) ?? 0;
  }

  /** Bytes of request bodies of an operation. */
  bytes(operation: Operation): number {
    return this.#bytes.get(operation) ?? 0;
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** The newest last. */
  get recent(): readonly LoggedRequest[] {
    return this.#recent.slice(-RECENT);
  }

  /** All counts back to zero. Whoever waits goes on waiting. */
  reset(): void {
    this.#counts = new Map();
    this.#bytes = new Map();
    this.#recent = [];
    this.#total = 0;
    this.#bytesIn = 0;
  }

  /** Resolves when an operation has been counted `count` times since the last reset. */
  until(operation: Operation, count: number): Promise<void> {
    return this.#when(() => this.count(operation) >= count);
  }

  untilTotal(total: number): Promise<void> {
    return this.#when(() => this.#total >= total);
  }

  #when(reached: () => boolean): Promise<void> {
    if (reached()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ reached, resolve }));
  }

  #wake(): void {
    const reached = this.#waiting.filter((one) => one.reached());
    if (reached.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => !reached.includes(one));
    for (const { resolve } of reached) resolve();
  }
}

/** Headers as the log may keep them. */
export function loggable(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const shown = { ...headers };
  for (const name of SECRETS) if (shown[name] !== undefined) shown[name] = '(not logged)';
  return shown;
}
