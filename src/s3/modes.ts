/**
 * What is asked of the store about encryption at rest, and what its answer must say. The only place that knows these
 * headers (Amazon S3 API Reference, PutObject: request and response headers).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { VaultError } from '../model/errors.ts';
import type { ServerMode } from '../model/mode.ts';
import type { Metadata } from '../model/ports.ts';
import type { Checksum, Proof } from '../model/receipt.ts';
import type { Secret } from '../model/secret.ts';
import type { Headers } from './sign.ts';

export type Protection =
  /** Bodies arrive sealed; `key` is the fingerprint of the wrapping key, for the Proof. */
  | { readonly mode: 'client'; readonly key: string }
  | { readonly mode: 'sse-c'; readonly key: Secret }
  | {
      readonly mode: 'sse-kms' | 'dsse-kms';
      readonly keyId: string;
      readonly context: Metadata;
      readonly bucketKey?: boolean;
    }
  | { readonly mode: 'sse-s3' };

const SSE = 'x-amz-server-side-encryption';
const KMS_KEY = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;
const BUCKET_KEY = `${SSE}-bucket-key-enabled`;
const CUSTOMER_ALGORITHM = `${SSE}-customer-algorithm`;
const CUSTOMER_KEY = `${SSE}-customer-key`;
const CUSTOMER_MD5 = `${SSE}-customer-key-md5`;

const SSE_C_BYTES = 32;

/** Rejects a key the store could not take. To be called before the first request. */
export function checkProtection(protection: Protection): void {
  if (protection.mode !== 'sse-c' || protection.key.length === SSE_C_BYTES) return;
  throw new VaultError(
    'usage',
    'key-kind',
    `sse-c needs a key of 32 bytes, this one has ${protection.key.length}`,
    {
      hint: 'make one with: s3vault keys create NAME',
    },
  );
}

/** For PutObject and CreateMultipartUpload. */
export function writeHeaders(protection: Protection): Headers {
  switch (protection.mode) {
    case 'client':
      return {};
    case 'sse-c':
      return customerHeaders(protection.key);
    case 'sse-kms':
    case 'dsse-kms':
      return kmsHeaders(protection);
    case 'sse-s3':
      return { [SSE]: 'AES256' };
    default:
      return protection satisfies never;
  }
}

/** For UploadPart, GetObject and HeadObject: S3 refuses the other modes' headers there. */
export function readHeaders(protection: Protection): Headers {
  return protection.mode === 'sse-c' ? customerHeaders(protection.key) : {};
}

type KmsProtection = Extract<Protection, { keyId: string }>;

function kmsHeaders(protection: KmsProtection): Headers {
  const { keyId, context, bucketKey } = protection;
  const json = JSON.stringify(context);
  return {
    [SSE]: algorithmOf(protection),
    [KMS_KEY]: keyId,
    ...(json === '{}' ? {} : { [CONTEXT]: Buffer.from(json).toString('base64') }),
    ...(bucketKey === undefined ? {} : { [BUCKET_KEY]: String(bucketKey) }),
  };
}

const algorithmOf = ({ mode }: KmsProtection): 'aws:kms' | 'aws:kms:dsse' =>
  mode === 'sse-kms' ? 'aws:kms' : 'aws:kms:dsse';

function customerHeaders(key: Secret): Headers {
  return {
    [CUSTOMER_ALGORITHM]: 'AES256',
    [CUSTOMER_KEY]: key.use((bytes) => bytes.toString('base64')),
    [CUSTOMER_MD5]: customerMd5(key),
  };
}

/** For the source of CopyObject and UploadPartCopy. */
export function copySourceHeaders(protection: Protection): Headers {
  if (protection.mode !== 'sse-c') return {};
  const own = Object.entries(customerHeaders(protection.key));
  return Object.fromEntries(
    own.map(([name, value]) => [name.replace(/^x-amz-/, 'x-amz-copy-source-'), value]),
  );
}

const customerMd5 = (key: Secret): string =>
  key.use((bytes) => createHash('md5').update(bytes).digest('base64'));

/** What the SDK calls the fields that `writeHeaders` sends, but for the customer key: see `customerKeyOf`. */
export interface SdkFields {
  ServerSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  SSEKMSKeyId?: string;
  SSEKMSEncryptionContext?: string;
  BucketKeyEnabled?: boolean;
}

