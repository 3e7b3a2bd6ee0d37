/** Policies for the people and programs that run s3vault: what it needs, and nothing more. */
import { type Ground, type Guard, bucketArn, objectsArn, partitionOf } from './rules.ts';

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

/** An identity policy document for one vault (Service Authorization Reference, "Actions defined by Amazon S3"). */
export function iamPolicy(ground: Ground, guard: Guard, { writeOnly }: IamOptions): string {
  const statements = [
    listing(ground, guard),
    ...objects(ground, guard, writeOnly),
    ...kms(ground, guard, writeOnly),
  ];
  return JSON.stringify({ Version: '2012-10-17', Statement: statements }, undefined, 2);
}

function listing(ground: Ground, { prefix }: Guard): IamStatement {
  const Resource = bucketArn(ground);
  const base = { Effect: 'Allow', Resource } as const;
  const own = prefix === '' ? {} : { Condition: { StringLike: { 's3:prefix': `${prefix}*` } } };
  return {
    Sid: 'S3vaultList',
    ...base,
    Action: ['s3:ListBucket', 's3:ListBucketMultipartUploads', 's3:ListBucketVersions'],
    ...own,
  };
}

function objects(ground: Ground, { prefix }: Guard, writeOnly: boolean): readonly IamStatement[] {
  const write = ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'];
  const whole = [
    's3:GetObject',
    's3:GetObjectVersion',
    // DeleteObjectVersion: a write that was not proved is taken back for good.
    's3:DeleteObject',
    's3:DeleteObjectVersion',
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

/** S3 calls KMS in the name of who asks; mode client calls it from here. */
function kms(ground: Ground, guard: Guard, writeOnly: boolean): readonly IamStatement[] {
  const { mode, kmsKeyId, kmsKey } = guard;
  const key = kmsKey ?? kmsKeyId;
  if (key === undefined) return [];
  const Resource = key.startsWith('arn:')
    ? key
    : `arn:${partitionOf(ground)}:kms:${ground.region}:*:key/${key.startsWith('alias/') ? '*' : key}`;
  const alias = key.includes('alias/') && !key.startsWith('arn:');
  const byAlias = alias ? { StringLike: { 'kms:RequestAlias': key } } : {};
  if (mode === 'client') {
    const Action = ['kms:GenerateDataKey', ...(writeOnly ? [] : ['kms:Decrypt', 'kms:Encrypt'])];
    return [
      { Sid: 'S3vaultKey', Effect: 'Allow', Action, Resource, ...(alias ? { Condition: byAlias } : {}) },
    ];
  }
  if (mode !== 'sse-kms' && mode !== 'dsse-kms') return [];
  const suffix = partitionOf(ground) === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  return [
    {
      Sid: 'S3vaultKey',
      Effect: 'Allow',
      // Decrypt also for parts of uploads; it opens nothing without s3:GetObject.
      Action: ['kms:GenerateDataKey', 'kms:Decrypt', ...(alias ? ['kms:DescribeKey'] : [])],
      Resource,
      ...(alias
        ? {}
        : { Condition: { StringEquals: { 'kms:ViaService': `s3.${ground.region}.${suffix}` } } }),
    },
  ];
}
