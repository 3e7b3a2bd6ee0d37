/** What every Index keeps, in memory or on disk. */
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NameKey, type RelPath, compareUtf8, nameKey, relPath } from '../../src/model/brands.ts';
import type { HistoryLine } from '../../src/model/history.ts';
import type { LeftOutFile } from '../../src/model/left-out.ts';
import type { RefusedRemoval } from '../../src/model/refused.ts';
import type { Index, UploadSubject } from '../../src/model/ports.ts';
import type { Record } from '../../src/model/record.ts';

export interface IndexUnderTest {
  readonly index: Index;
  /** Closes and opens it again; the same object where nothing outlives it. */
  readonly again: () => Promise<Index>;
  readonly end: () => void;
}

export function record(path: string, over: Partial<Record> = {}): Record {
  return {
    key: nameKey(path),
    path: relPath(path),
    kind: 'file',
    size: 5,
    mtime: 1_700_000_000_123.456,
    ctime: 1_700_000_000_124.5,
    inode: 4_294_967_299,
    mode: 0o100644,
    digest: new Uint8Array(32).fill(7),
    etag: 'etag',
    versionId: 'v1',
    storedSize: 21,
    modeFingerprint: 'client/a3f9',
    seenAt: 1_700_000_001_000,
    received: true,
    ...over,
  };
}

const subject = (path: string, over: Partial<UploadSubject> = {}): UploadSubject => ({
  key: nameKey(path),
  path: relPath(path),
  size: 20,
  mtime: 1.5,
  ctime: 2.5,
  inode: 3,
  partSize: 8,
  modeFingerprint: 'client/a3f9',
  digest: 'abc=',
  metadata: { 'x-amz-3': 'wrapped' },
  ...over,
});

const put = (...paths: readonly string[]) =>
  paths.map((path) => ({ kind: 'put' as const, record: record(path) }));
const paths = (records: readonly Record[]): string[] => records.map(({ path }) => path);

/** Names that meet what is hard about order: around `/`, beyond U+FFFF, private use, prefixes. */
const segment = fc
  .string({
    unit: fc.constantFrom('a', 'b', '-', '.', '0', ' ', '\uE000', '\u{1F3D4}', 'é', '~'),
    minLength: 1,
    maxLength: 4,
  })
  .filter((name) => name !== '.' && name !== '..');
const anyPath = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

