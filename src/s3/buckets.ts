/** What is asked of a store before there is a vault: who am I, which buckets are there, does this one answer. */
import { VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';
import type { Remote } from '../model/vault.ts';
import { type ResolvedRemote, resolveRemote } from './connect.ts';
import { credentialFailure, staticCredentials } from './credentials.ts';
import { sdkSend } from './sdk-failure.ts';

type Where = Omit<Remote, 'bucket' | 'prefix'>;

/** A name that no request is sent to: an address cannot be worked out without one. */
const NO_BUCKET = 's3vault';
/** Answers for buckets of all regions. */
const FIRST_REGION = 'us-east-1';

/** As `resolveRemote`, also where nothing says which region. */
async function resolved(remote: Remote, env: NodeJS.ProcessEnv): Promise<ResolvedRemote> {
  try {
    return await resolveRemote(remote, env);
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || thrown.code !== 'region-missing') throw thrown;
    return resolveRemote({ ...remote, region: FIRST_REGION }, env);
  }
}

async function using<T>(
  remote: Remote,
  env: NodeJS.ProcessEnv,
  ask: (remote: ResolvedRemote) => Promise<T>,
): Promise<T> {
  const opened = await resolved(remote, env);
  try {
    return await ask(opened);
  } finally {
    await opened.close();
  }
}

export interface CredentialOrigin {
  /** In words. */
  readonly from: string;
  readonly id: string;
}

/** Where the credentials that would be used come from. Rejects with `credentials-missing` or `credentials-expired`. */
export async function findCredentials(where: Where, env: NodeJS.ProcessEnv): Promise<CredentialOrigin> {
  const profile = where.profile ?? (env['AWS_PROFILE'] === '' ? undefined : env['AWS_PROFILE']);
  const fixed = staticCredentials({ profile, env });
  if (fixed !== undefined) return { from: 'the environment (AWS_ACCESS_KEY_ID)', id: fixed.accessKeyId };
  return using({ ...where, bucket: NO_BUCKET, prefix: '' }, env, async (remote) => {
    try {
      const client = await remote.client();
      const found = await client.config.credentials();
      const source = '$source' in found ? Object.keys(found.$source ?? {}) : [];
      return { from: originOf(source, profile ?? 'default'), id: found.accessKeyId };
    } catch (thrown) {
      throw credentialFailure(thrown);
    }
  });
}

/** The SDK names each step that led to the credentials (`AwsSdkCredentialsFeatures`); the most telling one is said. */
function originOf(source: readonly string[], profile: string): string {
  const has = (part: string): boolean => source.some((name) => name.includes(part));
  if (has('SSO')) return `single sign-on, profile ${profile}`;
  if (has('LOGIN')) return `aws login, profile ${profile}`;
  if (has('WEB_ID')) return 'a web identity token';
  if (has('ASSUME_ROLE')) return `a role, profile ${profile}`;
  if (has('PROCESS')) return `the credential process of profile ${profile}`;
  if (has('IMDS')) return 'this EC2 instance';
  if (has('HTTP')) return 'this container';
  if (has('ENV_VARS')) return 'the environment (AWS_ACCESS_KEY_ID)';
  return `profile ${profile} of the shared AWS files`;
}

/** The names of all buckets of the account, in order. Kind `refused` without s3:ListAllMyBuckets. */
export async function listBuckets(
  where: Where,
  env: NodeJS.ProcessEnv,
  { signal }: Waits = {},
): Promise<readonly string[]> {
  return using({ ...where, bucket: NO_BUCKET, prefix: '' }, env, async (remote) => {
    const { ListBucketsCommand } = await import('@aws-sdk/client-s3');
    const names: string[] = [];
    let token: string | undefined;
    do {
      const page = await sdkSend(
        { remote },
        { ...REACH, bucket: 'of the account' },
        signal,
        (client, options) =>
          client.send(
            new ListBucketsCommand(token === undefined ? {} : { ContinuationToken: token }),
            options,
          ),
      );
      for (const { Name } of page.Buckets ?? []) if (Name !== undefined) names.push(Name);
      token = page.ContinuationToken;
    } while (token !== undefined && token !== '');
    return names.sort();
  });
}

/** The answer to a HEAD has no body that would tell a bucket from an object. */
function headFailure(thrown: unknown, bucket: string): unknown {
  if (!(thrown instanceof VaultError) || thrown.code !== 'object-missing') return thrown;
  return new VaultError('refused', 'bucket-missing', `there is no bucket ${bucket}`, {
    cause: thrown,
    hint: 'check its name and --endpoint, or create it',
  });
}

const REACH = { operation: 'reach', mode: 'client' } as const;

export interface BucketPlace {
  readonly region: string;
  /** The endpoint in use where it is not AWS's own choice. */
  readonly endpoint: string | undefined;
}

/**
 * Asks for a bucket by HeadBucket, in the region that it says it is in: S3 names it in `x-amz-bucket-region` also where it
 * refuses a request because of the region. One that was named by the user is not doubted.
 */
export async function findBucket(
  remote: Remote,
  env: NodeJS.ProcessEnv,
  waits: Waits = {},
): Promise<BucketPlace> {
  const first = await headBucket(remote, env, waits);
  if ('region' in first) return first;
  const { named, error } = first;
  if (named === undefined || remote.region !== undefined) throw error;
  const second = await headBucket({ ...remote, region: named }, env, waits);
  if ('region' in second) return second;
  throw second.error;
}

interface Refused {
  readonly error: unknown;
  /** The region that the refusal names. */
  readonly named: string | undefined;
}

function headBucket(
  remote: Remote,
  env: NodeJS.ProcessEnv,
  { signal }: Waits,
): Promise<BucketPlace | Refused> {
  return using(remote, env, async (there) => {
    const { HeadBucketCommand } = await import('@aws-sdk/client-s3');
    let named: string | undefined;
    try {
      await sdkSend({ remote: there }, { ...REACH, bucket: remote.bucket }, signal, (client, options) =>
        client.send(new HeadBucketCommand({ Bucket: remote.bucket }), options).catch((thrown: unknown) => {
          named = regionIn(thrown);
          throw thrown;
        }),
      );
      return { region: there.region, endpoint: there.endpoint };
    } catch (thrown) {
      return { error: headFailure(thrown, remote.bucket), named };
    }
  });
}

function regionIn(thrown: unknown): string | undefined {
  const { $response } = thrown as { readonly $response?: { readonly headers?: Record<string, string> } };
  const region = $response?.headers?.['x-amz-bucket-region'];
  return region !== undefined && /^[a-z0-9-]{2,40}$/.test(region) ? region : undefined;
}
