/** One bucket under one Protection as the engine's ObjectStore. */
import type { Capabilities } from '../model/doctor.ts';
import type { VaultError } from '../model/errors.ts';
import type { ModeKind } from '../model/mode.ts';
import type { Clock, ObjectStore } from '../model/ports.ts';
import type { Pace } from '../model/kms.ts';
import type { ResolvedRemote } from './connect.ts';
import { type Explain, explaining } from './explaining.ts';
import { listObjects, listUploads } from './list.ts';
import { type Protection, checkProtection } from './modes.ts';
import { abortUpload, uploadObject } from './multipart.ts';
import { removeMatching } from './removal.ts';
import { type RetryPolicy, retrying } from './retrying.ts';
import { confirmPut, getObject, headObject, putObject, reachBucket, removeObject } from './single.ts';
import { type Quirks, type Site, quirksOf } from './site.ts';
import { chargeFor, throttling } from './throttling.ts';
import { stillUploads } from './still-uploads.ts';
import { tryConditions } from './try-conditions.ts';
import { listVersions } from './versions.ts';
import { Wire } from './wire.ts';

export interface StoreOptions {
  readonly clock: Clock;
  /** Connections at most, and so requests at a time. */
  readonly transfers: number;
  /** Tries of each request in all; default 6. */
  readonly attempts?: number;
  /**
   * What the store was seen to do. That it keeps conditions is not relied on: Ceph RGW 16 does so until the bucket gets
   * versions.
   */
  readonly seen?: Capabilities | undefined;
  /** What is learned of the store, where others shall know it too; default: what `seen` says. */
  readonly quirks?: Quirks;
  readonly onThrottle?: (error: VaultError) => void;
  readonly onRetry?: (error: VaultError, attempt: number, delayMs: number) => void;
  /** Waits for what requests will cost of KMS; undefined: nobody counts. */
  readonly pace?: Pace | undefined;
  /** Knows more of a refused write than the store's answer says. */
  readonly explain?: Explain;
  /** What the objects that are there are known to be kept under; undefined: what `protection` says. */
  readonly reads?: ModeKind | 'unknown' | undefined;
}

/**
 * Opens nothing yet: connections are made when first needed. Throws `key-kind` for a key that does not fit the mode.
 * `close` also closes `resolved`.
 */
export function openStore(
  resolved: ResolvedRemote,
  protection: Protection,
  options: StoreOptions,
): ObjectStore {
  checkProtection(protection);
  const { clock, transfers } = options;
  const wire = new Wire(resolved, { clock, connections: transfers });
  const charge = chargeFor(protection, options.pace, options.reads);
  const site: Site = {
    remote: resolved,
    protection,
    quirks: options.quirks ?? quirksOf(options.seen),
    wire: throttling(wire, charge),
    charge,
  };
  const retries: RetryPolicy = {
    ...(options.attempts === undefined ? {} : { attempts: options.attempts }),
    onThrottle: options.onThrottle,
    onRetry: options.onRetry,
    confirm: (key, body, metadata, write) => confirmPut(site, key, body, metadata, write),
  };
  const listing = { site, clock, retries };
  const plain: ObjectStore = {
    put: (key, body, metadata, write = {}) => putObject(site, key, body, metadata, write),
    upload: (key, source, journal, write = {}) => uploadObject(listing, key, source, journal, write),
    get: (key, read = {}) => getObject(site, key, read),
    head: (key, read = {}) => headObject(site, key, read),
    list: (prefix, waits = {}) => listObjects(listing, prefix, waits),
    versions: (prefix, waits = {}) => listVersions(listing, prefix, waits),
    remove: (key, { ifMatch, ...remove } = {}) =>
      ifMatch === undefined
        ? removeObject(site, key, remove)
        : removeMatching(listing, key, { ...remove, ifMatch }),
    conditions: (prefix, waits = {}) => tryConditions(site, prefix, clock, waits),
    uploads: (prefix, { stillForMs, ...waits } = {}) =>
      stillForMs === undefined
        ? listUploads(listing, prefix, waits)
        : stillUploads(listing, prefix, stillForMs, waits),
    abortUpload: (key, uploadId, waits = {}) => abortUpload(site, key, uploadId, waits),
    reach: (waits = {}) => reachBucket(site, waits),
    close: async () => {
      await wire.close();
      await resolved.close();
    },
  };
  const store = retrying(plain, clock, retries);
  return options.explain === undefined ? store : explaining(store, options.explain);
}
