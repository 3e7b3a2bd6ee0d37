/** The contract's rig on any S3 endpoint: fresh buckets, a store per mode. */
import { createHash } from 'node:crypto';
import type { Mover, ObjectStore } from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';
import { systemClock } from '../../src/clock.ts';
import { type ResolvedRemote, resolveRemote } from '../../src/s3/connect.ts';
import { type MoverOptions, openMover } from '../../src/s3/mover.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { type StoreOptions, openStore } from '../../src/s3/open-store.ts';
import type { ModeName, StoreRig } from '../contract/object-store.ts';

export interface Endpoint {
  readonly endpoint: string;
  readonly caFile: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly kmsKeyId: string;
  /** The store is spoken to as if it were Amazon S3: checksums in headers, sizes in Complete. */
  readonly asAws?: boolean;
  /** Makes a bucket and gives its name. */
  createBucket(options: { readonly versioning: boolean }): Promise<string>;
}

export function protectionOf(mode: ModeName, kmsKeyId: string, other = false): Protection {
  switch (mode) {
    case 'client':
      return { mode, key: 'fingerprint' };
    case 'sse-c':
      return { mode, key: new Secret(createHash('sha256').update(`key ${other}`).digest()) };
    case 'sse-kms':
    case 'dsse-kms':
      return { mode, keyId: kmsKeyId, context: { purpose: 'test' } };
    case 'sse-s3':
      return { mode };
    default:
      return mode satisfies never;
  }
}

type Spoken = Omit<Endpoint, 'createBucket' | 'kmsKeyId'>;

async function resolvedOn(place: Spoken, bucket: string): Promise<ResolvedRemote> {
  const { endpoint, region, caFile, accessKeyId, secretAccessKey, asAws = false } = place;
  const remote = { bucket, prefix: '', endpoint, region, caBundle: caFile };
  const resolved = await resolveRemote(remote, {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  });
  return asAws ? { ...resolved, isAws: true } : resolved;
}

export async function storeOn(
  place: Spoken,
  bucket: string,
  protection: Protection,
  options: Partial<StoreOptions> = {},
): Promise<ObjectStore> {
  const resolved = await resolvedOn(place, bucket);
  return openStore(resolved, protection, { clock: systemClock, transfers: 4, attempts: 3, ...options });
}

export async function moverOn(
  place: Spoken,
  bucket: string,
  from: Protection,
  to: Protection,
  options: Partial<MoverOptions> = {},
): Promise<Mover> {
  const resolved = await resolvedOn(place, bucket);
  return openMover(resolved, from, to, { clock: systemClock, transfers: 4, ...options });
}

export async function rigOn(
  place: Endpoint,
  modes: readonly ModeName[],
  unproved: readonly ModeName[],
): Promise<StoreRig> {
  const bucket = await place.createBucket({ versioning: false });
  let versions: string | undefined;
  return {
    modes,
    unproved,
    open: async (mode, { other = false, versioned = false } = {}) => {
      if (versioned) versions ??= await place.createBucket({ versioning: true });
      return storeOn(place, versioned ? (versions ?? '') : bucket, protectionOf(mode, place.kmsKeyId, other));
    },
    close: async () => undefined,
  };
}
