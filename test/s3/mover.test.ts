/** The Mover's contract on the embedded server, as itself and as Amazon S3. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { ACCOUNT } from '../../src/embedded/world.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type MoverRig, moverContract, pairsInMemory, pairsOn } from '../contract/mover.ts';

const KMS_KEYS = ['1234abcd-12ab-34cd-56ef-1234567890ab', '2234abcd-12ab-34cd-56ef-1234567890ab'];
const folder = mkdtempSync(join(tmpdir(), 's3vault-mover-'));
let server: EmbeddedServer;
let buckets = 0;

beforeAll(async () => {
  server = await startEmbedded({ kmsKeys: KMS_KEYS.map((id) => ({ id })) });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

async function rig(asAws: boolean): Promise<MoverRig> {
  const place = {
    endpoint: server.url,
    caFile: await server.caFile(mkdtempSync(join(folder, 'ca-'))),
    region: server.region,
    ...server.credentials,
    kmsKeyId: KMS_KEYS[0]!,
    asAws,
    createBucket: async (options: { readonly versioning: boolean }) => {
      const name = `mover-${++buckets}`;
      server.createBucket(name, options);
      return name;
    },
  };
  return {
    open: pairsOn(place, ARNS),
    ...CAN,
  };
}

const ARNS = KMS_KEYS.map((id) => `arn:aws:kms:us-east-1:${ACCOUNT}:key/${id}`);
const CAN: Omit<MoverRig, 'open'> = {
  moves: [
    ['client', 'client'],
    ['sse-c', 'other sse-c'],
    ['sse-c', 'sse-kms'],
    ['sse-kms', 'sse-s3'],
    ['sse-s3', 'dsse-kms'],
    ['sse-s3', 'sse-c'],
  ],
  unsupported: [],
  updates: [
    ['sse-s3', 'sse-kms'],
    ['sse-kms', 'other sse-kms'],
  ],
  tags: false,
};

moverContract('embedded server', () => rig(false));
moverContract('embedded server, as Amazon S3', () => rig(true));
moverContract('memory', async () => ({ open: pairsInMemory(new ManualClock(), ARNS), ...CAN }));
