import { describe, expect, test } from 'vitest';
import { Brake } from '../../src/engine/brake.ts';
import { Refused } from '../../src/engine/refused.ts';
import { SLICE } from '../../src/engine/refusing.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Action, ConsentReason } from '../../src/model/plan.ts';
import type { Index } from '../../src/model/ports.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { record } from '../support/facts.ts';
import { ManualClock } from '../support/manual-clock.ts';

const removals = (count: number, from = 0): Action[] =>
  Array.from({ length: count }, (_, n) => {
    const known = record(`f${from + n}`);
    return { kind: 'remove-remote', key: known.key, path: known.path, reason: 'gone-locally', record: known };
  });

interface BrakeOptions {
  readonly clock?: ManualClock;
  readonly consent?: boolean;
  readonly index?: Promise<Index>;
  readonly fail?: (error: VaultError) => void;
}

const brakeOf = async (options: BrakeOptions = {}): Promise<Brake> => (await brakeAnd(options)).brake;

async function brakeAnd({
  clock = new ManualClock(),
  consent = false,
  index = memoryIndex(),
  fail = () => undefined,
}: BrakeOptions) {
  const vault = { direction: 'push', rules: { removals: true, include: [], exclude: [] } } as const;
  const refused = new Refused({ index: await index, vault, tree: { ignores: () => false }, fail });
  await refused.open();
  return { brake: new Brake(clock, consent, refused), refused };
}

const numberOf = (reason: ConsentReason | undefined): number | undefined =>
  reason?.kind === 'many-removals' ? reason.question : undefined;

