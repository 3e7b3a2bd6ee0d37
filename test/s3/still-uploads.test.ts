/** Which unfinished uploads are still is for the store's clock to say, part by part. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { type ObjectKey, objectKey } from '../../src/model/brands.ts';
import type { ObjectStore } from '../../src/model/ports.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { PART, pendingIn, sourceOf, TestJournal } from '../contract/object-store.ts';
import { protectionOf, storeOn } from './rig.ts';
import { startScripted } from './scripted.ts';

const MINUTE = 60_000;
const folder = mkdtempSync(join(tmpdir(), 's3vault-still-'));
const key = objectKey('big');
let server: EmbeddedServer;
let place: Parameters<typeof storeOn>[0];
/** How far the store's clock is from this machine's; signatures bear a quarter of an hour. */
let ahead: number;
let store: ObjectStore;
let number = 0;
/** What was asked. */
let asked: string[];

beforeAll(async () => {
  server = await startEmbedded({ now: () => Date.now() + ahead });
  const caFile = await server.caFile(folder);
  place = { endpoint: server.url, caFile, region: server.region, ...server.credentials, asAws: true };
});

beforeEach(async () => {
  ahead = 0;
  asked = [];
  server.createBucket(`still-${++number}`);
  store = await storeAs(protectionOf('client', ''));
  server.faults.add({
    match: ({ operation }) => {
      asked.push(operation);
      return false;
    },
    fault: { kind: 'error-500' },
  });
});

afterEach(async () => {
  server.faults.clear();
  await store.close();
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const storeAs = (protection: Protection): Promise<ObjectStore> =>
  storeOn(place, `still-${number}`, protection, { attempts: 1 });

/** Parts of it are sent, `later` some more. */
async function begin(on: ObjectStore, later = 0, what: ObjectKey = key): Promise<string> {
  const journal = new TestJournal();
  const source = sourceOf([1, 2, 3, 4, 5, 6].map(() => randomBytes(PART)));
  for (const shift of later === 0 ? [0] : [0, later]) {
    ahead += shift;
    const control = new AbortController();
    journal.onSent = () => control.abort();
    const uploading = on.upload(what, source, journal, { signal: control.signal });
    await expect(uploading).rejects.toMatchObject({ kind: 'cancelled' });
  }
  return journal.uploadId ?? '';
}

const still = (on: ObjectStore, ms: number): Promise<string[]> => pendingIn(on, '', { stillForMs: ms });

test('young ones are not even looked into', async () => {
  await begin(store);
  asked.length = 0;
  expect(await still(store, MINUTE)).toEqual([]);
  expect(asked).toEqual(['ListMultipartUploads']);
});

test('the newest part counts, and the clock of the store, whatever the one here says', async () => {
  ahead = -14 * MINUTE;
  const id = await begin(store, 10 * MINUTE);
  expect(await still(store, 5 * MINUTE)).toEqual([]);
  expect(asked).toContain('ListParts');
  ahead += 4 * MINUTE;
  expect(await still(store, 5 * MINUTE)).toEqual([]);
  ahead += 2 * MINUTE;
  expect(await still(store, 5 * MINUTE)).toEqual([id]);
});

test('nothing is still where the store does not tell the time', async () => {
  const scripted = await startScripted();
  const { url: endpoint, caFile } = scripted;
  const silent = await storeOn({ ...place, endpoint, caFile }, 'bucket', protectionOf('client', ''));
  let date: string | undefined;
  scripted.answer = ({ url }, response) => {
    response.sendDate = false;
    if (date !== undefined) response.setHeader('date', date);
    const uploads =
      '<Upload><Key>big</Key><UploadId>u</UploadId><Initiated>2020-01-01T00:00:00Z</Initiated></Upload>';
    const [name, inner] = url.includes('uploadId=')
      ? ['ListPartsResult', '']
      : ['ListMultipartUploadsResult', uploads];
    response.end(`<?xml version="1.0"?><${name}>${inner}</${name}>`);
  };
  expect(await still(silent, MINUTE)).toEqual([]);
  date = 'Wed, 01 Jan 2020 00:02:00 GMT';
  expect(await still(silent, MINUTE)).toEqual(['u']);
  // What it was not asked for it does not get.
  await expect(pendingIn(silent, 'other/', { stillForMs: MINUTE })).rejects.toMatchObject({
    code: 'listing',
  });
  await expect(pendingIn(silent, 'other/')).rejects.toMatchObject({ code: 'listing' });
  await silent.close();
  await scripted.close();
});

test('one under another customer key is left alone, and does not hide the others', async () => {
  ahead = -10 * MINUTE;
  const [one, other] = await Promise.all([false, true].map((is) => storeAs(protectionOf('sse-c', '', is))));
  const id = await begin(one as ObjectStore);
  await begin(other as ObjectStore, 0, objectKey('a'));
  ahead = 0;
  expect(await still(one as ObjectStore, MINUTE)).toEqual([id]);
  await one?.close();
  await other?.close();
});

test('who may not look into any hears so, once', async () => {
  ahead = -10 * MINUTE;
  for (const name of ['a', 'b']) await begin(store, 0, objectKey(name));
  ahead = 0;
  server.faults.add({
    match: ({ operation }) => operation === 'ListParts',
    fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' },
  });
  asked.length = 0;
  await expect(still(store, MINUTE)).rejects.toMatchObject({ kind: 'refused' });
  expect(asked.filter((operation) => operation === 'ListParts')).toHaveLength(1);
});

test('one that ends meanwhile is none', async () => {
  ahead = -10 * MINUTE;
  await begin(store);
  ahead = 0;
  server.faults.add({
    match: ({ operation }) => operation === 'ListParts',
    fault: { kind: 'status', status: 404, code: 'NoSuchUpload', message: 'no' },
  });
  expect(await still(store, MINUTE)).toEqual([]);
});
