import { describe, expect, test } from 'vitest';
import { Brake } from '../../src/engine/brake.ts';
import { Refused } from '../../src/engine/refused.ts';
import type { Action, ConsentReason } from '../../src/model/plan.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { record } from '../support/facts.ts';
import { ManualClock } from '../support/manual-clock.ts';

const removals = (count: number, from = 0): Action[] =>
  Array.from({ length: count }, (_, n) => {
    const known = record(`f${from + n}`);
    return { kind: 'remove-remote', key: known.key, path: known.path, reason: 'gone-locally', record: known };
  });

async function brakeOf({ clock = new ManualClock(), consent = false, index = memoryIndex() } = {}) {
  const vault = { direction: 'push', rules: { removals: true, include: [], exclude: [] } } as const;
  const refused = new Refused({ index: await index, vault, tree: { ignores: () => false } });
  refused.open();
  return new Brake(clock, consent, refused);
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
