import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Feed } from '../../src/daemon/feed.ts';
import { idOf, packed, parseGreeting, parseRequest, unpacked } from '../../src/daemon/protocol.ts';
import type { Event, EventBody } from '../../src/model/event.ts';
import { EMPTY_TOTALS } from '../../src/model/plan.ts';
import { foldAll } from '../../src/model/snapshot.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { at } from './fakes.ts';

const facts = fc.record({
  id: fc.integer({ min: 1, max: 6 }),
  path: fc.constantFrom('a', 'b', 'odd\n\u001b[31mname', '__proto__', 'constructor', 'ü/漢字'),
  key: fc.constant('k'),
  direction: fc.constantFrom('up', 'remove-remote'),
  bytes: fc.nat(1_000),
  mode: fc.constant('client'),
});
const error = { code: 'transient', message: 'no luck', hint: 'wait' };

/** What engines and the daemon say, in any order. */
const body: fc.Arbitrary<EventBody> = fc.oneof(
  fc.nat(9).map((put): EventBody => ({ event: 'plan', ...EMPTY_TOTALS, put, bytes: put * 10 })),
  facts.map((one): EventBody => ({ event: 'transfer.start', ...one })),
  facts.map(
    (one): EventBody => ({ event: 'transfer.progress', phase: 'sending', sent: one.bytes >> 1, ...one }),
  ),
  facts.map(
    (one): EventBody => ({
      event: 'transfer.done',
      versionId: null,
      proof: null,
      attempts: 1,
      ms: 1,
      result: 'written',
      ...one,
    }),
  ),
  fc.tuple(facts, fc.boolean()).map(
    ([one, again]): EventBody => ({
      event: 'transfer.failed',
      versionId: null,
      proof: null,
      attempts: 1,
      ms: 1,
      error,
      again,
      ...one,
    }),
  ),
  facts.map((one): EventBody => ({ event: 'transfer.stopped', ...one })),
  fc.constant<EventBody>({ event: 'throttle', resource: 's3', rate: 3, quota: null }),
  fc.constantFrom('a', undefined).map(
    (path): EventBody => ({
      event: 'warning',
      ...error,
      ...(path === undefined ? {} : { path }),
    }),
  ),
  fc.constant<EventBody>({ event: 'cleared', problems: ['a', 'transient'] }),
  fc.constant<EventBody>({ event: 'watch', state: 'watching' }),
  fc.constant<EventBody>({ event: 'scan', state: 'progress', files: 7 }),
  fc.constant<EventBody>({ event: 'consent', reason: { kind: 'lost-source', why: 'empty-root' } }),
  fc
    .constantFrom('starting', 'scanning', 'working', 'idle', 'paused', 'offline', 'needs-you')
    .map((state): EventBody => ({ event: 'state', state: state as 'idle', retryIn: 5 })),
  fc.constant<EventBody>({ event: 'idle' }),
  fc.constant<EventBody>({ event: 'idle', short: { failed: 1, unprotected: 2, exit: 6 } }),
);

test('who joins late sees what who joined early sees', () => {
  fc.assert(
    fc.property(fc.array(body, { maxLength: 60 }), fc.nat(60), (bodies, joins) => {
      const told: Event[] = [];
      const feed = new Feed(new ManualClock(), (event) => told.push(event));
      const early = unpacked(JSON.parse(JSON.stringify(packed(feed.snapshot))));
      for (const one of bodies.slice(0, joins)) feed.pass(at(one));
      const before = told.length;
      const late = unpacked(JSON.parse(JSON.stringify(packed(feed.snapshot))));
      for (const one of bodies.slice(joins)) feed.pass(at(one));
      const overTheWire = JSON.parse(JSON.stringify(told)) as Event[];
      const whole = foldAll(early, overTheWire);
      expect(foldAll(late, overTheWire.slice(before))).toStrictEqual(whole);
      expect(JSON.parse(JSON.stringify(packed(feed.snapshot)))).toStrictEqual(
        JSON.parse(JSON.stringify(packed(whole))),
      );
    }),
  );
});

test('an engine that starts anew leaves history and speed, and nothing else of the last one', () => {
  const one = { id: 1, path: 'a', key: 'a', direction: 'up', bytes: 10, mode: 'client' } as const;
  const before = foldAll(unpacked(packed(new Feed(new ManualClock(), () => undefined).snapshot)), [
    at({
      event: 'transfer.done',
      versionId: null,
      proof: null,
      attempts: 1,
      ms: 1,
      result: 'written',
      ...one,
    }),
    at({ event: 'transfer.start', ...one }),
    at({ event: 'warning', ...error }),
    at({ event: 'state', state: 'needs-you' }),
  ]);
  const after = foldAll(before, [at({ event: 'state', state: 'starting' })]);
  expect(after.recent).toHaveLength(1);
  expect(after.acknowledged).toBe(10);
  expect({ active: after.active.size, problems: after.problems.size, state: after.state }).toStrictEqual({
    active: 0,
    problems: 0,
    state: 'starting',
  });
  expect(before.active.size).toBe(1);
});

describe('what a client says', () => {
  test.each([
    ['{"id":1,"do":"status"}', true],
    ['{"id":1,"do":"command","vault":"v","command":{"command":"pause"}}', true],
    ['{"id":1,"do":"command","vault":"v","command":{"command":"retry","paths":["a"]}}', true],
    ['{"id":1,"do":"command","vault":"v","command":{"command":"stop"}}', false],
    ['{"id":1,"do":"command","vault":"v"}', false],
    ['{"id":1,"do":"command","vault":"v","command":{"command":"consent","yes":true,"question":7}}', true],
    ['{"id":1,"do":"command","vault":"v","command":{"command":"consent","yes":true,"question":"7"}}', false],
    ['{"id":1,"do":"queue","vault":"v","ask":{"filter":"","from":0,"count":1000}}', true],
    ['{"id":1,"do":"queue","vault":"v","ask":{"filter":"","from":0,"count":1001}}', false],
    ['{"id":1,"do":"queue","vault":"v","ask":{"filter":"","from":-1,"count":1}}', false],
    ['{"id":1,"do":"queue","vault":"v","ask":{"filter":"","from":0,"count":1,"held":{"path":"a"}}}', false],
    ['{"id":0,"do":"status"}', false],
    ['{"id":1.5,"do":"status"}', false],
    ['{"do":"status"}', false],
    ['{"id":1,"do":"status","more":1}', false],
    ['{"id":1,"do":"__proto__"}', false],
    ['[]', false],
    ['null', false],
    ['{', false],
  ])('%s', (line, fine) => {
    expect(parseRequest(line) !== undefined).toBe(fine);
  });

  test('is answered by its number where it has one', () => {
    expect(idOf('{"id":7,"do":"dance"}')).toBe(7);
    expect(idOf('{"do":"dance"}')).toBeUndefined();
    expect(idOf('dance')).toBeUndefined();
  });

  test('begins with a greeting', () => {
    expect(parseGreeting('{"hello":"s3vault","protocol":1,"token":"t"}')?.token).toBe('t');
    expect(parseGreeting('{"hello":"other","protocol":1,"token":"t"}')).toBeUndefined();
    expect(parseGreeting('GET / HTTP/1.1')).toBeUndefined();
  });
});
