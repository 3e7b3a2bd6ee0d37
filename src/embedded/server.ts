/**
 * An S3 endpoint in this process: real TLS, real signatures, S3's rules about encryption, checksums, conditions and
 * multipart uploads, everything in memory. For tests, benchmarks and `s3vault demo`. It never listens without TLS.
 */
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { Authority, type Identity } from './auth.ts';
import { makeBucket } from './buckets.ts';
import { type Endpoint, serve } from './endpoint.ts';
import { Faults } from './faults.ts';
import { type EmbeddedKmsKey, KmsKeys } from './kms-keys.ts';
import { parsePolicy } from './policy.ts';
import { RequestLog } from './request-log.ts';
import { makeCertificate, serverNames } from './tls.ts';
import { View } from './view.ts';
import type { World } from './world.ts';

export type { EmbeddedKmsKey } from './kms-keys.ts';
export type { Fault, FaultRule, FaultSubject, Faults } from './faults.ts';
export type { LoggedRequest, RequestLog } from './request-log.ts';
export type { ObjectView } from './view.ts';

type TlsVersion = 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface EmbeddedOptions {
  /** Default: any free one, on 127.0.0.1. */
  readonly port?: number;
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Default `us-east-1`. Requests signed for another region are refused. */
  readonly region?: string;
  readonly kmsKeys?: readonly EmbeddedKmsKey[];
  /** KMS requests a second of the whole account; absent: no limit. `kms.quota` changes it later. */
  readonly kmsQuota?: number;
  readonly tls?: {
    readonly min?: TlsVersion;
    readonly max?: TlsVersion;
    /** PEM, instead of a certificate made at the start; then `caPem` is this one. */
    readonly cert?: string;
    readonly key?: string;
  };
  /** ms since 1970, for signatures, dates and KMS quotas. */
  readonly now?: () => number;
  /** `silent`: encryption is carried out, but no answer says so. Default `full`. */
  readonly sse?: 'full' | 'silent';
  /** `discard`: bodies are dropped after hashing; sizes, ETags and metadata stay. Default `keep`. */
  readonly store?: 'keep' | 'discard';
  /** Whether buckets made over the wire refuse SSE-C until told otherwise. Default true, as on AWS since April 2026. */
  readonly newBucketsBlockSseC?: boolean;
}

export interface BucketOptions {
  readonly versioning?: boolean;
  /** Conditions of writes, copies and removals are taken and ignored, as some stores do. */
  readonly ignoreConditions?: boolean;
  /** Default false. */
  readonly blockSseC?: boolean;
  /** A policy document. */
  readonly policy?: string | object;
}

export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export interface EmbeddedServer extends View {
  /** `https://localhost:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly caPem: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly region: string;
  readonly faults: Faults;
  readonly requests: RequestLog;
  readonly kms: KmsKeys;
  /** Writes `ca.pem` into a folder; answers its path. */
  caFile(dir: string): Promise<string>;
  createBucket(name: string, options?: BucketOptions): void;
  /** Temporary credentials; `expires` in ms since 1970. */
  issueSession(expires: number): SessionCredentials;
  /** Ends every connection, also those that hang. */
  close(): Promise<void>;
}

export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  const now = options.now ?? Date.now;
  const region = options.region ?? 'us-east-1';
  const world: World = {
    region,
    kms: new KmsKeys(region, options.kmsKeys ?? [], now),
    buckets: new Map(),
    keepBodies: options.store !== 'discard',
    blockSseC: options.newBucketsBlockSseC ?? true,
    now,
  };
  world.kms.quota = options.kmsQuota;
  const credentials = {
    accessKeyId: options.accessKey ?? 'AKIAEMBEDDED00000000',
    secretAccessKey: options.secretKey ?? 'embedded-endpoint-of-s3vault-secret-key',
  };
  const authority = new Authority(region);
  authority.admit(credentials);
  const endpoint: Endpoint = {
    world,
    authority,
    faults: new Faults(),
    log: new RequestLog(),
    silent: options.sse === 'silent',
  };
  const listening = await listen(endpoint, options);
  return assemble(endpoint, credentials, listening);
}

interface Listening {
  readonly port: number;
  readonly caPem: string;
  close(): Promise<void>;
}

async function listen(endpoint: Endpoint, options: EmbeddedOptions): Promise<Listening> {
  const { tls } = options;
  const given =
    tls?.cert !== undefined && tls.key !== undefined ? { cert: tls.cert, key: tls.key } : undefined;
  const certificate = given ?? (await makeCertificate());
  const old = tls?.min === 'TLSv1.1';
  const server = createServer(
    {
      ...certificate,
      minVersion: tls?.min ?? 'TLSv1.2',
      maxVersion: tls?.max ?? 'TLSv1.3',
      // OpenSSL offers TLS 1.1 at its lowest security level only.
      ...(old ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}),
      ...(given === undefined ? { SNICallback: serverNames(certificate) } : {}),
      // Slow bodies are part of the game; connections stay open between rounds of a test.
      requestTimeout: 0,
      keepAliveTimeout: 60_000,
    },
    (request, response) => void answer(endpoint, request, response),
  );
  // Clients that do not trust the certificate, or speak another TLS version, are their own report.
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    caPem: certificate.cert,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Whatever goes wrong while answering breaks this connection and nothing else. */
async function answer(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // The other side may go away at any moment; reading and writing notice by themselves.
  request.on('error', () => {});
  response.on('error', () => {});
  try {
    await serve(endpoint, request, response);
  } catch {
    request.socket.destroy();
  }
}

function assemble(
  endpoint: Endpoint,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
  listening: Listening,
): EmbeddedServer {
  const { world, authority } = endpoint;
  const session = sessionIssuer(authority);
  return Object.assign(new View(world), {
    url: `https://localhost:${listening.port}`,
    port: listening.port,
    caPem: listening.caPem,
    credentials,
    region: world.region,
    faults: endpoint.faults,
    requests: endpoint.log,
    kms: world.kms,
    caFile: async (dir: string) => {
      const path = join(dir, 'ca.pem');
      await writeFile(path, listening.caPem);
      return path;
    },
    createBucket: (name: string, options: BucketOptions = {}) => newBucket(world, name, options),
    issueSession: session,
    close: () => listening.close(),
  });
}

function newBucket(world: World, name: string, options: BucketOptions): void {
  const bucket = makeBucket(world, name, options.blockSseC ?? false);
  if (options.versioning === true) bucket.versioning = 'Enabled';
  bucket.ignoresConditions = options.ignoreConditions === true;
  if (options.policy === undefined) return;
  const text = typeof options.policy === 'string' ? options.policy : JSON.stringify(options.policy);
  bucket.policy = { text, parsed: parsePolicy(text, name) };
}

function sessionIssuer(authority: Authority): (expires: number) => SessionCredentials {
  let issued = 0;
  return (expires) => {
    issued++;
    const identity = {
      accessKeyId: `ASIAEMBEDDED${String(issued).padStart(8, '0')}`,
      secretAccessKey: `embedded-session-secret-${issued}`,
      sessionToken: `embedded-session-token-${issued}`,
      expires,
    } satisfies Identity;
    authority.admit(identity);
    const { expires: _, ...credentials } = identity;
    return credentials;
  };
}
