/** From a Remote and the environment to a checked endpoint, credentials and TLS. Nothing is sent here. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { SecureContext } from 'node:tls';
import { VaultError } from '../model/errors.ts';
import { placeFlags } from '../model/place-flags.ts';
import type { Remote } from '../model/vault.ts';
import { type CredentialSource, credentialSource } from './credentials.ts';
import { type ClientPlan, type Place, createClient, locate, sdkRegion } from './sdk.ts';
import { type ProfileFacts, readProfile } from './shared-config.ts';
import { secureContext } from './tls.ts';

export interface Connection {
  /** The SDK's client, loaded and made when first asked for. */
  client(): Promise<S3Client>;
  readonly place: Place;
  readonly tls: SecureContext;
  readonly credentials: CredentialSource;
}

export interface ResolvedRemote extends Connection {
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string;
  /** The endpoint in use where it is not AWS's own choice. */
  readonly endpoint: string | undefined;
  /** True for Amazon S3 itself: there a key has an ARN and checksums are kept. */
  readonly isAws: boolean;
  /** The options that reach the same place, for commands in hints. */
  readonly flags: string;
  close(): Promise<void>;
}

/**
 * Resolves endpoint, region, credentials and trust as the AWS SDK does. Rejects with `plain-http` for an endpoint that
 * is not HTTPS, wherever it was said: option, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or a profile.
 */
export async function resolveRemote(remote: Remote, env: NodeJS.ProcessEnv): Promise<ResolvedRemote> {
  const profile = remote.profile ?? nonEmpty(env['AWS_PROFILE']);
  const told = toldEndpoint(remote, env);
  const facts = needsProfile(remote, env, told) ? await readProfile(profile ?? 'default', env) : undefined;
  const endpoint = checkedEndpoint(told ?? profileEndpoint(facts, env));
  const tls = await secureContext(remote, env);
  const isAws = endpoint === undefined || isAmazon(endpoint.hostname);
  const plan: ClientPlan = {
    endpoint: endpoint?.href,
    region: remote.region ?? nonEmpty(env['AWS_REGION']) ?? facts?.region,
    profile,
    pathStyle: remote.pathStyle ?? (!isAws || remote.bucket.includes('.')),
    isAws,
    tls,
    env,
  };
  const region = plan.region ?? (isAws ? await sdkRegion(plan) : 'us-east-1');
  return assemble(remote, { ...plan, region }, endpoint);
}

async function assemble(
  remote: Remote,
  plan: ClientPlan & { readonly region: string },
  endpoint: URL | undefined,
): Promise<ResolvedRemote> {
  let made: Promise<S3Client> | undefined;
  const client = (): Promise<S3Client> => (made ??= createClient(plan));
  const place =
    endpoint === undefined
      ? await locate(plan, remote.bucket)
      : placeOf(endpoint, remote.bucket, plan.pathStyle);
  if (!place.origin.startsWith('https://')) throw plainHttp(place.origin, 'the configuration of the AWS SDK');
  return {
    bucket: remote.bucket,
    prefix: remote.prefix,
    region: plan.region,
    endpoint: endpoint?.href,
    isAws: plan.isAws,
    flags: placeFlags(remote),
    place,
    tls: plan.tls,
    credentials: credentialSource(plan, client),
    client,
    close: async () => (await made?.catch(() => undefined))?.destroy(),
  };
}

interface Told {
  readonly url: string;
  readonly by: string;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** Whether the environment tells all AWS programs to look at no configured endpoint. */
export const ignoresEndpoints = (env: NodeJS.ProcessEnv): boolean =>
  env['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS']?.toLowerCase() === 'true';

/**
 * What the option or the environment says, in the SDK's order of precedence. The environment is checked also where the
 * option goes before it: who asks for plain HTTP is told, not silently given something else.
 */
function toldEndpoint(remote: Remote, env: NodeJS.ProcessEnv): Told | undefined {
  const inEnv = environmentEndpoint(env);
  if (remote.endpoint === undefined) return inEnv;
  checkedEndpoint(inEnv);
  return { url: remote.endpoint, by: '--endpoint' };
}

function environmentEndpoint(env: NodeJS.ProcessEnv): Told | undefined {
  if (ignoresEndpoints(env)) return undefined;
  const by = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((name) => nonEmpty(env[name]) !== undefined);
  return by === undefined ? undefined : { url: env[by] ?? '', by };
}

function needsProfile(remote: Remote, env: NodeJS.ProcessEnv, told: Told | undefined): boolean {
  return told === undefined || (remote.region ?? nonEmpty(env['AWS_REGION'])) === undefined;
}

function profileEndpoint(facts: ProfileFacts | undefined, env: NodeJS.ProcessEnv): Told | undefined {
  if (facts?.endpoint === undefined || facts.ignoresEndpoints || ignoresEndpoints(env)) return undefined;
  return { url: facts.endpoint, by: 'the AWS profile' };
}

function checkedEndpoint(told: Told | undefined): URL | undefined {
  if (told === undefined) return undefined;
  const url = URL.canParse(told.url) ? new URL(told.url) : undefined;
  if (
    url === undefined ||
    (url.protocol !== 'https:' && url.protocol !== 'http:' && !told.url.includes('//'))
  )
    throw new VaultError('usage', 'endpoint', `the endpoint ${told.url} (from ${told.by}) is not a URL`, {
      hint: 'write it as https://HOST or https://HOST:PORT',
    });
  if (url.protocol !== 'https:') throw plainHttp(told.url, told.by);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new VaultError(
      'usage',
      'endpoint',
      `the endpoint from ${told.by} has more than a host and a path`,
      {
        hint: 'write it as https://HOST or https://HOST:PORT; credentials go elsewhere',
      },
    );
  return url;
}

function plainHttp(url: string, by: string): VaultError {
  return new VaultError('usage', 'plain-http', `the endpoint ${url} (from ${by}) is not HTTPS`, {
    hint: 's3vault speaks HTTPS only, there is no switch; use an address that begins with https://',
  });
}

function placeOf(endpoint: URL, bucket: string, pathStyle: boolean): Place {
  const path = endpoint.pathname.replace(/\/+$/, '');
  if (pathStyle) return { origin: endpoint.origin, host: endpoint.host, base: `${path}/${bucket}` };
  return {
    origin: `https://${bucket}.${endpoint.host}`,
    host: `${bucket}.${endpoint.host}`,
    base: path,
  };
}

/** Amazon's own names for S3, VPC endpoints among them. */
function isAmazon(host: string): boolean {
  return /\.(amazonaws\.com(\.cn)?|amazonaws\.eu|api\.aws)$/.test(host);
}
