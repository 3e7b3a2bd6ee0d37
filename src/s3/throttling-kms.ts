/** Direct calls of KMS under its quota, tried again as requests to the store are. */
import type { Pace } from '../model/kms.ts';
import type { Clock, Kms, Waits } from '../model/ports.ts';
import { type RetryPolicy, withRetries } from './retrying.ts';

/**
 * One request of the quota for each call. DescribeKey has a quota of its own (2,000 a second) that one call a run does not
 * come near.
 */
export function throttlingKms(kms: Kms, pace: Pace, clock: Clock, policy: RetryPolicy = {}): Kms {
  const paced = <T>(call: () => Promise<T>, { signal }: Waits = {}): Promise<T> =>
    withRetries(
      async () => {
        const answered = await pace(1, { signal });
        try {
          return await call();
        } finally {
          answered();
        }
      },
      clock,
      policy,
      signal,
    );
  return {
    generateDataKey: (keyId, context, waits) =>
      paced(() => kms.generateDataKey(keyId, context, waits), waits),
    encrypt: (keyId, dataKey, context, waits) =>
      paced(() => kms.encrypt(keyId, dataKey, context, waits), waits),
    decrypt: (keyId, wrapped, context, waits) =>
      paced(() => kms.decrypt(keyId, wrapped, context, waits), waits),
    describe: (keyId, waits) => kms.describe(keyId, waits),
  };
}
