import { expect, test } from 'vitest';
import type { Event } from '../../src/model/event.ts';
import { EMPTY_SNAPSHOT, FAILURES, RECENT, foldAll } from '../../src/model/snapshot.ts';
import { activityOf } from '../../src/tui/lists.ts';

const facts = {
  direction: 'up',
  bytes: 1,
  mode: 'client',
  versionId: null,
  proof: null,
  attempts: 1,
  ms: 1,
} as const;
const at = (n: number) => ({ time: new Date(n).toISOString(), id: n, path: `f${n}`, key: `f${n}`, ...facts });
const done = (n: number): Event => ({ event: 'transfer.done', ...at(n), result: 'written' });
const failed = (n: number): Event => ({
  event: 'transfer.failed',
  ...at(n),
  error: { code: 'x', message: `no luck with f${n}` },
  again: true,
});

test('a failure is still there after thousands of successes', () => {
  const events = Array.from({ length: 5_000 }, (_, n) => (n % 1_000 === 500 ? failed(n) : done(n)));
  let snapshot = EMPTY_SNAPSHOT;
  for (let from = 0; from < events.length; from += 700)
    snapshot = foldAll(snapshot, events.slice(from, from + 700));
  expect(snapshot.recent).toHaveLength(RECENT);
  const seen = activityOf(snapshot, '');
  // The newest failure is among what is recent, and comes once.
  expect(seen.filter(({ outcome }) => outcome === 'failed').map(({ path }) => path)).toEqual([
    'f4500',
    'f3500',
    'f2500',
    'f1500',
    'f500',
  ]);
  expect(seen.map(({ time }) => time)).toEqual(
    seen
      .map(({ time }) => time)
      .toSorted()
      .toReversed(),
  );
  expect(activityOf(snapshot, 'failed')).toHaveLength(5);
});

test('failures are bounded, too', () => {
  const events = Array.from({ length: 3 * FAILURES }, (_, n) => failed(n));
  expect(foldAll(EMPTY_SNAPSHOT, events).failures).toHaveLength(FAILURES);
});
