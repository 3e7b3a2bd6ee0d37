/** Default encryption, policy, and the configurations that are only kept and given back. */
import { bucketOf } from './buckets.ts';
import { S3Error, accessDenied, invalidArgument, malformedXml } from './errors.ts';
import { DOCUMENTS } from './operation.ts';
import { isPublic, parsePolicy } from './policy.ts';
import { type Reply, type S3Request, empty, xmlReply } from './request.ts';
import { ACCOUNT, type Bucket, type BucketEncryption, DEFAULT_ENCRYPTION } from './world.ts';
import { type XmlNode, child, document, element, listOf, parseXml, textOf, wrap } from './xml.ts';

export function getBucketEncryption(request: S3Request): Reply {
  const { algorithm, kmsKeyId, bucketKey, blocked } = bucketOf(request).encryption;
  const rule =
    wrap(
      'ApplyServerSideEncryptionByDefault',
      element('SSEAlgorithm', algorithm) + element('KMSMasterKeyID', kmsKeyId),
    ) +
    element('BucketKeyEnabled', bucketKey ?? false) +
    (blocked === undefined
      ? ''
      : wrap('BlockedEncryptionTypes', blocked.map((type) => element('EncryptionType', type)).join('')));
  return xmlReply(document('ServerSideEncryptionConfiguration', wrap('Rule', rule)));
}

export function putBucketEncryption(request: S3Request): Reply {
  const bucket = bucketOf(request);
  const rules = listOf(parseXml(request.body, 'ServerSideEncryptionConfiguration'), 'Rule');
  const [rule] = rules;
  if (rules.length !== 1 || rule === undefined) throw malformedXml();
  bucket.encryption = encryptionRule(rule);
  return empty(200);
}

function encryptionRule(rule: XmlNode): BucketEncryption {
  const applied = child(rule, 'ApplyServerSideEncryptionByDefault');
  const algorithm = textOf(applied, 'SSEAlgorithm') ?? 'AES256';
  const kmsKeyId = textOf(applied, 'KMSMasterKeyID');
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms' && algorithm !== 'aws:kms:dsse') throw malformedXml();
  if (algorithm === 'AES256' && kmsKeyId !== undefined) {
    throw invalidArgument(
      'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
      {
        ArgumentName: 'ApplyServerSideEncryptionByDefault',
      },
    );
  }
  const bucketKey = textOf(rule, 'BucketKeyEnabled');
  return {
    algorithm,
    kmsKeyId,
    bucketKey: bucketKey === undefined ? undefined : bucketKey === 'true',
    blocked: blockedTypes(child(rule, 'BlockedEncryptionTypes')),
  };
}

function blockedTypes(node: XmlNode | undefined): readonly string[] | undefined {
  if (node === undefined) return undefined;
  const types = listOf(node, 'EncryptionType').filter((type) => typeof type === 'string');
  const known = types.every((type) => type === 'SSE-C' || type === 'NONE');
  if (types.length === 0 || !known || (types.includes('NONE') && types.length > 1)) throw malformedXml();
  return types;
}

export function deleteBucketEncryption(request: S3Request): Reply {
  const bucket = bucketOf(request);
  bucket.encryption = { ...DEFAULT_ENCRYPTION, blocked: bucket.encryption.blocked };
  return empty(204);
}

const noPolicy = (bucket: string): S3Error =>
  new S3Error(404, 'NoSuchBucketPolicy', 'The bucket policy does not exist', { BucketName: bucket });

export function getBucketPolicy(request: S3Request): Reply {
  const { name, policy } = bucketOf(request);
  if (policy === undefined) throw noPolicy(name);
  return { status: 200, headers: { 'content-type': 'application/json' }, body: policy.text };
}

export function getBucketPolicyStatus(request: S3Request): Reply {
  const { name, policy } = bucketOf(request);
  if (policy === undefined) throw noPolicy(name);
  return xmlReply(document('PolicyStatus', element('IsPublic', isPublic(policy.parsed))));
}

export function putBucketPolicy(request: S3Request): Reply {
  const bucket = bucketOf(request);
  const text = request.body.toString('utf8');
  const parsed = parsePolicy(text, bucket.name);
  if (isPublic(parsed) && blocksPublicPolicy(bucket)) {
    throw accessDenied(
      `User: arn:aws:iam::${ACCOUNT}:user/embedded is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::${bucket.name}" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`,
    );
  }
  bucket.policy = { text, parsed };
  return empty(204);
}

const blocksPublicPolicy = ({ documents }: Bucket): boolean =>
  /<BlockPublicPolicy>\s*true\s*</i.test(documents.get('publicAccessBlock') ?? '');

export function deleteBucketPolicy(request: S3Request): Reply {
  bucketOf(request).policy = undefined;
  return empty(204);
}

function documentOf(request: S3Request): { readonly name: string; readonly missing: string } {
  for (const name of request.query.keys()) {
    const known = DOCUMENTS.get(name);
    if (known !== undefined) return { name, missing: known.missing };
  }
  throw malformedXml();
}

export function getBucketDocument(request: S3Request): Reply {
  const bucket = bucketOf(request);
  const { name, missing } = documentOf(request);
  const text = bucket.documents.get(name);
  if (text === undefined) {
    throw new S3Error(404, missing, `The ${name} configuration was not found`, { BucketName: bucket.name });
  }
  return xmlReply(text);
}

/** Root elements of the configurations that are looked into before they are kept. */
const ROOTS: Readonly<Record<string, string>> = {
  lifecycle: 'LifecycleConfiguration',
  publicAccessBlock: 'PublicAccessBlockConfiguration',
  ownershipControls: 'OwnershipControls',
};

const OWNERSHIPS = new Set(['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter']);

function checkDocument(name: string, content: XmlNode): void {
  const rules = listOf(content, 'Rule');
  const states = rules.map((rule) => textOf(rule, 'Status'));
  const wrong =
    (name === 'lifecycle' &&
      (rules.length === 0 || states.some((state) => state !== 'Enabled' && state !== 'Disabled'))) ||
    (name === 'ownershipControls' &&
      (rules.length !== 1 || !OWNERSHIPS.has(textOf(rules[0], 'ObjectOwnership') ?? '')));
  if (wrong) throw malformedXml();
}

export function putBucketDocument(request: S3Request): Reply {
  const { name } = documentOf(request);
  const root = ROOTS[name];
  if (root !== undefined) checkDocument(name, parseXml(request.body, root));
  const text = request.body.toString('utf8');
  if (!text.trimStart().startsWith('<')) throw malformedXml();
  bucketOf(request).documents.set(name, text);
  return empty(200);
}

export function deleteBucketDocument(request: S3Request): Reply {
  bucketOf(request).documents.delete(documentOf(request).name);
  return empty(204);
}
