/**
 * Writers of the same moment on stores that ignore conditions: with versions one of them has the name, and the others know
 * [BOTH-1].
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey } from '../../src/model/brands.ts';
import type { ListedVersion, Mover, ObjectStore } from '../../src/model/ports.ts';
import type { Receipt } from '../../src/model/receipt.ts';
import { quirksOf } from '../../src/s3/site.ts';
import { bytesIn, PART, sourceOf, TestJournal } from '../contract/object-store.ts';
import { describeRgw, rgw } from '../rgw.ts';
import { moverOn, protectionOf, storeOn } from './rig.ts';

const client = protectionOf('client', '');
type Place = Parameters<typeof storeOn>[0];

/** `bucketOf` makes one that keeps versions and no conditions. */
function suite(placeOf: () => Promise<Place>, bucketOf: () => Promise<string>, rounds: number): void {
  let stores: readonly ObjectStore[] = [];
  let first: ObjectStore;
  let where: readonly [Place, string];
  beforeAll(async () => {
    where = [await placeOf(), await bucketOf()];
    const [place, bucket] = where;
    const open = () => storeOn(place, bucket, client);
    stores = await Promise.all(Array.from({ length: 4 }, open));
    first = await open();
  });
  afterAll(async () => {
    await Promise.all([first, ...stores].map((store) => store.close()));
  });

  const contentOf = async (key: ReturnType<typeof objectKey>): Promise<string> =>
    (await bytesIn((await first.get(key)).body)).toString();
  async function historyOf(key: string): Promise<readonly ListedVersion[]> {
    const all: ListedVersion[] = [];
    for await (const page of first.versions(key)) all.push(...page);
    return all;
  }
  /** All at once; what came of it. */
  async function race<T>(work: (store: ObjectStore, n: number) => Promise<T>) {
    const results = await Promise.allSettled(stores.map(work));
    const won = results.flatMap((one, n) => (one.status === 'fulfilled' ? [{ n, value: one.value }] : []));
    const lost = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    for (const reason of lost) expect(reason).toMatchObject({ kind: 'changed', code: 'precondition' });
    return won;
  }

  test('of four that write the same object one goes through, and nothing stands between', async () => {
    for (let round = 0; round < rounds; round++) {
      const key = objectKey(`changed-${round}`);
      const { etag } = await first.put(key, Buffer.from('before'), {});
      const won = await race((store, n) => store.put(key, Buffer.from(`from ${n}`), {}, { ifMatch: etag }));
      expect(won).toHaveLength(1);
      expect(await contentOf(key)).toBe(`from ${won[0]?.n}`);
      expect((await historyOf(key)).map((version) => version.etag)).toEqual([won[0]?.value.etag, etag]);
    }
  });

  test('of four that make the same object, too; the others may write on from there', async () => {
    for (let round = 0; round < rounds; round++) {
      const key = objectKey(`made-${round}`);
      const won = await race((store, n) =>
        store.put(key, Buffer.from(`from ${n}`), {}, { ifNoneMatch: '*' }),
      );
      expect(won).toHaveLength(1);
      const { etag = '' } = won[0]?.value ?? ({} as Partial<Receipt>);
      await first.put(key, Buffer.from('after'), {}, { ifMatch: etag });
      expect((await historyOf(key)).length).toBe(2);
      // What was removed is not there any more: it can be made again.
      await first.remove(key);
      await first.put(key, Buffer.from('again'), {}, { ifNoneMatch: '*' });
    }
  });

  test('a removal never hides what somebody else wrote just then', async () => {
    for (let round = 0; round < rounds; round++) {
      const key = objectKey(`removed-${round}`);
      const { etag } = await first.put(key, Buffer.from('before'), {});
      const won = await race<unknown>((store, n) =>
        n === 0
          ? store.remove(key, { ifMatch: etag })
          : store.put(key, Buffer.from(`from ${n}`), {}, { ifMatch: etag }),
      );
      // A removal of what is gone already succeeds.
      const wrote = won.filter(({ n }) => n !== 0);
      const removed = won.some(({ n }) => n === 0);
      expect(wrote.length + Number(removed)).toBe(1);
      if (removed) expect(await first.head(key)).toBeUndefined();
      else expect(await contentOf(key)).toBe(`from ${wrote[0]?.n}`);
    }
  });

  test('that is what it is found to do, and no version stays of finding out', async () => {
    expect(await first.conditions('tried/')).toMatchObject({ writes: 'ignored', versions: true });
    expect(await historyOf('tried/')).toEqual([]);
  });

  test('of four that copy to the same name, too', async () => {
    const quirks = quirksOf(undefined);
    const [place, bucket] = where;
    const store = await storeOn(place, bucket, client, { quirks });
    await store.conditions('');
    const movers = await Promise.all(stores.map(() => moverOn(place, bucket, client, client, { quirks })));
    const [from, to] = [objectKey('copied-from'), objectKey('copied-to')];
    await first.put(from, Buffer.from('old name'), {});
    const won = await race((_, n) =>
      (movers[n] as Mover).copy(from, () => ({ by: `${n}` }), { to, ifNoneMatch: '*' }),
    );
    // All copy the same bytes: whoever stands behind another one may stay.
    expect(won.length).toBeGreaterThan(0);
    const mine = objectKey('copied-or-written');
    const mixed = await race<unknown>((one, n) =>
      n === 0
        ? (movers[0] as Mover).copy(from, () => ({}), { to: mine, ifNoneMatch: '*' })
        : one.put(mine, Buffer.from(`from ${n}`), {}, { ifNoneMatch: '*' }),
    );
    expect(mixed).toHaveLength(1);
    expect(await contentOf(mine)).toBe(mixed[0]?.n === 0 ? 'old name' : `from ${mixed[0]?.n}`);
    expect(await historyOf(mine)).toHaveLength(1);
    await Promise.all([store, ...movers].map((one) => one.close()));
  });

  test('uploads in parts, too', async () => {
    const key = objectKey('parts');
    const { etag } = await first.put(key, Buffer.from('before'), {});
    const won = await race((store) =>
      store.upload(key, sourceOf([randomBytes(PART), randomBytes(9)]), new TestJournal(), { ifMatch: etag }),
    );
    expect(won).toHaveLength(1);
    expect((await historyOf(key)).map((version) => version.etag)).toEqual([won[0]?.value.etag, etag]);
  });
}

