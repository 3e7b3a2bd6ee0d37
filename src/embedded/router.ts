import {
  deleteBucketDocument,
  deleteBucketEncryption,
  deleteBucketPolicy,
  getBucketDocument,
  getBucketEncryption,
  getBucketPolicy,
  getBucketPolicyStatus,
  putBucketDocument,
  putBucketEncryption,
  putBucketPolicy,
} from './bucket-config.ts';
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
  putBucketVersioning,
} from './buckets.ts';
import { completeMultipartUpload } from './complete.ts';
import { copyObject, updateObjectEncryption, uploadPartCopy } from './copy.ts';
import { S3Error } from './errors.ts';
import { listObjectVersions, listObjects, listObjectsV2 } from './listing.ts';
import { abortMultipartUpload, createMultipartUpload, uploadPart } from './multipart.ts';
import { deleteObject, deleteObjects, putObject } from './objects.ts';
import type { S3Operation } from './operation.ts';
import { checkPolicy } from './permission.ts';
import { getObject, headObject } from './read.ts';
import type { Handler, Reply, S3Request } from './request.ts';
import { listMultipartUploads, listParts } from './upload-listing.ts';

const HANDLERS: { readonly [K in S3Operation]: Handler } = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  HeadBucket: headBucket,
  DeleteBucket: deleteBucket,
  GetBucketLocation: getBucketLocation,
  GetBucketVersioning: getBucketVersioning,
  PutBucketVersioning: putBucketVersioning,
  GetBucketEncryption: getBucketEncryption,
  PutBucketEncryption: putBucketEncryption,
  DeleteBucketEncryption: deleteBucketEncryption,
  GetBucketPolicy: getBucketPolicy,
  GetBucketPolicyStatus: getBucketPolicyStatus,
  PutBucketPolicy: putBucketPolicy,
  DeleteBucketPolicy: deleteBucketPolicy,
  GetBucketDocument: getBucketDocument,
  PutBucketDocument: putBucketDocument,
  DeleteBucketDocument: deleteBucketDocument,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  ListObjectVersions: listObjectVersions,
  ListMultipartUploads: listMultipartUploads,
  DeleteObjects: deleteObjects,
  PutObject: putObject,
  CopyObject: copyObject,
  GetObject: getObject,
  HeadObject: headObject,
  DeleteObject: deleteObject,
  UpdateObjectEncryption: updateObjectEncryption,
  CreateMultipartUpload: createMultipartUpload,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  CompleteMultipartUpload: completeMultipartUpload,
  AbortMultipartUpload: abortMultipartUpload,
  ListParts: listParts,
  Unsupported: unsupported,
};

function unsupported({ method, rawPath, rawQuery }: S3Request): Reply {
  throw new S3Error(501, 'NotImplemented', `${method} ${rawPath}?${rawQuery} is not supported here.`);
}

export function carryOut(request: S3Request, operation: S3Operation): Reply {
  checkPolicy(request);
  return HANDLERS[operation](request);
}
