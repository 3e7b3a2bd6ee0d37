/** The history on the screen: what happened in this run and before, to the oldest line. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  type HistoryAsk,
  type HistoryLine,
  type HistoryWindow,
  findableEnd,
} from '../../src/model/history.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Stage, done } from './stage.tsx';
import { FakeHandle } from './terminal.ts';

const START = Date.UTC(2026, 10, 24, 12, 4, 29);

let clock: ManualClock;
let handle: FakeHandle;
let stage: Stage;
/** Oldest first. */
let lines: HistoryLine[];
let runs: boolean;

const line = (id: number, path: string): HistoryLine => ({
  id,
  time: new Date(START - 1_000_000 + id).toISOString(),
  path,
  bytes: 1_000,
  outcome: id % 10 === 0 ? 'failed' : 'written',
  proof: null,
  versionId: null,
  message: id % 10 === 0 ? `${path} cannot be read` : null,
});

const answer = async ({ filter, from, count, held }: HistoryAsk): Promise<HistoryWindow> => {
  if (!runs) throw new Error('not running');
  const fits = lines.toReversed().filter((one) => findableEnd(one).includes(filter.toLowerCase()));
  const at = fits.findIndex(({ id }) => id === held?.id);
  const start = Math.max(0, from + (held === undefined || at === -1 ? 0 : at - held.line));
  return {
    total: fits.length,
    from: start,
    lines: fits.slice(start, start + count),
    ...(at === -1 ? {} : { held: at }),
  };
};

beforeEach(async () => {
  vi.stubEnv('TZ', 'UTC');
  clock = new ManualClock(START);
  handle = new FakeHandle(clock);
  lines = Array.from({ length: 50_000 }, (_, n) => line(n + 1, `old/${n + 1}.txt`));
  runs = true;
  handle.history = answer;
  handle.emit({ event: 'state', state: 'working' }, done(1, 'old/50000.txt', 1_000));
  stage = new Stage(clock, {}, handle);
  await stage.frame();
});
afterEach(() => {
  stage.close();
  vi.unstubAllEnvs();
});

test('reaches back to the first line, and the filter looks through all of it', async () => {
  // What Events say is there at once.
  expect(await stage.press('a')).toContain('old/50000.txt');
  await stage.shows(/ACTIVITY +1 of 50,000/);
  await stage.press('end');
  expect(await stage.shows(/50,000 of 50,000/)).toMatch(/▶✓ old\/1\.txt/);
  await stage.press('/');
  for (const char of 'failed') await stage.press(char);
  await stage.press('return');
  await stage.shows(/ACTIVITY {2}\/failed +1 of 5,000/);
  await stage.press('end');
  expect(await stage.shows(/5,000 of 5,000/)).toMatch(/▶! old\/10\.txt/);
  expect(await stage.frame()).toContain('old/10.txt cannot be read');
});

test('what is new comes on top; the selection stays on its line, or at the top', async () => {
  await stage.press('a');
  await stage.shows(/1 of 50,000/);
  const happens = (id: number): void => {
    lines.push(line(id, `new/${id}.txt`));
    handle.emit(done(id, `new/${id}.txt`, 1_000));
    clock.advance(1_000);
  };
  happens(50_001);
  expect(await stage.shows(/1 of 50,001/)).toMatch(/▶✓ new\/50001\.txt/);
  await stage.press('down');
  await stage.shows(/2 of 50,001/);
  happens(50_002);
  expect(await stage.shows(/3 of 50,002/)).toMatch(/▶! old\/50000\.txt/);
});

test('a vault that does not run: what Events said stays, and nothing is awaited', async () => {
  runs = false;
  await stage.press('a');
  expect(await stage.shows(/ACTIVITY +1 of 1\n/)).toContain('old/50000.txt');
});
