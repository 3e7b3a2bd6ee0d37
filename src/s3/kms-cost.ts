/**
 * What a request to S3 costs in requests to KMS, all counted against the quota of the caller's account (S3 User Guide,
 * "Using server-side encryption with AWS KMS keys"; "Uploading an object using multipart upload", permissions; API
 * reference of each operation). Pure.
 *
 * | request on an object under SSE-KMS | KMS call | cost |
 * |---|---|---|
 * | PutObject, CopyObject (target), CreateMultipartUpload | GenerateDataKey | 1 |
 * | GetObject, each ranged GET, CopyObject and UploadPartCopy (source) | Decrypt | 1 |
 * | UploadPart, UploadPartCopy (target) | Decrypt | 1 each |
 * | CompleteMultipartUpload | Decrypt, for the checksum | 1 |
 * | HeadObject with checksum mode | Decrypt | 1 |
 * | HeadObject without, List, Delete, Abort | none | 0 |
 *
 * DSSE-KMS has two layers and asks twice. With a Bucket Key S3 asks once in a while for a key of the bucket and derives the
 * rest ("Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys": up to 99 % fewer): one request in a hundred is counted.
 */
import type { WireRequest } from './wire.ts';

export type KmsCall =
  | 'put'
  | 'copy-target'
  | 'copy-source'
  | 'create'
  | 'part'
  | 'complete'
  | 'get'
  | 'head-checksums';

export const BUCKET_KEY_COST = 0.01;

/** Calls that write, and so take the encryption that is asked for, not that of an object that is there. */
const WRITES: ReadonlySet<KmsCall> = new Set(['put', 'copy-target', 'create', 'part', 'complete']);

export const isWrite = (call: KmsCall): boolean => WRITES.has(call);

export function costOf(mode: 'sse-kms' | 'dsse-kms', bucketKey: boolean): number {
  if (mode === 'dsse-kms') return 2;
  return bucketKey ? BUCKET_KEY_COST : 1;
}

/** What of KMS a request needs under its own protection; undefined: nothing. */
export function callOf({ method, key, query, headers }: WireRequest): KmsCall | undefined {
  if (key === undefined) return undefined;
  switch (method) {
    case 'PUT':
      if (query?.['partNumber'] !== undefined) return 'part';
      return headers?.['x-amz-copy-source'] === undefined ? 'put' : 'copy-target';
    case 'GET':
      return 'get';
    case 'HEAD':
      return headers?.['x-amz-checksum-mode'] === undefined ? undefined : 'head-checksums';
    case 'DELETE':
      return undefined;
    default:
      return method satisfies never;
  }
}

/** AWS KMS pricing: US$ 0.03 per 10,000 requests; the same in most regions. */
const DOLLARS = 0.03 / 10_000;

/** US$ that so many KMS requests cost, the free ones of each month not taken off. */
export const kmsDollars = (requests: number): number => requests * DOLLARS;
