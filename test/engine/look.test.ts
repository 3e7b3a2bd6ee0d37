/** Listings, contents, versions and removals taken back, in memory. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { verifiedBytes } from '../../src/engine/cat.ts';
import type { Reader } from '../../src/engine/fetching.ts';
import { type Shown, showKept, showLevel } from '../../src/engine/level.ts';
import { markOf } from '../../src/engine/chain.ts';
import { selectOne } from '../../src/engine/selecting.ts';
import { historiesOf, removalsOf, undelete } from '../../src/engine/undelete.ts';
import { asWritten } from '../../src/engine/written.ts';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import { memoryMover } from '../../src/s3/memory-mover.ts';
import { gather } from '../support/facts.ts';
import { MIB, PREFIX, RestoreRig } from './restore-rig.ts';

const reach: Reader['reach'] = (work) => work();

const shownAs = (shown: Shown): string =>
  shown.kind === 'folder' ? shown.name : `${shown.name} ${shown.bytes}`;

async function ls(rig: RestoreRig, name = '', recursive = false): Promise<string[]> {
  rig.steps = [];
  const level = { store: rig.store(), prefix: PREFIX, names: rig.names, mode: rig.mode, recursive };
  return (await gather(showLevel(level, name))).map(shownAs);
}

describe('ls', () => {
  test('shows one level with plaintext sizes, folders once, or all of it', async () => {
    const rig = new RestoreRig();
    for (const name of ['a/b/c', 'a/b/d', 'a/e', 'a.txt', 'z', 'a']) await rig.put(name, 'seven b');
    await rig.raw('.s3vault/vault.json', '{}');
    await rig.raw('a/', '');
    expect(await ls(rig)).toEqual(['a 7', 'a.txt 7', 'a/', 'z 7']);
    expect(await ls(rig, 'a')).toEqual(['a 7', 'a/b/', 'a/e 7']);
    expect(await ls(rig, 'a/b/c')).toEqual(['a/b/c 7']);
    expect(await ls(rig, '', true)).toEqual(['a 7', 'a.txt 7', 'a/b/c 7', 'a/b/d 7', 'a/e 7', 'z 7']);
    expect(await ls(rig, 'nope')).toEqual([]);
  });

  test('a folder of many files costs a request, not a page for each thousand', async () => {
    const rig = new RestoreRig('sse-s3');
    for (let n = 0; n < 4_500; n++) await rig.raw(`many/${String(n).padStart(4, '0')}`, 'x');
    await rig.raw('z', 'x');
    expect(await ls(rig)).toEqual(['many/', 'z 1']);
    expect(rig.count('list')).toBe(2);
    expect(await ls(rig, 'many')).toHaveLength(4_500);
    expect(rig.count('head')).toBe(0);
  });

  test('shows what was removed and can come back beside what is there, folders once', async () => {
    const rig = new RestoreRig('client', true);
    for (const name of ['a', 'b/c', 'b/d', 'z']) await rig.put(name, 'seven b');
    await rig.raw('.s3vault/vault.json', '{}');
    await rig.store().remove(objectKey(`${PREFIX}a`));
    await rig.store().remove(objectKey(`${PREFIX}b/c`));
    const level = { store: rig.store(), prefix: PREFIX, names: rig.names, mode: rig.mode };
    const kept = async (name: string): Promise<string[]> =>
      (await gather(showKept(level, name))).map((shown) =>
        shown.kind === 'object' && shown.removed ? `${shownAs(shown)} removed` : shownAs(shown),
      );
    expect(await kept('')).toEqual(['a 7 removed', 'b/', 'z 7']);
    expect(await kept('b')).toEqual(['b/c 7 removed', 'b/d 7']);
  });

  test('hides instruction files, and only those', async () => {
    const rig = new RestoreRig();
    await rig.put('a', 'x');
    await rig.put('a b', 'x');
    await rig.raw('a.instruction', '{}', { 'x-amz-crypto-instr-file': '' });
    await rig.put('b', 'x');
    await rig.put('b.instruction', 'mine');
    await rig.put('c.instruction', 'mine');
    expect(await ls(rig)).toEqual(['a 1', 'a b 1', 'b 1', 'b.instruction 4', 'c.instruction 4']);
    expect(rig.count('head')).toBe(2);
  });
});

describe('cat', () => {
  const reader = (rig: RestoreRig): Reader => ({ ...rig.reader(), reach });
  const wanted = (rig: RestoreRig, name: string) => ({
    key: objectKey(PREFIX + name),
    size: rig.bucket.find(PREFIX + name)?.body.length ?? 0,
  });
  async function read(
    rig: RestoreRig,
    name: string,
  ): Promise<{ released: number; bytes: Buffer; code: string }> {
    const pieces: Uint8Array[] = [];
    let code = '';
    try {
      for await (const piece of verifiedBytes(reader(rig), wanted(rig, name), new AbortController().signal))
        pieces.push(Buffer.from(piece));
    } catch (thrown) {
      ({ code } = thrown as { code: string });
    }
    const bytes = Buffer.concat(pieces);
    return { released: bytes.length, bytes, code };
  }

  test.each(['client', 'sse-s3'] as const)('gives small and large ones, mode %s', async (mode) => {
    const rig = new RestoreRig(mode);
    const large = randomBytes(20 * MIB);
    await rig.put('small', 'bytes');
    await rig.put('large', large);
    expect((await read(rig, 'small')).bytes.toString()).toBe('bytes');
    expect((await read(rig, 'large')).bytes.equals(large)).toBe(true);
  });

  test('releases nothing of an object that was tampered with, however large, wherever', async () => {
    const rig = new RestoreRig();
    await rig.put('small', 'bytes');
    await rig.put('large', randomBytes(20 * MIB));
    await rig.flip('small');
    await rig.flip('large', 20 * MIB - 1);
    expect(await read(rig, 'small')).toMatchObject({ released: 0, code: 'cannot-open' });
    expect(await read(rig, 'large')).toMatchObject({ released: 0, code: 'cannot-open' });
  });

  test('a store that shows the check one object and the reader another is caught before a byte of it', async () => {
    const rig = new RestoreRig();
    await rig.put('large', randomBytes(20 * MIB));
    const { stat, body } = rig.bucket.find(`${PREFIX}large`)!;
    let gets = 0;
    rig.fault = ({ operation, when }) => {
      // The second time the first part is another one, under the very same ETag.
      if (operation === 'get' && when === 'before' && ++gets === 4) (body as Buffer)[0]! ^= 1;
    };
    expect(await read(rig, 'large')).toMatchObject({ released: 0, code: 'wrong-bytes' });
    expect(stat.etag).toBe(rig.bucket.find(`${PREFIX}large`)!.stat.etag);
  });
});

const noCopier = () => Promise.reject(new Error('nothing is to be copied'));

describe('undelete', () => {
  test('takes back all removals since the newest content, and tells what needs none', async () => {
    const rig = new RestoreRig('client', true);
    const store = rig.store();
    for (const name of ['a/removed', 'a/twice', 'a/here', 'ab']) await rig.put(name, name);
    for (const name of ['a/removed', 'a/twice', 'a/twice', 'a/never', 'ab'])
      await store.remove(objectKey(PREFIX + name));
    const histories = await gather(historiesOf({ store, prefix: PREFIX, names: rig.names }, 'a'));
    expect(histories.map((one) => [one.name, removalsOf(one)?.length])).toEqual([
      ['a/here', undefined],
      ['a/never', undefined],
      ['a/removed', 1],
      ['a/twice', 2],
    ]);
    for (const one of histories) await undelete(store, one, noCopier);
    expect(rig.bucket.keys()).toEqual(['a/here', 'a/removed', 'a/twice'].map((name) => PREFIX + name));
  });

  test('where a removal may not be removed its newest content is copied, if nothing stands there', async () => {
    const rig = new RestoreRig('client', true);
    const store = rig.store();
    const protection = { mode: 'client', key: 'memory' } as const;
    const { bucket, clock } = rig;
    const mover = memoryMover({ clock, bucket, from: protection, to: protection });
    await rig.put('a', 'first');
    await rig.put('a', 'second');
    await store.remove(objectKey(`${PREFIX}a`));
    const refuse: typeof rig.fault = ({ operation }) => {
      if (operation === 'remove') throw new VaultError('refused', 'access-denied', 'no DeleteObjectVersion');
    };
    rig.fault = refuse;
    const [history] = await gather(historiesOf({ store, prefix: PREFIX, names: rig.names }, 'a'));
    await undelete(store, history!, async () => mover);
    const [newest] = rig.bucket
      .versions(`${PREFIX}a`)
      .filter(({ marker }) => !marker)
      .slice(1);
    expect(rig.bucket.find(`${PREFIX}a`)?.body).toEqual(
      rig.bucket.find(`${PREFIX}a`, newest?.versionId)?.body,
    );
    expect(rig.bucket.versions(`${PREFIX}a`).map(({ marker }) => marker)).toEqual([
      false,
      true,
      false,
      false,
    ]);
    // Meanwhile somebody wrote it anew: that stays.
    await expect(undelete(store, history!, async () => mover)).rejects.toMatchObject({
      code: 'precondition',
    });
    rig.fault = () => undefined;
    await store.remove(objectKey(`${PREFIX}a`));
    rig.fault = refuse;
    const dumb = memoryMover({ clock, bucket, from: protection, to: protection, without: ['copy'] });
    await expect(undelete(store, history!, async () => dumb)).rejects.toMatchObject({
      code: 'copy-unsupported',
      message: expect.stringMatching(/may not be taken back \(no DeleteObjectVersion\), and copying/),
    });
  });
});

describe('a time before all versions were written anew', () => {
  const at = async (rig: RestoreRig, time: number): Promise<string | undefined> => {
    for await (const { key, versionId } of selectOne(
      { store: rig.store(), prefix: PREFIX, names: rig.names },
      time,
      'f',
    )) {
      return rig.bucket.find(key, versionId)?.body.toString();
    }
    return undefined;
  };

  test('the version of then is found by its own word, and the looks at others are few', async () => {
    const rig = new RestoreRig('sse-s3', true);
    const store = rig.store();
    const key = objectKey(`${PREFIX}f`);
    const times: number[] = [];
    const put = async (text: string, metadata = {}): Promise<void> => {
      times.push(rig.clock.now());
      await store.put(key, Buffer.from(text), metadata);
      rig.clock.advance(10_000);
    };
    for (const text of ['one', 'two', 'three']) await put(text);
    const [one = 0, two = 0, three = 0] = times;
    expect(await Promise.all([one, two + 1, three].map((time) => at(rig, time)))).toEqual([
      'one',
      'two',
      'three',
    ]);
    expect(await at(rig, one - 1)).toBeUndefined();
    // The first was under the new key already; the others are written anew, and a removal behind them.
    const [, second, third] = rig.bucket.versions(key).toReversed();
    for (const [text, version] of [
      ['two', second],
      ['three', third],
    ] as const)
      await put(text, markOf(version!.versionId, version!.modified, {}));
    await store.remove(key);
    for (const { versionId } of [third!, second!]) await store.remove(key, { versionId });
    rig.clock.advance(10_000);
    await put('four');
    rig.steps = [];
    expect(await Promise.all([one, two, three - 1, three].map((time) => at(rig, time)))).toEqual([
      'one',
      'two',
      'two',
      'three',
    ]);
    expect(await at(rig, rig.clock.now())).toBe('four');
    expect(rig.steps.filter(({ operation }) => operation === 'head').length).toBeLessThanOrEqual(4 * 3);
    const written = await gather(asWritten(store, rig.bucket.versions(key)));
    expect(written.filter(({ marker }) => !marker).map(({ modified }) => modified)).toEqual([
      times.at(-1),
      three,
      two,
      one,
    ]);
  });
});
