import { describe, expect, test } from 'vitest';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError, type ErrorDetail, type ErrorKind } from '../../src/model/errors.ts';
import type { Receipt } from '../../src/model/receipt.ts';
import { memoryStore, type MemoryStep } from '../../src/s3/memory.ts';
import { backoff, retrying, withRetries } from '../../src/s3/retrying.ts';
import { ManualClock } from '../support/manual-clock.ts';

const error = (kind: ErrorKind, detail: ErrorDetail = {}): VaultError =>
  new VaultError(kind, kind, kind, detail);
const KEY = objectKey('a');

/** Fails the first `times` puts, before or after they were done. */
function failing(times: number, failure: VaultError, when: MemoryStep['when'] = 'before') {
  const clock = new ManualClock();
  let tries = 0;
  const fault = (step: MemoryStep): void => {
    if (step.operation === 'put' && step.when === when && ++tries <= times) throw failure;
  };
  return { clock, store: memoryStore({ clock, fault }), tries: () => tries };
}

/** Settles `promise`, moving time on as it sleeps; gives how long that took. */
async function timed<T>(
  clock: ManualClock,
  promise: Promise<T>,
): Promise<{ value?: T; thrown?: unknown; ms: number }> {
  const begun = clock.now();
  const settled: { value?: T; thrown?: unknown; over: boolean } = { over: false };
  void promise.then(
    (value) => Object.assign(settled, { value, over: true }),
    (thrown: unknown) => Object.assign(settled, { thrown, over: true }),
  );
  while (!settled.over) await clock.run(50);
  return { ...settled, ms: clock.now() - begun };
}

describe('trying again', () => {
  test('mends what is transient, with growing pauses', async () => {
    const { clock, store, tries } = failing(3, error('transient'));
    const pauses: number[] = [];
    const again = retrying(store, clock, { onRetry: (_, __, delay) => pauses.push(delay) });
    const { value } = await timed(clock, again.put(KEY, Buffer.from('x'), {}));
    expect(value).toMatchObject({ key: KEY });
    expect(tries()).toBe(4);
    expect(pauses).toEqual([75, 150, 300]);
  });

  test('gives up after six tries', async () => {
    const { clock, store, tries } = failing(99, error('transient'));
    const { thrown } = await timed(clock, retrying(store, clock).put(KEY, Buffer.from('x'), {}));
    expect(thrown).toMatchObject({ kind: 'transient' });
    expect(tries()).toBe(6);
  });

  test.each([
    'refused',
    'security',
    'file',
    'offline',
    'changed',
    'usage',
    'internal',
  ] as const)('does not touch %s', async (kind) => {
    const { clock, store, tries } = failing(99, error(kind));
    await expect(retrying(store, clock).put(KEY, Buffer.from('x'), {})).rejects.toMatchObject({ kind });
    expect(tries()).toBe(1);
  });

  test('throttling waits longer, is told, and honours what the store asks for', async () => {
    const { clock, store } = failing(2, error('throttled', { retryAfter: 9_000, resource: 'kms' }));
    const told: VaultError[] = [];
    const again = retrying(store, clock, { onThrottle: (found) => told.push(found) });
    const { ms } = await timed(clock, again.put(KEY, Buffer.from('x'), {}));
    expect(told.map(({ resource }) => resource)).toEqual(['kms', 'kms']);
    expect(ms).toBeGreaterThanOrEqual(18_000);
    const least = new ManualClock(0, () => 0);
    expect(backoff(error('throttled'), 1, least)).toBeGreaterThan(backoff(error('transient'), 1, least));
    expect(backoff(error('transient'), 40, new ManualClock(0, () => 0.999))).toBeLessThanOrEqual(20_000);
  });

  test('a pause can be cancelled', async () => {
    const clock = new ManualClock();
    const control = new AbortController();
    const trying = withRetries(() => Promise.reject(error('transient')), clock, {}, control.signal);
    await new Promise((resolve) => setImmediate(resolve));
    control.abort();
    await expect(trying).rejects.toMatchObject({ kind: 'cancelled' });
  });
});

describe('a conditional write whose answer got lost', () => {
  const receipt = { key: KEY } as Receipt;
  test('is recognised as ours', async () => {
    const { clock, store } = failing(1, error('transient'), 'after');
    const again = retrying(store, clock, { confirm: async () => receipt });
    const { value } = await timed(clock, again.put(KEY, Buffer.from('x'), {}, { ifNoneMatch: '*' }));
    expect(value).toBe(receipt);
  });

  test('stays refused where the object is somebody else’s', async () => {
    const { clock, store } = failing(1, error('transient'), 'after');
    const again = retrying(store, clock, { confirm: async () => undefined });
    const { thrown } = await timed(clock, again.put(KEY, Buffer.from('x'), {}, { ifNoneMatch: '*' }));
    expect(thrown).toMatchObject({ code: 'precondition' });
  });

  test('is not asked about when the first try is refused', async () => {
    const { clock, store } = failing(0, error('transient'));
    await store.put(KEY, Buffer.from('x'), {});
    const again = retrying(store, clock, { confirm: async () => receipt });
    const { thrown } = await timed(clock, again.put(KEY, Buffer.from('y'), {}, { ifNoneMatch: '*' }));
    expect(thrown).toMatchObject({ code: 'precondition' });
  });
});
