/** What a request is judged by when the bucket has a policy. */
import type { IncomingHttpHeaders } from 'node:http';
import { sseHeaders } from './encryption.ts';
import type { S3Error } from './errors.ts';
import { DOCUMENTS, type S3Operation, actionOf } from './operation.ts';
import { denialBy, factsOf } from './policy.ts';
import type { S3Request } from './request.ts';
import type { Bucket, World } from './world.ts';

const CREATES: ReadonlySet<string> = new Set(['PutObject', 'CopyObject', 'CompleteMultipartUpload']);
const KEY_ID = 'x-amz-server-side-encryption-aws-kms-key-id';

export function denialOf(
  request: S3Request,
  bucket: Bucket,
  action: string,
  key: string,
): S3Error | undefined {
  if (bucket.policy === undefined) return undefined;
  const sse = judgedHeaders(request, bucket);
  const facts = factsOf(request.headers, sse, request.tlsVersion, CREATES.has(request.operation));
  return denialBy(bucket.policy.parsed, { action, bucket: bucket.name, key, facts });
}

/** Throws AccessDenied where the bucket's policy forbids the request. */
export function checkPolicy(request: S3Request): void {
  const bucket = request.world.buckets.get(request.bucket);
  if (bucket?.policy === undefined || request.operation === 'DeleteObjects') return;
  const denied = denialOf(request, bucket, actionFor(request), request.key);
  if (denied !== undefined) throw denied;
}

function actionFor({ operation, query }: S3Request): string {
  const action = actionOf(operation as S3Operation);
  if (operation.endsWith('BucketDocument')) {
    const name = [...query.keys()].find((one) => DOCUMENTS.has(one)) ?? '';
    const verb = operation.startsWith('Get') ? 'Get' : 'Put';
    return `s3:${verb}${DOCUMENTS.get(name)?.action ?? ''}`;
  }
  const versioned = query.has('versionId') && (action === 's3:GetObject' || action === 's3:DeleteObject');
  return versioned ? `${action}Version` : action;
}

/** Parts and Complete carry no encryption headers of S3 or KMS keys: they are judged by their upload's. */
function judgedHeaders(request: S3Request, bucket: Bucket): IncomingHttpHeaders {
  const upload = bucket.uploads.get(request.query.get('uploadId') ?? '');
  if (upload !== undefined && upload.encryption.kind !== 'customer') return sseHeaders(upload.encryption);
  const keyId = request.headers[KEY_ID];
  return typeof keyId === 'string' ? { [KEY_ID]: resolved(request.world, keyId) } : {};
}

/** The policy compares key ARNs, whatever form the request uses. */
function resolved(world: World, keyId: string): string {
  try {
    return world.kms.arnOf(keyId);
  } catch {
    return keyId;
  }
}
