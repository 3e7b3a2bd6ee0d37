import { expect, test } from 'vitest';
import type { Event, Shortfall } from '../../src/model/event.ts';
import { inStepWords, isInStep, problemCount, shortWords, unlisted } from '../../src/model/in-step.ts';
import { EMPTY_SNAPSHOT, PROBLEMS, type Snapshot, fold, foldAll } from '../../src/model/snapshot.ts';

const time = new Date(0).toISOString();
const idle = (short?: Partial<Shortfall>): Event => ({
  event: 'idle',
  time,
  ...(short === undefined ? {} : { short: { failed: 0, unprotected: 0, exit: 3, ...short } }),
});
const warning = (n: number): Event => ({
  event: 'warning',
  time,
  path: `f${n}`,
  code: 'too-large',
  message: `f${n} is too large`,
});
const after = (...events: Event[]): Snapshot => foldAll(EMPTY_SNAPSHOT, events);
const wordOf = (snapshot: Snapshot): string => inStepWords(problemCount(snapshot));

test('in step is where nothing is left and nothing is short, and nowhere else', () => {
  expect(isInStep(after(idle()))).toBe(true);
  expect(wordOf(after(idle()))).toBe('in step');
  for (const short of [{ failed: 1 }, { unprotected: 1 }, { leftOut: 1 }, { declined: 7, exit: 5 }]) {
    const snapshot = after(idle(short));
    expect(isInStep(snapshot)).toBe(false);
    expect(wordOf(snapshot)).toBe('in step but for 1 problem');
  }
  for (const state of [
    'starting',
    'scanning',
    'working',
    'paused',
    'offline',
    'needs-you',
    'stopped',
  ] as const)
    expect(isInStep(fold(after(idle()), { event: 'state', state, time }))).toBe(false);
});

test('more problems than are listed are counted all the same', () => {
  const many = Array.from({ length: PROBLEMS + 250 }, (_, n) => warning(n));
  const snapshot = after(...many, idle({ unprotected: PROBLEMS + 250 }));
  expect(snapshot.problems.size).toBe(PROBLEMS);
  expect(unlisted(snapshot)).toBe(250);
  expect(wordOf(snapshot)).toBe('in step but for 1,250 problems');
  // While something is under way nobody knows; a list is a list.
  expect(unlisted(fold(snapshot, { event: 'state', state: 'working', time }))).toBe(0);
});

test('what concerns all files is never crowded out by problems of files', () => {
  const many = Array.from({ length: PROBLEMS }, (_, n) => warning(n));
  const locked = { event: 'warning', code: 'locked', message: 'locked', time } as const;
  expect(after(...many, locked).problems.get('locked')?.message).toBe('locked');
  expect(after(...many, warning(PROBLEMS)).problems.has(`f${PROBLEMS}`)).toBe(false);
});

test('what is short is told by what it is', () => {
  expect(shortWords({ failed: 1, unprotected: 2, leftOut: 3, declined: 1_200, exit: 3 })).toBe(
    '6 files and 1,200 removals held back',
  );
  expect(shortWords({ failed: 0, unprotected: 0, declined: 1, exit: 5 })).toBe('1 removal held back');
});
