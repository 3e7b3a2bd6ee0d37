/** What happened, remembered in the Index: across runs, in order, with the commits that are made anyway. */
import { beforeEach, expect, test } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import type { HistoryLine, HistoryWindow } from '../../src/model/history.ts';
import { EngineMachine } from './machine.ts';

const all = { filter: '', from: 0, count: 1_000 };
const told = ({ lines }: HistoryWindow): readonly string[] =>
  lines.map(({ path, outcome }) => `${path} ${outcome}`);

let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
  machine.rules = { ...machine.rules, transfers: 1, removals: true };
});

test('is there in the next run, newest first, with what failed', async () => {
  machine.tree.write('a', '1');
  machine.tree.write('b', '2');
  machine.fault = ({ key, when }) => {
    if (when === 'before' && key.endsWith('/b'))
      throw new VaultError('file', 'unreadable', 'b is not to be read');
  };
  await machine.sync();
  machine.fault = () => undefined;
  machine.tree.remove('a');
  await machine.sync({ consent: true });
  const { engine } = machine.engine();
  const window = await engine.history(all);
  expect(told(window).toSorted()).toEqual(['a removed', 'a written', 'b failed', 'b written']);
  expect(told(window).at(-1)).toMatch(/^(a written|b failed)$/);
  expect(window.lines.map(({ id }) => id)).toEqual([4, 3, 2, 1]);
  const failed = await engine.history({ ...all, filter: 'NOT to be' });
  expect(failed).toMatchObject({ total: 1, lines: [{ path: 'b', message: 'b is not to be read' }] });
});

test('is told at once, written or not; a line is found again as others come on top', async () => {
  for (let n = 0; n < 50; n++) machine.tree.write(`f${n}`, String(n));
  const watching = await machine.watch();
  const { engine } = watching;
  const first = await engine.history({ filter: 'f', from: 10, count: 5 });
  expect([first.total, first.from, first.lines.length]).toEqual([50, 10, 5]);
  const held = first.lines[2] as HistoryLine;
  for (let n = 50; n < 60; n++) machine.tree.write(`f${n}`, String(n));
  engine.command({ command: 'rescan' });
  await machine.until(() => engine.snapshot().recent.length === 60);
  const next = await engine.history({ filter: 'f', from: 10, count: 5, held: { id: held.id, line: 12 } });
  expect(next).toMatchObject({ total: 60, from: 20, held: 22 });
  expect(next.lines).toEqual(first.lines);
  await watching.stop();
});

test('costs no commit of its own while files are sent, and is whole when the run ends', async () => {
  for (let n = 0; n < 300; n++) machine.tree.write(`f${n}`, String(n));
  const { index } = machine;
  let [commits, lone] = [0, 0];
  machine.index = {
    ...index,
    commit: (changes, ended) => {
      commits++;
      if (changes.length === 0 && (ended?.length ?? 0) > 0) lone++;
      index.commit(changes, ended);
    },
  };
  await machine.sync();
  expect(commits).toBeGreaterThan(2);
  // What the last transfers say, at the end.
  expect(lone).toBeLessThanOrEqual(1);
  expect(machine.index.history().last).toBe(300);
});
