/** Server-side encryption: which one a write gets, the keys to seal and open with, and the headers that say so. */
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { CUSTOMER, customerKey, namesCustomerKey, partKey, readingKey, rememberKey } from './customer-key.ts';
import { type S3Error, accessDenied, invalidArgument } from './errors.ts';
import type { EncryptionContext } from './kms-keys.ts';
import type { Bucket, BucketEncryption, ObjectEncryption, World } from './world.ts';

const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;
const BUCKET_KEY = `${SSE}-bucket-key-enabled`;

export const SSE_HEADER_PREFIX = SSE;

export interface Protection {
  readonly encryption: ObjectEncryption;
  /** To seal the bytes with; none: they stay as they are. */
  readonly keys: readonly Buffer[];
}

const NOT_SEALED: Protection = { encryption: { kind: 's3', dataKey: undefined }, keys: [] };

/** What a write asks for, or what the bucket's default gives it. Costs KMS a call where KMS keys are used. */
export function protect(world: World, bucket: Bucket, key: string, headers: IncomingHttpHeaders): Protection {
  if (namesCustomerKey(headers)) return protectWithCustomerKey(bucket, headers);
  const asked = askedFor(headers);
  if (asked === undefined) return protectByDefault(world, bucket, key, headers);
  return protectWith(world, bucket, key, asked, contextOf(headers));
}

function protectWithCustomerKey(bucket: Bucket, headers: IncomingHttpHeaders): Protection {
  refuseBlocked(bucket);
  if (headers[SSE] !== undefined) {
    throw invalidArgument(
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      { ArgumentName: SSE, ArgumentValue: String(headers[SSE]) },
    );
  }
  const given = customerKey(headers);
  if (given === undefined) return NOT_SEALED;
  return { encryption: rememberKey(given), keys: [given.key] };
}

/** Before the key is looked at, as on AWS. */
export function refuseBlocked(bucket: Bucket): void {
  if (bucket.encryption.blocked?.includes('SSE-C') !== true) return;
  throw accessDenied(
    'Access Denied because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C).',
  );
}

interface Asked {
  readonly algorithm: BucketEncryption['algorithm'];
  readonly kmsKeyId: string | undefined;
  readonly bucketKey: boolean | undefined;
}

function askedFor(headers: IncomingHttpHeaders): Asked | undefined {
  const algorithm = headers[SSE];
  const kmsKeyId = headers[KEY_ID];
  if (algorithm === undefined && kmsKeyId === undefined) return undefined;
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms' && algorithm !== 'aws:kms:dsse') {
    throw algorithm === undefined
      ? needsKms()
      : invalidArgument('The encryption method specified is not supported', {
          ArgumentName: SSE,
          ArgumentValue: String(algorithm),
        });
  }
  if (algorithm === 'AES256' && kmsKeyId !== undefined) throw needsKms();
  return { algorithm, kmsKeyId: text(kmsKeyId), bucketKey: flag(headers[BUCKET_KEY]) };
}

const needsKms = (): S3Error =>
  invalidArgument(`Server Side Encryption with AWS KMS managed key requires HTTP header ${SSE} : aws:kms`, {
    ArgumentName: SSE,
  });

const text = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

const flag = (value: string | string[] | undefined): boolean | undefined =>
  value === undefined ? undefined : value === 'true';

function contextOf(headers: IncomingHttpHeaders): EncryptionContext {
  const encoded = text(headers[CONTEXT]);
  if (encoded === undefined) return {};
  try {
    const parsed: unknown = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8'));
    if (
      typeof parsed === 'object' &&
      parsed !== null &&
      Object.values(parsed).every((v) => typeof v === 'string')
    ) {
      return parsed as EncryptionContext;
    }
  } catch {
    // Answered below, like every other form that is no object of strings.
  }
  throw invalidArgument(
    `The header '${CONTEXT}' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map`,
    {
      ArgumentName: CONTEXT,
    },
  );
}

function protectByDefault(
  world: World,
  bucket: Bucket,
  key: string,
  headers: IncomingHttpHeaders,
): Protection {
  const rule = bucket.encryption;
  if (rule.algorithm === 'AES256') return NOT_SEALED;
  const bucketKey = flag(headers[BUCKET_KEY]) ?? rule.bucketKey;
  return protectWith(world, bucket, key, { ...rule, bucketKey }, {});
}

function protectWith(
  world: World,
  bucket: Bucket,
  key: string,
  asked: Asked,
  context: EncryptionContext,
): Protection {
  if (asked.algorithm === 'AES256') {
    if (!world.keepBodies) return NOT_SEALED;
    const dataKey = randomBytes(32);
    return { encryption: { kind: 's3', dataKey }, keys: [dataKey] };
  }
  const dual = asked.algorithm === 'aws:kms:dsse';
  if (dual && asked.bucketKey === true) {
    throw invalidArgument('BucketKeyEnabled is not applicable for DSSE-KMS', { ArgumentName: BUCKET_KEY });
  }
  const bucketKey = dual ? undefined : (asked.bucketKey ?? bucket.encryption.bucketKey);
  const keyArn = world.kms.arnOf(asked.kmsKeyId ?? world.kms.managedArn);
  callKms(world, bucket, { dual, bucketKey, keyArn }, 'kms:GenerateDataKey');
  const dataKey = randomBytes(dual ? 64 : 32);
  const bound = { ...context, 'aws:s3:arn': arn(bucket, bucketKey === true ? undefined : key) };
  const wrapped = world.kms.wrap(keyArn, dataKey, bound);
  return {
    encryption: { kind: 'kms', dual, keyArn, wrapped, context: bound, bucketKey },
    keys: layers(dataKey),
  };
}

