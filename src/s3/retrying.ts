/** Tries again what may work the next time: later each time, and never all at the same moment. */
import { asVaultError, VaultError } from '../model/errors.ts';
import type { ObjectKey } from '../model/brands.ts';
import type { Clock, Metadata, ObjectStore, WriteOptions } from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';

export interface RetryPolicy {
  /** Tries in all; default 6. */
  readonly attempts?: number;
  readonly onThrottle?: ((error: VaultError) => void) | undefined;
  /** Before each further try; `attempt` is the one that failed, from 1. */
  readonly onRetry?: ((error: VaultError, attempt: number, delayMs: number) => void) | undefined;
  /**
   * Looks whether a conditional write that was refused is our own earlier try whose answer got lost: its Receipt, or
   * undefined if the object is somebody else's.
   */
  readonly confirm?: (
    key: ObjectKey,
    body: Uint8Array,
    metadata: Metadata,
    options: WriteOptions,
  ) => Promise<Receipt | undefined>;
}

const ATTEMPTS = 6;
const BASE_MS = 100;
/** Throttled: the store is busy, not broken, and more requests make it worse. */
const THROTTLED_BASE_MS = 1_000;
const LONGEST_MS = 20_000;

/** Half fixed, half by chance, doubling up to 20 s; not before the store said. */
export function backoff(error: VaultError, attempt: number, clock: Clock): number {
  const base = error.kind === 'throttled' ? THROTTLED_BASE_MS : BASE_MS;
  const full = Math.min(LONGEST_MS, base * 2 ** (attempt - 1));
  return Math.max(full / 2 + (clock.random() * full) / 2, error.retryAfter ?? 0);
}

/** True for what another try may mend. `offline` is not: the engine waits for the store to answer. */
export const mayRetry = (error: VaultError): boolean =>
  error.code !== 'upload-gone' && (error.kind === 'transient' || error.kind === 'throttled');

/** Runs `fn` until it works, fails for good, or has failed `attempts` times. `fn` gets the number of its try, from 1. */
export async function withRetries<T>(
  fn: (attempt: number) => Promise<T>,
  clock: Clock,
  policy: RetryPolicy,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fn(attempt);
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.kind === 'throttled') policy.onThrottle?.(error);
      if (!mayRetry(error) || attempt >= (policy.attempts ?? ATTEMPTS)) throw error;
      const delay = backoff(error, attempt, clock);
      policy.onRetry?.(error, attempt, delay);
      await clock.sleep(delay, { signal });
    }
  }
}

/** A store that tries again. Uploads do so themselves, part by part; a body that has begun to arrive is the caller's. */
export function retrying(store: ObjectStore, clock: Clock, policy: RetryPolicy = {}): ObjectStore {
  const again = <T>(fn: () => Promise<T>, signal?: AbortSignal): Promise<T> =>
    withRetries(fn, clock, policy, signal);
  return {
    put: (key, body, metadata, options = {}) => putAgain(store, clock, policy, key, body, metadata, options),
    upload: (key, source, journal, options) => store.upload(key, source, journal, options),
    get: (key, options) => again(() => store.get(key, options), options?.signal),
    head: (key, options) => again(() => store.head(key, options), options?.signal),
    list: (prefix, options) => store.list(prefix, options),
    versions: (prefix, options) => store.versions(prefix, options),
    remove: (key, options) => again(() => store.remove(key, options), options?.signal),
    conditions: (prefix, options) => again(() => store.conditions(prefix, options), options?.signal),
    uploads: (prefix, options) => store.uploads(prefix, options),
    abortUpload: (key, uploadId, options) =>
      again(() => store.abortUpload(key, uploadId, options), options?.signal),
    reach: (options) => again(() => store.reach(options), options?.signal),
    close: () => store.close(),
  };
}

/** A lost answer may have been a success: then the next conditional try is refused because of the first. */
async function putAgain(
  store: ObjectStore,
  clock: Clock,
  policy: RetryPolicy,
  key: ObjectKey,
  body: Uint8Array,
  metadata: Metadata,
  options: WriteOptions,
): Promise<Receipt> {
  const attempt = async (number: number): Promise<Receipt> => {
    try {
      return await store.put(key, body, metadata, options);
    } catch (thrown) {
      const refused = number > 1 && thrown instanceof VaultError && thrown.code === 'precondition';
      const ours = refused ? await policy.confirm?.(key, body, metadata, options) : undefined;
      if (ours === undefined) throw thrown;
      return ours;
    }
  };
  return withRetries(attempt, clock, policy, options.signal);
}
