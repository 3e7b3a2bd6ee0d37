/** An HTTPS server that answers what a test tells it to, and remembers what it was sent. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureVersion } from 'node:tls';
import { generate } from 'selfsigned';

export interface Recorded {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface Scripted {
  readonly url: string;
  readonly caFile: string;
  readonly requests: Recorded[];
  /** Answers every request from now on. */
  answer: (request: Recorded, response: ServerResponse) => void;
  close(): Promise<void>;
}

export interface ScriptedOptions {
  readonly host?: string;
  readonly maxVersion?: SecureVersion;
  readonly notAfter?: Date;
}

export async function startScripted(options: ScriptedOptions = {}): Promise<Scripted> {
  const { host = 'localhost', maxVersion, notAfter } = options;
  const days = 86_400_000;
  const made = await generate([{ name: 'commonName', value: host }], {
    keyType: 'ec',
    notBeforeDate: new Date(Date.now() - 10 * days),
    notAfterDate: notAfter ?? new Date(Date.now() + days),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: host }] },
    ],
  });
  const folder = mkdtempSync(join(tmpdir(), 's3vault-scripted-'));
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, new X509Certificate(made.cert).toString());
  const old =
    maxVersion === undefined ? {} : { minVersion: maxVersion, maxVersion, ciphers: 'DEFAULT:@SECLEVEL=0' };
  const server = createServer({ cert: made.cert, key: made.private, ...old });
  const scripted: Scripted = {
    url: `https://localhost:${await listen(server)}`,
    caFile,
    requests: [],
    answer: (_, response) => response.end(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
  server.on('request', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const recorded = { method, url, headers, body: Buffer.concat(chunks) };
      scripted.requests.push(recorded);
      scripted.answer(recorded, response);
    });
  });
  return scripted;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return (server.address() as AddressInfo).port;
}

export const errorXml = (code: string, message = ''): string =>
  `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
