import { bucketNamed } from './buckets.ts';
import { openingKeys } from './encryption.ts';
import { openChunk } from './seal.ts';
import { type Bucket, type StoredVersion, type World, current } from './world.ts';

/** One object as a test sees it. */
export interface ObjectView {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly versionId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** `customer`: under SSE-C. */
  readonly encryption: 'AES256' | 'aws:kms' | 'aws:kms:dsse' | 'customer';
  readonly parts: number;
  readonly deleteMarker: boolean;
  /** What a GET gives; under SSE-C, whose key is not here, what is stored. Empty where bodies are dropped. */
  readonly body: Buffer;
}

/** Looks into the store past the protocol. */
export class View {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  #bucket(name: string): Bucket {
    return bucketNamed(this.#world, name);
  }

  /** Undefined where a GET would find nothing. */
  object(bucket: string, key: string): ObjectView | undefined {
    const version = current(this.#bucket(bucket), key);
    return version === undefined ? undefined : this.#view(version);
  }

  /** The newest version of every key, in byte order. */
  objects(bucket: string): readonly ObjectView[] {
    return this.keys(bucket).flatMap((key) => this.object(bucket, key) ?? []);
  }

  /** All versions of a key, delete markers included, oldest first. */
  versions(bucket: string, key: string): readonly ObjectView[] {
    return (this.#bucket(bucket).objects.get(key) ?? []).map((version) => this.#view(version));
  }

  /** Keys that a listing shows, in byte order. */
  keys(bucket: string): readonly string[] {
    const found = this.#bucket(bucket);
    return found.sorted
      .inOrder((key) => found.objects.has(key))
      .filter((key) => current(found, key) !== undefined);
  }

  /** The bytes at rest, sealed where the object is encrypted on request. */
  storedBytes(bucket: string, key: string): Buffer | undefined {
    const version = current(this.#bucket(bucket), key);
    return version === undefined ? undefined : atRest(version);
  }

  /** Flips one bit of the bytes at rest, to see whether anybody notices. */
  damage(bucket: string, key: string, at = 0): void {
    const version = current(this.#bucket(bucket), key);
    let from = 0;
    for (const { bytes } of version?.chunks ?? []) {
      if (bytes !== undefined && at >= from && at < from + bytes.length)
        bytes[at - from] = (bytes[at - from] ?? 0) ^ 1;
      from += bytes?.length ?? 0;
    }
  }

  /** The bucket's policy as it was put there. */
  policy(bucket: string): string | undefined {
    return this.#bucket(bucket).policy?.text;
  }

  /** Keys of unfinished multipart uploads. */
  pendingUploads(bucket: string): readonly string[] {
    return [...this.#bucket(bucket).uploads.values()].map(({ key }) => key);
  }

  #view(version: StoredVersion): ObjectView {
    const { key, size, etag, versionId, metadata, headers, parts, deleteMarker } = version;
    const body = this.#body(version);
    return {
      key,
      size,
      etag,
      versionId,
      metadata,
      headers,
      encryption: kindOf(version),
      parts,
      deleteMarker,
      body,
    };
  }

  #body(version: StoredVersion): Buffer {
    if (!this.#world.keepBodies || version.encryption.kind === 'customer') return atRest(version);
    const keys = openingKeys(this.#world, version.encryption, undefined);
    return Buffer.concat(version.chunks.map((chunk) => openChunk(chunk, keys)));
  }
}

const atRest = (version: StoredVersion): Buffer =>
  Buffer.concat(version.chunks.flatMap(({ bytes }) => bytes ?? []));

function kindOf({ encryption }: StoredVersion): ObjectView['encryption'] {
  if (encryption.kind === 's3') return 'AES256';
  if (encryption.kind === 'customer') return 'customer';
  return encryption.dual ? 'aws:kms:dsse' : 'aws:kms';
}
