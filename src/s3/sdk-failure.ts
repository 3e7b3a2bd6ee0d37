/** The SDK's requests with this project's errors. */
import type { S3Client } from '@aws-sdk/client-s3';
import { VaultError } from '../model/errors.ts';
import { credentialFailure } from './credentials.ts';
import { type Asked, type Complaint, failureOf, isExpired } from './failure.ts';
import { failureOfThrown } from './network-failure.ts';
import type { Headers } from './sign.ts';
import type { Site } from './site.ts';

/** Sends by `send` once, and once more after expired credentials were refreshed. Rejects with a VaultError. */
export async function sdkSend<T>(
  site: { readonly remote: Pick<Site['remote'], 'client' | 'credentials'> },
  asked: Asked,
  signal: AbortSignal | undefined,
  send: (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>,
): Promise<T> {
  const client = await site.remote.client();
  for (let refreshed = false; ; refreshed = true) {
    try {
      return await send(client, signal === undefined ? {} : { abortSignal: signal });
    } catch (thrown) {
      if (signal?.aborted === true || thrown instanceof VaultError) throw failureOfThrown(thrown, signal);
      const complaint = complaintIn(thrown);
      const again = !refreshed && complaint !== undefined && isExpired(complaint);
      if (again && (await site.remote.credentials.refresh())) continue;
      throw complaint === undefined ? withoutAnswer(thrown, signal) : failureOf(complaint, asked);
    }
  }
}

function withoutAnswer(thrown: unknown, signal: AbortSignal | undefined): VaultError {
  const name = thrown instanceof Error ? thrown.name : '';
  return name === 'CredentialsProviderError' || name === 'TokenProviderError'
    ? credentialFailure(thrown)
    : failureOfThrown(thrown, signal);
}

interface ServiceException extends Error {
  readonly Region?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Headers };
}

/** The store's complaint in an error of the SDK; undefined where no store has answered. */
function complaintIn(thrown: unknown): Complaint | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { name, message, $metadata, $response, Region } = thrown as ServiceException;
  const status = $metadata?.httpStatusCode;
  if (status === undefined) return undefined;
  const requestId = $metadata?.requestId;
  return {
    status,
    code: /^Unknown(Error)?$/.test(name) ? '' : name,
    message: /^Unknown(Error)?$/.test(message) ? '' : message,
    headers: {
      ...$response?.headers,
      ...(requestId === undefined ? {} : { 'x-amz-request-id': requestId }),
      ...(Region === undefined ? {} : { 'x-amz-bucket-region': Region }),
    },
    cause: thrown,
  };
}
