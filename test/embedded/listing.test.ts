import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { refusal, s3For } from './support.ts';

let server: EmbeddedServer;
let s3: S3Client;
let number = 0;
let Bucket = '';

beforeAll(async () => {
  server = await startEmbedded({ store: 'discard' });
  s3 = s3For(server);
});

afterAll(async () => {
  s3.destroy();
  await server.close();
});

beforeEach(() => {
  Bucket = `listing-${++number}`;
  server.createBucket(Bucket);
});

const put = (Key: string) => s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
const decoded = (text = ''): string => decodeURIComponent(text.replaceAll('+', ' '));
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** All pages, keys and prefixes in the order they came. */
async function list(more: object = {}): Promise<{ keys: string[]; prefixes: string[]; pages: number }> {
  const keys: string[] = [];
  const prefixes: string[] = [];
  let pages = 0;
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.send(
      new ListObjectsV2Command({ Bucket, EncodingType: 'url', ContinuationToken, ...more }),
    );
    keys.push(...(page.Contents ?? []).map(({ Key }) => decoded(Key)));
    prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => decoded(Prefix)));
    expect(page.KeyCount).toBe((page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0));
    ContinuationToken = page.NextContinuationToken;
    pages++;
  } while (ContinuationToken !== undefined);
  return { keys, prefixes, pages };
}

const ODD = [
  'line\nbreak',
  'tab\tand\rreturn',
  'a+b',
  'a b',
  ' leading',
  'trailing ',
  'per%20cent',
  'é composed',
  'e\u0301 decomposed',
  '\uff5e full width',
  '😀',
  '\ue000 private',
  'a//b',
  '/leading',
  'dots/../x',
  "quote'(!*)",
  '<&>"',
  'control\u0001',
];

