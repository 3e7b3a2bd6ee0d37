import { expect, test } from 'vitest';
import { lastProblems } from '../../src/cli/last-problems.ts';
import { RUN_AGAIN, VaultError, goingOn } from '../../src/model/errors.ts';
import type { Event } from '../../src/model/event.ts';
import { EMPTY_SNAPSHOT, foldAll } from '../../src/model/snapshot.ts';

const time = new Date(0).toISOString();
const warning = (n: number): Event => ({
  event: 'warning',
  time,
  path: `f${n}`,
  code: 'too-large',
  message: `f${n} is too large`,
  hint: 'split it',
});

test('nothing is said to be tried again by itself any more', () => {
  const told = (error: VaultError): readonly string[] => {
    const { code, message, hint = '' } = goingOn(error);
    return lastProblems(
      foldAll(EMPTY_SNAPSHOT, [{ event: 'warning', time, path: 'a', code, message, hint }]),
    );
  };
  const make = (code: string, hint: string): VaultError => new VaultError('transient', code, code, { hint });
  expect(told(make('connection', RUN_AGAIN))).toEqual(['! connection', '  run it again']);
  expect(told(make('unreachable', ''))[1]).toContain('run it again once the store can be reached');
});

test('the first ten with what to do, then how many more there are, listed or not', () => {
  const of = (count: number, unprotected: number): readonly string[] =>
    lastProblems(
      foldAll(EMPTY_SNAPSHOT, [
        ...Array.from({ length: count }, (_, n) => warning(n)),
        { event: 'idle', time, short: { failed: 0, unprotected, exit: 3 } },
      ]),
    );
  expect(of(1, 1)).toEqual(['! f0 is too large', '  split it']);
  expect(of(12, 12)).toHaveLength(21);
  expect(of(12, 12).at(-1)).toMatch(/^! and 2 more/);
  expect(of(1_100, 1_100).at(-1)).toMatch(/^! and 1,090 more/);
});
