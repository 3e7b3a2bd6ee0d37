/** Buckets themselves: making, finding, removing, listing, versioning. */
import { S3Error, malformedXml } from './errors.ts';
import { type Reply, type S3Request, empty, isoDate, xmlReply } from './request.ts';
import { ACCOUNT, type Bucket, type World, newBucket } from './world.ts';
import { document, element, parseXml, textOf, wrap } from './xml.ts';

export function bucketNamed(world: World, name: string): Bucket {
  const bucket = world.buckets.get(name);
  if (bucket === undefined) {
    throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist', { BucketName: name });
  }
  return bucket;
}

export const bucketOf = (request: S3Request): Bucket => bucketNamed(request.world, request.bucket);

/** User Guide, "General purpose bucket naming rules". */
const NAME = /^(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export function checkBucketName(name: string): void {
  if (!NAME.test(name)) {
    throw new S3Error(400, 'InvalidBucketName', 'The specified bucket is not valid.', { BucketName: name });
  }
}

/** What AWS sets on every new bucket. */
const NEW_DOCUMENTS: readonly (readonly [string, string])[] = [
  [
    'publicAccessBlock',
    document(
      'PublicAccessBlockConfiguration',
      ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets']
        .map((name) => element(name, true))
        .join(''),
    ),
  ],
  [
    'ownershipControls',
    document('OwnershipControls', wrap('Rule', element('ObjectOwnership', 'BucketOwnerEnforced'))),
  ],
];

export function makeBucket(world: World, name: string, blockSseC: boolean): Bucket {
  checkBucketName(name);
  const bucket = newBucket(name, world.now(), blockSseC);
  for (const [subresource, xml] of NEW_DOCUMENTS) bucket.documents.set(subresource, xml);
  world.buckets.set(name, bucket);
  return bucket;
}

export function createBucket({ world, bucket: name, body }: S3Request): Reply {
  if (world.buckets.has(name)) {
    throw new S3Error(
      409,
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
      { BucketName: name },
    );
  }
  const region =
    body.length === 0 ? undefined : textOf(parseXml(body, 'CreateBucketConfiguration'), 'LocationConstraint');
  if (region !== undefined && region !== world.region) {
    throw new S3Error(
      400,
      'IllegalLocationConstraintException',
      `The ${region} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  }
  makeBucket(world, name, world.blockSseC);
  return empty(200, { location: `/${name}` });
}

export function headBucket(request: S3Request): Reply {
  bucketOf(request);
  return empty(200, { 'x-amz-bucket-region': request.world.region, 'content-type': 'application/xml' });
}

export function deleteBucket(request: S3Request): Reply {
  const bucket = bucketOf(request);
  if (bucket.objects.size > 0 || bucket.uploads.size > 0) {
    throw new S3Error(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty', {
      BucketName: bucket.name,
    });
  }
  request.world.buckets.delete(bucket.name);
  return empty(204);
}

export function listBuckets({ world, query }: S3Request): Reply {
  const prefix = query.get('prefix') ?? '';
  const buckets = [...world.buckets.values()]
    .filter(({ name }) => name.startsWith(prefix))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, created }) =>
      wrap(
        'Bucket',
        element('Name', name) +
          element('CreationDate', isoDate(created)) +
          element('BucketRegion', world.region),
      ),
    );
  const owner = wrap('Owner', element('ID', ACCOUNT));
  return xmlReply(document('ListAllMyBucketsResult', owner + wrap('Buckets', buckets.join(''))));
}

export function getBucketLocation(request: S3Request): Reply {
  bucketOf(request);
  const { region } = request.world;
  const xml = document('LocationConstraint', region === 'us-east-1' ? '' : region);
  return xmlReply(xml);
}

export function getBucketVersioning(request: S3Request): Reply {
  return xmlReply(document('VersioningConfiguration', element('Status', bucketOf(request).versioning)));
}

export function putBucketVersioning(request: S3Request): Reply {
  const bucket = bucketOf(request);
  const status = textOf(parseXml(request.body, 'VersioningConfiguration'), 'Status');
  if (status !== 'Enabled' && status !== 'Suspended') throw malformedXml();
  bucket.versioning = status;
  return empty(200);
}
