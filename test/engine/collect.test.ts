import { expect, test } from 'vitest';
import { collectPlan } from '../../src/engine/collect.ts';
import { mayBeRenamed } from '../../src/engine/renames.ts';
import type { Action } from '../../src/model/plan.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { entry, record } from '../support/facts.ts';

const COUNT = 200_000;
const named = (n: number): string => `f${String(n).padStart(6, '0')}`;

async function* puts(count: number): AsyncIterable<Action> {
  for (let n = 0; n < count; n++) {
    const local = entry(named(n), { size: n });
    yield { kind: 'put', key: local.key, path: local.path, reason: 'new', local };
  }
}

test('a Plan of 200,000 waits in the Index, comes in order, whole and once', async () => {
  const index = await memoryIndex();
  const known = record(named(150_000));
  index.commit([{ kind: 'put', record: known }]);
  const plan = await collectPlan(puts(COUNT), { index, onSkip: () => undefined, spoolTaken: false });
  expect(plan?.totals).toMatchObject({ put: COUNT, bytes: (COUNT * (COUNT - 1)) / 2 });
  let n = 0;
  let wrong = 0;
  for (const action of plan?.rest.draw() ?? []) {
    const same = action.kind === 'put' && action.path === named(n) && action.local.size === n;
    // What the Index knows by then goes with it.
    const told = action.kind === 'put' && (action.record?.etag === known.etag) === (n === 150_000);
    if (!same || !told) wrong++;
    n++;
  }
  expect([n, wrong]).toEqual([COUNT, 0]);
  expect(index.spool().shift(1)).toEqual([]);
});

test('removals and skips are no part of what is drawn', async () => {
  const index = await memoryIndex();
  const known = record('gone');
  const skips: string[] = [];
  async function* mixed(): AsyncIterable<Action> {
    yield { kind: 'remove-remote', key: known.key, path: known.path, reason: 'gone-locally', record: known };
    yield { kind: 'skip', key: known.key, path: known.path, reason: 'fifo' };
    yield* puts(2);
  }
  const onSkip = ({ reason }: { readonly reason: string }): void => void skips.push(reason);
  const plan = await collectPlan(mixed(), { index, onSkip, spoolTaken: true });
  expect([...(plan?.rest.draw() ?? [])].map(({ kind }) => kind)).toEqual(['put', 'put']);
  expect(plan?.removals).toHaveLength(1);
  expect(skips).toEqual(['fifo']);
});

test('too long, and the spool taken: no Plan, and the lines of the other stay', async () => {
  const index = await memoryIndex();
  const other = { key: record('other').key, find: 'other', line: 'of another' };
  index.spool().push([other]);
  const plan = await collectPlan(puts(30_000), { index, onSkip: () => undefined, spoolTaken: true });
  expect(plan).toBeUndefined();
  expect(index.spool().shift(9)).toEqual(['of another']);
});

test('what may have been renamed is known of all of it, the spool too', async () => {
  const index = await memoryIndex();
  const gone = (size: number): Action => {
    const known = record(`gone ${size}`, { size });
    return { kind: 'remove-remote', key: known.key, path: known.path, reason: 'gone-locally', record: known };
  };
  const plan = await collectPlan(puts(20_500), { index, onSkip: () => undefined, spoolTaken: false });
  if (plan === undefined) throw new Error('no Plan');
  expect(plan.spooled).toBe(true);
  const found = [1, 20_499, 20_500, 0].map((size) => mayBeRenamed(plan)(gone(size)));
  expect(found).toEqual([true, true, false, false]);
});
