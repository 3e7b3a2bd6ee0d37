import { expect, test } from 'vitest';
import { Meter } from '../../src/tui/meter.ts';

const MB = 1_000_000;

/** Notes every 50 ms from `from` to `to` ms at `rate` bytes a second. */
function flow(meter: Meter, from: number, to: number, rate: number, base = 0): void {
  for (let at = from; at <= to; at += 50) meter.note(at, base + ((at - from) * rate) / 1_000);
}

test('the speed is that of the last seconds', () => {
  const meter = new Meter();
  flow(meter, 0, 30_000, 2 * MB);
  flow(meter, 30_050, 45_000, 8 * MB, 60 * MB);
  expect(meter.speed / MB).toBeCloseTo(8, 0);
});

test('work after a long pause is measured from its beginning', () => {
  const meter = new Meter();
  for (let at = 0; at <= 600_000; at += 1_000) meter.note(at, 0);
  flow(meter, 600_000, 605_000, 20 * MB);
  expect(meter.speed / MB).toBeCloseTo(20, 0);
  expect(meter.left(40 * MB)).toBeCloseTo(2_000, -2);
});

test('one small file at once is no fast line', () => {
  const meter = new Meter();
  meter.note(0, 0);
  meter.note(50, 4_000);
  expect(meter.speed).toBe(4_000);
});

test('the speed falls to nothing, and time left is then unknown', () => {
  const meter = new Meter();
  flow(meter, 0, 2_000, MB);
  for (let at = 3_000; at <= 14_000; at += 1_000) meter.note(at, 2 * MB);
  expect(meter.speed).toBe(0);
  expect(meter.left(MB)).toBeUndefined();
  expect(meter.sparkline).toBe('');
});
