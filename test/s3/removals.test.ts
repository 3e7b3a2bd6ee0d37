/** Removals and copies under a condition, on a store that keeps it, and on one that does not. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type EmbeddedServer, type FaultRule, startEmbedded } from '../../src/embedded/server.ts';
import { type ObjectKey, objectKey } from '../../src/model/brands.ts';
import type { ConditionSupport, ObjectStore } from '../../src/model/ports.ts';
import { resolveRemote } from '../../src/s3/connect.ts';
import type { Listing } from '../../src/s3/list.ts';
import { removeMatching } from '../../src/s3/removal.ts';
import { type Quirks, quirksOf } from '../../src/s3/site.ts';
import { Wire } from '../../src/s3/wire.ts';
import { bytesIn, listAll } from '../contract/object-store.ts';
import { moverOn, protectionOf, storeOn } from './rig.ts';

const folder = mkdtempSync(join(tmpdir(), 's3vault-removals-'));
const open: { close(): Promise<void> }[] = [];
let server: EmbeddedServer;
let place: Parameters<typeof storeOn>[0];
beforeAll(async () => {
  server = await startEmbedded();
  server.createBucket('plain');
  server.createBucket('versioned', { versioning: true });
  place = {
    endpoint: server.url,
    caFile: await server.caFile(folder),
    region: server.region,
    ...server.credentials,
  };
});
afterEach(async () => {
  server.faults.clear();
  for (const one of open.splice(0)) await one.close();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const client = protectionOf('client', '');
const unmet = { kind: 'changed', code: 'precondition' };
let number = 0;

async function storeIn(bucket: string, quirks?: Quirks): Promise<ObjectStore> {
  const store = await storeOn(place, bucket, client, quirks === undefined ? {} : { quirks });
  open.push(store);
  return store;
}

/** A store as this machine sees it whose conditions of removals are dropped on the way, and what happens just before one. */
async function listingOn(
  bucket: string,
  how: { readonly removals: ConditionSupport; readonly before: () => Promise<unknown> },
): Promise<Listing> {
  const { endpoint, caFile: caBundle, region } = place;
  const remote = { bucket, prefix: '', endpoint, region, caBundle };
  const { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY } = place;
  const resolved = await resolveRemote(remote, { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY });
  const wire = new Wire(resolved, { clock: systemClock, connections: 2 });
  open.push(wire, resolved);
  let raced = false;
  const send: Wire['send'] = async (request) => {
    if (request.method !== 'DELETE') return wire.send(request);
    if (!raced) await how.before();
    raced = true;
    const { 'if-match': _, ...rest } = request.headers ?? {};
    return wire.send(how.removals === 'kept' ? request : { ...request, headers: rest });
  };
  const quirks = { ...quirksOf(undefined), removals: how.removals };
  const site = { remote: resolved, protection: client, quirks, wire: { send }, charge: undefined };
  return { site, clock: systemClock, retries: {} };
}

/** Removes what the store held, while another machine writes it anew. */
async function race(
  bucket: string,
  removals: ConditionSupport,
): Promise<{ store: ObjectStore; key: ObjectKey }> {
  const store = await storeIn(bucket);
  const key = objectKey(`raced-${++number}`);
  const { etag } = await store.put(key, Buffer.from('old'), {});
  const before = (): Promise<unknown> => store.put(key, Buffer.from('new'), {});
  const listing = await listingOn(bucket, { removals, before });
  await expect(removeMatching(listing, key, { ifMatch: etag })).rejects.toMatchObject(unmet);
  return { store, key };
}

const textOf = async (store: ObjectStore, key: ObjectKey): Promise<string> =>
  (await bytesIn((await store.get(key)).body)).toString();

describe('a store that keeps them', () => {
  test('is found out, with nothing left behind, versions neither', async () => {
    for (const bucket of ['plain', 'versioned']) {
      const store = await storeIn(bucket);
      const prefix = `try-${++number}/`;
      const versions = bucket === 'versioned';
      const kept = { writes: 'kept', removals: 'kept', copies: 'kept', versions };
      expect(await store.conditions(prefix)).toEqual(kept);
      expect(await listAll(store, prefix)).toEqual([]);
      for await (const page of store.versions(prefix)) expect(page).toEqual([]);
    }
  });

  test('spares what came between look and removal', async () => {
    const { store, key } = await race('plain', 'kept');
    expect(await textOf(store, key)).toBe('new');
  });

  test('is asked to copy on condition', async () => {
    const quirks = quirksOf(undefined);
    const store = await storeIn('plain', quirks);
    await store.conditions('copies/');
    const [from, to] = [objectKey('copies/from'), objectKey('copies/to')];
    await store.put(from, Buffer.from('x'), {});
    const mover = await moverOn(place, 'plain', client, client, { quirks });
    open.push(mover);
    const asked: unknown[] = [];
    server.faults.add({
      match: ({ operation, headers }) => {
        if (operation === 'CopyObject') asked.push(headers['if-none-match']);
        return false;
      },
      fault: { kind: 'error-500' },
    });
    await mover.copy(from, ({ metadata }) => metadata, { to, ifNoneMatch: '*' });
    expect(asked).toEqual(['*']);
  });
});

