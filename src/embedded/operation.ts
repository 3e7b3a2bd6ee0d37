/** Which operation of the S3 API a request asks for, and which permission that needs. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Target } from './target.ts';

/** Operation to IAM action (Service Authorization Reference, "Actions defined by Amazon S3"). */
const ACTIONS = {
  ListBuckets: 's3:ListAllMyBuckets',
  CreateBucket: 's3:CreateBucket',
  HeadBucket: 's3:ListBucket',
  DeleteBucket: 's3:DeleteBucket',
  GetBucketLocation: 's3:GetBucketLocation',
  GetBucketVersioning: 's3:GetBucketVersioning',
  PutBucketVersioning: 's3:PutBucketVersioning',
  GetBucketEncryption: 's3:GetEncryptionConfiguration',
  PutBucketEncryption: 's3:PutEncryptionConfiguration',
  DeleteBucketEncryption: 's3:PutEncryptionConfiguration',
  GetBucketPolicy: 's3:GetBucketPolicy',
  GetBucketPolicyStatus: 's3:GetBucketPolicyStatus',
  PutBucketPolicy: 's3:PutBucketPolicy',
  DeleteBucketPolicy: 's3:DeleteBucketPolicy',
  GetBucketDocument: 's3:GetBucketDocument',
  PutBucketDocument: 's3:PutBucketDocument',
  DeleteBucketDocument: 's3:DeleteBucketDocument',
  ListObjects: 's3:ListBucket',
  ListObjectsV2: 's3:ListBucket',
  ListObjectVersions: 's3:ListBucketVersions',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  DeleteObjects: 's3:DeleteObject',
  PutObject: 's3:PutObject',
  CopyObject: 's3:PutObject',
  GetObject: 's3:GetObject',
  HeadObject: 's3:GetObject',
  DeleteObject: 's3:DeleteObject',
  UpdateObjectEncryption: 's3:UpdateObjectEncryption',
  CreateMultipartUpload: 's3:PutObject',
  UploadPart: 's3:PutObject',
  UploadPartCopy: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  ListParts: 's3:ListMultipartUploadParts',
  Unsupported: 's3:Unsupported',
} as const;

export type S3Operation = keyof typeof ACTIONS;
/** Operations of KMS carry its name in front: `kms:Decrypt`. */
export type Operation = S3Operation | `kms:${string}`;

export const actionOf = (operation: S3Operation): string => ACTIONS[operation];

/** Subresources of a bucket whose configuration is kept as it came, with the code for "none is set". */
export const DOCUMENTS: ReadonlyMap<string, { readonly missing: string; readonly action: string }> = new Map([
  ['lifecycle', { missing: 'NoSuchLifecycleConfiguration', action: 'LifecycleConfiguration' }],
  [
    'publicAccessBlock',
    { missing: 'NoSuchPublicAccessBlockConfiguration', action: 'BucketPublicAccessBlock' },
  ],
  ['ownershipControls', { missing: 'OwnershipControlsNotFoundError', action: 'BucketOwnershipControls' }],
  ['tagging', { missing: 'NoSuchTagSet', action: 'BucketTagging' }],
  ['cors', { missing: 'NoSuchCORSConfiguration', action: 'BucketCORS' }],
  ['logging', { missing: 'NoSuchLoggingConfiguration', action: 'BucketLogging' }],
  ['notification', { missing: 'NoSuchNotificationConfiguration', action: 'BucketNotification' }],
  ['replication', { missing: 'ReplicationConfigurationNotFoundError', action: 'ReplicationConfiguration' }],
  [
    'object-lock',
    { missing: 'ObjectLockConfigurationNotFoundError', action: 'BucketObjectLockConfiguration' },
  ],
  ['website', { missing: 'NoSuchWebsiteConfiguration', action: 'BucketWebsite' }],
]);

export function operationOf(method: string, target: Target, headers: IncomingHttpHeaders): Operation {
  const amzTarget = headers['x-amz-target'];
  if (typeof amzTarget === 'string') return `kms:${amzTarget.slice(amzTarget.indexOf('.') + 1)}`;
  if (target.bucket === '') return method === 'GET' ? 'ListBuckets' : 'Unsupported';
  if (target.key === '') return bucketOperation(method, target.query);
  return objectOperation(method, target.query, headers['x-amz-copy-source'] !== undefined);
}

function objectOperation(method: string, query: ReadonlyMap<string, string>, copies: boolean): S3Operation {
  if (
    query.size > 0 &&
    ['acl', 'tagging', 'retention', 'legal-hold', 'torrent', 'attributes'].some((name) => query.has(name))
  ) {
    return 'Unsupported';
  }
  const upload = query.has('uploadId');
  switch (method) {
    case 'GET':
      return upload ? 'ListParts' : 'GetObject';
    case 'HEAD':
      return 'HeadObject';
    case 'DELETE':
      return upload ? 'AbortMultipartUpload' : 'DeleteObject';
    case 'PUT':
      if (query.has('encryption')) return 'UpdateObjectEncryption';
      if (upload) return copies ? 'UploadPartCopy' : 'UploadPart';
      return copies ? 'CopyObject' : 'PutObject';
    case 'POST':
      if (query.has('uploads')) return 'CreateMultipartUpload';
      return upload ? 'CompleteMultipartUpload' : 'Unsupported';
    default:
      return 'Unsupported';
  }
}

const NAMED: Readonly<Record<string, Readonly<Record<string, S3Operation>>>> = {
  GET: {
    location: 'GetBucketLocation',
    versioning: 'GetBucketVersioning',
    encryption: 'GetBucketEncryption',
    policy: 'GetBucketPolicy',
    policyStatus: 'GetBucketPolicyStatus',
    versions: 'ListObjectVersions',
    uploads: 'ListMultipartUploads',
  },
  PUT: { versioning: 'PutBucketVersioning', encryption: 'PutBucketEncryption', policy: 'PutBucketPolicy' },
  DELETE: { encryption: 'DeleteBucketEncryption', policy: 'DeleteBucketPolicy' },
  POST: { delete: 'DeleteObjects' },
};

const DOCUMENT_OPERATIONS: Readonly<Record<string, S3Operation>> = {
  GET: 'GetBucketDocument',
  PUT: 'PutBucketDocument',
  DELETE: 'DeleteBucketDocument',
};

const PLAIN: Readonly<Record<string, S3Operation>> = {
  GET: 'ListObjects',
  PUT: 'CreateBucket',
  DELETE: 'DeleteBucket',
  HEAD: 'HeadBucket',
};

function bucketOperation(method: string, query: ReadonlyMap<string, string>): S3Operation {
  if (query.get('list-type') === '2') return 'ListObjectsV2';
  const named = NAMED[method] ?? {};
  for (const name of query.keys()) {
    const operation = named[name];
    if (operation !== undefined) return operation;
    if (DOCUMENTS.has(name)) return DOCUMENT_OPERATIONS[method] ?? 'Unsupported';
    if (SUBRESOURCES.has(name)) return 'Unsupported';
  }
  return PLAIN[method] ?? 'Unsupported';
}

/** Subresources that are not here: without this list a GET of one would be taken for a listing. */
const SUBRESOURCES = new Set([
  'accelerate',
  'acl',
  'analytics',
  'intelligent-tiering',
  'inventory',
  'metrics',
  'requestPayment',
  'encryption',
  'policy',
  'policyStatus',
  'versioning',
  'location',
  'uploads',
  'versions',
  'delete',
]);
