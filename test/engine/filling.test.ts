/** Large files that were interrupted: what came is kept, proved, and not fetched again. On a real disk. */
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { restoreFile } from '../../src/engine/restore-file.ts';
import { openTarget } from '../../src/local/write.ts';
import { nameKey, relPath } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { ObjectStore } from '../../src/model/ports.ts';
import type { FileTarget } from '../../src/model/target.ts';
import { Folder } from '../support/folder.ts';
import { MIB, PREFIX, RestoreRig } from './restore-rig.ts';

const NOW = Date.UTC(2026, 10, 25);
const broken = new VaultError('offline', 'unreachable', 'the store is gone');

describe.each(['client', 'sse-s3'] as const)('in mode %s', (mode) => {
  let rig: RestoreRig;
  let folder: Folder;
  let target: FileTarget;
  let large: Buffer;
  /** Bytes asked for. */
  let fetched = 0;
  let left = Number.POSITIVE_INFINITY;
  beforeEach(async () => {
    rig = new RestoreRig(mode);
    folder = new Folder();
    large = randomBytes(41 * MIB + 5);
    await rig.put('large', large);
    target = await targetOf();
  });
  afterEach(() => folder.remove());

  async function targetOf(now = NOW): Promise<FileTarget> {
    const made = openTarget({ root: folder.root, clock: { now: () => now } });
    await made.open();
    return made;
  }

  /** Breaks off after so many parts. */
  async function restore(parts = Number.POSITIVE_INFINITY): Promise<unknown> {
    [fetched, left] = [0, parts];
    const reader = {
      ...rig.reader(),
      store: counted(rig.store()),
      reach: <T>(work: () => Promise<T>) => work(),
    };
    const world = { reader, target, force: false, digestOf: () => undefined, wasLink: () => false };
    const stored = rig.bucket.find(`${PREFIX}large`);
    const size = stored?.stat.size ?? 0;
    const wanted = { key: rig.keyOf('large'), size, path: relPath('large'), name: nameKey('large') };
    const options = { signal: new AbortController().signal, onPhase: () => undefined };
    return restoreFile(world, wanted, options);
  }

  function counted(store: ObjectStore): ObjectStore {
    const get = store.get.bind(store);
    store.get = async (key, options = {}) => {
      const { first = 0, last = 0 } = options.range ?? {};
      if (first >= left * 8 * MIB) throw broken;
      fetched += last - first + 1;
      return get(key, options);
    };
    return store;
  }

  const isWhole = (): boolean => readFileSync(folder.at('large')).equals(large);
  const names = (): readonly string[] => readdirSync(folder.root).toSorted();
  const draft = (): string => folder.at(names().find((name) => name.endsWith('.part')) ?? '');
  /** As if the process had been killed: whoever comes next finds the files alone. */
  async function die(): Promise<void> {
    const gone = spawnSync('true').pid;
    for (const name of names())
      renameSync(folder.at(name), folder.at(name.replace(`-${process.pid}-`, `-${gone}-`)));
    target = await targetOf();
  }
  const total = (): number => rig.bucket.find(`${PREFIX}large`)?.stat.size ?? 0;

  test('what came before it broke off is not fetched again, by this process or the next', async () => {
    await expect(restore(2)).rejects.toBe(broken);
    expect(names()).toHaveLength(2);
    await expect(restore(4)).rejects.toBe(broken);
    expect(fetched).toBeLessThanOrEqual(4 * 8 * MIB);
    await die();
    await restore();
    expect(fetched).toBeLessThanOrEqual(total() - 3 * 8 * MIB);
    expect(isWhole()).toBe(true);
    expect(names()).toEqual(['large']);
  });

  test('what is damaged on the disk is fetched from its beginning, and nobody blames the object', async () => {
    await expect(restore(3)).rejects.toBe(broken);
    const bytes = readFileSync(draft());
    bytes[9 * MIB]! ^= 1;
    writeFileSync(draft(), bytes);
    await restore();
    expect(fetched).toBeGreaterThanOrEqual(total());
    expect(isWhole()).toBe(true);
    expect(names()).toEqual(['large']);
  });

  test('what is not our own, too old, or of another object is not gone on with', async () => {
    for (const spoil of [
      async () => chmodSync(draft(), 0o644),
      async () => writeFileSync(`${draft()}s`, 'nonsense'),
      () => rig.put('large', (large = randomBytes(41 * MIB + 5))),
    ]) {
      await expect(restore(3)).rejects.toBe(broken);
      await spoil();
      await die();
      await restore();
      expect(fetched).toBe(total());
      expect(isWhole()).toBe(true);
      expect(names().filter((name) => name.endsWith('.part')).length).toBeLessThanOrEqual(1);
      renameSync(folder.at('large'), folder.at('before'));
    }
    await expect(restore(3)).rejects.toBe(broken);
    await die();
    target = await targetOf(Date.now() + 8 * 86_400_000);
    expect(names()).toEqual(['before']);
  });

  test('an object that was changed is found out after all, and leaves nothing', async () => {
    await expect(restore(3)).rejects.toBe(broken);
    const stored = rig.bucket.find(`${PREFIX}large`);
    if (stored !== undefined) stored.body[39 * MIB]! ^= 1;
    const restoring = restore();
    if (mode === 'client') {
      await expect(restoring).rejects.toMatchObject({ kind: 'security', code: 'cannot-open' });
      expect(fetched).toBeGreaterThan(total());
      expect(names()).toEqual([]);
    } else await restoring;
  });
});

test('in mode client the tag goes over what lay on the disk, whatever its journal says', async () => {
  const rig = new RestoreRig('client');
  const large = randomBytes(25 * MIB);
  await rig.put('large', large);
  const { startOpen } = await import('../../src/crypto/open.ts');
  const stored = rig.bucket.find(`${PREFIX}large`);
  if (stored === undefined) throw new Error('it was just put');
  const opening = await startOpen(rig.keyring, stored.stat.metadata);
  const from = async (at: number, change = 0): Promise<Buffer> => {
    const before = Buffer.from(large.subarray(0, at));
    if (at > 0) before[0]! ^= change;
    const pieces: Buffer[] = [];
    for await (const piece of opening.stream(chunks(stored.body.subarray(at)), chunks(before)))
      pieces.push(piece);
    return Buffer.concat(pieces);
  };
  for (const at of [0, 1, 15, 8 * MIB, large.length - 1, large.length])
    expect((await from(at)).equals(large.subarray(at)), `${at}`).toBe(true);
  await expect(from(8 * MIB, 1)).rejects.toMatchObject({ code: 'cannot-open' });
  await expect(from(large.length, 1)).rejects.toMatchObject({ code: 'cannot-open' });
});

async function* chunks(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700_000) yield bytes.subarray(at, at + 700_000);
}
