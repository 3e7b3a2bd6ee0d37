/** How many requests a second KMS takes of this account: as Service Quotas has it, else as AWS publishes it. */
import type { KmsQuota } from '../model/kms.ts';

/**
 * AWS KMS Developer Guide, "Request quotas": cryptographic operations (symmetric), one quota for Decrypt, Encrypt,
 * GenerateDataKey and ReEncrypt of the account in a region.
 */
const LARGE: ReadonlySet<string> = new Set(['us-east-1', 'us-west-2', 'eu-west-1']);
const MIDDLE: ReadonlySet<string> = new Set([
  'us-east-2',
  'ap-southeast-1',
  'ap-southeast-2',
  'ap-northeast-1',
  'eu-central-1',
  'eu-west-2',
]);

/** Keys in AWS CloudHSM and external key stores, each key store by itself (same page). */
const CUSTOM_KEY_STORE = 1_800;

/** Service Quotas: "Cryptographic operations (symmetric) request rate". */
export const QUOTA_CODE = 'L-6E3AF000';

export function tableQuota(region: string): KmsQuota {
  const quota = LARGE.has(region) ? 100_000 : MIDDLE.has(region) ? 20_000 : 10_000;
  return { quota, source: 'region-table' };
}

export const customKeyStoreQuota: KmsQuota = { quota: CUSTOM_KEY_STORE, source: 'region-table' };

/** A store that is not AWS: nobody says what its KMS takes. AWS's lowest, until it complains. */
export const assumedQuota: KmsQuota = { quota: 10_000, source: 'assumed' };
