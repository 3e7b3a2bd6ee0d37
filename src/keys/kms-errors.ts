import { RUN_AGAIN, VaultError } from '../model/errors.ts';

interface Shape {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $retryable?: { readonly throttling?: boolean };
}

type Build = (keyId: string, error: Shape) => VaultError;

const refused =
  (code: string, message: (keyId: string) => string, hint: string): Build =>
  (keyId, error) =>
    new VaultError('refused', code, message(keyId), { hint, cause: error, ...facts(error) });

const denied = refused(
  'kms-denied',
  (keyId) => `KMS does not allow the use of key ${keyId}`,
  'allow kms:GenerateDataKey, kms:Decrypt and kms:DescribeKey (for rekey also kms:Encrypt) to these credentials, in the key policy or by IAM, and check the encryption context that policies ask for',
);

const missing = refused(
  'kms-missing',
  (keyId) => `there is no KMS key ${keyId} in this account and region`,
  'check its id, ARN or alias, and --region',
);

const disabled = refused(
  'kms-disabled',
  (keyId) => `KMS key ${keyId} is disabled, pending deletion or not ready`,
  'enable it again, or cancel its deletion, in the KMS console',
);

const unusable = refused(
  'kms-unusable',
  (keyId) => `KMS key ${keyId} is not a symmetric key for encryption`,
  'choose a key of spec SYMMETRIC_DEFAULT with usage ENCRYPT_DECRYPT',
);

const credentials = refused(
  'credentials',
  () => 'AWS does not accept the credentials for KMS, or there are none',
  'check AWS_PROFILE and AWS_ACCESS_KEY_ID, or sign in again: aws sso login',
);

const untrusted = refused(
  'tls-untrusted',
  () => 'the certificate of the KMS endpoint cannot be verified',
  'give its certificate authority with --ca-bundle or AWS_CA_BUNDLE',
);

/** One message for all causes: nothing is told about what was tampered with. */
const wrongKey: Build = (_keyId, error) =>
  new VaultError('security', 'kms-cannot-open', 'KMS does not open this data key', {
    hint: 'it was wrapped with another key or another encryption context, or was tampered with',
    cause: error,
    ...facts(error),
  });

const throttled: Build = (_keyId, error) =>
  new VaultError('throttled', 'kms-throttled', 'KMS asks for fewer requests', {
    hint: 'lower --kms-share, or ask AWS for a higher KMS request quota of the account',
    resource: 'kms',
    cause: error,
    ...facts(error),
  });

const transient: Build = (_keyId, error) =>
  new VaultError('transient', 'kms-trouble', 'KMS had trouble answering', {
    hint: RUN_AGAIN,
    cause: error,
    ...facts(error),
  });

const offline: Build = (_keyId, error) =>
  new VaultError('offline', 'kms-unreachable', 'KMS cannot be reached', {
    hint: 'check the network, --region and proxies',
    cause: error,
    ...facts(error),
  });

/** By the name of the error (KMS API reference, errors of GenerateDataKey, Decrypt, DescribeKey, and common errors). */
const BY_NAME: ReadonlyMap<string, Build> = new Map<string, Build>([
  ['AccessDeniedException', denied],
  ['InvalidGrantTokenException', denied],
  ['NotFoundException', missing],
  ['InvalidArnException', missing],
  ['ValidationException', missing],
  ['DisabledException', disabled],
  ['KMSInvalidStateException', disabled],
  ['InvalidKeyUsageException', unusable],
  ['InvalidCiphertextException', wrongKey],
  ['IncorrectKeyException', wrongKey],
  ['ThrottlingException', throttled],
  ['Throttling', throttled],
  ['LimitExceededException', throttled],
  ['TooManyRequestsException', throttled],
  ['RequestLimitExceeded', throttled],
  ['KeyUnavailableException', transient],
  ['DependencyTimeoutException', transient],
  ['KMSInternalException', transient],
  ['InternalFailure', transient],
  ['ServiceUnavailable', transient],
  ['UnrecognizedClientException', credentials],
  ['InvalidClientTokenId', credentials],
  ['InvalidSignatureException', credentials],
  ['IncompleteSignature', credentials],
  ['IncompleteSignatureException', credentials],
  ['MissingAuthenticationToken', credentials],
  ['MissingAuthenticationTokenException', credentials],
  ['ExpiredTokenException', credentials],
  ['ExpiredToken', credentials],
  ['OptInRequired', credentials],
  ['CredentialsProviderError', credentials],
  ['TokenProviderError', credentials],
  ['TimeoutError', offline],
]);

const NETWORK = /^(E[A-Z]+|UND_ERR_.+)$/;
const TLS = /^(CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO$)/;

/** Any failure of a KMS call, by what the caller should do. `keyId` is for messages. */
export function kmsError(thrown: unknown, keyId: string): VaultError {
  if (thrown instanceof VaultError) return thrown;
  const error: Shape = typeof thrown === 'object' && thrown !== null ? thrown : { message: thrown };
  const name = typeof error.name === 'string' ? error.name : '';
  const code = typeof error.code === 'string' ? error.code : '';
  if (name === 'AbortError') return new VaultError('cancelled', 'cancelled', 'cancelled', { cause: thrown });
  if (TLS.test(code)) return untrusted(keyId, error);
  const build = BY_NAME.get(name) ?? (NETWORK.test(code) ? offline : byStatus(error));
  return build(keyId, error);
}

function byStatus({ $metadata, $retryable, message }: Shape): Build {
  const status = $metadata?.httpStatusCode;
  if ($retryable?.throttling === true || status === 429) return throttled;
  if (status === 403) return denied;
  if (status !== undefined && status >= 500) return transient;
  if (status === undefined && message === 'Region is missing') return noRegion;
  return (_keyId, error) =>
    new VaultError('internal', 'kms-failed', `KMS failed: ${String(error.message)}`, {
      hint: 'please report it with the output of --log-level debug',
      cause: error,
      ...facts(error),
    });
}

const noRegion: Build = (_keyId, error) =>
  new VaultError('usage', 'no-region', 'there is no region for KMS', {
    hint: 'give --region, or set AWS_REGION',
    cause: error,
  });

function facts({ $metadata }: Shape) {
  const { httpStatusCode: status, requestId } = $metadata ?? {};
  return { ...(status === undefined ? {} : { status }), ...(requestId === undefined ? {} : { requestId }) };
}

export { denied as kmsDenied, disabled as kmsDisabled, unusable as kmsUnusable, wrongKey as kmsWrongKey };
