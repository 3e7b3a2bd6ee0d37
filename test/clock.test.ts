import { expect, test } from 'vitest';
import { systemClock } from '../src/clock.ts';

test('a sleep ends, and leaves no listener on its signal', async () => {
  const { signal } = new AbortController();
  await systemClock.sleep(1, { signal });
  expect(systemClock.ticks()).toBeGreaterThan(0);
});

test('a sleep that is called off rejects with kind cancelled, before and while it waits', async () => {
  const control = new AbortController();
  const sleeping = systemClock.sleep(2 ** 40, { signal: control.signal });
  control.abort();
  await expect(sleeping).rejects.toMatchObject({ kind: 'cancelled' });
  await expect(systemClock.sleep(0, { signal: control.signal })).rejects.toMatchObject({ kind: 'cancelled' });
});

test('after() fires once and can be called off', async () => {
  const fired: string[] = [];
  const callOff = systemClock.after(0, () => fired.push('never'));
  callOff();
  await new Promise<void>((resolve) => {
    systemClock.after(1, () => {
      fired.push('once');
      resolve();
    });
    // A pending `after` does not keep a process alive; this does.
    void systemClock.sleep(5);
  });
  expect(fired).toEqual(['once']);
});

test('now is wall time and random is in [0, 1)', () => {
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
  const chance = systemClock.random();
  expect(chance >= 0 && chance < 1).toBe(true);
});
