import { readFile } from 'node:fs/promises';
import { getCACertificates } from 'node:tls';
import type { KMSClient, KMSClientConfig } from '@aws-sdk/client-kms';
import { VaultError } from '../model/errors.ts';
import type { Kms, Metadata, Waits } from '../model/ports.ts';
import { Secret } from '../model/secret.ts';
import { kmsDisabled, kmsError, kmsUnusable, kmsWrongKey } from './kms-errors.ts';

export interface KmsOptions {
  readonly region?: string | undefined;
  readonly profile?: string | undefined;
  /** HTTPS only. Undefined: AWS, or what the environment and the profile say (checked just as strictly). */
  readonly endpoint?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** PEM text of certificate authorities to trust beside the system's; else the file `AWS_CA_BUNDLE`. */
  readonly ca?: string | undefined;
  /** Tries of each request in all; default: the SDK's three. */
  readonly attempts?: number;
}

/** What KMS says of a key beside its name. */
export interface KmsKeyFacts {
  readonly arn: string;
  /** Id of the AWS CloudHSM or external key store that holds it: such a store has a quota of its own. */
  readonly customKeyStore: string | undefined;
}

export interface KmsClient extends Kms {
  facts(keyId: string, options?: Waits): Promise<KmsKeyFacts>;
}

const DATA_KEY_BYTES = 32;
const CONNECT_MS = 10_000;
const REQUEST_MS = 30_000;

/** KMS for client-side encryption. Throws at once (kind `usage`, code `plain-http`) where an endpoint is not HTTPS. */
export function openKms(options: KmsOptions): KmsClient {
  const endpoint = configuredEndpoint(options);
  let client: Promise<KMSClient> | undefined;
  const kms = () => (client ??= connect(options, endpoint));
  return {
    generateDataKey: (keyId, context, waits) =>
      withErrors(keyId, () => generate(kms(), keyId, context, waits)),
    encrypt: (keyId, dataKey, context, waits) =>
      withErrors(keyId, () => encrypt(kms(), keyId, dataKey, context, waits)),
    decrypt: (keyId, wrapped, context, waits) =>
      withErrors(keyId, () => decrypt(kms(), keyId, wrapped, context, waits)),
    describe: (keyId, waits) => withErrors(keyId, async () => (await describe(kms(), keyId, waits)).arn),
    facts: (keyId, waits) => withErrors(keyId, () => describe(kms(), keyId, waits)),
  };
}

async function withErrors<T>(keyId: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (thrown) {
    throw kmsError(thrown, keyId);
  }
}

// ---------------------------------------------------------------------------------------------------------- endpoint

/** What the environment says, in the SDK's order of precedence; each is refused unless it is HTTPS. */
function configuredEndpoint({ endpoint, env }: KmsOptions): string | undefined {
  if (endpoint !== undefined) return checkHttps(endpoint, 'the KMS endpoint');
  if (env['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS']?.toLowerCase() === 'true') return undefined;
  for (const name of ['AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL']) {
    const value = env[name];
    if (value !== undefined && value !== '') return checkHttps(value, name);
  }
  return undefined;
}

function checkHttps(url: string, from: string): string {
  if (URL.canParse(url) && new URL(url).protocol === 'https:') return url;
  throw plainHttp(from);
}

function plainHttp(from: string): VaultError {
  return new VaultError('usage', 'plain-http', `${from} is not an https:// address`, {
    hint: 's3vault never speaks plain HTTP; give an https:// address or none',
  });
}

async function connect(
  { region, profile, env, ca, attempts }: KmsOptions,
  endpoint: string | undefined,
): Promise<KMSClient> {
  const { KMSClient } = await import('@aws-sdk/client-kms');
  const trusted = await authorities(ca, env);
  const config: KMSClientConfig = {
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(attempts === undefined ? {} : { maxAttempts: attempts }),
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
      httpsAgent: {
        keepAlive: true,
        minVersion: 'TLSv1.2',
        ...(trusted === undefined ? {} : { ca: trusted }),
      },
    },
  };
  const client = new KMSClient(config);
  refusePlainRequests(client);
  return client;
}

