/** What a store was seen to do is used: conditions it refuses are not sent, copies it does not make are not asked for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey } from '../../src/model/brands.ts';
import { moverOn, protectionOf, storeOn } from './rig.ts';

const folder = mkdtempSync(join(tmpdir(), 's3vault-seen-'));
let server: EmbeddedServer;
let skew = 0;
beforeAll(async () => {
  server = await startEmbedded({ now: () => Date.now() + skew });
  server.createBucket('seen');
});
afterEach(() => {
  skew = 0;
  server.faults.clear();
  server.requests.reset();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const place = async () => ({
  endpoint: server.url,
  caFile: await server.caFile(folder),
  region: server.region,
  ...server.credentials,
});
const client = protectionOf('client', '');
const key = objectKey('docs/a');
const seen = { time: '2026-11-25T12:00:00.000Z', mode: 'client' } as const;

test('a store that refuses conditions is written to after a look, without them', async () => {
  server.faults.add({
    match: ({ headers }) => headers['if-none-match'] !== undefined || headers['if-match'] !== undefined,
    fault: { kind: 'status', status: 501, code: 'NotImplemented', message: 'A header is not implemented.' },
  });
  const unknowing = await storeOn(await place(), 'seen', client);
  await expect(unknowing.put(key, Buffer.from('x'), {}, { ifNoneMatch: '*' })).rejects.toThrow();
  await unknowing.close();
  const store = await storeOn(await place(), 'seen', client, { seen: { ...seen, conditions: 'refused' } });
  const { etag } = await store.put(key, Buffer.from('x'), {}, { ifNoneMatch: '*' });
  const again = store.put(key, Buffer.from('y'), {}, { ifNoneMatch: '*' });
  await expect(again).rejects.toMatchObject({ kind: 'changed' });
  await store.put(key, Buffer.from('y'), {}, { ifMatch: etag });
  await store.close();
});

test('a store that does not copy is not asked to', async () => {
  const mover = await moverOn(await place(), 'seen', client, client, { copies: false });
  await expect(mover.copy(key, ({ metadata }) => metadata)).rejects.toMatchObject({
    code: 'copy-unsupported',
  });
  expect(server.requests.total).toBe(0);
  await mover.close();
});

test('a wrong clock is corrected by the answer to a HEAD, too', async () => {
  skew = 3_600_000;
  const store = await storeOn(await place(), 'seen', client);
  expect(await store.head(objectKey('nothing'))).toBeUndefined();
  expect(server.requests.count('HeadObject')).toBe(2);
  await store.close();
});
