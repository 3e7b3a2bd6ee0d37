/** A bucket's settings in memory: the fake of the port, for tests of what is built on it. */
import type { BucketConfig, BucketFacts, Setting, SettingName } from '../../model/bucket.ts';
import { VaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import { readPolicy } from './policy-text.ts';

export interface MemoryBucketOptions {
  readonly bucket?: string;
  /** What is set already. */
  readonly facts?: Partial<BucketFacts>;
  /** Settings that may not be read, or not written. */
  readonly unreadable?: readonly SettingName[];
  readonly unwritable?: readonly SettingName[];
}

/** `facts` are the settings now, past every permission. */
export interface MemoryBucketConfig extends BucketConfig {
  readonly facts: BucketFacts;
}

const ABSENT: Setting<never> = { state: 'absent' };

export function memoryBucketConfig(options: MemoryBucketOptions = {}): MemoryBucketConfig {
  let facts: BucketFacts = {
    policy: ABSENT,
    encryption: { state: 'set', value: { algorithm: 'AES256', bucketKey: false, blocked: ['SSE-C'] } },
    versioning: ABSENT,
    publicAccess: ABSENT,
    ownership: ABSENT,
    lifecycle: ABSENT,
    objectLock: ABSENT,
    ...options.facts,
  };
  const read = async <N extends SettingName>(name: N, { signal }: Waits = {}): Promise<BucketFacts[N]> => {
    if (signal?.aborted === true) throw new VaultError('cancelled', 'cancelled', 'called off');
    return options.unreadable?.includes(name) === true
      ? ({
          state: 'unknown',
          why: 'denied',
          reason: 'could not be read: not allowed for these credentials',
        } as BucketFacts[N])
      : facts[name];
  };
  const write = async (name: SettingName, value: unknown): Promise<void> => {
    if (options.unwritable?.includes(name) === true)
      throw new VaultError('refused', 'access-denied', `the store denies access to ${bucket}`);
    facts = { ...facts, [name]: value === undefined ? ABSENT : { state: 'set', value } };
  };
  const bucket = options.bucket ?? 'memory';
  return {
    bucket,
    get facts() {
      return facts;
    },
    policy: (waits) => read('policy', waits),
    encryption: (waits) => read('encryption', waits),
    versioning: (waits) => read('versioning', waits),
    publicAccess: (waits) => read('publicAccess', waits),
    ownership: (waits) => read('ownership', waits),
    lifecycle: (waits) => read('lifecycle', waits),
    objectLock: (waits) => read('objectLock', waits),
    setPolicy: async (text) => {
      if (text !== undefined) readPolicy(text);
      await write('policy', text);
    },
    setEncryption: (value) => write('encryption', value),
    setVersioning: (value) => write('versioning', value),
    setPublicAccess: (value) => write('publicAccess', value),
    setOwnership: (value) => write('ownership', value),
    setLifecycle: (value) => write('lifecycle', value),
  };
}
