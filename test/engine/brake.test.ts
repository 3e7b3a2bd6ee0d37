import { describe, expect, test } from 'vitest';
import { Brake } from '../../src/engine/brake.ts';
import type { Action, ConsentReason } from '../../src/model/plan.ts';
import { record } from '../support/facts.ts';
import { ManualClock } from '../support/manual-clock.ts';

const removals = (count: number, from = 0): Action[] =>
  Array.from({ length: count }, (_, n) => {
    const known = record(`f${from + n}`);
    return { kind: 'remove-remote', key: known.key, path: known.path, reason: 'gone-locally', record: known };
  });

const numberOf = (reason: ConsentReason | undefined): number | undefined =>
  reason?.kind === 'many-removals' ? reason.question : undefined;

describe('the brake [DEL-4]', () => {
  test('few removals pass, many wait for consent and then go', () => {
    const brake = new Brake(new ManualClock(), false);
    expect(brake.pass(removals(10), 100).go).toHaveLength(10);
    const held = brake.pass(removals(40, 10), 90);
    expect(held.go).toEqual([]);
    expect(held.reason).toMatchObject({ kind: 'many-removals', removals: 40, of: 90 });
    expect(brake.holding).toBe(true);
    expect(brake.answered(true)).toHaveLength(40);
    expect(brake.holding).toBe(false);
  });

  test('what comes while it is asked is another question', () => {
    const brake = new Brake(new ManualClock(), false);
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

  test('a mass removal in small steps is braked as one', () => {
    const clock = new ManualClock();
    const brake = new Brake(clock, false);
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

  test('after a minute the count begins anew', () => {
    const clock = new ManualClock();
    const brake = new Brake(clock, false);
    brake.pass(removals(25), 100);
    clock.advance(61_000);
    expect(brake.pass(removals(10, 25), 75).go).toHaveLength(10);
  });

  test('a no drops what was held, the next scan finds it again', () => {
    const brake = new Brake(new ManualClock(), false);
    brake.pass(removals(4), 4);
    expect(brake.answered(false)).toEqual([]);
    expect([brake.holding, brake.declined]).toEqual([false, 4]);
    brake.reset();
    expect(brake.declined).toBe(0);
  });

  test('consent given beforehand lets all pass', () => {
    const brake = new Brake(new ManualClock(), true);
    expect(brake.pass(removals(100), 100).go).toHaveLength(100);
  });
});
