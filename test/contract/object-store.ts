/**
 * The contract of the ObjectStore port, for every implementation: in memory, against the embedded server, against Ceph
 * RGW. `open` makes a rig on fresh buckets; what the tests do to one rig does not meet what they do to another.
 */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { compareUtf8, type ObjectKey, objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type {
  JournaledPart,
  ListedObject,
  ListedVersion,
  MultipartSource,
  ObjectStore,
  PartAnswer,
  UploadJournal,
} from '../../src/model/ports.ts';
import type { Protection } from '../../src/s3/modes.ts';

export type ModeName = Protection['mode'];

export interface StoreRig {
  /** Modes that this store proves. */
  readonly modes: readonly ModeName[];
  /** Modes that it accepts and does not prove. */
  readonly unproved: readonly ModeName[];
  /** A store on the rig's bucket; every call gives a new one, with few connections. `other` has another key. */
  open(
    mode: ModeName,
    options?: { readonly other?: boolean; readonly versioned?: boolean },
  ): Promise<ObjectStore>;
  close(): Promise<void>;
}

const MIB = 2 ** 20;
export const PART = 5 * MIB;

/** Keys that have broken programs: spaces, signs, line breaks, doubled slashes, form and plane of Unicode. */
const ODD_KEYS = [
  'plain.txt',
  'a b+c%20d~e.txt',
  "quote's (and) more*!.txt",
  'line\nbreak\ttab',
  'double//slash/',
  'emoji 😀 and e\u0301 and \u00e9',
  '\u{ff5e}-before-\u{1f600}',
  'query?x=1&y=2#frag;@:$,=',
  '<xml>&amp;"',
  '日本語/ファイル',
  '%2F%00',
  // XML 1.0 can't hold this one.
  'control\u0001character',
] as const;

export class TestJournal implements UploadJournal {
  uploadId: string | undefined;
  readonly parts = new Map<number, JournaledPart>();
  readonly calls: string[] = [];
  /** Called inside `sent`, to break off there. */
  onSent: (number: number) => void = () => undefined;

  part(number: number): JournaledPart | undefined {
    return this.parts.get(number);
  }
  begun(uploadId: string): void {
    this.calls.push('begun');
    this.uploadId = uploadId;
  }
  sending(number: number, digest: string): void {
    this.calls.push(`sending ${number}`);
    this.parts.set(number, { digest });
  }
  sent(number: number, answer: PartAnswer): void {
    this.calls.push(`sent ${number}`);
    this.parts.set(number, { ...this.parts.get(number)!, answer });
    this.onSent(number);
  }
  ended(): void {
    this.calls.push('ended');
    this.uploadId = undefined;
    this.parts.clear();
  }
}

export function sourceOf(parts: readonly Uint8Array[], metadata = {}): MultipartSource {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  return {
    metadata,
    size,
    partSize: PART,
    open: async function* () {
      yield* parts;
    },
  };
}

export async function bytesIn(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function listAll(
  store: ObjectStore,
  prefix: string,
  startAfter?: string,
): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  for await (const page of store.list(prefix, startAfter === undefined ? {} : { startAfter }))
    found.push(...page);
  return found;
}

export const pendingIn = async (
  store: ObjectStore,
  prefix: string,
  options: { readonly stillForMs?: number } = {},
): Promise<string[]> => {
  const found: string[] = [];
  for await (const { uploadId } of store.uploads(prefix, options)) found.push(uploadId);
  return found;
};

export function objectStoreContract(name: string, start: () => Promise<StoreRig>): void {
  describe(`object store: ${name}`, () => {
    let rig: Promise<StoreRig> | undefined;
    const opened: ObjectStore[] = [];
    let count = 0;
    const theRig = (): Promise<StoreRig> => (rig ??= start());
    const open = async (
      mode: ModeName = 'client',
      options?: { other?: boolean; versioned?: boolean },
    ): Promise<ObjectStore> => {
      const store = await (await theRig()).open(mode, options);
      opened.push(store);
      return store;
    };
    const fresh = (text = 'key'): ObjectKey => objectKey(`${text}-${++count}`);

    afterEach(async () => {
      await Promise.all(opened.splice(0).map((store) => store.close()));
    });

    test('what is put in each mode comes back, with the proof of that mode', async () => {
      for (const mode of (await theRig()).modes) {
        const store = await open(mode);
        const key = fresh(mode);
        const body = randomBytes(70_000);
        const sent: number[] = [];
        const receipt = await store.put(
          key,
          body,
          { 's3vault-mtime': '12.5' },
          { onSent: (n) => sent.push(n) },
        );
        expect(receipt).toMatchObject({ key, size: 70_000, proof: { mode } });
        expect(sent).toEqual([70_000]);
        const { stat, body: stored } = await store.get(key);
        expect((await bytesIn(stored)).equals(body)).toBe(true);
        expect(stat).toMatchObject({
          key,
          size: 70_000,
          etag: receipt.etag,
          metadata: { 's3vault-mtime': '12.5' },
        });
        expect(await store.head(key)).toEqual(stat);
        const part = await store.get(key, { range: { first: 5, last: 9 }, ifMatch: stat.etag });
        expect((await bytesIn(part.body)).equals(body.subarray(5, 10))).toBe(true);
        // Every answer to a read says it, that to a part as well.
        if (mode !== 'client') expect([stat.under, part.stat.under]).toEqual([mode, mode]);
        expect(await listAll(store, key)).toMatchObject([{ key, size: 70_000, etag: receipt.etag }]);
        await store.remove(key);
        expect(await store.head(key)).toBeUndefined();
      }
    });

    test('a mode that the store does not prove is a security failure, and nothing stays', async () => {
      for (const mode of (await theRig()).unproved) {
        const store = await open(mode);
        const key = fresh(mode);
        const failure = { kind: 'security', code: 'proof-missing', message: expect.stringContaining(mode) };
        await expect(store.put(key, Buffer.from('x'), {})).rejects.toMatchObject(failure);
        const journal = new TestJournal();
        const source = sourceOf([randomBytes(PART), randomBytes(1)]);
        await expect(store.upload(key, source, journal)).rejects.toMatchObject(failure);
        expect(journal.calls).not.toContain('sending 1');
        expect(await store.head(key)).toBeUndefined();
        expect(await listAll(store, key)).toEqual([]);
        expect(await pendingIn(store, key)).toEqual([]);
      }
    });

    test('odd keys are kept apart and listed in the order of their UTF-8 bytes', async () => {
      const store = await open();
      for (const key of ODD_KEYS) await store.put(objectKey(`odd/${key}`), Buffer.from(key), {});
      for (const key of ODD_KEYS) {
        expect((await bytesIn((await store.get(objectKey(`odd/${key}`))).body)).toString()).toBe(key);
        expect((await store.head(objectKey(`odd/${key}`)))?.size).toBe(Buffer.byteLength(key));
      }
      const keys = (await listAll(store, 'odd/')).map(({ key }) => key);
      expect(keys).toEqual(ODD_KEYS.map((key) => `odd/${key}`).sort(compareUtf8));
      for (const key of ODD_KEYS) await store.remove(objectKey(`odd/${key}`));
      expect(await listAll(store, 'odd/')).toEqual([]);
    });

    test('an empty body is an object too', async () => {
      const store = await open();
      const key = fresh();
      expect((await store.put(key, new Uint8Array(0), {})).size).toBe(0);
      expect((await bytesIn((await store.get(key)).body)).length).toBe(0);
    });

    test('ranges give the bytes asked for and the size of the whole', async () => {
      const store = await open();
      const key = fresh();
      await store.put(key, Buffer.from('0123456789'), {});
      const { stat, body } = await store.get(key, { range: { first: 2, last: 4 } });
      expect((await bytesIn(body)).toString()).toBe('234');
      expect(stat.size).toBe(10);
    });

    test('what is not there: get says so, head gives nothing, remove succeeds', async () => {
      const store = await open();
      await expect(store.get(fresh())).rejects.toMatchObject({ kind: 'file', code: 'object-missing' });
      expect(await store.head(fresh())).toBeUndefined();
      await store.remove(fresh());
      expect(await listAll(store, 'no-such-prefix/')).toEqual([]);
    });

    test('conditions are kept', async () => {
      const store = await open();
      const key = fresh();
      const unmet = { kind: 'changed', code: 'precondition' };
      const { etag } = await store.put(key, Buffer.from('one'), {}, { ifNoneMatch: '*' });
      await expect(store.put(key, Buffer.from('two'), {}, { ifNoneMatch: '*' })).rejects.toMatchObject(unmet);
      const second = await store.put(key, Buffer.from('two'), {}, { ifMatch: etag });
      await expect(store.put(key, Buffer.from('three'), {}, { ifMatch: etag })).rejects.toMatchObject(unmet);
      await expect(store.get(key, { ifMatch: etag })).rejects.toMatchObject(unmet);
      expect((await bytesIn((await store.get(key, { ifMatch: second.etag })).body)).toString()).toBe('two');
      await expect(store.put(fresh(), Buffer.from('x'), {}, { ifMatch: etag })).rejects.toMatchObject(unmet);
    });

    test('conditions are kept by many at once, before anything is learned of the store', async () => {
      const keys = Array.from({ length: 4 }, () => fresh());
      const first = await open();
      const receipts = await Promise.all(keys.map((key) => first.put(key, Buffer.from('one'), {})));
      const store = await open();
      const second = await Promise.all(
        receipts.map(({ key, etag }) => store.put(key, Buffer.from('two'), {}, { ifMatch: etag })),
      );
      expect(second.map(({ size }) => size)).toEqual([3, 3, 3, 3]);
    });

    test('a removal under a condition spares what somebody else wrote', async () => {
      const store = await open();
      const key = fresh();
      const { etag } = await store.put(key, Buffer.from('one'), {});
      const second = await store.put(key, Buffer.from('two'), {});
      const unmet = { kind: 'changed', code: 'precondition' };
      await expect(store.remove(key, { ifMatch: etag })).rejects.toMatchObject(unmet);
      expect((await bytesIn((await store.get(key)).body)).toString()).toBe('two');
      await store.remove(key, { ifMatch: second.etag });
      expect(await store.head(key)).toBeUndefined();
      await store.remove(key, { ifMatch: second.etag });
    });

    test('what conditions are worth is found out, and nothing stays of it', async () => {
      const store = await open();
      const prefix = fresh();
      const support = await store.conditions(`${prefix}/`);
      for (const one of [support.writes, support.removals, support.copies])
        expect(['kept', 'ignored', 'refused']).toContain(one);
      expect(await listAll(store, `${prefix}/`)).toEqual([]);
      expect(await store.conditions(`${prefix}/`, { known: support })).toEqual(support);
      // Whatever it is: a write that others were quicker than is refused.
      const key = objectKey(`${prefix}/a`);
      const { etag } = await store.put(key, Buffer.from('one'), {}, { ifNoneMatch: '*' });
      await store.put(key, Buffer.from('two'), {}, { ifMatch: etag });
      await expect(store.put(key, Buffer.from('3'), {}, { ifMatch: etag })).rejects.toMatchObject({
        code: 'precondition',
      });
    });

    test('long listings come in pages, from a given key on', async () => {
      const store = await open();
      const keys = Array.from({ length: 1_003 }, (_, at) => `pages/${String(at).padStart(5, '0')}`);
      for (let at = 0; at < keys.length; at += 100) {
        await Promise.all(
          keys.slice(at, at + 100).map((key) => store.put(objectKey(key), Buffer.alloc(0), {})),
        );
      }
      const pages: number[] = [];
      for await (const page of store.list('pages/')) pages.push(page.length);
      expect(pages.length).toBeGreaterThan(1);
      expect(pages.reduce((sum, length) => sum + length)).toBe(1_003);
      expect(Math.max(...pages)).toBeLessThanOrEqual(1_000);
      const rest = await listAll(store, 'pages/', 'pages/01000');
      expect(rest.map(({ key }) => key)).toEqual(['pages/01001', 'pages/01002']);
    });

    test('an upload in parts comes back whole, journaled before and after each part [ORD-2]', async () => {
      for (const mode of (await theRig()).modes) {
        const store = await open(mode);
        const key = fresh(`big-${mode}`);
        const parts = [randomBytes(PART), randomBytes(PART), randomBytes(7)];
        const journal = new TestJournal();
        const sent: number[] = [];
        const receipt = await store.upload(key, sourceOf(parts, { 's3vault-mtime': '1' }), journal, {
          onSent: (bytes) => sent.push(bytes),
        });
        expect(receipt).toMatchObject({ key, size: 2 * PART + 7, proof: { mode } });
        expect(sent.at(-1)).toBe(2 * PART + 7);
        expect(sent).toEqual([...sent].sort((a, b) => a - b));
        expect(journal.calls[0]).toBe('begun');
        expect(journal.calls.at(-1)).toBe('ended');
        for (const number of [1, 2, 3]) {
          const sending = journal.calls.indexOf(`sending ${number}`);
          expect(sending).toBeGreaterThan(0);
          expect(journal.calls.indexOf(`sent ${number}`)).toBeGreaterThan(sending);
        }
        const { stat, body } = await store.get(key);
        expect((await bytesIn(body)).equals(Buffer.concat(parts))).toBe(true);
        expect(stat).toMatchObject({ etag: receipt.etag, metadata: { 's3vault-mtime': '1' } });
        expect(await listAll(store, key)).toMatchObject([{ etag: receipt.etag }]);
        expect(await pendingIn(store, key)).toEqual([]);
      }
    });

    test('an upload that broke off goes on with a new store: only what is missing is sent', async () => {
      for (const mode of (await theRig()).modes) {
        const key = fresh(`resume-${mode}`);
        const parts = [randomBytes(PART), randomBytes(PART), randomBytes(11)];
        const journal = new TestJournal();
        await breakOff(await open(mode), key, parts, journal);
        expect(journal.uploadId).toBeDefined();
        const done = [...journal.parts]
          .filter(([, part]) => part.answer !== undefined)
          .map(([number]) => number);
        expect(done.length).toBeGreaterThan(0);
        journal.calls.length = 0;
        const sent: number[] = [];
        const again = await open(mode);
        const receipt = await again.upload(key, sourceOf(parts), journal, {
          onSent: (bytes) => sent.push(bytes),
        });
        expect(receipt).toMatchObject({ size: 2 * PART + 11, proof: { mode } });
        expect(sent.at(-1)).toBe(2 * PART + 11);
        for (const number of done) expect(journal.calls).not.toContain(`sent ${number}`);
        expect(journal.calls).not.toContain('begun');
        expect(journal.calls.at(-1)).toBe('ended');
        expect((await bytesIn((await again.get(key)).body)).equals(Buffer.concat(parts))).toBe(true);
      }
    });

    test('bytes that differ from what was journaled are never sent: the upload is called off', async () => {
      const key = fresh();
      const parts = [randomBytes(PART), randomBytes(PART), randomBytes(11)];
      const journal = new TestJournal();
      await breakOff(await open(), key, parts, journal);
      const other = [...parts];
      for (const number of journal.parts.keys()) other[number - 1] = randomBytes(parts[number - 1]!.length);
      const store = await open();
      const differing = { kind: 'changed', code: 'upload-differs' };
      await expect(store.upload(key, sourceOf(other), journal)).rejects.toMatchObject(differing);
      expect(journal.calls.at(-1)).toBe('ended');
      expect(await pendingIn(store, key)).toEqual([]);
      expect(await store.head(key)).toBeUndefined();
    });

    test('an upload that is gone from the store is said to be gone', async () => {
      const key = fresh();
      const parts = [randomBytes(PART), randomBytes(PART), randomBytes(11)];
      const journal = new TestJournal();
      await breakOff(await open(), key, parts, journal);
      const store = await open();
      await store.abortUpload(key, journal.uploadId!);
      await store.abortUpload(key, journal.uploadId!);
      const gone = { kind: 'transient', code: 'upload-gone' };
      await expect(store.upload(key, sourceOf(parts), journal)).rejects.toMatchObject(gone);
      expect(journal.calls.at(-1)).toBe('ended');
    });

    test('a cancelled upload is left where it is, and can be listed', async () => {
      const key = fresh();
      const control = new AbortController();
      const journal = new TestJournal();
      journal.onSent = () => control.abort();
      const store = await open();
      const source = sourceOf([randomBytes(PART), randomBytes(PART), randomBytes(PART), randomBytes(1)]);
      const cancelled = { kind: 'cancelled' };
      const uploading = store.upload(key, source, journal, { signal: control.signal });
      await expect(uploading).rejects.toMatchObject(cancelled);
      expect(journal.calls).not.toContain('ended');
      expect(await pendingIn(store, key)).toEqual([journal.uploadId]);
      // No test waits: still since an hour from now, and since an hour ago.
      expect(await pendingIn(store, key, { stillForMs: -3_600_000 })).toEqual([journal.uploadId]);
      expect(await pendingIn(store, key, { stillForMs: 3_600_000 })).toEqual([]);
      await store.abortUpload(key, journal.uploadId!);
      expect(await pendingIn(store, key)).toEqual([]);
    });

    test('a source that fails ends the upload with its own error', async () => {
      const key = fresh();
      const journal = new TestJournal();
      const store = await open();
      const source: MultipartSource = {
        ...sourceOf([randomBytes(PART), randomBytes(PART)]),
        open: async function* () {
          yield randomBytes(PART);
          throw new VaultError('changed', 'changed-while-reading', 'it changed');
        },
      };
      const changed = { code: 'changed-while-reading' };
      await expect(store.upload(key, source, journal)).rejects.toMatchObject(changed);
      expect(await store.head(key)).toBeUndefined();
    });

    test('a source of one part works as well', async () => {
      const key = fresh();
      const store = await open();
      const journal = new TestJournal();
      const receipt = await store.upload(key, sourceOf([Buffer.from('small')]), journal);
      expect(receipt.size).toBe(5);
      expect((await bytesIn((await store.get(key)).body)).toString()).toBe('small');
    });

    test('an upload keeps its conditions', async () => {
      const key = fresh();
      const store = await open();
      await store.put(key, Buffer.from('first'), {});
      const source = sourceOf([randomBytes(PART), randomBytes(1)]);
      const unmet = { kind: 'changed', code: 'precondition' };
      const uploading = store.upload(key, source, new TestJournal(), { ifNoneMatch: '*' });
      await expect(uploading).rejects.toMatchObject(unmet);
      expect((await bytesIn((await store.get(key)).body)).toString()).toBe('first');
    });

    test('a fired signal cancels every call', async () => {
      const store = await open();
      const signal = AbortSignal.abort();
      const key = fresh();
      const cancelled = { kind: 'cancelled' };
      await expect(store.put(key, Buffer.from('x'), {}, { signal })).rejects.toMatchObject(cancelled);
      await expect(store.get(key, { signal })).rejects.toMatchObject(cancelled);
      await expect(store.head(key, { signal })).rejects.toMatchObject(cancelled);
      await expect(store.remove(key, { signal })).rejects.toMatchObject(cancelled);
      await expect(store.abortUpload(key, 'x', { signal })).rejects.toMatchObject(cancelled);
      await expect(store.reach({ signal })).rejects.toMatchObject(cancelled);
      const listing = store.list('', { signal })[Symbol.asyncIterator]();
      await expect(listing.next()).rejects.toMatchObject(cancelled);
      const versions = store.versions('', { signal })[Symbol.asyncIterator]();
      await expect(versions.next()).rejects.toMatchObject(cancelled);
      const uploads = store.uploads('', { signal })[Symbol.asyncIterator]();
      await expect(uploads.next()).rejects.toMatchObject(cancelled);
    });

    test('bodies that are left unread, or half read, hold no connection', async () => {
      const store = await open();
      const key = fresh();
      await store.put(key, randomBytes(4 * MIB), {});
      for (let round = 0; round < 12; round++) {
        const { body } = await store.get(key);
        const reading = body[Symbol.asyncIterator]();
        if (round % 2 === 0) await reading.next();
        await reading.return?.();
      }
      expect((await store.head(key))?.size).toBe(4 * MIB);
    });

    test('the store can be reached', async () => {
      await (await open()).reach();
    });

    test('SSE-C objects open with their own key only', async () => {
      if (!(await theRig()).modes.includes('sse-c')) return;
      const key = fresh();
      await (await open('sse-c')).put(key, Buffer.from('mine'), {});
      const wrong = { kind: 'security', code: 'wrong-key' };
      const other = await open('sse-c', { other: true });
      await expect(other.get(key)).rejects.toMatchObject(wrong);
      await expect(other.head(key)).rejects.toMatchObject(wrong);
      const keyless = await open('client');
      await expect(keyless.get(key)).rejects.toMatchObject({ kind: 'file', code: 'other-mode' });
    });

    test('versions are told apart', async () => {
      const store = await open('client', { versioned: true });
      const key = fresh();
      const first = await store.put(key, Buffer.from('first'), {});
      const second = await store.put(key, Buffer.from('second'), {});
      expect(first.versionId).toBeDefined();
      expect(second.versionId).not.toBe(first.versionId);
      const old = await store.get(key, { versionId: first.versionId! });
      expect((await bytesIn(old.body)).toString()).toBe('first');
      await store.remove(key);
      expect(await store.head(key)).toBeUndefined();
      expect((await store.head(key, { versionId: second.versionId! }))?.size).toBe(6);
      await store.remove(key, { versionId: second.versionId! });
      expect(await store.head(key, { versionId: second.versionId! })).toBeUndefined();
      const big = await store.upload(key, sourceOf([randomBytes(PART), randomBytes(1)]), new TestJournal());
      expect(big.versionId).toBeDefined();
      expect((await store.head(key))?.versionId).toBe(big.versionId);
    });

    test('versions and delete markers are listed by key, the newest first, and only they', async () => {
      const store = await open('client', { versioned: true });
      const prefix = `${fresh('listed')}/`;
      const [odd, plain] = [objectKey(`${prefix}b +%20&<ü>\n\u0001`), objectKey(`${prefix}a`)];
      const first = await store.put(odd, Buffer.from('first'), {});
      await store.remove(odd);
      const second = await store.put(odd, Buffer.from('second!'), {});
      const other = await store.put(plain, Buffer.from('x'), {});
      await store.remove(plain);
      const found = await versionsIn(store, prefix);
      expect(found).toMatchObject([
        { key: plain, latest: true, marker: true, size: 0, etag: '' },
        { key: plain, latest: false, marker: false, versionId: other.versionId, size: 1, etag: other.etag },
        { key: odd, latest: true, marker: false, versionId: second.versionId, size: 7, etag: second.etag },
        { key: odd, latest: false, marker: true },
        { key: odd, latest: false, marker: false, versionId: first.versionId, size: 5, etag: first.etag },
      ]);
      for (const { key, versionId } of found) await store.remove(key, { versionId });
      expect(await versionsIn(store, prefix)).toEqual([]);
      expect(await versionsIn(store, 'no-such-prefix/')).toEqual([]);
    });

    test('without versioning each object is one version, the id of which reads and removes it', async () => {
      const store = await open();
      const key = fresh();
      const { etag } = await store.put(key, Buffer.from('only'), {});
      const [one, ...more] = await versionsIn(store, key);
      expect([one, more]).toMatchObject([{ key, latest: true, marker: false, size: 4, etag }, []]);
      const { versionId } = one!;
      expect((await bytesIn((await store.get(key, { versionId })).body)).toString()).toBe('only');
      await store.remove(key, { versionId });
      expect(await store.head(key)).toBeUndefined();
    });

    test('more versions than a page holds, also of one key', async () => {
      const store = await open('client', { versioned: true });
      const prefix = `${fresh('many')}/`;
      const keys = Array.from({ length: 1_010 }, (_, at) => objectKey(`${prefix}${at % 3}`));
      for (let at = 0; at < keys.length; at += 60)
        await Promise.all(keys.slice(at, at + 60).map((key) => store.put(key, Buffer.alloc(0), {})));
      const found = await versionsIn(store, prefix);
      expect(new Set(found.map(({ versionId }) => versionId)).size).toBe(1_010);
      expect(found.map(({ key }) => key)).toEqual(keys.toSorted());
      expect(found.filter(({ latest }) => latest).map(({ key }) => key)).toEqual(keys.slice(0, 3));
    });
  });
}

async function versionsIn(store: ObjectStore, prefix: string): Promise<ListedVersion[]> {
  const found: ListedVersion[] = [];
  for await (const page of store.versions(prefix)) {
    expect(page.length).toBeLessThanOrEqual(1_000);
    found.push(...page);
  }
  return found;
}

/** Uploads until one part is acknowledged, as if the process had ended there. */
async function breakOff(
  store: ObjectStore,
  key: ObjectKey,
  parts: readonly Uint8Array[],
  journal: TestJournal,
): Promise<void> {
  const control = new AbortController();
  journal.onSent = () => control.abort();
  const uploading = store.upload(key, sourceOf(parts), journal, { signal: control.signal });
  await expect(uploading).rejects.toMatchObject({ kind: 'cancelled' });
  journal.onSent = () => undefined;
}
