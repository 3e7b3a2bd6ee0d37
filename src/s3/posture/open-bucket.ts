/** One bucket's settings and trials over one set of connections. */
import type { BucketConfig, Trials } from '../../model/bucket.ts';
import type { Clock } from '../../model/ports.ts';
import type { ResolvedRemote } from '../connect.ts';
import type { Site } from '../site.ts';
import { Wire } from '../wire.ts';
import { sdkBucketConfig } from './sdk-config.ts';
import { type TrialPace, wireTrials } from './wire-trials.ts';

export interface OpenBucket {
  readonly config: BucketConfig;
  readonly trials: Trials;
  /** Also closes `resolved`. */
  close(): Promise<void>;
}

const CONNECTIONS = 4;

/** `kms`: test writes keep to it. */
export function openBucket(resolved: ResolvedRemote, clock: Clock, kms?: TrialPace): OpenBucket {
  const wire = new Wire(resolved, { clock, connections: CONNECTIONS });
  const site: Site = {
    remote: resolved,
    protection: { mode: 'client', key: '' },
    quirks: { bareEtags: false },
    wire,
    charge: undefined,
  };
  const trials = wireTrials(site, clock, () => wire.close(), kms);
  return {
    config: sdkBucketConfig(site),
    trials,
    close: async () => {
      await trials.close();
      await resolved.close();
    },
  };
}