/** For the SDK's CreateMultipartUpload. */
export function sdkFields(headers: Headers): SdkFields {
  const fields: SdkFields = {};
  const sse = headers[SSE];
  if (sse === 'AES256' || sse === 'aws:kms' || sse === 'aws:kms:dsse') fields.ServerSideEncryption = sse;
  if (headers[KMS_KEY] !== undefined) fields.SSEKMSKeyId = headers[KMS_KEY];
  if (headers[CONTEXT] !== undefined) fields.SSEKMSEncryptionContext = headers[CONTEXT];
  if (headers[BUCKET_KEY] !== undefined) fields.BucketKeyEnabled = headers[BUCKET_KEY] === 'true';
  return fields;
}

/**
 * The headers of a customer key, for requests of the SDK. As fields of its input it would decode them to compute the
 * MD5 anew, and leave the bare key behind in memory that nobody wipes.
 */
export function customerKeyOf(headers: Headers): Headers {
  const own = [CUSTOMER_ALGORITHM, CUSTOMER_KEY, CUSTOMER_MD5];
  return Object.fromEntries(Object.entries(headers).filter(([name]) => own.includes(name)));
}

/** An answer of the SDK in the form of headers, as `prove` takes it. */
export function sdkAnswer(
  output: {
    readonly [K in keyof SdkFields]?: SdkFields[K] | string | undefined;
  } & { readonly SSECustomerAlgorithm?: string | undefined; readonly SSECustomerKeyMD5?: string | undefined },
): Headers {
  const { ServerSideEncryption, SSEKMSKeyId, BucketKeyEnabled, SSECustomerAlgorithm, SSECustomerKeyMD5 } =
    output;
  return {
    ...(ServerSideEncryption === undefined ? {} : { [SSE]: ServerSideEncryption }),
    ...(SSEKMSKeyId === undefined ? {} : { [KMS_KEY]: SSEKMSKeyId }),
    ...(BucketKeyEnabled === undefined ? {} : { [BUCKET_KEY]: String(BucketKeyEnabled) }),
    ...(SSECustomerAlgorithm === undefined ? {} : { [CUSTOMER_ALGORITHM]: SSECustomerAlgorithm }),
    ...(SSECustomerKeyMD5 === undefined ? {} : { [CUSTOMER_MD5]: SSECustomerKeyMD5 }),
  };
}

/**
 * The Proof that an answer gives. `checksum` is the stored object's, once it is known to equal that of the sent bytes;
 * undefined where the store named none. Throws kind `security`, code `proof-missing`, and never gives less than a Proof.
 */
export function prove(protection: Protection, answer: Headers, checksum: Checksum | undefined): Proof {
  const wrong = unproved(protection, answer);
  if (wrong !== undefined) throw proofMissing(protection, wrong);
  const sum = checksum === undefined ? {} : { checksum };
  switch (protection.mode) {
    case 'client':
      if (checksum === undefined) throw proofMissing(protection, NO_CHECKSUM);
      return { mode: 'client', format: 'V3', key: protection.key, checksum };
    case 'sse-c':
      return { mode: 'sse-c', algorithm: 'AES256', keyMd5: answer[CUSTOMER_MD5] ?? '', ...sum };
    case 'sse-kms':
    case 'dsse-kms': {
      const bucketKey = protection.bucketKey === undefined ? {} : { bucketKey: protection.bucketKey };
      const keyId = answer[KMS_KEY] ?? '';
      return { mode: protection.mode, algorithm: algorithmOf(protection), keyId, ...bucketKey, ...sum };
    }
    case 'sse-s3':
      return { mode: 'sse-s3', algorithm: 'AES256', ...sum };
    default:
      return protection satisfies never;
  }
}

/** For answers before the last: CreateMultipartUpload and UploadPart. Throws like `prove`, without a checksum. */
export function proveEncryption(protection: Protection, answer: Headers): void {
  const wrong = unproved(protection, answer);
  if (wrong !== undefined) throw proofMissing(protection, wrong);
}

/** Whether `prove` finds nothing missing. */
export const proves = (protection: Protection, answer: Headers, checksum: Checksum | undefined): boolean =>
  unproved(protection, answer) === undefined && (protection.mode !== 'client' || checksum !== undefined);

/**
 * For UploadPart: S3 repeats the customer key there, and nothing that must be there in the other modes. Gives the MD5 of the
 * customer key that the store confirmed.
 */
export function provePart(protection: Protection, answer: Headers): string | undefined {
  if (protection.mode !== 'sse-c') return undefined;
  proveEncryption(protection, answer);
  return answer[CUSTOMER_MD5];
}

/**
 * What the answers to all parts say together of the customer key, which Complete does not repeat; undefined where one part
 * says nothing, or something else. `keys`: as `provePart` gave them.
 */
