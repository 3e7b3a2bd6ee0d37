/** What can be asked of a store before there is a vault. */
export {
  type BucketPlace,
  type CredentialOrigin,
  findBucket,
  findCredentials,
  listBuckets,
} from '../s3/buckets.ts';
