import type { ErrorReport } from './errors.ts';

/** A tree as it was at a time, from a bucket that does not keep what is overwritten or removed: nobody knows what is missing. */
export const noVersions = (shown: 'restored' | 'listed'): ErrorReport => ({
  code: 'no-versions',
  message: 'the bucket keeps no versions: what was overwritten or removed since that time is gone',
  hint: `what has not changed since is ${shown}; versioning helps from the day it is turned on`,
});
