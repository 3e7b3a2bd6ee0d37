/** The contract of the ObjectStore port on a real S3 server. */
import { describeRgw, rgw } from '../rgw.ts';
import { moverContract, pairsOn } from '../contract/mover.ts';
import { objectStoreContract } from '../contract/object-store.ts';
import { type Endpoint, rigOn } from './rig.ts';

describeRgw('the store adapter', () => {
  const place = (): Endpoint => {
    const server = rgw();
    return {
      ...server,
      kmsKeyId: server.kmsKeyIds[0]!,
      createBucket: ({ versioning }) => server.createBucket('store', { versioning }),
    };
  };
  // sse-s3: the header is accepted and not confirmed: whether anything is encrypted can't be known.
  objectStoreContract('Ceph RGW', () => rigOn(place(), ['client', 'sse-c', 'sse-kms'], ['sse-s3']));
  // There it refuses any If-Match and ignores If-None-Match: versions tell who came between.
  objectStoreContract('Ceph RGW with versions', () =>
    rigOn(
      { ...place(), createBucket: () => rgw().createBucket('versions', { versioning: true }) },
      ['client'],
      [],
    ),
  );
  moverContract('Ceph RGW', async () => ({
    open: pairsOn(place()),
    updates: [],
    tags: true,
    moves: [['client', 'client']],
    unsupported: [
      ['sse-c', 'other sse-c'],
      ['sse-kms', 'sse-c'],
    ],
  }));
});
