import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { MemoryBucket, memoryStore } from '../../src/s3/memory.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { type ModeName, objectStoreContract } from '../contract/object-store.ts';
import { ManualClock } from '../support/manual-clock.ts';

const clock = new ManualClock();

function protectionOf(mode: ModeName, other: boolean): Protection {
  const seed = createHash('sha256').update(`${other}`).digest();
  switch (mode) {
    case 'client':
      return { mode, key: 'fingerprint' };
    case 'sse-c':
      return { mode, key: new Secret(seed) };
    case 'sse-kms':
    case 'dsse-kms':
      return { mode, keyId: 'vault-key-1', context: {} };
    case 'sse-s3':
      return { mode };
    default:
      return mode satisfies never;
  }
}

objectStoreContract('memory', async () => {
  const bucket = new MemoryBucket();
  const versions = new MemoryBucket({ versioned: true });
  return {
    modes: ['client', 'sse-c', 'sse-kms', 'dsse-kms', 'sse-s3'],
    unproved: [],
    open: async (mode, { other = false, versioned = false } = {}) =>
      memoryStore({ clock, bucket: versioned ? versions : bucket, protection: protectionOf(mode, other) }),
    close: async () => undefined,
  };
});

test('faults are scripted before and after a step', async () => {
  let lost = 1;
  const bucket = new MemoryBucket();
  const store = memoryStore({
    clock,
    bucket,
    fault: ({ operation, when }) => {
      if (operation === 'put' && when === 'after' && lost-- > 0)
        throw new VaultError('transient', 'connection', 'the answer got lost');
    },
  });
  await expect(store.put(objectKey('a'), randomBytes(3), {})).rejects.toMatchObject({ kind: 'transient' });
  expect(bucket.keys()).toEqual(['a']);
  await store.put(objectKey('a'), randomBytes(3), {});
});

test('a silent store proves nothing and keeps nothing', async () => {
  const bucket = new MemoryBucket();
  const store = memoryStore({ clock, bucket, silent: true, protection: { mode: 'sse-s3' } });
  await expect(store.put(objectKey('a'), randomBytes(3), {})).rejects.toMatchObject({
    code: 'proof-missing',
  });
  expect(bucket.keys()).toEqual([]);
});
