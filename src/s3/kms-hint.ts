/** What to do where KMS is the narrow place. */
import type { KmsGauge } from '../model/kms.ts';
import type { Mode } from '../model/mode.ts';
import { QUOTA_CODE } from './kms-quota.ts';

/** `region`: of the quota that Service Quotas can raise; undefined: it is none of those. */
export function quotaHint(
  { quota, share }: Pick<KmsGauge, 'quota' | 'share'>,
  mode: Mode,
  region?: string,
): string {
  const ways = [
    mode.kind === 'sse-kms' && mode.bucketKey !== true
      ? 'turn on --bucket-key, which saves up to 99 % of the KMS requests'
      : '',
    region === undefined ? '' : `ask AWS for a higher quota: ${increase(quota, region)}`,
    share < 100 && region !== undefined ? 'or, where nobody else uses this account, raise --kms-share' : '',
    region === undefined ? 'say with --kms-quota how many requests a second this KMS takes' : '',
  ];
  return ways.filter((way) => way !== '').join('; ');
}

/** The exact step; in the console: Service Quotas, AWS KMS, "Cryptographic operations (symmetric) request rate". */
const increase = (quota: number, region: string): string =>
  `aws service-quotas request-service-quota-increase --service-code kms --quota-code ${QUOTA_CODE} --desired-value ${2 * quota} --region ${region}`;

/** Whether the limit is what holds the work up, or KMS has complained. */
export const isNarrow = ({ rate, limit, throttled }: KmsGauge): boolean =>
  throttled > 0 || rate >= 0.9 * limit;
