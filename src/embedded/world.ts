/** What the endpoint holds: buckets, versions of objects, unfinished uploads. All of it in memory. */
import type { Algorithm, Checksum, ChecksumType } from './checksums.ts';
import type { KmsKeys } from './kms-keys.ts';
import type { ParsedPolicy } from './policy.ts';
import { SortedKeys } from './sorted-keys.ts';

/** Account that owns everything here. */
export const ACCOUNT = '000000000000';

export interface World {
  readonly region: string;
  readonly kms: KmsKeys;
  readonly buckets: Map<string, Bucket>;
  /** False: bodies are dropped and only sizes, ETags and metadata kept. */
  readonly keepBodies: boolean;
  /** Whether a bucket made by CreateBucket refuses SSE-C, as AWS does since April 2026. */
  readonly blockSseC: boolean;
  /** ms since 1970. */
  now(): number;
}

export interface Bucket {
  readonly name: string;
  readonly created: number;
  /** Versions of each key, oldest first; a key without any is absent. */
  readonly objects: Map<string, StoredVersion[]>;
  readonly sorted: SortedKeys;
  readonly uploads: Map<string, Upload>;
  versioning: 'Enabled' | 'Suspended' | undefined;
  /** Conditions of writes, copies and removals are taken and ignored, as some stores do. */
  ignoresConditions: boolean;
  encryption: BucketEncryption;
  policy: { readonly text: string; readonly parsed: ParsedPolicy } | undefined;
  /** Configurations kept as they came, by subresource: `lifecycle`, `publicAccessBlock`, ... */
  readonly documents: Map<string, string>;
  /** KMS keys whose bucket-level key has been fetched: further requests cost KMS nothing. */
  readonly bucketKeys: Set<string>;
}

export interface BucketEncryption {
  readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  readonly kmsKeyId: string | undefined;
  readonly bucketKey: boolean | undefined;
  /** `BlockedEncryptionTypes`; undefined: the configuration named none. */
  readonly blocked: readonly string[] | undefined;
}

/** How one object is protected at rest. The customer's key itself is never kept. */
export type ObjectEncryption =
  /** `dataKey` where encryption was asked for; the mere default of every bucket is answered but not carried out. */
  | { readonly kind: 's3'; readonly dataKey: Buffer | undefined }
  | {
      readonly kind: 'kms';
      readonly dual: boolean;
      readonly keyArn: string;
      readonly wrapped: Buffer;
      readonly context: Readonly<Record<string, string>>;
      readonly bucketKey: boolean | undefined;
    }
  | { readonly kind: 'customer'; readonly keyMd5: string; readonly salt: Buffer; readonly proof: Buffer };

export interface Chunk {
  /** Bytes of plaintext. */
  readonly size: number;
  /** As kept: sealed where the object is; undefined where bodies are dropped. */
  readonly bytes: Buffer | undefined;
}

export interface ObjectAttributes {
  /** User metadata: lower-case names without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Content-Type and the other headers that are kept and answered. */
  readonly headers: Readonly<Record<string, string>>;
  readonly storageClass: string | undefined;
}

export interface StoredVersion extends ObjectAttributes {
  readonly key: string;
  /** `null` in a bucket without versioning. */
  readonly versionId: string;
  readonly deleteMarker: boolean;
  readonly modified: number;
  /** With its double quotes. */
  readonly etag: string;
  readonly size: number;
  encryption: ObjectEncryption;
  /** `default`: CRC64NVME, worked out when first asked for. */
  checksum: Checksum | 'default' | undefined;
  chunks: readonly Chunk[];
  /** Parts it was put together from; 0 for a single PUT. */
  readonly parts: number;
}

export interface Part {
  readonly number: number;
  readonly etag: string;
  readonly modified: number;
  readonly chunk: Chunk;
  readonly checksum: { readonly algorithm: Algorithm; readonly value: string } | undefined;
}

export interface Upload extends ObjectAttributes {
  readonly id: string;
  readonly key: string;
  readonly initiated: number;
  readonly encryption: ObjectEncryption;
  readonly algorithm: Algorithm | undefined;
  readonly type: ChecksumType | undefined;
  readonly parts: Map<number, Part>;
  /** What happened to the key since: conditional Complete answers 409 for some of it. */
  written: boolean;
  removed: boolean;
}

export const DEFAULT_ENCRYPTION: BucketEncryption = {
  algorithm: 'AES256',
  kmsKeyId: undefined,
  bucketKey: false,
  blocked: undefined,
};

export function newBucket(name: string, created: number, blockSseC: boolean): Bucket {
  return {
    name,
    created,
    objects: new Map(),
    sorted: new SortedKeys(),
    uploads: new Map(),
    versioning: undefined,
    ignoresConditions: false,
    encryption: { ...DEFAULT_ENCRYPTION, blocked: [blockSseC ? 'SSE-C' : 'NONE'] },
    policy: undefined,
    documents: new Map(),
    bucketKeys: new Set(),
  };
}

/** The newest version, delete markers included. */
export const newest = (bucket: Bucket, key: string): StoredVersion | undefined =>
  bucket.objects.get(key)?.at(-1);

/** The object as a plain GET sees it: undefined where there is none or it is deleted. */
export function current(bucket: Bucket, key: string): StoredVersion | undefined {
  const version = newest(bucket, key);
  return version === undefined || version.deleteMarker ? undefined : version;
}

/** Adds a version; in a bucket that does not keep versions it takes the place of the one before. */
export function store(bucket: Bucket, version: StoredVersion): void {
  const versions = bucket.objects.get(version.key);
  if (versions === undefined) {
    bucket.objects.set(version.key, [version]);
    bucket.sorted.add(version.key);
  } else {
    if (version.versionId === 'null') dropVersion(versions, 'null');
    versions.push(version);
  }
  touch(bucket, version.key, version.deleteMarker);
}

/** Takes one version out for good. Answers it, or undefined where there is none. */
export function discard(bucket: Bucket, key: string, versionId: string): StoredVersion | undefined {
  const versions = bucket.objects.get(key);
  if (versions === undefined) return undefined;
  const removed = dropVersion(versions, versionId);
  if (versions.length === 0) {
    bucket.objects.delete(key);
    bucket.sorted.remove();
  }
  if (removed !== undefined) touch(bucket, key, true);
  return removed;
}

function dropVersion(versions: StoredVersion[], versionId: string): StoredVersion | undefined {
  const at = versions.findIndex((version) => version.versionId === versionId);
  return at < 0 ? undefined : versions.splice(at, 1)[0];
}

function touch(bucket: Bucket, key: string, removed: boolean): void {
  for (const upload of bucket.uploads.values()) {
    if (upload.key !== key) continue;
    if (removed) upload.removed = true;
    else upload.written = true;
  }
}