/** A list given to Node replaces the one it has, so that one comes first. The SDK itself ignores `AWS_CA_BUNDLE`. */
async function authorities(
  ca: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[] | undefined> {
  const bundle = env['AWS_CA_BUNDLE'];
  const extra = ca ?? (bundle === undefined || bundle === '' ? undefined : await readBundle(bundle));
  return extra === undefined ? undefined : [...getCACertificates('default'), extra];
}

async function readBundle(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new VaultError('usage', 'ca-bundle', `${path} (AWS_CA_BUNDLE) cannot be read`, {
      cause,
      hint: 'name a PEM file, or unset the variable',
    });
  }
}

/** The last word, whatever a profile said: no request leaves but over TLS. */
function refusePlainRequests(client: KMSClient): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { request } = args;
      const protocol =
        typeof request === 'object' && request !== null && 'protocol' in request
          ? request.protocol
          : undefined;
      if (protocol !== 'https:') throw plainHttp('the KMS endpoint of the profile');
      return next(args);
    },
    { step: 'finalizeRequest', priority: 'high', name: 's3vaultHttpsOnly' },
  );
}

// ------------------------------------------------------------------------------------------------------------- calls

const signalOf = ({ signal }: Waits = {}) => (signal === undefined ? {} : { abortSignal: signal });

async function generate(kms: Promise<KMSClient>, keyId: string, context: Metadata, waits?: Waits) {
  const { GenerateDataKeyCommand } = await import('@aws-sdk/client-kms');
  const command = new GenerateDataKeyCommand({
    KeyId: keyId,
    KeySpec: 'AES_256',
    EncryptionContext: { ...context },
  });
  const { Plaintext, CiphertextBlob } = await (await kms).send(command, signalOf(waits));
  const dataKey = takeDataKey(Plaintext, keyId);
  if (CiphertextBlob === undefined || CiphertextBlob.length === 0) throw kmsWrongKey(keyId, {});
  return { dataKey, wrapped: CiphertextBlob };
}

async function encrypt(
  kms: Promise<KMSClient>,
  keyId: string,
  dataKey: Secret,
  context: Metadata,
  waits?: Waits,
): Promise<Uint8Array> {
  const { EncryptCommand } = await import('@aws-sdk/client-kms');
  const client = await kms;
  const copy = dataKey.use((bytes) => new Uint8Array(bytes));
  try {
    const command = new EncryptCommand({
      KeyId: keyId,
      Plaintext: copy,
      EncryptionContext: { ...context },
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    });
    const { CiphertextBlob } = await client.send(command, signalOf(waits));
    if (CiphertextBlob === undefined || CiphertextBlob.length === 0) throw kmsWrongKey(keyId, {});
    return CiphertextBlob;
  } finally {
    copy.fill(0);
  }
}

async function decrypt(
  kms: Promise<KMSClient>,
  keyId: string,
  wrapped: Uint8Array,
  context: Metadata,
  waits?: Waits,
): Promise<Secret> {
  const { DecryptCommand } = await import('@aws-sdk/client-kms');
  // With KeyId in the request KMS refuses a data key that was wrapped with any other key.
  const command = new DecryptCommand({
    KeyId: keyId,
    CiphertextBlob: wrapped,
    EncryptionContext: { ...context },
    EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
  });
  const { Plaintext } = await (await kms).send(command, signalOf(waits));
  return takeDataKey(Plaintext, keyId);
}

function takeDataKey(plaintext: Uint8Array | undefined, keyId: string): Secret {
  if (plaintext?.length !== DATA_KEY_BYTES) throw kmsWrongKey(keyId, {});
  return Secret.take(plaintext);
}

async function describe(kms: Promise<KMSClient>, keyId: string, waits?: Waits): Promise<KmsKeyFacts> {
  const { DescribeKeyCommand } = await import('@aws-sdk/client-kms');
  const { KeyMetadata } = await (await kms).send(new DescribeKeyCommand({ KeyId: keyId }), signalOf(waits));
  if (KeyMetadata?.Enabled === false) throw kmsDisabled(keyId, {});
  const usage = KeyMetadata?.KeyUsage ?? 'ENCRYPT_DECRYPT';
  const spec = KeyMetadata?.KeySpec ?? 'SYMMETRIC_DEFAULT';
  if (usage !== 'ENCRYPT_DECRYPT' || spec !== 'SYMMETRIC_DEFAULT') throw kmsUnusable(keyId, {});
  if (KeyMetadata?.Arn === undefined) {
    throw new VaultError('transient', 'kms-trouble', `KMS did not name the key ${keyId}`, {
      hint: 'try again',
    });
  }
  return { arn: KeyMetadata.Arn, customKeyStore: KeyMetadata.CustomKeyStoreId };
}
