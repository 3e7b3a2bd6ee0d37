/** Looks at a vault that another process holds go on from where the last one ended. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { places } from '../../src/config.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey, vaultId } from '../../src/model/brands.ts';
import type { Vault } from '../../src/model/vault.ts';
import { openIndex } from '../../src/state/open-index.ts';
import { type OpenOptions, vaultState } from '../../src/vaults/options.ts';
import { openVerify } from '../../src/vaults/verify.ts';
import { storeOn } from '../s3/rig.ts';
import { record } from '../support/facts.ts';

const COUNT = 20;
const home = mkdtempSync(join(tmpdir(), 's3vault-verify-'));
let server: EmbeddedServer;
let vault: Vault;
let options: OpenOptions;

beforeAll(async () => {
  server = await startEmbedded();
  const { url: endpoint, region, credentials } = server;
  const caBundle = await server.caFile(home);
  vault = {
    id: vaultId('00000000-0000-4000-8000-000000000001'),
    root: '/docs',
    remote: { bucket: 'docs', prefix: 'docs/', endpoint, region, caBundle },
    mode: { kind: 'sse-s3' },
    direction: 'push',
    rules: { removals: false, include: [], exclude: [] },
  };
  options = {
    env: {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    places: places({ S3VAULT_HOME: home }),
    keys: {},
    keyStore: 'file',
    once: true,
    consent: false,
    acceptSource: false,
    checkRemote: false,
  };
});
afterAll(async () => {
  await server.close();
  rmSync(home, { recursive: true });
});

/** Objects in the bucket, and an Index that knows them and is held. */
async function sent(bucket: string) {
  server.createBucket(bucket);
  const { url: endpoint, region, credentials } = server;
  const caFile = await server.caFile(home);
  const store = await storeOn({ endpoint, region, caFile, ...credentials }, bucket, { mode: 'sse-s3' });
  const index = await openIndex({ folder: vaultState(options.places, vault) });
  /** Gives the store's time of it. */
  const put = async (n: number): Promise<number | undefined> => {
    const content = Buffer.from(`content ${n}`);
    const { etag } = await store.put(objectKey(`docs/f${n}`), content, { 's3vault-mtime': '1577880000.0' });
    const { length: size } = content;
    const digest = createHash('sha256').update(content).digest();
    const facts = { size, storedSize: size, etag, digest, modeFingerprint: 'sse-s3' };
    index.commit([{ kind: 'put', record: record(`f${n}`, facts) }]);
    return (await store.head(objectKey(`docs/f${n}`)))?.modified;
  };
  const first = await put(0);
  for (let n = 1; n < COUNT; n++) await put(n);
  // Times count in whole seconds here: one is later than the others for certain.
  while ((await put(COUNT - 1)) === first);
  await store.close();
  return index;
}

async function verified(of: Vault, deep: number) {
  const { verify, run } = await openVerify(of, { deep, every: false }, options);
  const opened: string[] = [];
  verify.subscribe((event) => {
    if (event.event === 'transfer.done') opened.push(event.path);
  });
  const { exit } = await run();
  return { exit, opened, looked: verify.totals.looked };
}

test('beside the process that holds the vault: another share each time, and a look at what is new', async () => {
  const held = await sent('docs');
  const first = await verified(vault, 50);
  expect(first).toMatchObject({ exit: 0, looked: COUNT });
  const second = await verified(vault, 50);
  expect(second.exit).toBe(0);
  expect(new Set([...first.opened, ...second.opened]).size).toBe(COUNT);
  expect(first.opened.length + second.opened.length).toBe(COUNT);
  expect(second.looked).toBeLessThan(COUNT);
  held.close();

  // What was looked at in another bucket says nothing of this one.
  const elsewhere = { ...vault, remote: { ...vault.remote, bucket: 'other' } };
  (await sent('other')).close();
  expect(await verified(elsewhere, 0)).toMatchObject({ exit: 0, looked: COUNT });
});
