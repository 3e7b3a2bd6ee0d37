/** The settings of a bucket through the AWS SDK. */
import type * as SdkModule from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import type { BucketConfig, Setting, SettingName } from '../../model/bucket.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import type { Asked } from '../failure.ts';
import { sdkSend } from '../sdk-failure.ts';
import type { Site as WholeSite } from '../site.ts';
import * as form from './sdk-form.ts';

/** What the store says where there is no such setting on the bucket. */
const ABSENT = new Set([
  'NoSuchBucketPolicy',
  'ServerSideEncryptionConfigurationNotFoundError',
  'NoSuchPublicAccessBlockConfiguration',
  'OwnershipControlsNotFoundError',
  'NoSuchLifecycleConfiguration',
  'ObjectLockConfigurationNotFoundError',
]);
/** What it says where it does not know such a setting. */
const UNSUPPORTED = new Set(['NotImplemented', 'MethodNotAllowed', 'UnsupportedOperation']);

type Sdk = typeof SdkModule;
type Send<T> = (client: S3Client, sdk: Sdk, options: { abortSignal?: AbortSignal }) => Promise<T>;

/** Settings go through the SDK only. */
type Site = Pick<WholeSite, 'remote' | 'protection'>;

/** For one bucket. `site` stays its owner's. */
export function sdkBucketConfig(site: Site): BucketConfig {
  return { bucket: site.remote.bucket, ...readsOf(site), ...writesOf(site) };
}

type Reads = Pick<BucketConfig, SettingName>;

function readsOf(site: Site): Reads {
  const Bucket = site.remote.bucket;
  const read = <T>(what: string, waits: Waits, send: Send<T | undefined>): Promise<Setting<T>> =>
    readSetting(site, what, waits, send);
  return {
    policy: (waits = {}) =>
      read('GetBucketPolicy', waits, async (client, sdk, options) => {
        const { Policy } = await client.send(new sdk.GetBucketPolicyCommand({ Bucket }), options);
        return Policy === '' ? undefined : Policy;
      }),
    encryption: (waits = {}) =>
      read('GetEncryptionConfiguration', waits, async (client, sdk, options) =>
        form.encryptionOf(await client.send(new sdk.GetBucketEncryptionCommand({ Bucket }), options)),
      ),
    versioning: (waits = {}) =>
      readMaybe(site, 'GetBucketVersioning', waits, async (client, sdk, options) => {
        const { Status } = await client.send(new sdk.GetBucketVersioningCommand({ Bucket }), options);
        return Status;
      }),
    publicAccess: (waits = {}) =>
      read('GetBucketPublicAccessBlock', waits, async (client, sdk, options) =>
        form.publicAccessOf(await client.send(new sdk.GetPublicAccessBlockCommand({ Bucket }), options)),
      ),
    ownership: (waits = {}) =>
      read('GetBucketOwnershipControls', waits, async (client, sdk, options) =>
        form.ownershipOf(await client.send(new sdk.GetBucketOwnershipControlsCommand({ Bucket }), options)),
      ),
    lifecycle: (waits = {}) =>
      read('GetLifecycleConfiguration', waits, async (client, sdk, options) =>
        form.lifecycleOf(
          await client.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket }), options),
        ),
      ),
    objectLock: (waits = {}) =>
      read('GetBucketObjectLockConfiguration', waits, async (client, sdk, options) =>
        form.objectLockOf(await client.send(new sdk.GetObjectLockConfigurationCommand({ Bucket }), options)),
      ),
  };
}