describe('the object that is tried with', () => {
  const versionsUnder = async (store: ObjectStore, prefix: string): Promise<number> => {
    let found = 0;
    for await (const page of store.versions(prefix)) found += page.length;
    return found;
  };

  test.each([
    'plain',
    'versioned',
  ])('stays where removals are refused, which is said and is no end: %s', async (bucket) => {
    server.faults.add({
      match: ({ operation }) => operation === 'DeleteObject',
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' },
    });
    const found = await (await storeIn(bucket)).conditions(`stays-${++number}/`);
    expect(found).toMatchObject({ writes: 'kept', removals: 'refused', left: { code: 'trial-left' } });
  });

  test.each([
    'plain',
    'versioned',
  ])('goes also when its write is called off, or its answer gets lost: %s', async (bucket) => {
    const store = await storeIn(bucket);
    const prefix = `goes-${++number}/`;
    const control = new AbortController();
    server.faults.add({
      match: ({ operation }) => {
        if (operation === 'CopyObject') control.abort();
        return false;
      },
      fault: { kind: 'error-500' },
    });
    const trying = store.conditions(prefix, { signal: control.signal });
    await expect(trying).rejects.toMatchObject({ kind: 'cancelled' });
    expect(await versionsUnder(store, prefix)).toBe(0);
    server.faults.add({
      match: ({ operation }) => operation === 'PutObject',
      fault: { kind: 'reset-after' },
    });
    await expect(store.conditions(prefix)).rejects.toThrow();
    expect(await versionsUnder(store, prefix)).toBe(0);
  });
});

describe('a store that does not', () => {
  test('is found out: each kind by itself', async () => {
    const refused = (of: string): FaultRule => ({
      match: ({ operation, headers }) =>
        operation === of && ('if-match' in headers || 'if-none-match' in headers),
      fault: { kind: 'status', status: 501, code: 'NotImplemented', message: 'no' },
    });
    server.faults.add(refused('DeleteObject'));
    server.faults.add(refused('CopyObject'));
    const store = await storeIn('versioned');
    const found = { writes: 'kept', removals: 'refused', copies: 'refused', versions: true };
    expect(await store.conditions('none/')).toEqual(found);
    for await (const page of store.versions('none/')) expect(page).toEqual([]);
  });

  test('has a removal undone that hid what another machine wrote, where it keeps versions', async () => {
    const { store, key } = await race('versioned', 'ignored');
    expect(await textOf(store, key)).toBe('new');
    const markers: boolean[] = [];
    for await (const page of store.versions(key)) markers.push(...page.map(({ marker }) => marker));
    expect(markers).toEqual([false, false]);
  });

  test('removes what it was to remove, versions or not', async () => {
    for (const bucket of ['plain', 'versioned']) {
      const store = await storeIn(bucket, { bareEtags: false, removals: 'ignored' });
      const key = objectKey(`gone-${++number}`);
      const { etag } = await store.put(key, Buffer.from('old'), {});
      await store.remove(key, { ifMatch: etag });
      expect(await store.head(key)).toBeUndefined();
      await store.remove(key, { ifMatch: etag });
    }
  });

  test('is not asked for a copy that may hide what another machine wrote', async () => {
    const store = await storeIn('plain');
    const [from, to] = [objectKey('uncopied/from'), objectKey('uncopied/to')];
    await store.put(from, Buffer.from('x'), {});
    const mover = await moverOn(place, 'plain', client, client);
    open.push(mover);
    const copying = mover.copy(from, ({ metadata }) => metadata, { to, ifNoneMatch: '*' });
    await expect(copying).rejects.toMatchObject({ kind: 'file', code: 'copy-unsupported' });
    expect(await store.head(to)).toBeUndefined();
  });
});
