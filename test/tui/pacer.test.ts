import { expect, test } from 'vitest';
import { Pacer } from '../../src/tui/pacer.ts';
import { ManualClock } from '../support/manual-clock.ts';

test('what comes together is shown together; under load eight times a second, once each', () => {
  const clock = new ManualClock(0);
  const pacer = new Pacer(clock);
  const shown: string[] = [];
  const [a, b] = [() => shown.push(`a${clock.ticks()}`), () => shown.push(`b${clock.ticks()}`)];
  for (let ms = 0; ms < 1_000; ms += 5) {
    pacer.soon(a);
    pacer.soon(b);
    clock.advance(5);
  }
  const times = new Set(shown.map((text) => text.slice(1)));
  expect(times.size).toBeLessThanOrEqual(8);
  expect(times.size).toBeGreaterThanOrEqual(7);
  expect(shown).toHaveLength(2 * times.size);
});

test('after a rest it is shown within 50 ms', () => {
  const clock = new ManualClock(0);
  const pacer = new Pacer(clock);
  let shown = 0;
  const show = () => {
    shown++;
  };
  pacer.soon(show);
  clock.advance(50);
  clock.advance(5_000);
  pacer.soon(show);
  clock.advance(50);
  expect(shown).toBe(2);
});

test('what was dropped is not shown', () => {
  const clock = new ManualClock(0);
  const pacer = new Pacer(clock);
  const show = () => expect.unreachable();
  pacer.soon(show);
  pacer.drop(show);
  clock.advance(1_000);
});

test.each([
  { took: 1, apart: 125 },
  { took: 14, apart: 200 },
  { took: 300, apart: 500 },
])('where drawing takes $took ms it is done every $apart ms under load', ({ took, apart }) => {
  const clock = new ManualClock(0);
  const pacer = new Pacer(clock);
  const times: number[] = [];
  const show = () => {
    times.push(clock.ticks());
    clock.advance(took);
    pacer.soon(show);
  };
  // The first time nothing is known yet.
  pacer.soon(() => clock.advance(took));
  clock.advance(50);
  pacer.soon(show);
  while (times.length < 3) clock.advance(1);
  expect((times[2] ?? 0) - (times[1] ?? 0)).toBe(apart);
});
