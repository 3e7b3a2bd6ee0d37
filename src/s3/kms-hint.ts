/** What to do where KMS is the narrow place. */
import type { KmsGauge } from '../model/kms.ts';
import type { Mode } from '../model/mode.ts';
import { shareOf } from './kms-book.ts';
import { QUOTA_CODE } from './kms-quota.ts';

/** `region`: of the quota that Service Quotas can raise; undefined: it is none of those. */
export function quotaHint(
  { quota, share, source }: Pick<KmsGauge, 'quota' | 'share' | 'source'>,
  mode: Mode | undefined,
  region?: string,
): string {
  const told = source === 'option';
  const ways = [
    mode?.kind === 'sse-kms' && mode.bucketKey !== true
      ? 'turn on --bucket-key, which saves up to 99 % of the KMS requests'
      : '',
    region === undefined || told ? '' : `ask AWS for a higher quota: ${increase(quota, region)}`,
    region === undefined || !told ? '' : `raise --kms-quota, if the account has more: ${look(region)}`,
    share < 100 && region !== undefined ? 'or, where nobody else uses this account, raise --kms-share' : '',
    region === undefined ? 'say with --kms-quota how many requests a second this KMS takes' : '',
  ];
  return ways.filter((way) => way !== '').join('; ');
}

const OF_KMS = `--service-code kms --quota-code ${QUOTA_CODE}`;

/** The exact step; in the console: Service Quotas, AWS KMS, "Cryptographic operations (symmetric) request rate". */
const increase = (quota: number, region: string): string =>
  `aws service-quotas request-service-quota-increase ${OF_KMS} --desired-value ${2 * quota} --region ${region}`;

const look = (region: string): string => `aws service-quotas get-service-quota ${OF_KMS} --region ${region}`;

/** Whether the limit is what holds the work up, or KMS has complained and the pace has not climbed back since. */
export const isNarrow = ({ rate, limit, quota, share }: KmsGauge): boolean =>
  rate >= 0.9 * limit || limit < shareOf(quota, share);
