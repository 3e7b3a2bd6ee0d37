/** A range that is answered with another one is not taken for it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startEmbedded } from '../../src/embedded/server.ts';
import { objectKey } from '../../src/model/brands.ts';
import { bytesIn } from '../contract/object-store.ts';
import { protectionOf, storeOn } from './rig.ts';

test('bytes of another place of the object are no answer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 's3vault-ranges-'));
  const server = await startEmbedded();
  server.createBucket('ranges');
  const caFile = await server.caFile(folder);
  const place = { endpoint: server.url, caFile, region: server.region, ...server.credentials };
  const store = await storeOn(place, 'ranges', protectionOf('client', ''), { attempts: 1 });
  const key = objectKey('a');
  await store.put(key, Buffer.from('0123456789'), {});
  const range = { first: 2, last: 4 };
  expect((await bytesIn((await store.get(key, { range })).body)).toString()).toBe('234');
  const fault = server.faults.add({
    match: 'GetObject',
    fault: { kind: 'strip-headers', names: ['content-range'] },
  });
  await expect(store.get(key, { range })).rejects.toMatchObject({ kind: 'transient', code: 'answer' });
  expect(fault.hits).toBe(1);
  await store.close();
  await server.close();
  rmSync(folder, { recursive: true });
});
