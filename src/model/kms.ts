/** KMS under its quota: what is counted, what is shown. */
import { formatCount } from './display.ts';
import type { Waits } from './ports.ts';

/** Where a quota was learned. `region-table`: AWS's published numbers; `assumed`: a store that is not AWS says none. */
export type QuotaSource = 'option' | 'service-quotas' | 'service-quotas-default' | 'region-table' | 'assumed';

export interface KmsQuota {
  /** KMS requests a second of the whole account, region and key quota group. */
  readonly quota: number;
  readonly source: QuotaSource;
}

/** Percent of the quota that s3vault may use: others use the account too. */
export const DEFAULT_KMS_SHARE = 50;

/** The limiter's numbers, over all s3vault processes of this machine. */
export interface KmsGauge extends KmsQuota {
  /** KMS requests in the last second. */
  readonly rate: number;
  /** KMS requests a second at most now: the share of the quota, less while KMS has asked for fewer. */
  readonly limit: number;
  /** Percent. */
  readonly share: number;
  /** How often KMS said that it is too much, this calendar month (UTC). */
  readonly throttled: number;
  /** KMS requests of this calendar month (UTC). */
  readonly requests: number;
}

/**
 * Resolves when `cost` KMS requests may be made, with what is to be called once their answer is there: only then is it sure
 * that they were counted at KMS. `keyId`: the key they are made under, where that is known. `already`: they were made, for
 * nobody knew that they would be; they are counted, and waited for by others.
 */
export type Pace = (
  cost: number,
  options?: Waits & { readonly keyId?: string | undefined; readonly already?: boolean },
) => Promise<() => void>;

/** Where all s3vault processes of a machine keep what they know of each other's KMS requests. */
export interface KmsLedger {
  /**
   * Replaces the book of `scope` (undefined: there is none yet) while no other process does, and gives what `change`
   * gives. Undefined, and nothing changed, where another process is just at it: to be tried again a moment later.
   */
  change<T>(
    scope: string,
    change: (book: string | undefined) => { readonly book: string; readonly result: T },
  ): { readonly result: T } | undefined;
  /** The book as it is now. */
  read(scope: string): string | undefined;
  close(): void;
}

const SOURCES: { readonly [S in QuotaSource]: string } = {
  option: 'set with --kms-quota',
  'service-quotas': 'from Service Quotas',
  'service-quotas-default': "AWS's default, from Service Quotas",
  'region-table': 'as AWS publishes it',
  assumed: 'assumed',
};

/** `50 % of the quota 10,000, from Service Quotas`; `short` leaves out two words. */
export function quotaWords(
  { share, quota, source }: Pick<KmsGauge, 'share' | 'quota' | 'source'>,
  short = false,
): string {
  return `${share} % of ${short ? '' : 'the quota '}${formatCount(quota)}, ${SOURCES[source]}`;
}

/** `2,410 of 5,000 req/s`. */
export const rateWords = ({ rate, limit }: Pick<KmsGauge, 'rate' | 'limit'>): string =>
  `${formatCount(rate)} of ${formatCount(limit)} req/s`;
