/** The contract of the Mover port, on every server it can meet. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { type ObjectKey, objectKey } from '../../src/model/brands.ts';
import type { Clock, Metadata, Mover, ObjectStat, ObjectStore } from '../../src/model/ports.ts';
import { MemoryBucket, memoryStore } from '../../src/s3/memory.ts';
import { memoryMover } from '../../src/s3/memory-mover.ts';
import type { MoverOptions } from '../../src/s3/mover.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { quirksOf } from '../../src/s3/site.ts';
import { type Endpoint, moverOn, protectionOf, storeOn } from '../s3/rig.ts';
import { type ModeName, PART, TestJournal, bytesIn, sourceOf } from './object-store.ts';

export interface Pair {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly mover: Mover;
}

export type PairOptions = Pick<MoverOptions, 'largestCopy' | 'partSize'> & { readonly versioning?: boolean };

export interface MoverRig {
  /** Stores and a Mover on a fresh bucket. */
  readonly open: (move: readonly [Side, Side], options: PairOptions) => Promise<Pair>;
  /** From and to, each as mode and whether it is the other key of that mode. */
  readonly moves: readonly (readonly [Side, Side])[];
  /** Those that this store does not do. */
  readonly unsupported: readonly (readonly [Side, Side])[];
  /** Those that it does in place. */
  readonly updates: readonly (readonly [Side, Side])[];
  /** Objects can have tags. */
  readonly tags: boolean;
}

const partsOf = (body: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(body.length / PART) }, (_, at) => body.subarray(at * PART, (at + 1) * PART));

export type Side = ModeName | `other ${ModeName}`;

const sideOf = (kmsKeyIds: readonly string[], side: Side): Protection => {
  const other = side.startsWith('other ');
  const made = protectionOf(side.replace('other ', '') as ModeName, kmsKeyIds[other ? 1 : 0] ?? '', other);
  // In place no context can be given.
  return made.mode === 'sse-kms' ? { ...made, context: {} } : made;
};

/** Pairs on an S3 endpoint. */
export const pairsOn =
  (place: Endpoint, kmsKeyIds: readonly string[] = [place.kmsKeyId]): MoverRig['open'] =>
  async ([from, to], { versioning = false, ...options }) => {
    const bucket = await place.createBucket({ versioning });
    const [before, after] = [sideOf(kmsKeyIds, from), sideOf(kmsKeyIds, to)];
    const quirks = quirksOf(undefined);
    return {
      from: await storeOn(place, bucket, before, { quirks }),
      to: await storeOn(place, bucket, after),
      mover: await moverOn(place, bucket, before, after, { ...options, quirks }),
    };
  };

/** The same in memory. */
export const pairsInMemory =
  (clock: Clock, kmsKeyIds: readonly string[]): MoverRig['open'] =>
  async ([before, after], { versioning = false }) => {
    const bucket = new MemoryBucket({ versioned: versioning });
    const [from, to] = [sideOf(kmsKeyIds, before), sideOf(kmsKeyIds, after)];
    return {
      from: memoryStore({ clock, bucket, protection: from }),
      to: memoryStore({ clock, bucket, protection: to }),
      mover: memoryMover({ clock, bucket, from, to }),
    };
  };

