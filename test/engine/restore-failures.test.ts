import { expect, test } from 'vitest';
import { Emitter } from '../../src/engine/emitter.ts';
import { Failures } from '../../src/engine/restore-failures.ts';
import type { Event } from '../../src/model/event.ts';
import { ManualClock } from '../support/manual-clock.ts';

function told(failures: Failures): readonly string[] {
  const emitter = new Emitter(new ManualClock());
  const events: Event[] = [];
  emitter.subscribe((event) => events.push(event));
  failures.tell(emitter);
  return events.flatMap((event) => (event.event === 'warning' ? [event.message] : []));
}

test('bad names are counted once, however many there are and however often they are listed', () => {
  const failures = new Failures();
  const list = (count: number): void => {
    failures.listing();
    for (let n = 0; n < count; n++) failures.refuse(`${n}`, `${n} is bad`);
  };
  list(1_500);
  expect(failures.skipped).toBe(1_500);
  // Broken off, then the whole of it again.
  list(700);
  list(1_500);
  expect(failures.skipped).toBe(1_500);
  expect(told(failures)).toHaveLength(1_001);
  expect(told(failures).at(-1)).toBe('500 more names cannot stand here');
});

test('no more is said where all were told', () => {
  const failures = new Failures();
  failures.listing();
  failures.refuse('a', 'a is bad');
  failures.notFound('b', {});
  expect(told(failures)).toEqual(['a is bad', 'there is nothing at b']);
  expect([failures.skipped, failures.failed]).toEqual([1, 1]);
});