const folder = mkdtempSync(join(tmpdir(), 's3vault-overtaken-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the embedded server, ignoring conditions', () => {
  let server: EmbeddedServer;
  let place: Place;
  beforeAll(async () => {
    server = await startEmbedded();
    server.createBucket('versions', { versioning: true, ignoreConditions: true });
    const caFile = await server.caFile(folder);
    place = { endpoint: server.url, caFile, region: server.region, ...server.credentials };
  });
  afterEach(() => server.faults.clear());
  afterAll(() => server.close());

  suite(
    async () => place,
    async () => 'versions',
    4,
  );

  test('without versions it is said that nothing tells', async () => {
    server.createBucket('plain', { ignoreConditions: true });
    const store = await storeOn(place, 'plain', client);
    expect(await store.conditions('')).toEqual({
      writes: 'ignored',
      removals: 'ignored',
      copies: 'ignored',
      versions: false,
    });
    expect(server.keys('plain')).toEqual([]);
    await store.close();
  });

  const key = objectKey('alone');
  /** Two writers who have both looked before either writes. */
  async function two(store: ObjectStore, etag: string): Promise<readonly PromiseSettledResult<Receipt>[]> {
    server.faults.add({ match: 'PutObject', times: 2, fault: { kind: 'delay', ms: 400 } });
    return Promise.allSettled(
      ['one', 'two'].map((text) => store.put(key, Buffer.from(text), {}, { ifMatch: etag })),
    );
  }

  test('one that refuses whatever it is asked is written to without conditions, but only where versions tell', async () => {
    const refusing = { kind: 'status', status: 412, code: 'PreconditionFailed', message: 'no' } as const;
    server.createBucket('refusing', { versioning: true });
    server.createBucket('refusing-plain');
    server.faults.add({ match: ({ headers }) => headers['if-match'] !== undefined, fault: refusing });
    const unmet = { code: 'precondition' };
    for (const bucket of ['refusing', 'refusing-plain']) {
      const store = await storeOn(place, bucket, client);
      const { etag } = await store.put(key, Buffer.from('before'), {});
      const writing = store.put(key, Buffer.from('after'), {}, { ifMatch: etag });
      if (bucket === 'refusing') {
        const after = await writing;
        await expect(store.put(key, Buffer.from('3'), {}, { ifMatch: etag })).rejects.toMatchObject(unmet);
        await expect(store.remove(key, { ifMatch: etag })).rejects.toMatchObject(unmet);
        await store.remove(key, { ifMatch: after.etag });
        expect(await store.head(key)).toBeUndefined();
      } else {
        // No word of another writer, for there is none, and the way out.
        await expect(writing).rejects.toMatchObject({
          kind: 'file',
          code: 'conditions-refused',
          message: expect.stringContaining('though it is'),
          hint: expect.stringContaining('s3vault bucket harden refusing-plain --only versioning'),
        });
        expect((await bytesIn((await store.get(key)).body)).toString()).toBe('before');
        const other = store.put(key, Buffer.from('3'), {}, { ifMatch: '0'.repeat(32) });
        await expect(other).rejects.toMatchObject(unmet);
      }
      await store.close();
    }
  });

  test('that one refuses each, also one that fits, is found out before anything is changed', async () => {
    const refusing = { kind: 'status', status: 412, code: 'PreconditionFailed', message: 'no' } as const;
    server.createBucket('found', { versioning: true });
    server.createBucket('found-plain');
    server.faults.add({ match: ({ headers }) => headers['if-match'] !== undefined, fault: refusing });
    for (const bucket of ['found', 'found-plain']) {
      const store = await storeOn(place, bucket, client);
      const versions = bucket === 'found';
      const found = { writes: 'refused', removals: 'kept', copies: 'kept', versions, unmet: true };
      expect(await store.conditions('')).toEqual(found);
      expect([server.keys(bucket), server.versions(bucket, '').length]).toEqual([[], 0]);
      const { etag } = await store.put(key, Buffer.from('before'), {}, { ifNoneMatch: '*' });
      const sent = async (): Promise<number> => {
        server.requests.reset();
        await store.put(key, Buffer.from('after'), {}, { ifMatch: etag });
        return server.requests.count('PutObject');
      };
      // Where versions tell it is not even asked any more; without them nothing goes over what is there.
      if (versions) expect(await sent()).toBe(1);
      else await expect(sent()).rejects.toMatchObject({ code: 'conditions-refused' });
      await store.close();
    }
  });

  test('one that keeps those for new objects only is found out, too', async () => {
    server.createBucket('half', { ignoreConditions: true });
    let made = 0;
    server.faults.add({
      match: ({ operation, headers }) =>
        operation === 'PutObject' && headers['if-none-match'] !== undefined && made++ > 0,
      fault: { kind: 'status', status: 412, code: 'PreconditionFailed', message: 'no' },
    });
    const store = await storeOn(place, 'half', client);
    expect(await store.conditions('')).toMatchObject({ writes: 'ignored', versions: false });
    expect(server.keys('half')).toEqual([]);
    await store.close();
  });

  test('where nobody may look at versions, or remove one, the loser is told at least', async () => {
    const store = await storeOn(place, 'versions', client);
    const { etag } = await store.put(key, Buffer.from('before'), {});
    const refused = { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' } as const;
    server.faults.add({
      match: ({ method, query }) => method === 'DELETE' && query.has('versionId'),
      fault: refused,
    });
    const results = await two(store, etag);
    const [lost] = results.filter(({ status }) => status === 'rejected');
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((lost as PromiseRejectedResult).reason).toMatchObject({
      code: 'overtaken',
      hint: expect.stringContaining('s3:DeleteObjectVersion'),
    });
    server.faults.clear();
    const now = (await store.head(key))?.etag ?? '';
    server.faults.add({ match: ({ query }) => query.has('versions'), fault: refused });
    // As without versions: who comes later is seen by who came first.
    const { etag: alone } = await store.put(key, Buffer.from('alone'), {}, { ifMatch: now });
    expect((await store.head(key))?.etag).toBe(alone);
    await store.close();
  });

  test('where the look at versions fails it is made again, before the write counts', async () => {
    const store = await storeOn(place, 'versions', client);
    const { etag } = await store.put(key, Buffer.from('before'), {});
    server.faults.add({
      match: ({ query }) => query.has('versions'),
      times: 2,
      fault: { kind: 'error-500' },
    });
    const results = await two(store, etag);
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
    const etags: string[] = [];
    for await (const page of store.versions(key)) etags.push(...page.map((version) => version.etag));
    // Nothing stands between what is there and what it was based on.
    expect(etags.indexOf(etag)).toBe(1);
    await store.close();
  });
});

describeRgw('writers of the same moment on', () => {
  suite(
    async () => rgw(),
    () => rgw().createBucket('versions', { versioning: true }),
    6,
  );
});
