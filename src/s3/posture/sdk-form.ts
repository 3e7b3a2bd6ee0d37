/** Settings of a bucket between this project's words and the SDK's. */
import type {
  GetBucketEncryptionCommandOutput,
  GetBucketLifecycleConfigurationCommandOutput,
  GetBucketOwnershipControlsCommandOutput,
  GetObjectLockConfigurationCommandOutput,
  GetPublicAccessBlockCommandOutput,
  LifecycleRule as SdkRule,
  PutBucketEncryptionCommandInput,
  PutBucketLifecycleConfigurationCommandInput,
  PutPublicAccessBlockCommandInput,
  ServerSideEncryption,
} from '@aws-sdk/client-s3';
import type {
  DefaultEncryption,
  Lifecycle,
  LifecycleRule,
  ObjectLock,
  Ownership,
  PublicAccess,
} from '../../model/bucket.ts';
import { plural } from '../../model/display.ts';

export function encryptionOf(output: GetBucketEncryptionCommandOutput): DefaultEncryption | undefined {
  const rule = output.ServerSideEncryptionConfiguration?.Rules?.[0];
  if (rule === undefined) return undefined;
  const { SSEAlgorithm, KMSMasterKeyID } = rule.ApplyServerSideEncryptionByDefault ?? {};
  const blocked = rule.BlockedEncryptionTypes?.EncryptionType;
  return {
    algorithm: SSEAlgorithm ?? 'AES256',
    ...(KMSMasterKeyID === undefined ? {} : { kmsKeyId: KMSMasterKeyID }),
    bucketKey: rule.BucketKeyEnabled ?? false,
    ...(blocked === undefined ? {} : { blocked }),
  };
}

type EncryptionInput = Pick<PutBucketEncryptionCommandInput, 'ServerSideEncryptionConfiguration'>;
type Blocked = 'NONE' | 'SSE-C';

/** The call replaces the whole rule, so all of it is said. */
export function encryptionInput(encryption: DefaultEncryption): EncryptionInput {
  const { algorithm, kmsKeyId, bucketKey, blocked } = encryption;
  return {
    ServerSideEncryptionConfiguration: {
      Rules: [
        {
          ApplyServerSideEncryptionByDefault: {
            SSEAlgorithm: algorithm as ServerSideEncryption,
            ...(kmsKeyId === undefined ? {} : { KMSMasterKeyID: kmsKeyId }),
          },
          BucketKeyEnabled: bucketKey,
          ...(blocked === undefined
            ? {}
            : { BlockedEncryptionTypes: { EncryptionType: [...(blocked as readonly Blocked[])] } }),
        },
      ],
    },
  };
}

export function publicAccessOf(output: GetPublicAccessBlockCommandOutput): PublicAccess | undefined {
  const found = output.PublicAccessBlockConfiguration;
  if (found === undefined) return undefined;
  return {
    blockAcls: found.BlockPublicAcls ?? false,
    ignoreAcls: found.IgnorePublicAcls ?? false,
    blockPolicy: found.BlockPublicPolicy ?? false,
    restrictBuckets: found.RestrictPublicBuckets ?? false,
  };
}

export const publicAccessInput = (
  access: PublicAccess,
): Pick<PutPublicAccessBlockCommandInput, 'PublicAccessBlockConfiguration'> => ({
  PublicAccessBlockConfiguration: {
    BlockPublicAcls: access.blockAcls,
    IgnorePublicAcls: access.ignoreAcls,
    BlockPublicPolicy: access.blockPolicy,
    RestrictPublicBuckets: access.restrictBuckets,
  },
});

export const ownershipOf = (output: GetBucketOwnershipControlsCommandOutput): Ownership | undefined =>
  output.OwnershipControls?.Rules?.[0]?.ObjectOwnership;

export function objectLockOf(output: GetObjectLockConfigurationCommandOutput): ObjectLock | undefined {
  const found = output.ObjectLockConfiguration;
  if (found === undefined) return undefined;
  const { Mode, Days, Years } = found.Rule?.DefaultRetention ?? {};
  const period = Days !== undefined ? `${Days} days` : Years !== undefined ? `${Years} years` : undefined;
  return {
    ...(Mode === undefined ? {} : { mode: Mode }),
    ...(period === undefined ? {} : { period }),
  };
}

