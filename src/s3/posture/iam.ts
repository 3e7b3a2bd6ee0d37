/** Policies for the people and programs that run s3vault: what it needs, and nothing more. */
import { type Ground, type Guard, isKms, sides } from './guard.ts';
import { bucketArn, objectsArn, partitionOf } from './rules.ts';

export interface IamOptions {
  /** For a machine that sends and cannot read back, nor remove. */
  readonly writeOnly: boolean;
}

interface IamStatement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: {
    readonly [operator: string]: { readonly [key: string]: string | readonly string[] };
  };
}

/**
 * An identity policy document for one vault (Service Authorization Reference: Amazon S3, AWS KMS, Service Quotas). KMS keys
 * must be known by their ARN or their id: an alias grants nothing.
 */
export function iamPolicy(ground: Ground, guard: Guard, { writeOnly }: IamOptions): string {
  const statements = [
    ...listing(ground, guard, writeOnly),
    ...objects(ground, guard, writeOnly),
    ...settings(ground, writeOnly),
    ...kms(ground, guard, writeOnly),
  ];
  return JSON.stringify({ Version: '2012-10-17', Statement: statements }, undefined, 2);
}

/** `s3:prefix` is a key of listings of objects and versions, and not of those of unfinished uploads. */
function listing(ground: Ground, { prefix }: Guard, writeOnly: boolean): readonly IamStatement[] {
  const base = { Effect: 'Allow', Resource: bucketArn(ground) } as const;
  const list = ['s3:ListBucket', ...(writeOnly ? [] : ['s3:ListBucketVersions'])];
  const uploads = ['s3:ListBucketMultipartUploads'];
  if (prefix === '') return [{ Sid: 'S3vaultList', ...base, Action: [...list, ...uploads] }];
  const under = { StringLike: { 's3:prefix': `${prefix.replace(/[*?$]/g, '?')}*` } };
  return [
    { Sid: 'S3vaultList', ...base, Action: list, Condition: under },
    { Sid: 'S3vaultUploads', ...base, Action: uploads },
  ];
}

/** rekey changes encryption in place where it can: to a KMS key, without an encryption context. */
const inPlace = (guard: Guard): readonly Guard[] =>
  sides(guard).filter(({ mode, context = {} }) => mode === 'sse-kms' && Object.keys(context).length === 0);

function objects(ground: Ground, guard: Guard, writeOnly: boolean): readonly IamStatement[] {
  const { prefix } = guard;
  const write = ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'];
  const whole = [
    's3:GetObject',
    's3:GetObjectVersion',
    // DeleteObjectVersion: a write that was not proved is taken back for good.
    's3:DeleteObject',
    's3:DeleteObjectVersion',
    ...(inPlace(guard).length > 0 ? ['s3:UpdateObjectEncryption'] : []),
  ];
  const Resource = objectsArn(ground, prefix);
  if (!writeOnly) return [{ Sid: 'S3vaultObjects', Effect: 'Allow', Action: [...write, ...whole], Resource }];
  return [
    { Sid: 'S3vaultWrite', Effect: 'Allow', Action: write, Resource },
    {
      Sid: 'S3vaultDescription',
      Effect: 'Allow',
      Action: ['s3:GetObject'],
      Resource: `${bucketArn(ground)}/${prefix}.s3vault/vault.json`,
    },
  ];
}

/**
 * What `doctor` reads before it writes anything: whether that could be removed again, and whether SSE-C is blocked. Where a
 * write is refused, the policy tells which rule it was.
 */
function settings(ground: Ground, writeOnly: boolean): readonly IamStatement[] {
  if (writeOnly) return [];
  const Action = [
    's3:GetBucketObjectLockConfiguration',
    's3:GetBucketVersioning',
    's3:GetBucketPolicy',
    's3:GetEncryptionConfiguration',
  ];
  return [{ Sid: 'S3vaultSettings', Effect: 'Allow', Action, Resource: bucketArn(ground) }];
}

/** S3 calls KMS in the name of who asks; mode client calls it from here, and DescribeKey is always called from here. */
function kms(ground: Ground, guard: Guard, writeOnly: boolean): readonly IamStatement[] {
  const ways = sides(guard);
  const inClient = resources(
    ground,
    ways.filter(({ mode }) => mode === 'client'),
  );
  const inS3 = resources(ground, ways.filter(isKms));
  const all = [...new Set([...inClient, ...inS3])];
  if (all.length === 0) return [];
  const allow = (Sid: string, Action: readonly string[], keys: readonly string[]): readonly IamStatement[] =>
    keys.length === 0 ? [] : [{ Sid, Effect: 'Allow', Action, Resource: oneOf(keys) }];
  const suffix = partitionOf(ground) === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  const through = { StringEquals: { 'kms:ViaService': `s3.${ground.region}.${suffix}` } };
  const own = ['kms:GenerateDataKey', ...(writeOnly ? [] : ['kms:Decrypt', 'kms:Encrypt'])];
  const moved = writeOnly ? [] : resources(ground, inPlace(guard));
  const inS3Only = (one: IamStatement): IamStatement => ({ ...one, Condition: through });
  return [
    ...allow('S3vaultSealKey', own, inClient),
    // Decrypt also for parts of uploads; it opens nothing without s3:GetObject.
    ...allow('S3vaultKey', ['kms:GenerateDataKey', 'kms:Decrypt'], inS3).map(inS3Only),
    // Amazon S3 API Reference, UpdateObjectEncryption, "Permissions".
    ...allow('S3vaultRekey', ['kms:Encrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo'], moved).map(inS3Only),
    ...allow('S3vaultDescribeKey', ['kms:DescribeKey'], all),
    // How many requests the account may make of KMS; these actions know no resources.
    ...allow(
      'S3vaultQuota',
      ['servicequotas:GetServiceQuota', 'servicequotas:GetAWSDefaultServiceQuota'],
      ['*'],
    ),
  ];
}

function resources(ground: Ground, ways: readonly Guard[]): readonly string[] {
  return ways.flatMap(({ kmsKey, kmsKeyId }) => {
    const key = kmsKey ?? kmsKeyId;
    if (key === undefined) return [];
    return [key.startsWith('arn:') ? key : `arn:${partitionOf(ground)}:kms:${ground.region}:*:key/${key}`];
  });
}

const oneOf = (values: readonly string[]): string | readonly string[] =>
  values.length === 1 ? (values[0] ?? '') : values;