export function confirmedKey(keys: readonly (string | undefined)[]): Headers | undefined {
  const [first] = keys;
  if (first === undefined || Array.from(keys).some((one) => one !== first)) return undefined;
  return { [CUSTOMER_ALGORITHM]: 'AES256', [CUSTOMER_MD5]: first };
}

interface Wrong {
  readonly expected: string;
  readonly came: string;
}

const NO_CHECKSUM: Wrong = {
  expected: 'a checksum of the stored object that equals the checksum of the sealed bytes',
  came: 'none that can be compared',
};

function unproved(protection: Protection, answer: Headers): Wrong | undefined {
  switch (protection.mode) {
    case 'client':
      return undefined;
    case 'sse-c':
      return (
        differs(CUSTOMER_ALGORITHM, 'AES256', answer) ??
        differs(CUSTOMER_MD5, customerMd5(protection.key), answer)
      );
    case 'sse-kms':
    case 'dsse-kms':
      return differs(SSE, algorithmOf(protection), answer) ?? wrongKmsKey(protection, answer);
    case 'sse-s3':
      return differs(SSE, 'AES256', answer);
    default:
      return protection satisfies never;
  }
}

function differs(name: string, expected: string, answer: Headers): Wrong | undefined {
  const came = answer[name];
  if (came !== undefined && equal(came, expected)) return undefined;
  return { expected: `${name}: ${expected}`, came: came === undefined ? 'no such header' : clip(came) };
}

function wrongKmsKey({ keyId, bucketKey }: KmsProtection, answer: Headers): Wrong | undefined {
  const came = answer[KMS_KEY];
  if (came === undefined || !sameKmsKey(keyId, came))
    return { expected: `${KMS_KEY}: ${keyId}`, came: came === undefined ? 'no such header' : clip(came) };
  const state = answer[BUCKET_KEY]?.toLowerCase() === 'true';
  if (bucketKey === undefined || bucketKey === state) return undefined;
  return { expected: `${BUCKET_KEY}: ${bucketKey}`, came: answer[BUCKET_KEY] ?? 'no such header' };
}

/** The id as given, or the ARN of the key with that id. */
const sameKmsKey = (asked: string, came: string): boolean =>
  came === asked || (came.startsWith('arn:') && !asked.startsWith('arn:') && came.endsWith(`:key/${asked}`));

function equal(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** What a store says goes into a message: no more than a line of it. */
const clip = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}...` : text);

const HINTS: { readonly [M in Protection['mode']]: string } = {
  client: 'this store gives no checksum to compare; a server-side mode such as sse-c may work with it',
  'sse-c':
    'this store does not confirm sse-c, so it may have kept the bytes unencrypted; use mode client with it',
  'sse-kms': 'this store does not confirm the KMS key; check the key and its region, or use mode client',
  'dsse-kms': 'this store does not confirm dsse-kms; use sse-kms, or mode client',
  'sse-s3': 'this store does not confirm sse-s3, so it may keep bytes unencrypted; use mode client with it',
};

function proofMissing({ mode }: Protection, { expected, came }: Wrong): VaultError {
  return new VaultError(
    'security',
    'proof-missing',
    `the store did not prove ${mode}: expected ${expected}, got ${came}`,
    { hint: HINTS[mode] },
  );
}

/** What an answer to a read says of the object's encryption; `sse-c` only where it names this very key. */
export function saidUnder(protection: Protection, answer: Headers): { readonly under?: ServerMode } {
  if (protection.mode === 'sse-c' && unproved(protection, answer) === undefined) return { under: 'sse-c' };
  const kms = kmsSaid(answer);
  if (typeof kms === 'object') return { under: kms.mode };
  return answer[SSE] === 'AES256' ? { under: 'sse-s3' } : {};
}

/** What an answer says of KMS: the key's ARN, and whether a Bucket Key serves the object. */
export interface KmsSaid {
  readonly mode: 'sse-kms' | 'dsse-kms';
  readonly bucketKey: boolean;
  readonly keyId?: string | undefined;
}

/** Undefined where an answer does not say how the object is encrypted. */
export function kmsSaid(answer: Headers): KmsSaid | 'none' | undefined {
  switch (answer[SSE]) {
    case 'aws:kms':
      return {
        mode: 'sse-kms',
        bucketKey: answer[BUCKET_KEY]?.toLowerCase() === 'true',
        keyId: answer[KMS_KEY],
      };
    case 'aws:kms:dsse':
      return { mode: 'dsse-kms', bucketKey: false, keyId: answer[KMS_KEY] };
    case undefined:
      return answer[CUSTOMER_ALGORITHM] === undefined ? undefined : 'none';
    default:
      return 'none';
  }
}