export function lifecycleOf(output: GetBucketLifecycleConfigurationCommandOutput): Lifecycle | undefined {
  if (output.Rules === undefined) return undefined;
  const minimumSize = output.TransitionDefaultMinimumObjectSize;
  return {
    rules: output.Rules.map(ruleOf),
    ...(minimumSize === undefined ? {} : { minimumSize }),
  };
}

function ruleOf(raw: SdkRule): LifecycleRule {
  const abort = raw.AbortIncompleteMultipartUpload?.DaysAfterInitiation;
  const { NoncurrentDays: old, NewerNoncurrentVersions: kept } = raw.NoncurrentVersionExpiration ?? {};
  const removes = when(raw.Expiration);
  const archives = archiving(raw.Transitions?.map((one) => ({ into: one.StorageClass, at: when(one) })));
  const archivesOld = archiving(
    raw.NoncurrentVersionTransitions?.map(({ StorageClass, NoncurrentDays }) => ({
      into: StorageClass,
      at: when({ Days: NoncurrentDays }),
    })),
  );
  const prefix = prefixOf(raw);
  return {
    ...(raw.ID === undefined ? {} : { id: raw.ID }),
    enabled: raw.Status === 'Enabled',
    ...(prefix === undefined ? {} : { prefix }),
    ...(abort === undefined ? {} : { abortUploadsDays: abort }),
    ...(old === undefined ? {} : { oldVersionsDays: old }),
    ...(kept === undefined ? {} : { oldVersionsKept: kept }),
    ...(archives === undefined ? {} : { archives }),
    ...(archivesOld === undefined ? {} : { archivesOld }),
    ...(removes === undefined ? {} : { removesObjects: removes }),
    raw,
  };
}

/** Their objects must be asked for and waited for, hours long, before they can be read. */
const ARCHIVES: ReadonlySet<string | undefined> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

interface Moved {
  readonly into: string | undefined;
  readonly at: string | undefined;
}

function archiving(moved: readonly Moved[] = []): string | undefined {
  const found = moved.find(({ into }) => ARCHIVES.has(into));
  return found === undefined ? undefined : `${found.at ?? 'at once'}, into ${found.into ?? ''}`;
}

function when({
  Days,
  Date: date,
}: {
  readonly Days?: number | undefined;
  readonly Date?: Date | undefined;
} = {}): string | undefined {
  if (Days !== undefined) return `after ${plural(Days, 'day')}`;
  return date === undefined ? undefined : `on ${date.toISOString()}`;
}

/** Undefined for a rule that chooses by tag or size as well. */
function prefixOf(raw: SdkRule): string | undefined {
  const { Filter } = raw;
  if (Filter === undefined) return raw.Prefix ?? '';
  if (Filter.And !== undefined || Filter.Tag !== undefined) return undefined;
  if (Filter.ObjectSizeGreaterThan !== undefined || Filter.ObjectSizeLessThan !== undefined) return undefined;
  return Filter.Prefix ?? '';
}

type LifecycleInput = Pick<
  PutBucketLifecycleConfigurationCommandInput,
  'LifecycleConfiguration' | 'TransitionDefaultMinimumObjectSize'
>;

export function lifecycleInput({ rules, minimumSize }: Lifecycle): LifecycleInput {
  return {
    LifecycleConfiguration: {
      Rules: rules.map((rule) => (rule.raw as SdkRule | undefined) ?? sdkRule(rule)),
    },
    ...(minimumSize === undefined
      ? {}
      : {
          TransitionDefaultMinimumObjectSize: minimumSize as NonNullable<
            LifecycleInput['TransitionDefaultMinimumObjectSize']
          >,
        }),
  };
}

const sdkRule = ({
  id,
  enabled,
  prefix = '',
  abortUploadsDays,
  oldVersionsDays,
}: LifecycleRule): SdkRule => ({
  ID: id,
  Status: enabled ? 'Enabled' : 'Disabled',
  Filter: { Prefix: prefix },
  ...(abortUploadsDays === undefined
    ? {}
    : { AbortIncompleteMultipartUpload: { DaysAfterInitiation: abortUploadsDays } }),
  ...(oldVersionsDays === undefined
    ? {}
    : { NoncurrentVersionExpiration: { NoncurrentDays: oldVersionsDays } }),
});
