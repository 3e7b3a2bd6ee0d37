/** Removals that may not be removed: in each mode the newest content comes back as a copy, under that mode's protection. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListObjectVersionsCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { places } from '../../src/config.ts';
import { aesMaterial } from '../../src/crypto/generate.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey, vaultId } from '../../src/model/brands.ts';
import type { Mode } from '../../src/model/mode.ts';
import { Secret } from '../../src/model/secret.ts';
import { openPeek } from '../../src/vaults/peek.ts';
import type { Vault } from '../../src/model/vault.ts';
import { bytesIn } from '../contract/object-store.ts';
import { describeRgw, rgw } from '../rgw.ts';
import { protectionOf, storeOn } from '../s3/rig.ts';

const KMS_KEY = '1234abcd-12ab-34cd-56ef-1234567890ab';
const home = mkdtempSync(join(tmpdir(), 's3vault-undelete-'));
afterAll(() => rmSync(home, { recursive: true }));

const MODES: { readonly [K in Mode['kind']]: Mode } = {
  client: { kind: 'client', key: { kind: 'stored', name: 'laptop' } },
  'sse-c': { kind: 'sse-c', key: { kind: 'stored', name: 'laptop' } },
  'sse-kms': { kind: 'sse-kms', keyId: KMS_KEY, context: { purpose: 'test' } },
  'dsse-kms': { kind: 'dsse-kms', keyId: KMS_KEY, context: {} },
  'sse-s3': { kind: 'sse-s3' },
};

type Place = Parameters<typeof storeOn>[0];

/** Removes a file, and takes the removal back as the command does. */
async function undeleted(place: Place, bucket: string, kind: Mode['kind']) {
  const { endpoint, caFile: caBundle, region, accessKeyId, secretAccessKey } = place;
  const protection = protectionOf(kind, KMS_KEY);
  const store = await storeOn(place, bucket, protection);
  const key = objectKey(`${kind}/file`);
  await store.put(key, Buffer.from('content'), { 's3vault-mtime': '1577880000.123456' });
  await store.remove(key);
  const vault: Vault = {
    id: vaultId('00000000-0000-4000-8000-000000000001'),
    root: '/docs',
    remote: { bucket, prefix: `${kind}/`, endpoint, region, caBundle },
    mode: MODES[kind],
    direction: 'push',
    rules: { removals: false, include: [], exclude: [] },
  };
  const secret = 'key' in protection && typeof protection.key !== 'string' ? protection.key : undefined;
  const mode = { kind, ...(vault.mode.kind === 'sse-c' ? { key: vault.mode.key } : {}) };
  const open = await openPeek(
    { vault, remote: vault.remote, mode },
    {
      env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: region },
      places: places({ S3VAULT_HOME: home }),
      keys: {},
      keyStore: 'file',
      ...(secret === undefined
        ? {}
        : { material: aesMaterial(new Secret(secret.use((bytes) => Buffer.from(bytes)))) }),
      commitment: 'require',
      anyKey: false,
      keyless: true,
      once: true,
      consent: false,
      acceptSource: false,
      checkRemote: false,
    },
  );
  for await (const history of open.peek.histories('file')) await open.peek.undelete(history);
  await open.close();
  const back = await store.get(key);
  expect((await bytesIn(back.body)).toString()).toBe('content');
  expect(back.stat.metadata).toMatchObject({ 's3vault-mtime': '1577880000.123456' });
  await store.close();
}

describe('the embedded server', () => {
  let server: EmbeddedServer;
  let place: Place;
  beforeAll(async () => {
    server = await startEmbedded({ kmsKeys: [{ id: KMS_KEY }] });
    server.createBucket('docs', { versioning: true });
    const caFile = await server.caFile(home);
    place = { endpoint: server.url, caFile, region: server.region, ...server.credentials };
    server.faults.add({
      match: ({ method, query }) => method === 'DELETE' && query.has('versionId'),
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no s3:DeleteObjectVersion' },
    });
  });
  afterAll(() => server.close());

  test.each(Object.keys(MODES) as Mode['kind'][])('mode %s', async (kind) => {
    await undeleted(place, 'docs', kind);
    expect(server.versions('docs', `${kind}/file`)).toHaveLength(3);
  });
});

describeRgw('removals that stay on', () => {
  test('mode client', async () => {
    const bucket = await rgw().createBucket('kept', { versioning: true });
    const statement = {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:DeleteObjectVersion',
      Resource: `arn:aws:s3:::${bucket}/*`,
    };
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    await rgw().client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
    await undeleted(rgw(), bucket, 'client');
    const left = await rgw().client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    expect([left.Versions?.length, left.DeleteMarkers?.length]).toEqual([2, 1]);
  });
});