describe('the brake [DEL-4]', () => {
  test('few removals pass, many wait for consent and then go', async () => {
    const brake = await brakeOf();
    expect(brake.pass(removals(10), 100).go).toHaveLength(10);
    const held = brake.pass(removals(40, 10), 90);
    expect(held.go).toEqual([]);
    expect(held.reason).toMatchObject({ kind: 'many-removals', removals: 40, of: 90 });
    expect(brake.holding).toBe(true);
    expect(brake.answered(true)).toHaveLength(40);
    expect(brake.holding).toBe(false);
  });

  test('what comes while it is asked is another question', async () => {
    const brake = await brakeOf();
    expect(brake.asked).toBeUndefined();
    const first = brake.pass(removals(17), 60).reason;
    expect(brake.asked).toBe(first);
    const second = brake.pass(removals(41, 17), 60).reason;
    expect([first, second]).toMatchObject([{ removals: 17 }, { removals: 58 }]);
    expect(brake.asked).toBe(second);
    expect(numberOf(second)).toBe((numberOf(first) ?? 0) + 1);
    expect(brake.answered(true)).toHaveLength(58);
    expect(brake.asked).toBeUndefined();
    expect(brake.answered(true)).toHaveLength(0);
  });

  test('a mass removal in small steps is braked as one', async () => {
    const clock = new ManualClock();
    const brake = await brakeOf({ clock });
    let left = 100;
    let gone = 0;
    for (let n = 0; n < 10 && !brake.holding; n++) {
      const { go } = brake.pass(removals(5, n * 5), left);
      gone += go.length;
      left -= go.length;
      clock.advance(1_000);
    }
    expect(gone).toBe(25);
    expect(brake.holding).toBe(true);
  });

  test('after a minute the count begins anew', async () => {
    const clock = new ManualClock();
    const brake = await brakeOf({ clock });
    brake.pass(removals(25), 100);
    clock.advance(61_000);
    expect(brake.pass(removals(10, 25), 75).go).toHaveLength(10);
  });

  test('a no is remembered by the next one, until a look misses what was refused', async () => {
    const index = memoryIndex();
    const first = await brakeOf({ index });
    first.pass(removals(4), 4);
    first.answered(false);
    expect([first.holding, first.declined]).toEqual([false, 4]);
    const brake = await brakeOf({ index });
    const [one, two, ...others] = removals(4);
    const look = (asks: boolean): void => {
      brake.look(asks);
      for (const removal of [two, ...others]) if (removal !== undefined) brake.sees(removal);
      brake.looked(brake.keys());
    };
    look(false);
    expect(brake.declined).toBe(3);
    if (one === undefined || two === undefined) throw new Error('no removals');
    expect(brake.sees(two)).toBe(true);
    expect(brake.pass([one], 100).go).toEqual([one]);
    // Whatever brings it here.
    expect(brake.pass([two], 100)).toMatchObject({ go: [], reason: { removals: 3 }, joined: others });
    brake.answered(true);
    expect([brake.declined, (await index).refused().all()]).toEqual([0, []]);
  });

  test('more than can be written at once are kept slice by slice; nothing of what is dropped meanwhile comes back', async () => {
    const index = memoryIndex();
    const { signal } = new AbortController();
    const { brake, refused } = await brakeAnd({ index });
    const many = removals(3 * SLICE + 7);
    brake.pass(many, many.length);
    brake.answered(false);
    const book = (await index).refused();
    expect([brake.declined, book.count()]).toEqual([many.length, SLICE]);
    const back = [many[0], many[SLICE], many.at(-1)].flatMap((one) => (one === undefined ? [] : [one.key]));
    refused.forget(back);
    await refused.settled(signal);
    const left = many.map(({ key }) => key).filter((key) => !back.includes(key));
    expect(new Set(book.all().map(({ key }) => key))).toEqual(new Set(left));
    expect(new Set((await brakeOf({ index })).keys())).toEqual(new Set(left));
    // And those that are over, when there are as many.
    refused.forget(left.slice(1));
    await refused.settled(signal);
    expect(book.all().map(({ key }) => key)).toEqual(left.slice(0, 1));
    const next = await brakeOf({ index });
    expect(next.pass(removals(3, 10_000), many.length).go).toHaveLength(3);
  });

  test.each([
    'failed',
    'called off',
  ] as const)('a no that %s half way has every removal asked about until there is an answer', async (how) => {
    const index = await memoryIndex();
    const failures: unknown[] = [];
    let puts = 0;
    const book = {
      ...index.refused(),
      put: (some: Parameters<ReturnType<typeof index.refused>['put']>[0]) => {
        if (++puts > 2 && how !== 'called off') throw new VaultError('usage', 'state-full', 'no room');
        index.refused().put(some);
      },
    };
    const { brake, refused } = await brakeAnd({
      index: Promise.resolve({ ...index, refused: () => book }),
      fail: (error) => failures.push(error.code),
    });
    const many = removals(3 * SLICE);
    brake.pass(many, many.length);
    brake.answered(false);
    await refused.settled(how === 'called off' ? AbortSignal.abort() : new AbortController().signal);
    expect(failures).toEqual(how === 'called off' ? [] : ['state-full']);
    expect(index.refused().count()).toBeLessThan(many.length);
    const next = (): ReturnType<typeof brakeOf> => brakeOf({ index: Promise.resolve(index) });
    const first = await next();
    expect(first.pass(removals(1, 10_000), many.length)).toMatchObject({ go: [], reason: { removals: 1 } });
    first.answered(true);
    expect(first.pass(removals(1, 10_001), many.length).go).toHaveLength(1);
    expect((await next()).pass(removals(1, 10_002), many.length).go).toHaveLength(1);
  });

  test('a no of which nothing can be written is none', async () => {
    const index = await memoryIndex();
    const put = (): void => {
      throw new VaultError('usage', 'state-full', 'no room');
    };
    const full = Promise.resolve({ ...index, refused: () => ({ ...index.refused(), put }) });
    const brake = await brakeOf({ index: full });
    const many = removals(2 * SLICE);
    brake.pass(many, many.length);
    expect(() => brake.answered(false)).toThrow('no room');
    expect([brake.asked?.removals, brake.declined]).toEqual([many.length, 0]);
  });

  test('what was refused is so after a rekey, and not when it is something else', async () => {
    const index = memoryIndex();
    const digest = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
    const removal = (etag: string, byte: number): Action => {
      const known = record('f', { etag, digest: digest(byte) });
      const { key, path } = known;
      return { kind: 'remove-remote', key, path, reason: 'gone-locally', record: known };
    };
    const first = await brakeOf({ index });
    first.pass([removal('e1', 1)], 1);
    first.answered(false);
    const brake = await brakeOf({ index });
    expect(brake.sees(removal('e2', 1))).toBe(true);
    expect(brake.sees(removal('e3', 2))).toBe(false);
  });

  test('what could not be looked at is not back', async () => {
    const brake = await brakeOf();
    const at = (path: string): Action => {
      const known = record(path);
      return {
        kind: 'remove-remote',
        key: known.key,
        path: known.path,
        reason: 'gone-locally',
        record: known,
      };
    };
    const skip = (path: string): Action => ({ ...at(path), kind: 'skip', reason: 'unreadable' });
    const names = ['d/a', 'd/b', 'e', 'f'];
    brake.pass(names.map(at), 4);
    brake.answered(false);
    brake.look();
    for (const path of ['d', 'e']) brake.sees(skip(path));
    brake.looked(brake.keys());
    expect(brake.declined).toBe(3);
  });

  test('consent given beforehand lets all pass', async () => {
    const brake = await brakeOf({ consent: true });
    expect(brake.pass(removals(100), 100).go).toHaveLength(100);
  });
});