export function indexContract(name: string, make: () => Promise<IndexUnderTest>): void {
  describe(`${name} as an Index`, () => {
    let under: IndexUnderTest;
    let index: Index;

    beforeEach(async () => {
      under = await make();
      ({ index } = under);
    });
    afterEach(() => under.end());

    test('gives back what it was given, to the last bit', () => {
      const full = record('dir/na\nme');
      const bare = record('bare', { kind: 'link', mode: 0o120777, size: 0 });
      const { digest: _digest, versionId: _version, ...rest } = bare;
      index.commit([
        { kind: 'put', record: full },
        { kind: 'put', record: rest },
      ]);
      expect(index.get(full.key)).toEqual(full);
      expect(index.get(rest.key)).toEqual(rest);
      expect(index.get(nameKey('none'))).toBeUndefined();
      expect(index.count()).toEqual({ files: 2, bytes: 5 });
    });

    test('put replaces, remove removes, and a name may be removed that is not there', () => {
      index.commit(put('a', 'b'));
      index.commit([
        { kind: 'put', record: record('a', { size: 9 }) },
        { kind: 'remove', key: nameKey('b') },
        { kind: 'remove', key: nameKey('c') },
      ]);
      expect(index.get(nameKey('a'))?.size).toBe(9);
      expect(index.count().files).toBe(1);
    });

    test('pages come in the order of UTF-8 bytes, whole and once', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(anyPath, { maxLength: 40 }),
          fc.integer({ min: 1, max: 7 }),
          async (all, limit) => {
            index.commit(index.page(undefined, 1_000).map(({ key }) => ({ kind: 'remove', key })));
            index.commit(put(...all));
            const seen: string[] = [];
            let after: NameKey | undefined;
            for (let page = index.page(after, limit); page.length > 0; page = index.page(after, limit)) {
              seen.push(...page.map(({ key }) => key));
              after = page.at(-1)?.key;
            }
            expect(seen).toEqual([...new Set(all.map((path) => nameKey(path)))].sort(compareUtf8));
          },
        ),
        { numRuns: 60 },
      );
    });

    test('under a folder is what lies in it, and the path itself; never a sibling with a longer name', () => {
      index.commit(put('a', 'a/b', 'a/b/c', 'a-b', 'a.txt', 'a0', 'ab/c', 'b'));
      const under_ = (path: string) => paths(index.under(nameKey(path)));
      expect(under_('a')).toEqual(['a', 'a/b', 'a/b/c']);
      expect(under_('a/b')).toEqual(['a/b', 'a/b/c']);
      expect(under_('')).toEqual(['a', 'a-b', 'a.txt', 'a/b', 'a/b/c', 'a0', 'ab/c', 'b']);
      expect(under_('none')).toEqual([]);
    });

    test('facts about the vault are kept, replaced and dropped', async () => {
      index.setMeta('device', '12');
      index.setMeta('device', '13');
      index.setMeta('gone', 'x');
      index.setMeta('gone', undefined);
      const again = await under.again();
      expect(again.meta('device')).toBe('13');
      expect(again.meta('gone')).toBeUndefined();
    });

    test('an Intent stays until a commit of its key', async () => {
      const intents = ['a', 'b', 'c'].map((path) => ({ key: nameKey(path), path: path as RelPath }));
      index.intents().add(intents);
      index.intents().add(intents.slice(0, 1));
      index.commit([...put('a'), { kind: 'remove', key: nameKey('b') }]);
      const again = await under.again();
      expect(again.intents().all()).toEqual(intents.slice(2));
      again.intents().remove(nameKey('c'));
      expect(again.intents().all()).toEqual([]);
    });

    test('what was left out is kept as it was, until it is taken back', async () => {
      const sent: LeftOutFile = {
        key: nameKey('b'),
        path: relPath('b'),
        kind: 'put',
        local: { size: 3, mtime: 1_700_000_000_123.456, ctime: 1_700_000_000_124.5, mode: 0o100644 },
      };
      const fetched: LeftOutFile = { key: nameKey('a'), path: relPath('a'), kind: 'get', etag: 'e1' };
      index.leftOut().put({ ...sent, local: { size: 9, mtime: 1 } });
      index.leftOut().put(sent);
      index.leftOut().put(fetched);
      const again = (await under.again()).leftOut();
      expect(again.all()).toEqual([fetched, sent]);
      again.remove(fetched.key);
      again.remove(nameKey('none'));
      expect(again.all()).toEqual([sent]);
    });

    test('removals that were refused are kept, until they are dropped', async () => {
      const one: RefusedRemoval = {
        key: nameKey('b'),
        path: relPath('b'),
        kind: 'remove-remote',
        etag: 'e1',
      };
      const other: RefusedRemoval = {
        key: nameKey('a'),
        path: relPath('A'),
        kind: 'remove-local',
        etag: 'e2',
        digest: new Uint8Array(32).fill(7),
      };
      index.refused().put([{ ...one, kind: 'remove-local', digest: new Uint8Array(32) }]);
      index.refused().put([one, other]);
      index.refused().put([]);
      const again = (await under.again()).refused();
      expect(again.all()).toEqual([other, one]);
      expect(again.count()).toBe(2);
      expect([again.page(undefined, 1), again.page(other.key, 5), again.page(one.key, 5)]).toEqual([
        [other],
        [one],
        [],
      ]);
      again.remove([other.key, nameKey('none')]);
      expect(again.all()).toEqual([one]);
      again.clear();
      expect(again.all()).toEqual([]);
    });

    test('a journal goes on where it was, and ends', async () => {
      const journal = index.journal().create(subject('big'));
      expect(journal.uploadId).toBeUndefined();
      journal.begun('upload-1');
      expect(journal.uploadId).toBe('upload-1');
      journal.sending(1, 'digest-1');
      journal.sent(1, { etag: 'e1', crc32: 'c1' });
      journal.sending(2, 'digest-2');
      const again = (await under.again()).journal();
      const found = again.find(nameKey('big'));
      expect(found?.uploadId).toBe('upload-1');
      expect(found?.subject).toEqual(subject('big'));
      expect(found?.part(1)).toEqual({ digest: 'digest-1', answer: { etag: 'e1', crc32: 'c1' } });
      expect(found?.part(2)).toEqual({ digest: 'digest-2' });
      expect(found?.part(3)).toBeUndefined();
      expect(again.all()).toEqual([{ key: 'big', path: 'big', uploadId: 'upload-1' }]);
      found?.ended();
      expect(again.find(nameKey('big'))).toBeUndefined();
      expect(again.all()).toEqual([]);
    });

    test('a digest once journaled for a part is never replaced', () => {
      const journal = index.journal().create(subject('big'));
      journal.sending(1, 'first');
      journal.sending(1, 'second');
      expect(journal.part(1)?.digest).toBe('first');
    });

    test('a new upload of a key forgets the parts of the old one', () => {
      const old = index.journal().create(subject('big'));
      old.begun('upload-1');
      old.sending(1, 'digest-1');
      const fresh = index.journal().create(subject('big', { size: 30 }));
      expect(fresh.uploadId).toBeUndefined();
      expect(fresh.part(1)).toBeUndefined();
      expect(index.journal().find(nameKey('big'))?.subject.size).toBe(30);
    });

    const spooled = (...lines: readonly string[]) =>
      lines.map((line) => ({ key: nameKey(line), find: `${line}\nput`, line }));

    test('the spool gives lines back in their order, once', () => {
      const spool = index.spool();
      spool.push(spooled('a', 'b', 'c'));
      spool.push([]);
      spool.push(spooled('d'));
      expect(spool.count).toBe(4);
      expect(spool.shift(3)).toEqual(['a', 'b', 'c']);
      expect(spool.shift(3)).toEqual(['d']);
      expect(spool.shift(3)).toEqual([]);
      spool.push(spooled('e'));
      spool.clear();
      expect(spool.shift(3)).toEqual([]);
      expect(spool.count).toBe(0);
    });

    test('a line of the spool is found by its key, and taken out once', async () => {
      const spool = index.spool();
      spool.push(spooled('a', 'b', 'c'));
      expect(spool.get(nameKey('b'))).toBe('b');
      expect(spool.take(nameKey('b'))).toBe('b');
      expect(spool.take(nameKey('b'))).toBeUndefined();
      expect(spool.get(nameKey('b'))).toBeUndefined();
      const again = (await under.again()).spool();
      expect([again.count, again.shift(9)]).toEqual([2, ['a', 'c']]);
    });

    test('the spool is looked through part by part, for a text that is no pattern', () => {
      const spool = index.spool();
      const names = Array.from({ length: 25 }, (_, n) => (n % 2 === 0 ? `50%_${n}` : `half-${n}`));
      spool.push(spooled(...names));
      spool.take(nameKey('50%_4'));
      const wanted = names.filter((name) => name.includes('50%_') && name !== '50%_4');
      const seen: string[] = [];
      let held: number | undefined;
      for (let after = 0; ; ) {
        const part = spool.scan(after, 10, '50%_', nameKey('50%_14'));
        if (part === undefined) break;
        if (part.held !== undefined) held = seen.length + part.held;
        expect(spool.lines(part, '50%_', 0, 99)).toHaveLength(part.count);
        seen.push(...spool.lines(part, '50%_', 0, 1), ...spool.lines(part, '50%_', 1, 99));
        after = part.last;
      }
      expect(seen).toEqual(wanted);
      expect(held).toBe(wanted.indexOf('50%_14'));
      expect(spool.scan(0, 99, 'nowhere')).toMatchObject({ count: 0 });
      expect(spool.scan(0, 99, 'half', nameKey('50%_14'))?.held).toBeUndefined();
    });

    const ended = (id: number, path: string, over: Partial<HistoryLine> = {}): HistoryLine => ({
      id,
      time: new Date(Date.UTC(2026, 0, 1) + id).toISOString(),
      path,
      bytes: 5,
      outcome: 'written',
      proof: null,
      versionId: 'v',
      message: null,
      ...over,
    });
    const allOf = (of: Index, text: string, limit = 100_000): readonly HistoryLine[] => {
      const part = of.history().scan(Number.MAX_SAFE_INTEGER, limit, text);
      return part === undefined ? [] : of.history().lines(part, text, 0, limit);
    };

    test('what happened is kept, newest first, and found by path, words and message', async () => {
      index.commit(put('a'), [ended(1, 'a'), ended(2, 'Ä', { outcome: 'failed', message: 'No Luck' })]);
      index.commit([], [ended(3, 'c')]);
      const again = await under.again();
      expect(again.count().files).toBe(1);
      expect(again.history().last).toBe(3);
      expect(allOf(again, '')).toEqual([
        ended(3, 'c'),
        ended(2, 'Ä', { outcome: 'failed', message: 'No Luck' }),
        ended(1, 'a'),
      ]);
      expect(allOf(again, 'sent').map(({ id }) => id)).toEqual([3, 1]);
      for (const text of ['ä', 'no luck', 'failed'])
        expect(allOf(again, text).map(({ id }) => id)).toEqual([2]);
    });

    test('the history is looked through part by part', () => {
      index.commit(
        [],
        Array.from({ length: 25 }, (_, n) => ended(n + 1, n % 2 === 0 ? '50%_' : 'x')),
      );
      const seen: number[] = [];
      let held: number | undefined;
      for (let before = 99; ; ) {
        const part = index.history().scan(before, 10, '50%_', 7);
        if (part === undefined) break;
        if (part.held !== undefined) held = seen.length + part.held;
        const lines = [
          ...index.history().lines(part, '50%_', 0, 1),
          ...index.history().lines(part, '50%_', 1, 99),
        ];
        expect(lines).toHaveLength(part.count);
        seen.push(...lines.map(({ id }) => id));
        before = part.first;
      }
      expect(seen).toEqual(Array.from({ length: 13 }, (_, n) => 25 - 2 * n));
      expect(held).toBe(seen.indexOf(7));
    });

    test('the history keeps the newest 100,000 lines, and none that is older than 90 days', () => {
      for (let n = 0; n < 103; n++)
        index.commit(
          [],
          Array.from({ length: 1_000 }, (_, at) => ended(n * 1_000 + at + 1, 'a')),
        );
      const all = allOf(index, '', 200_000);
      expect([all.length, all.at(-1)?.id]).toEqual([100_000, 3_001]);
      // Removed some at a time, so that no commit takes long.
      const later = Date.UTC(2026, 0, 1) + 91 * 24 * 3_600_000;
      for (let n = 0; n < 60; n++)
        index.commit(
          [],
          Array.from({ length: 1_000 }, (_, at) => ({
            ...ended(103_000 + n * 1_000 + at + 1, 'a'),
            time: new Date(later).toISOString(),
          })),
        );
      expect(allOf(index, '', 200_000)).toHaveLength(60_000);
    });
  });
}
