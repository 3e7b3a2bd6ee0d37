/** The contract of the ObjectStore port on a real S3 server. */
import { describeRgw, rgw } from '../rgw.ts';
import { objectStoreContract } from '../contract/object-store.ts';
import { rigOn } from './rig.ts';

describeRgw('the store adapter', () => {
  objectStoreContract('Ceph RGW', () => {
    const server = rgw();
    return rigOn(
      {
        ...server,
        kmsKeyId: server.kmsKeyIds[0]!,
        createBucket: ({ versioning }) => server.createBucket('store', { versioning }),
      },
      ['client', 'sse-c', 'sse-kms'],
      // The header is accepted and not confirmed: whether anything is encrypted can't be known.
      ['sse-s3'],
    );
  });
});