const arn = (bucket: Bucket, key: string | undefined): string =>
  key === undefined ? `arn:aws:s3:::${bucket.name}` : `arn:aws:s3:::${bucket.name}/${key}`;

const layers = (dataKey: Buffer): readonly Buffer[] =>
  dataKey.length === 32 ? [dataKey] : [dataKey.subarray(0, 32), dataKey.subarray(32)];

interface KmsUse {
  readonly dual: boolean;
  readonly bucketKey: boolean | undefined;
  readonly keyArn: string;
}

/** S3 calls KMS once a request, twice for two layers, and hardly ever where a Bucket Key is in use. */
function callKms(world: World, bucket: Bucket, use: KmsUse, action: string): void {
  if (use.bucketKey === true) {
    if (bucket.bucketKeys.has(use.keyArn)) return;
    world.kms.call(use.keyArn, action);
    bucket.bucketKeys.add(use.keyArn);
    return;
  }
  world.kms.call(use.keyArn, action);
  if (use.dual) world.kms.call(use.keyArn, action);
}

/** Asks KMS, where the object is under a KMS key; the request needs nothing more. */
export function chargeDecrypt(world: World, bucket: Bucket, encryption: ObjectEncryption): void {
  if (encryption.kind === 'kms') callKms(world, bucket, encryption, 'kms:Decrypt');
}

/** Keys to open an object with; `customer` is the key of the request, already checked. */
export function openingKeys(
  world: World,
  encryption: ObjectEncryption,
  customer: Buffer | undefined,
): readonly Buffer[] {
  switch (encryption.kind) {
    case 's3':
      return encryption.dataKey === undefined ? [] : [encryption.dataKey];
    case 'kms':
      return layers(world.kms.unwrap(encryption.wrapped, encryption.context));
    case 'customer':
      return customer === undefined ? [] : [customer];
    default:
      return encryption satisfies never;
  }
}

/** Keys to read an object with, by the request's own headers. */
export function keysForReading(
  world: World,
  bucket: Bucket,
  encryption: ObjectEncryption,
  headers: IncomingHttpHeaders,
  prefix = CUSTOMER,
): readonly Buffer[] {
  const customer = readingKey(encryption, headers, prefix);
  chargeDecrypt(world, bucket, encryption);
  return openingKeys(world, encryption, customer?.key);
}

/** Keys to seal a part with. The SSE headers belong on Create, not on parts. */
export function keysForPart(
  world: World,
  bucket: Bucket,
  encryption: ObjectEncryption,
  headers: IncomingHttpHeaders,
): readonly Buffer[] {
  if (headers[SSE] !== undefined || headers[KEY_ID] !== undefined) {
    throw invalidArgument(`${SSE} header is not supported for this operation`, { ArgumentName: SSE });
  }
  const customer = partKey(encryption, headers);
  chargeDecrypt(world, bucket, encryption);
  return openingKeys(world, encryption, customer?.key);
}

/** Header `x-amz-server-side-encryption` on GET or HEAD is an error. */
export function refuseSseOnRead(headers: IncomingHttpHeaders): void {
  if (headers[SSE] === undefined) return;
  throw invalidArgument(`${SSE} header is not supported for this operation`, { ArgumentName: SSE });
}

/** True where the ETag is the MD5 of the data. */
export const etagIsMd5 = (encryption: ObjectEncryption): boolean => encryption.kind === 's3';

export interface Echo {
  /** Put, Create and Copy give the encryption context back, nothing else does. */
  readonly context?: boolean;
  /** Complete names no customer key. */
  readonly customer?: boolean;
}

/** The headers by which an answer proves how the object is protected. */
export function sseHeaders(encryption: ObjectEncryption, echo: Echo = {}): Record<string, string> {
  switch (encryption.kind) {
    case 's3':
      return { [SSE]: 'AES256' };
    case 'customer':
      if (echo.customer === false) return {};
      return { [`${CUSTOMER}algorithm`]: 'AES256', [`${CUSTOMER}key-md5`]: encryption.keyMd5 };
    case 'kms':
      return {
        [SSE]: encryption.dual ? 'aws:kms:dsse' : 'aws:kms',
        [KEY_ID]: encryption.keyArn,
        ...(encryption.bucketKey === true ? { [BUCKET_KEY]: 'true' } : {}),
        ...(echo.context === true ? contextHeader(encryption.context) : {}),
      };
    default:
      return encryption satisfies never;
  }
}

/** The pairs of the request and the one S3 adds itself; nothing where the request gave none. */
const contextHeader = (context: EncryptionContext): Record<string, string> =>
  Object.keys(context).length < 2
    ? {}
    : { [CONTEXT]: Buffer.from(JSON.stringify(context), 'utf8').toString('base64') };
