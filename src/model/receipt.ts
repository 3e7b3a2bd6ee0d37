import type { ObjectKey } from './brands.ts';

/** A checksum of the stored bytes, as the store gave it and as it was computed here. */
export interface Checksum {
  readonly algorithm: 'crc32' | 'md5' | 'sha256';
  /** base64, except md5 taken from an ETag: hex. Multipart MD5 ends in `-N`. */
  readonly value: string;
}

/** What the store's answer proved about encryption at rest; printed on every `transfer.done`. */
export type Proof =
  | {
      readonly mode: 'client';
      /** The S3 Encryption Client message format. */
      readonly format: 'V3';
      /** Fingerprint of the wrapping key, or the KMS key id. */
      readonly key: string;
      readonly checksum: Checksum;
    }
  | {
      readonly mode: 'sse-c';
      readonly algorithm: 'AES256';
      readonly keyMd5: string;
      readonly checksum?: Checksum;
    }
  | {
      readonly mode: 'sse-kms' | 'dsse-kms';
      readonly algorithm: 'aws:kms' | 'aws:kms:dsse';
      readonly keyId: string;
      readonly bucketKey?: boolean;
      readonly checksum?: Checksum;
    }
  | { readonly mode: 'sse-s3'; readonly algorithm: 'AES256'; readonly checksum?: Checksum };

/** S3's proof of one finished write. */
export interface Receipt {
  readonly key: ObjectKey;
  readonly etag: string;
  readonly versionId?: string;
  /** Bytes stored. */
  readonly size: number;
  readonly proof: Proof;
}
