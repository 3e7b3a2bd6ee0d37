/** The BucketConfig contract on the fake, the embedded server and Ceph RGW. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { type EmbeddedServer, startEmbedded } from '../../../src/embedded/server.ts';
import type { BucketConfig } from '../../../src/model/bucket.ts';
import { resolveRemote } from '../../../src/s3/connect.ts';
import { memoryBucketConfig } from '../../../src/s3/posture/memory-config.ts';
import { type OpenBucket, openBucket } from '../../../src/s3/posture/open-bucket.ts';
import { type BucketConfigRig, bucketConfigContract } from '../../contract/bucket-config.ts';
import { describeRgw, rgw } from '../../rgw.ts';

const bucketOf = ({ bucket }: BucketConfig): string => bucket;
const opened: OpenBucket[] = [];
afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
});

interface Spoken {
  readonly endpoint: string;
  readonly caFile: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

async function configOn(place: Spoken, bucket: string): Promise<BucketConfig> {
  const { endpoint, caFile, region, accessKeyId, secretAccessKey } = place;
  const remote = { bucket, prefix: '', endpoint, region, caBundle: caFile };
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const open = openBucket(await resolveRemote(remote, env), systemClock);
  opened.push(open);
  return open.config;
}

bucketConfigContract('in memory', async () => ({
  open: async () => memoryBucketConfig(),
  bucket: bucketOf,
  unsupported: [],
}));

const folder = mkdtempSync(join(tmpdir(), 's3vault-posture-'));
let server: EmbeddedServer;
let buckets = 0;
beforeAll(async () => {
  server = await startEmbedded();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

bucketConfigContract('embedded server', async (): Promise<BucketConfigRig> => {
  const caFile = await server.caFile(folder);
  return {
    open: async () => {
      const bucket = `config-${++buckets}`;
      server.createBucket(bucket);
      return configOn({ endpoint: server.url, caFile, region: server.region, ...server.credentials }, bucket);
    },
    bucket: bucketOf,
    unsupported: [],
  };
});

describeRgw('the settings of a bucket', () => {
  bucketConfigContract('Ceph RGW', async () => ({
    open: async () => configOn(rgw(), await rgw().createBucket('config')),
    bucket: bucketOf,
    unsupported: ['encryption', 'ownership'],
  }));
});
