import { Agent } from 'node:https';
import type { LookupFunction } from 'node:net';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { EmbeddedServer } from '../../src/embedded/server.ts';

/** Every name under localhost is this machine, whatever the resolver says. */
const loopback: LookupFunction = (_name, options, done) => {
  if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }]);
  else done(null, '127.0.0.1', 4);
};

const agentFor = (server: EmbeddedServer): Agent =>
  new Agent({ ca: server.caPem, keepAlive: true, maxSockets: 32, lookup: loopback });

const quiet = { trace: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The real SDK, over TLS, trusting the server's certificate and nothing else. */
export function s3For(server: EmbeddedServer, config: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint: server.url,
    region: server.region,
    credentials: server.credentials,
    forcePathStyle: true,
    maxAttempts: 1,
    logger: quiet,
    requestHandler: { httpsAgent: agentFor(server) },
    ...config,
  });
}

export function kmsFor(server: EmbeddedServer): KMSClient {
  return new KMSClient({
    endpoint: server.url,
    region: server.region,
    credentials: server.credentials,
    maxAttempts: 1,
    requestHandler: { httpsAgent: agentFor(server) },
  });
}

export interface Refusal {
  readonly status: number | undefined;
  readonly name: string;
  readonly message: string;
}

/** How a call failed; throws where it did not. */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  let answer: unknown;
  try {
    answer = await call;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const metadata = (error as { $metadata?: { httpStatusCode?: number } }).$metadata;
    return { status: metadata?.httpStatusCode, name: error.name, message: error.message };
  }
  throw new Error(`expected a refusal, got ${JSON.stringify(answer)}`);
}
