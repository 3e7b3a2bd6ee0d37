/** KMS's JSON protocol on the same port: the calls that client-side encryption needs. */
import { randomBytes } from 'node:crypto';
import { S3Error } from './errors.ts';
import { type EncryptionContext, type KmsKeys, KmsFault } from './kms-keys.ts';
import type { Reply } from './request.ts';

const JSON_TYPE = 'application/x-amz-json-1.1';

/** `operation` without its `kms:`. */
export function kmsReply(keys: KmsKeys, operation: string, body: Buffer): Reply {
  const asked = parse(body);
  return json(200, perform(keys, operation, asked));
}

function perform(keys: KmsKeys, operation: string, asked: Asked): object {
  switch (operation) {
    case 'GenerateDataKey':
      return generateDataKey(keys, asked);
    case 'Encrypt':
      return encrypt(keys, asked);
    case 'Decrypt':
      return decrypt(keys, asked);
    case 'DescribeKey':
      return describeKey(keys, asked);
    default:
      throw new S3Error(400, 'UnknownOperationException', `There is no operation ${operation} here.`);
  }
}

interface Asked {
  readonly KeyId?: string;
  readonly KeySpec?: string;
  readonly NumberOfBytes?: number;
  readonly Plaintext?: string;
  readonly CiphertextBlob?: string;
  readonly EncryptionContext?: EncryptionContext;
}

function parse(body: Buffer): Asked {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    // Answered below.
  }
  throw new S3Error(400, 'SerializationException', 'The request body is not a JSON object.');
}

function required(value: string | undefined, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw validation(
    `1 validation error detected: Value null at '${name}' failed to satisfy constraint: Member must not be null`,
  );
}

const validation = (message: string): S3Error => new S3Error(400, 'ValidationException', message);

function generateDataKey(keys: KmsKeys, asked: Asked): object {
  const length =
    asked.NumberOfBytes ?? (asked.KeySpec === 'AES_256' ? 32 : asked.KeySpec === 'AES_128' ? 16 : 0);
  if (!Number.isInteger(length) || length < 1 || length > 1024) {
    throw validation('Please specify either number of bytes or key spec.');
  }
  const { arn } = keys.call(required(asked.KeyId, 'keyId'), 'kms:GenerateDataKey');
  const dataKey = randomBytes(length);
  const wrapped = keys.wrap(arn, dataKey, asked.EncryptionContext ?? {});
  return { KeyId: arn, Plaintext: dataKey.toString('base64'), CiphertextBlob: wrapped.toString('base64') };
}

function encrypt(keys: KmsKeys, asked: Asked): object {
  const plaintext = Buffer.from(required(asked.Plaintext, 'plaintext'), 'base64');
  if (plaintext.length > 4096)
    throw validation(
      "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
    );
  const { arn } = keys.call(required(asked.KeyId, 'keyId'), 'kms:Encrypt');
  const wrapped = keys.wrap(arn, plaintext, asked.EncryptionContext ?? {});
  return { KeyId: arn, CiphertextBlob: wrapped.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
}

function decrypt(keys: KmsKeys, asked: Asked): object {
  const wrapped = Buffer.from(required(asked.CiphertextBlob, 'ciphertextBlob'), 'base64');
  const under = keys.arnOf(keys.wrappedUnder(wrapped));
  if (asked.KeyId !== undefined && keys.arnOf(asked.KeyId) !== under) {
    throw new S3Error(
      400,
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    );
  }
  keys.call(under, 'kms:Decrypt');
  const plaintext = keys.unwrap(wrapped, asked.EncryptionContext ?? {});
  return { KeyId: under, Plaintext: plaintext.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
}

function describeKey(keys: KmsKeys, asked: Asked): object {
  const key = keys.describe(required(asked.KeyId, 'keyId'));
  if (key.denied?.includes('kms:DescribeKey') === true) {
    throw new KmsFault(
      'AccessDeniedException',
      `User is not authorized to perform: kms:DescribeKey on resource: ${key.arn}`,
    );
  }
  const state = key.state ?? 'Enabled';
  const spec = key.spec ?? 'SYMMETRIC_DEFAULT';
  return {
    KeyMetadata: {
      KeyId: key.id,
      Arn: key.arn,
      Enabled: state === 'Enabled',
      KeyState: state,
      KeySpec: spec,
      KeyUsage: spec === 'HMAC_256' ? 'GENERATE_VERIFY_MAC' : 'ENCRYPT_DECRYPT',
      KeyManager: key.alias?.startsWith('aws/') === true ? 'AWS' : 'CUSTOMER',
      Origin: key.customKeyStore === undefined ? 'AWS_KMS' : 'AWS_CLOUDHSM',
      ...(key.customKeyStore === undefined ? {} : { CustomKeyStoreId: key.customKeyStore }),
      MultiRegion: false,
    },
  };
}

const json = (status: number, value: object): Reply => ({
  status,
  headers: { 'content-type': JSON_TYPE },
  body: JSON.stringify(value),
});

/** Names that KMS gives to what S3 calls otherwise. */
const NAMES: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'UnrecognizedClientException',
  SignatureDoesNotMatch: 'InvalidSignatureException',
  AuthorizationHeaderMalformed: 'IncompleteSignatureException',
  RequestTimeTooSkewed: 'InvalidSignatureException',
  ExpiredToken: 'ExpiredTokenException',
  InvalidToken: 'UnrecognizedClientException',
  AccessDenied: 'MissingAuthenticationTokenException',
  InternalError: 'InternalFailure',
  SlowDown: 'ThrottlingException',
};

/** An error as KMS words it. Throttling is 400 here, unlike S3's 503. */
export function kmsErrorReply(error: S3Error | KmsFault): Reply {
  if (error instanceof KmsFault) return json(400, { __type: error.code, message: error.message });
  const code = NAMES[error.code] ?? error.code;
  const skewed = error.code === 'RequestTimeTooSkewed';
  const message = skewed ? `Signature expired: ${error.message}` : error.message;
  return json(error.code === 'SlowDown' ? 400 : error.status, { __type: code, message });
}
