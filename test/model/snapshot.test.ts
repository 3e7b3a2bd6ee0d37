import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Event, EventBody } from '../../src/model/event.ts';
import { EMPTY_TOTALS, filesOf } from '../../src/model/plan.ts';
import { EMPTY_SNAPSHOT, FAILURES, RECENT, fold, foldAll } from '../../src/model/snapshot.ts';
import { activityOf } from '../../src/tui/lists.ts';
import { bytesLeft } from '../../src/tui/store.ts';
import { shareDone } from '../../src/tui/words.ts';

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

type Move =
  | { readonly kind: 'plan'; readonly sizes: readonly number[] }
  | { readonly kind: 'end'; readonly how: 'transfer.done' | 'transfer.failed' };

const moves = fc.array(
  fc.oneof(
    fc.array(fc.nat(1_000), { minLength: 1, maxLength: 6 }).map((sizes): Move => ({ kind: 'plan', sizes })),
    fc.constant<Move>({ kind: 'end', how: 'transfer.done' }),
    fc.constant<Move>({ kind: 'end', how: 'transfer.done' }),
    fc.constant<Move>({ kind: 'end', how: 'transfer.failed' }),
  ),
  { maxLength: 60 },
);

test('whenever plans come on top, what is left is what is open, and never more is done than planned', () => {
  fc.assert(
    fc.property(moves, (all) => {
      let snapshot = { ...EMPTY_SNAPSHOT, state: 'working' as const };
      let id = 0;
      const open: { readonly id: number; readonly bytes: number }[] = [];
      const tell = (body: EventBody): void => {
        snapshot = { ...fold(snapshot, { ...body, time: new Date(0).toISOString() }), state: 'working' };
        const { plan, done: ended } = snapshot;
        expect(filesOf(plan) - ended.files).toBe(open.length);
        expect(plan.bytes - ended.bytes).toBe(open.reduce((sum, { bytes }) => sum + bytes, 0));
        expect(shareDone(snapshot) ?? 0).toBeLessThanOrEqual(1);
        expect(bytesLeft(snapshot)).toBeGreaterThanOrEqual(0);
        expect(snapshot.active.size).toBe(0);
      };
      for (const move of all) {
        if (move.kind === 'plan') {
          const adds = open.length > 0;
          for (const bytes of move.sizes) open.push({ id: ++id, bytes });
          const bytes = move.sizes.reduce((sum, size) => sum + size, 0);
          tell({ event: 'plan', ...EMPTY_TOTALS, put: move.sizes.length, bytes, ...(adds ? { adds } : {}) });
          continue;
        }
        const one = open.shift();
        if (one === undefined) continue;
        const told = { ...at(one.id), bytes: one.bytes, versionId: null, proof: null } as const;
        if (move.how === 'transfer.done') tell({ ...told, event: move.how, result: 'written' });
        else tell({ ...told, event: move.how, error: { code: 'x', message: 'no luck' }, again: true });
      }
    }),
  );
});

test('what failed and was sent since is no failure any more, once nothing is left to do', () => {
  const failed: Event = {
    ...at(1),
    event: 'transfer.failed',
    versionId: null,
    proof: null,
    error: { code: 'x', message: 'no luck' },
    again: false,
  };
  const before = fold(EMPTY_SNAPSHOT, failed);
  expect(before.failed).toBe(1);
  const short = { failed: 1, unprotected: 0, exit: 3 };
  expect(fold(before, { event: 'idle', short, time: failed.time }).failed).toBe(1);
  expect(fold(before, { event: 'idle', time: failed.time }).failed).toBe(0);
});

test('a transfer that was called off is no failure and no problem', () => {
  const start: Event = { event: 'transfer.start', ...at(1) };
  const stopped: Event = { event: 'transfer.stopped', ...at(1) };
  const before = foldAll(EMPTY_SNAPSHOT, [start]);
  expect(before.active.size).toBe(1);
  expect(fold(before, stopped)).toEqual(EMPTY_SNAPSHOT);
});

test('what one source tells of a path goes with that source alone; a transfer that is done ends all of it', () => {
  const time = new Date(0).toISOString();
  const leftOut = {
    event: 'warning',
    code: 'left-out',
    path: 'f1',
    message: 'f1 was left out',
    time,
  } as const;
  const odd = { event: 'warning', code: 'fifo', path: 'f1', message: 'f1 is a pipe', time } as const;
  const all = foldAll(EMPTY_SNAPSHOT, [failed(1), leftOut, odd]);
  expect(all.problems.size).toBe(3);
  const codes = (...events: Event[]): readonly string[] =>
    [...foldAll(all, events).problems.values()].map(({ code }) => code).toSorted();
  const cleared = { event: 'cleared', problems: ['f1'], time } as const;
  expect(codes({ ...cleared, of: 'warning' })).toEqual(codes().filter((code) => code !== 'fifo'));
  expect(codes({ ...cleared, of: 'left-out' })).toEqual(codes().filter((code) => code !== 'left-out'));
  expect(codes({ ...cleared, of: 'failed' })).toEqual(['fifo', 'left-out']);
  // As an older daemon says it.
  expect(codes(cleared)).toEqual([]);
  expect(codes(done(1))).toEqual([]);
});
