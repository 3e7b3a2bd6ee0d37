/** The AWS SDK's client for what is not hot: listing, multipart bookkeeping, bucket settings. Loaded when needed. */
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { Agent } from 'node:https';
import type { SecureContext } from 'node:tls';
import { VaultError } from '../model/errors.ts';
import { staticCredentials } from './credentials.ts';
import type { Credentials, Headers } from './sign.ts';

/** Where a bucket answers. */
export interface Place {
  /** `https://host:port`. */
  readonly origin: string;
  /** `host` header: host and port. */
  readonly host: string;
  /** Path in front of `/KEY`: empty, or `/bucket`, percent-encoded. */
  readonly base: string;
}

export interface ClientPlan {
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly profile: string | undefined;
  readonly pathStyle: boolean;
  readonly isAws: boolean;
  readonly tls: SecureContext;
  readonly env: NodeJS.ProcessEnv;
}

const CONNECT_MS = 10_000;
const IDLE_MS = 60_000;

const ignore = (): void => undefined;
/** Else the SDK writes to the console, and so across the screen. */
export const SILENT = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };

export async function createClient(
  plan: ClientPlan,
  credentials: Credentials | undefined = staticCredentials(plan),
): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client(configOf(plan, credentials));
  client.middlewareStack.add(
    (next) => async (args) => {
      refusePlain(args.request);
      return next(args);
    },
    // After signing, next to the wire: nothing can change the address any more.
    { step: 'finalizeRequest', priority: 'low', name: 'httpsOnly' },
  );
  return client;
}

/** The command, sent with further headers, which are signed like its own. */
export function carrying<C extends object>(command: C, headers: Headers): C {
  // Every command's stack is of a type of its own; what is added here fits all.
  const { middlewareStack } = command as unknown as { readonly middlewareStack: Stack };
  middlewareStack.add(
    (next) => async (args) => {
      Object.assign((args.request as { readonly headers: Record<string, string> }).headers, headers);
      return next(args);
    },
    { step: 'build', name: 'furtherHeaders' },
  );
  return command;
}

/** Gives when the command was last answered, in ms, by the clock of the one who did; NaN where he does not say. */
export function hearingDate(command: object): () => number {
  let heard = Number.NaN;
  const { middlewareStack } = command as { readonly middlewareStack: Stack };
  middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      const { headers } = (answer as { readonly response: { readonly headers?: Headers } }).response;
      heard = Date.parse(headers?.['date'] ?? '');
      return answer;
    },
    { step: 'deserialize', priority: 'low', name: 'hearDate' },
  );
  return () => heard;
}

interface Stack {
  add(
    middleware: (next: Next) => (args: { readonly request: unknown }) => Promise<unknown>,
    options: { readonly step: 'build' | 'deserialize'; readonly priority?: 'low'; readonly name: string },
  ): void;
}

type Next = (args: { readonly request: unknown }) => Promise<unknown>;

function configOf(plan: ClientPlan, credentials: Credentials | undefined): S3ClientConfig {
  const { endpoint, region, profile, pathStyle, isAws } = plan;
  const checksums = isAws ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED';
  const agent = { keepAlive: true, maxSockets: 16, secureContext: plan.tls };
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: pathStyle,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    expectContinueHeader: false,
    followRegionRedirects: false,
    // `retrying` is the one that tries again.
    maxAttempts: 1,
    logger: SILENT,
    requestHandler: {
      httpsAgent: new Agent(agent),
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
    },
  };
}

export function refusePlain(request: unknown): void {
  const protocol = (request as { readonly protocol?: string }).protocol;
  if (protocol === 'https:') return;
  throw new VaultError('usage', 'plain-http', `a request would have gone out over ${protocol ?? 'nothing'}`, {
    hint: 's3vault speaks HTTPS only, there is no switch; use an address that begins with https://',
  });
}

/** The region the SDK finds in environment and shared files. Rejects with `region-missing` where there is none. */
export async function sdkRegion(plan: ClientPlan): Promise<string> {
  const client = await createClient(plan);
  try {
    return await client.config.region();
  } catch (cause) {
    throw new VaultError('usage', 'region-missing', 'it is not said which region the bucket is in', {
      cause,
      hint: 'say it with --region, AWS_REGION, or region in the profile',
    });
  } finally {
    client.destroy();
  }
}

/** Where the SDK would send a bucket's requests: partition, FIPS, dual-stack and bucket rules are all its own. */
export async function locate(plan: ClientPlan, bucket: string): Promise<Place> {
  // The SDK wants credentials before it says where; no real ones are to be read yet.
  const client = await createClient(plan, { accessKeyId: 'none', secretAccessKey: 'none' });
  const { HeadBucketCommand } = await import('@aws-sdk/client-s3');
  const command = new HeadBucketCommand({ Bucket: bucket });
  let place: Place | undefined;
  command.middlewareStack.add(
    () => async (args) => {
      place = placeOf(args.request);
      return { response: {}, output: { $metadata: {} } };
    },
    { step: 'serialize', priority: 'low', name: 'onlyLocate' },
  );
  try {
    await client.send(command);
  } catch (cause) {
    throw new VaultError('usage', 'endpoint', `the AWS SDK finds no address for the bucket ${bucket}`, {
      cause,
      hint: 'look at --region, --endpoint and the name of the bucket',
    });
  } finally {
    client.destroy();
  }
  if (place === undefined) throw new VaultError('internal', 'internal', 'the AWS SDK gave no address');
  return place;
}

function placeOf(request: unknown): Place {
  const { protocol, hostname, port, path } = request as {
    readonly protocol: string;
    readonly hostname: string;
    readonly port?: number;
    readonly path: string;
  };
  const host = port === undefined ? hostname : `${hostname}:${port}`;
  return { origin: `${protocol}//${host}`, host, base: path.replace(/\/+$/, '') };
}
