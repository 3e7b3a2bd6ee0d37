/** Service Quotas, asked once in a while: what AWS says this account may ask of KMS. Loaded when needed. */
import { Agent } from 'node:https';
import type { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { VaultError } from '../model/errors.ts';
import type { KmsQuota } from '../model/kms.ts';
import type { Waits } from '../model/ports.ts';
import type { ResolvedRemote } from './connect.ts';
import { QUOTA_CODE } from './kms-quota.ts';
import { SILENT, refusePlain } from './sdk.ts';

const CONNECT_MS = 5_000;
const IDLE_MS = 10_000;

export type QuotaRemote = Pick<ResolvedRemote, 'client' | 'region' | 'tls'>;

/**
 * The value applied to this account, else AWS's default (`servicequotas:GetServiceQuota`,
 * `servicequotas:GetAWSDefaultServiceQuota`). Undefined where Service Quotas does not say: no permission, no such region, no
 * answer. `endpoint` is for tests.
 */
export async function readKmsQuota(
  remote: QuotaRemote,
  { signal, endpoint }: Waits & { readonly endpoint?: string } = {},
): Promise<KmsQuota | undefined> {
  const client = await connect(remote, endpoint);
  try {
    const applied = await valueOf(client, 'applied', signal);
    if (applied !== undefined) return { quota: applied, source: 'service-quotas' };
    const usual = await valueOf(client, 'default', signal);
    return usual === undefined ? undefined : { quota: usual, source: 'service-quotas-default' };
  } finally {
    client.destroy();
  }
}

async function connect(remote: QuotaRemote, endpoint: string | undefined): Promise<ServiceQuotasClient> {
  const { ServiceQuotasClient } = await import('@aws-sdk/client-service-quotas');
  const { credentials } = (await remote.client()).config;
  const client = new ServiceQuotasClient({
    region: remote.region,
    credentials: (options) => credentials(options),
    ...(endpoint === undefined ? {} : { endpoint }),
    maxAttempts: 2,
    logger: SILENT,
    requestHandler: {
      httpsAgent: new Agent({ secureContext: remote.tls }),
      connectionTimeout: CONNECT_MS,
      requestTimeout: IDLE_MS,
      throwOnRequestTimeout: true,
    },
  });
  client.middlewareStack.add(
    (next) => async (args) => {
      refusePlain(args.request);
      return next(args);
    },
    { step: 'finalizeRequest', priority: 'low', name: 'httpsOnly' },
  );
  return client;
}

async function valueOf(
  client: ServiceQuotasClient,
  which: 'applied' | 'default',
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const sdk = await import('@aws-sdk/client-service-quotas');
  const asked = { ServiceCode: 'kms', QuotaCode: QUOTA_CODE };
  const waits = signal === undefined ? {} : { abortSignal: signal };
  try {
    const { Quota } =
      which === 'applied'
        ? await client.send(new sdk.GetServiceQuotaCommand(asked), waits)
        : await client.send(new sdk.GetAWSDefaultServiceQuotaCommand(asked), waits);
    const value = Quota?.Value ?? 0;
    return Number.isFinite(value) && value >= 1 ? Math.floor(value) : undefined;
  } catch (thrown) {
    // Plain HTTP is a mistake of the user's that must be seen; all else leaves the table's numbers standing.
    if (thrown instanceof VaultError) throw thrown;
    return undefined;
  }
}
