/** A TLS endpoint before a store: hands every request on as it is, counts requests and the bytes of their bodies. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

export interface Passed {
  readonly method: string;
  readonly path: string;
  /** CopyObject or UploadPartCopy. */
  readonly copies: boolean;
  /** Bytes of the request's body. */
  bytes: number;
}

export class CountingProxy {
  readonly passed: Passed[] = [];
  readonly caFile: string;
  readonly #folder: string;
  readonly #server: ReturnType<typeof createServer>;
  readonly #waiting = new Map<() => void, number>();

  private constructor(server: ReturnType<typeof createServer>, cert: string) {
    this.#server = server;
    this.#folder = mkdtempSync(join(tmpdir(), 's3vault-proxy-'));
    this.caFile = join(this.#folder, 'ca.pem');
    writeFileSync(this.caFile, cert);
  }

  /** Before the store at `endpoint`, whose certificate is trusted by `ca`. */
  static async start(endpoint: string, ca: string): Promise<CountingProxy> {
    const made = await generate([{ name: 'commonName', value: 'localhost' }], {
      keyType: 'ec',
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
      ],
    });
    const server = createServer({ cert: made.cert, key: made.private });
    const proxy = new CountingProxy(server, made.cert);
    const agent = new Agent({ ca, keepAlive: true });
    const { hostname, port } = new URL(endpoint);
    server.on('request', (from, to) => proxy.#pass(from, to, { hostname, port, agent }));
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    return proxy;
  }

  get url(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves once so many requests in all have come. */
  untilTotal(total: number): Promise<void> {
    if (this.passed.length >= total) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.set(resolve, total));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true });
  }

  /** The Host header stays that of the proxy: the signature is over it. */
  #pass(
    from: IncomingMessage,
    to: ServerResponse,
    target: { readonly hostname: string; readonly port: string; readonly agent: Agent },
  ): void {
    const { method = '', url: path = '', headers } = from;
    const passed: Passed = { method, path, copies: headers['x-amz-copy-source'] !== undefined, bytes: 0 };
    this.passed.push(passed);
    for (const [resolve, total] of this.#waiting)
      if (this.passed.length >= total && this.#waiting.delete(resolve)) resolve();
    const onward = request({ ...target, method, path, headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    });
    onward.on('error', () => to.destroy());
    from.on('error', () => onward.destroy());
    // A client that was killed has no use for the answer, but the store has begun its work.
    to.on('error', () => undefined);
    from.on('data', (chunk: Buffer) => {
      passed.bytes += chunk.length;
    });
    from.pipe(onward);
  }
}