function writesOf(site: Site): Omit<BucketConfig, SettingName | 'bucket'> {
  const Bucket = site.remote.bucket;
  const write = (permission: string, waits: Waits, send: Send<unknown>): Promise<void> =>
    writeSetting(site, permission, waits, send);
  return {
    setPolicy: (text, waits = {}) =>
      write('PutBucketPolicy', waits, (client, sdk, options) =>
        text === undefined
          ? client.send(new sdk.DeleteBucketPolicyCommand({ Bucket }), options)
          : client.send(new sdk.PutBucketPolicyCommand({ Bucket, Policy: text }), options),
      ),
    setEncryption: (encryption, waits = {}) =>
      write('PutEncryptionConfiguration', waits, (client, sdk, options) =>
        encryption === undefined
          ? client.send(new sdk.DeleteBucketEncryptionCommand({ Bucket }), options)
          : client.send(
              new sdk.PutBucketEncryptionCommand({ Bucket, ...form.encryptionInput(encryption) }),
              options,
            ),
      ),
    setVersioning: (Status, waits = {}) =>
      write('PutBucketVersioning', waits, (client, sdk, options) =>
        client.send(
          new sdk.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }),
          options,
        ),
      ),
    setPublicAccess: (access, waits = {}) =>
      write('PutBucketPublicAccessBlock', waits, (client, sdk, options) =>
        client.send(
          new sdk.PutPublicAccessBlockCommand({ Bucket, ...form.publicAccessInput(access) }),
          options,
        ),
      ),
    setOwnership: (ObjectOwnership, waits = {}) =>
      write('PutBucketOwnershipControls', waits, (client, sdk, options) =>
        client.send(
          new sdk.PutBucketOwnershipControlsCommand({
            Bucket,
            OwnershipControls: { Rules: [{ ObjectOwnership }] },
          }),
          options,
        ),
      ),
    setLifecycle: (lifecycle, waits = {}) =>
      write('PutLifecycleConfiguration', waits, (client, sdk, options) =>
        client.send(
          new sdk.PutBucketLifecycleConfigurationCommand({ Bucket, ...form.lifecycleInput(lifecycle) }),
          options,
        ),
      ),
  };
}

const askedFor = (site: Site): Asked => ({
  operation: 'configure',
  bucket: site.remote.bucket,
  mode: site.protection.mode,
  flags: site.remote.flags,
});

/** An answer without the setting's element comes from a store that does not know the question. */
async function readSetting<T>(
  site: Site,
  permission: string,
  waits: Waits,
  send: Send<T | undefined>,
): Promise<Setting<T>> {
  const setting = await readMaybe(site, permission, waits, send);
  if (setting.state !== 'absent' || setting.said) return setting;
  return { state: 'unknown', why: 'unsupported', reason: 'this store does not have this setting' };
}

type Maybe<T> = Setting<T> & { readonly said?: boolean };

/** The same where an answer without the element means that it is not set; `said`: the store said so by name. */
async function readMaybe<T>(
  site: Site,
  permission: string,
  { signal }: Waits,
  send: Send<T | undefined>,
): Promise<Maybe<T>> {
  try {
    const value = await sdkSend(site, askedFor(site), signal, async (client, options) =>
      send(client, await import('@aws-sdk/client-s3'), options),
    );
    return value === undefined ? { state: 'absent' } : { state: 'set', value };
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.kind === 'cancelled') throw error;
    const name = error.cause instanceof Error ? error.cause.name : '';
    if (ABSENT.has(name)) return { state: 'absent', said: true };
    return unknownBy(error, name, permission);
  }
}

function unknownBy(error: VaultError, name: string, permission: string): Setting<never> {
  if (UNSUPPORTED.has(name) || error.code === 'not-implemented' || error.status === 405)
    return { state: 'unknown', why: 'unsupported', reason: 'this store does not have this setting' };
  if (error.code === 'access-denied')
    return {
      state: 'unknown',
      why: 'denied',
      reason: `could not be read: s3:${permission} is not allowed for these credentials`,
    };
  const reason = `could not be read: ${error.message}`;
  return { state: 'unknown', why: 'failed', reason, ...(error.kind === 'offline' ? { offline: error } : {}) };
}

async function writeSetting(
  site: Site,
  permission: string,
  { signal }: Waits,
  send: Send<unknown>,
): Promise<void> {
  try {
    await sdkSend(site, askedFor(site), signal, async (client, options) =>
      send(client, await import('@aws-sdk/client-s3'), options),
    );
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.code !== 'access-denied') throw error;
    throw new VaultError('refused', error.code, error.message, {
      cause: error,
      hint: `s3:${permission} is needed on the bucket`,
      ...(error.status === undefined ? {} : { status: error.status }),
    });
  }
}
