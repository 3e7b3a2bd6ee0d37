/** The contract of the Mover port, on every server it can meet. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { type ObjectKey, objectKey } from '../../src/model/brands.ts';
import type { Metadata, Mover, ObjectStore } from '../../src/model/ports.ts';
import type { MoverOptions } from '../../src/s3/mover.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { type Endpoint, moverOn, protectionOf, storeOn } from '../s3/rig.ts';
import { type ModeName, PART, TestJournal, bytesIn, sourceOf } from './object-store.ts';

export interface MoverRig {
  readonly place: Endpoint;
  /** From and to, each as mode and whether it is the other key of that mode. */
  readonly moves: readonly (readonly [Side, Side])[];
  /** Those that this store does not do. */
  readonly unsupported: readonly (readonly [Side, Side])[];
}

const partsOf = (body: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(body.length / PART) }, (_, at) => body.subarray(at * PART, (at + 1) * PART));

export type Side = ModeName | `other ${ModeName}`;

const sideOf = (place: Endpoint, side: Side): Protection =>
  protectionOf(side.replace('other ', '') as ModeName, place.kmsKeyId, side.startsWith('other '));

export function moverContract(name: string, rigOf: () => Promise<MoverRig>): void {
  describe(`Mover: ${name}`, () => {
    const open: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      await Promise.all(open.splice(0).map((one) => one.close()));
    });

    async function pair(
      rig: MoverRig,
      [from, to]: readonly [Side, Side],
      options: Partial<MoverOptions> & { readonly versioning?: boolean } = {},
    ): Promise<{ from: ObjectStore; to: ObjectStore; mover: Mover }> {
      const { place } = rig;
      const bucket = await place.createBucket({ versioning: options.versioning ?? false });
      const [before, after] = [sideOf(place, from), sideOf(place, to)];
      const made = {
        from: await storeOn(place, bucket, before),
        to: await storeOn(place, bucket, after),
        mover: await moverOn(place, bucket, before, after, options),
      };
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
        const receipt = await mover.copy(key, rewrite);
        expect(receipt, move.join(' → ')).toMatchObject({ key, size: body.length });
        expect(receipt.proof.mode).toBe(move[1].replace('other ', ''));
        const stat = await to.head(key);
        expect(stat?.etag).toBe(receipt.etag);
        expect(stat?.metadata).toEqual({ 's3vault-mtime': '1.000000', fresh: 'yes' });
        expect(Buffer.compare(await contentOf(to), body)).toBe(0);
        if (move[0].endsWith('sse-c')) await expect(from.get(key)).rejects.toThrow();
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
  });
}
