/** Credentials for requests that are signed here: static ones from the environment, else what the SDK's chain gives. */
import type { S3Client } from '@aws-sdk/client-s3';
import { VaultError } from '../model/errors.ts';
import type { Credentials } from './sign.ts';

export interface CredentialSource {
  /** Credentials that are valid now; remembered until shortly before they expire. */
  get(): Promise<Credentials>;
  /** After the store called them expired: false where there are no others to be had. */
  refresh(): Promise<boolean>;
}

export interface CredentialPlan {
  readonly profile: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** Static keys in the environment; a profile, named or in `AWS_PROFILE`, goes before them as in the SDK. */
export function staticCredentials({ profile, env }: CredentialPlan): Credentials | undefined {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ACCOUNT_ID } = env;
  if (profile !== undefined || !AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) return undefined;
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
    ...(AWS_ACCOUNT_ID ? { accountId: AWS_ACCOUNT_ID } : {}),
  };
}

/** The SDK is loaded only where the environment holds no static keys. */
export function credentialSource(plan: CredentialPlan, client: () => Promise<S3Client>): CredentialSource {
  const fixed = staticCredentials(plan);
  if (fixed !== undefined) return { get: async () => fixed, refresh: async () => false };
  const load = async (forceRefresh: boolean): Promise<Credentials> => {
    try {
      const loaded = await (await client()).config.credentials({ forceRefresh });
      const { accessKeyId, secretAccessKey, sessionToken, accountId } = loaded;
      return {
        accessKeyId,
        secretAccessKey,
        ...(sessionToken === undefined ? {} : { sessionToken }),
        ...(accountId === undefined ? {} : { accountId }),
      };
    } catch (thrown) {
      throw credentialFailure(thrown);
    }
  };
  return {
    get: () => load(false),
    refresh: async () => {
      const before = await load(false);
      return (await load(true)).secretAccessKey !== before.secretAccessKey;
    },
  };
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ENCODED = 10;

/**
 * The account that an access key id of AWS belongs to, as `sts:GetAccessKeyInfo` tells it: ids since 2019 have it in them,
 * behind a bit that is set. Undefined for older ones and for those of other stores. Good for telling quotas apart, and for
 * nothing that has to be sure.
 */
export function accountOfKey(accessKeyId: string): string | undefined {
  const encoded = /^A(?:KI|SI)A([A-Z2-7]{16})$/.exec(accessKeyId)?.[1]?.slice(0, ENCODED);
  if (encoded === undefined) return undefined;
  const digits = Array.from(encoded, (one) => BigInt(BASE32.indexOf(one)));
  const bits = digits.reduce((all, digit) => all * 32n + digit, 0n) >> 2n;
  const [isNew, account] = [bits >> 47n === 1n, (bits & 0x7fff_ffff_ff80n) >> 7n];
  return isNew && account < 1_000_000_000_000n ? String(account).padStart(12, '0') : undefined;
}

/** The SDK's complaint about credentials as a refusal with the way out. */
export function credentialFailure(thrown: unknown): VaultError {
  if (thrown instanceof VaultError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const expired = /sso|expired|token/i.test(message);
  return new VaultError(
    'refused',
    expired ? 'credentials-expired' : 'credentials-missing',
    `no credentials for the store: ${message.replace(/\.$/, '')}`,
    {
      cause: thrown,
      hint: expired
        ? 'sign in again, for example with: aws sso login'
        : 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile',
    },
  );
}