describe('ListObjectsV2', () => {
  test('odd keys come back as they were, in the order of their bytes', async () => {
    for (const key of ODD) await put(key);
    expect((await list()).keys).toEqual(ODD.toSorted(byBytes));
    for (const Key of ODD)
      await s3.send(new GetObjectCommand({ Bucket, Key })).then((a) => a.Body?.transformToByteArray());
  });

  test('an empty bucket', async () => {
    const page = await s3.send(new ListObjectsV2Command({ Bucket }));
    expect(page.Contents).toBeUndefined();
    expect(page).toMatchObject({ KeyCount: 0, IsTruncated: false });
  });

  test('pages of any size give what one page gives', async () => {
    const segment = fc.constantFrom('a', 'b', 'é', '😀', '\uff5e', 'a b');
    const keys = fc.uniqueArray(
      fc.array(segment, { minLength: 1, maxLength: 3 }).map((p) => p.join('/')),
      {
        minLength: 1,
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(
        keys,
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom('', 'a', 'a/'),
        async (some, size, Prefix) => {
          Bucket = `listing-${++number}`;
          server.createBucket(Bucket);
          for (const key of some) await put(key);
          const under = some.filter((key) => key.startsWith(Prefix)).toSorted(byBytes);
          const flat = await list({ MaxKeys: size, Prefix });
          expect(flat.keys).toEqual(under);
          expect(flat.pages).toBe(Math.max(1, Math.ceil(under.length / size)));
          const folded = await list({ MaxKeys: size, Prefix, Delimiter: '/' });
          const cut = (key: string): number => key.indexOf('/', Prefix.length);
          expect(folded.keys).toEqual(under.filter((key) => cut(key) < 0));
          const prefixes = under.filter((key) => cut(key) >= 0).map((key) => key.slice(0, cut(key) + 1));
          expect(folded.prefixes).toEqual([...new Set(prefixes)]);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('start-after, and keys that come and go between pages', async () => {
    for (const key of ['a', 'b', 'c/1', 'c/2', 'd']) await put(key);
    expect((await list({ StartAfter: 'b' })).keys).toEqual(['c/1', 'c/2', 'd']);
    expect(await list({ StartAfter: 'c/', Delimiter: '/' })).toMatchObject({ keys: ['d'], prefixes: ['c/'] });
    const first = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 2 }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'b' }));
    await put('aa');
    await put('cc');
    const rest = await s3.send(
      new ListObjectsV2Command({ Bucket, ContinuationToken: first.NextContinuationToken }),
    );
    expect(rest.Contents?.map(({ Key }) => Key)).toEqual(['c/1', 'c/2', 'cc', 'd']);
  });

  test('says size, time, storage class and the kind of checksum', async () => {
    await put('a');
    const page = await s3.send(new ListObjectsV2Command({ Bucket, FetchOwner: true }));
    expect(page.Contents?.[0]).toMatchObject({
      Key: 'a',
      Size: 1,
      StorageClass: 'STANDARD',
      ChecksumAlgorithm: ['CRC32'],
      ChecksumType: 'FULL_OBJECT',
      ETag: server.object(Bucket, 'a')?.etag,
    });
    expect(page.Contents?.[0]?.Owner?.ID).toBeDefined();
  });
});

test('the older ListObjects', async () => {
  for (const key of ['a', 'b/1', 'b/2', 'c']) await put(key);
  const first = await s3.send(new ListObjectsCommand({ Bucket, Delimiter: '/', MaxKeys: 2 }));
  expect(first.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['b/']);
  expect(first.NextMarker).toBe('b/');
  const rest = await s3.send(new ListObjectsCommand({ Bucket, Delimiter: '/', Marker: first.NextMarker }));
  expect(rest.Contents?.map(({ Key }) => Key)).toEqual(['c']);
});

describe('versions', () => {
  test('are kept, marked, read by id and removed for good', async () => {
    expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBeUndefined();
    expect((await put('k')).VersionId).toBeUndefined();
    const VersioningConfiguration = { Status: 'Enabled' as const };
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe('Enabled');
    const one = await put('k');
    const marker = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
    expect(marker).toMatchObject({ DeleteMarker: true });
    expect(await refusal(s3.send(new GetObjectCommand({ Bucket, Key: 'k' })))).toMatchObject({
      name: 'NoSuchKey',
    });
    const head = s3.send(new HeadObjectCommand({ Bucket, Key: 'k', VersionId: marker.VersionId }));
    expect((await refusal(head)).status).toBe(405);
    expect(
      (await s3.send(new HeadObjectCommand({ Bucket, Key: 'k', VersionId: 'null' }))).ContentLength,
    ).toBe(1);
    const listed = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    expect(listed.Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
      [one.VersionId, false],
      ['null', false],
    ]);
    expect(listed.DeleteMarkers).toMatchObject([{ Key: 'k', VersionId: marker.VersionId, IsLatest: true }]);
    expect((await list()).keys).toEqual([]);
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: marker.VersionId }));
    const back = await s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }));
    expect(back.VersionId).toBe(one.VersionId);
    const none = s3.send(new GetObjectCommand({ Bucket, Key: 'k', VersionId: 'nonsense' }));
    expect(await refusal(none)).toMatchObject({ status: 404, name: 'NoSuchVersion' });
  });

  test('pages may end inside a key', async () => {
    Bucket = `listing-${++number}`;
    server.createBucket(Bucket, { versioning: true });
    const made: string[] = [];
    for (const key of ['a', 'b', 'b', 'b', 'c']) made.push((await put(key)).VersionId ?? '');
    const found: string[] = [];
    let markers: { KeyMarker?: string; VersionIdMarker?: string } = {};
    for (let pages = 0; pages < 3; pages++) {
      const page = await s3.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 2, ...markers }));
      found.push(...(page.Versions ?? []).map(({ VersionId = '' }) => VersionId));
      expect(page.IsTruncated).toBe(pages < 2);
      markers = { KeyMarker: page.NextKeyMarker ?? '', VersionIdMarker: page.NextVersionIdMarker ?? '' };
    }
    expect(found).toEqual([made[0], made[3], made[2], made[1], made[4]]);
  });
});