export function moverContract(name: string, rigOf: () => Promise<MoverRig>): void {
  describe(`Mover: ${name}`, () => {
    const open: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      await Promise.all(open.splice(0).map((one) => one.close()));
    });

    async function pair(
      rig: MoverRig,
      move: readonly [Side, Side],
      options: PairOptions = {},
    ): Promise<Pair> {
      const made = await rig.open(move, options);
      open.push(made.from, made.to, made.mover);
      return made;
    }

    const key = objectKey('folder/öbject +%20.bin');
    const METADATA: Metadata = { 's3vault-mtime': '1.000000', old: 'yes' };
    const rewrite = ({ metadata }: { readonly metadata: Metadata }): Metadata => {
      const { old: _, ...rest } = metadata;
      return { ...rest, fresh: 'yes' };
    };

    async function contentOf(store: ObjectStore, of: ObjectKey = key): Promise<Buffer> {
      return bytesIn((await store.get(of)).body);
    }

    test('copies an object onto itself: same bytes, new metadata, opened only by the new key', async () => {
      const rig = await rigOf();
      for (const move of rig.moves) {
        const { from, to, mover } = await pair(rig, move);
        const body = randomBytes(70_000);
        await from.put(key, body, METADATA);
        let under: ObjectStat['under'];
        const receipt = await mover.copy(key, (stat) => {
          under = stat.under;
          return rewrite(stat);
        });
        expect(receipt, move.join(' → ')).toMatchObject({ key, size: body.length });
        const was = move[0].replace('other ', '');
        if (was !== 'client') expect(under, move.join(' → ')).toBe(was);
        expect(receipt.proof.mode).toBe(move[1].replace('other ', ''));
        const stat = await to.head(key);
        expect(stat?.etag).toBe(receipt.etag);
        expect(stat?.metadata).toEqual({ 's3vault-mtime': '1.000000', fresh: 'yes' });
        expect(Buffer.compare(await contentOf(to), body)).toBe(0);
        if (move[0].endsWith('sse-c')) await expect(from.get(key)).rejects.toThrow();
      }
    });

    test('copies to another name, where nothing may stand if so asked; the old one stays', async () => {
      const rig = await rigOf();
      for (const move of rig.moves) {
        if (move[0] !== move[1]) continue;
        const { from, mover } = await pair(rig, move);
        const to = objectKey('folder/new name');
        const body = randomBytes(70_000);
        await from.put(key, body, METADATA);
        const { copies, versions } = await from.conditions('folder/');
        if (copies !== 'kept' && !versions) {
          await expect(mover.copy(key, rewrite, { to, ifNoneMatch: '*' })).rejects.toMatchObject({
            code: 'copy-unsupported',
          });
          expect(await from.head(to)).toBeUndefined();
          continue;
        }
        const receipt = await mover.copy(key, rewrite, { to, ifNoneMatch: '*' });
        expect(receipt).toMatchObject({ key: to, size: body.length });
        expect(await from.head(to)).toMatchObject({ etag: receipt.etag, metadata: { fresh: 'yes' } });
        expect(Buffer.compare(await contentOf(from, to), body)).toBe(0);
        expect((await from.head(key))?.metadata).toEqual(METADATA);
        await from.put(to, Buffer.from('mine'), {});
        await expect(mover.copy(key, rewrite, { to, ifNoneMatch: '*' })).rejects.toMatchObject({
          kind: 'changed',
          code: 'precondition',
        });
        expect((await contentOf(from, to)).toString()).toBe('mine');
      }
    });

    test('an empty object, one of several parts, and one above what a copy takes', async () => {
      const rig = await rigOf();
      const move = rig.moves[0]!;
      const { from, to, mover } = await pair(rig, move, { largestCopy: 2 * PART, partSize: PART });
      await from.put(objectKey('empty'), new Uint8Array(), {});
      await mover.copy(objectKey('empty'), () => ({ fresh: 'yes' }));
      expect((await to.head(objectKey('empty')))?.size).toBe(0);
      for (const [name, size] of [
        ['parts', PART + 5],
        ['large', 2 * PART + 7],
      ] as const) {
        const body = randomBytes(size);
        await from.upload(objectKey(name), sourceOf(partsOf(body)), new TestJournal());
        // Without a checksum of the whole nothing may be claimed; the bytes must be there all the same.
        const copied = await mover
          .copy(objectKey(name), () => ({ fresh: 'yes' }))
          .catch((error: unknown) => error);
        if (copied instanceof Error) expect(copied).toMatchObject({ kind: 'file', code: 'copy-unproved' });
        expect((await to.head(objectKey(name)))?.metadata).toEqual({ fresh: 'yes' });
        expect(Buffer.compare(await contentOf(to, objectKey(name)), body)).toBe(0);
      }
      for await (const upload of to.uploads('')) expect(upload).toBeUndefined();
    });

    test('what the store does not do is said so, and changes nothing', async () => {
      const rig = await rigOf();
      for (const move of rig.unsupported) {
        const { from, mover } = await pair(rig, move);
        await from.put(key, Buffer.from('kept'), METADATA);
        await expect(mover.copy(key, rewrite)).rejects.toMatchObject({
          kind: 'file',
          code: 'copy-unsupported',
        });
        expect((await contentOf(from)).toString()).toBe('kept');
        expect((await from.head(key))?.metadata).toEqual(METADATA);
      }
    });

    test('what is gone, or was written meanwhile, is left alone', async () => {
      const rig = await rigOf();
      const move = rig.moves[0]!;
      const { from, mover } = await pair(rig, move);
      await expect(mover.copy(key, rewrite)).rejects.toMatchObject({ kind: 'changed' });
      await from.put(key, Buffer.from('first'), METADATA);
      const overtaken = mover.copy(key, async (stat) => {
        await from.put(key, Buffer.from('second'), METADATA);
        return stat.metadata;
      });
      await expect(overtaken).rejects.toMatchObject({ kind: 'changed' });
      expect((await contentOf(from)).toString()).toBe('second');
    });

    test('a version that is not the newest can be the source; the copy is the newest', async () => {
      const rig = await rigOf();
      const { from, to, mover } = await pair(rig, rig.moves[0]!, { versioning: true });
      const first = await from.put(key, Buffer.from('first'), METADATA);
      await from.put(key, Buffer.from('second'), METADATA);
      const receipt = await mover.copy(key, rewrite, { versionId: first.versionId ?? '' });
      expect(receipt.versionId).not.toBe(first.versionId);
      expect((await contentOf(to)).toString()).toBe('first');
    });

    test('moved tells what is under the new protection, of each version', async () => {
      const rig = await rigOf();
      for (const move of rig.moves.filter(([, to]) => !to.endsWith('client'))) {
        const { from, to, mover } = await pair(rig, move, { versioning: true });
        expect(await mover.moved(key)).toBeUndefined();
        const old = await from.put(key, Buffer.from('old'), METADATA);
        expect(await mover.moved(key), move.join(' → ')).toBeUndefined();
        const fresh = await to.put(key, Buffer.from('new'), METADATA);
        expect(await mover.moved(key)).toMatchObject({ etag: fresh.etag, metadata: METADATA });
        expect(await mover.moved(key, { versionId: old.versionId ?? '' })).toBeUndefined();
        expect(await mover.moved(key, { versionId: fresh.versionId ?? '' })).toMatchObject({ size: 3 });
      }
    });

    test('what else the store keeps of an object goes with it, also in parts', async () => {
      const rig = await rigOf();
      const kept = {
        'content-type': 'text/x-odd; charset=utf-8',
        'cache-control': 'max-age=5',
        'content-disposition': 'attachment; filename="a b"',
        'content-language': 'de',
        ...(rig.tags ? { 'x-amz-tagging': 'what=a%20%26%20b&who=me' } : {}),
      };
      const { from, to, mover } = await pair(rig, rig.moves[0]!, { largestCopy: PART, partSize: PART });
      const large = objectKey('large');
      await from.put(key, Buffer.from('small'), METADATA, { kept });
      await from.upload(large, sourceOf([randomBytes(PART), randomBytes(3)]), new TestJournal(), { kept });
      expect(await mover.kept(key)).toEqual(kept);
      expect(await mover.kept(large)).toEqual(kept);
      for (const one of [key, large]) {
        await mover.copy(one, rewrite).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'copy-unproved' });
        });
        expect(await mover.kept(one), one).toEqual(kept);
        expect((await to.head(one))?.metadata['fresh']).toBe('yes');
      }
    });

    test('encryption changes in place: no new version, same ETag, and that is proved', async () => {
      const rig = await rigOf();
      for (const move of rig.updates) {
        const { from, to, mover } = await pair(rig, move, { versioning: true });
        const first = await from.put(key, Buffer.from('first'), METADATA);
        const second = await from.put(key, Buffer.from('second'), METADATA);
        expect(mover.updates).toBe(true);
        const receipt = await mover.update(key, { versionId: first.versionId ?? '' });
        expect(receipt).toMatchObject({ etag: first.etag, versionId: first.versionId, size: 5 });
        expect(receipt.proof.mode).toBe(move[1].replace('other ', ''));
        expect(await mover.moved(key)).toBeUndefined();
        await mover.update(key);
        expect(await mover.moved(key)).toMatchObject({ versionId: second.versionId, metadata: METADATA });
        expect((await contentOf(to)).toString()).toBe('second');
      }
      const cannot = await pair(rig, rig.moves[0]!);
      expect(cannot.mover.updates).toBe(false);
      await cannot.from.put(key, Buffer.from('kept'), METADATA);
      await expect(cannot.mover.update(key)).rejects.toMatchObject({ code: 'update-unsupported' });
    });
  });
}
