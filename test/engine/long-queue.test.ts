/** The queue beyond what is in memory: seen, looked through, raised and left out to its last line. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Rest } from '../../src/engine/rest.ts';
import { Schedule } from '../../src/engine/schedule.ts';
import { canSpool, spoolLine } from '../../src/engine/spooled.ts';
import { Upcoming } from '../../src/engine/upcoming.ts';
import { nameKey, relPath } from '../../src/model/brands.ts';
import type { Action } from '../../src/model/plan.ts';
import { type QueueWindow, findable } from '../../src/model/queue.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { entry, record } from '../support/facts.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, problemsOf } from './machine.ts';

const COUNT = 100_000;
const named = (n: number): string => `folder-${n % 100}/${String(n).padStart(6, '0')}.NEF`;
const paths = ({ lines }: QueueWindow): readonly string[] => lines.map(({ path }) => path);

function put(path: string): Action {
  const local = entry(path, { size: path.length });
  return { kind: 'put', key: local.key, path: local.path, reason: 'new', local };
}

interface Long {
  readonly machine: EngineMachine;
  readonly engine: ReturnType<EngineMachine['engine']>['engine'];
  /** In the order of sending. */
  readonly all: readonly string[];
}

describe('100,000 files that wait', () => {
  async function waiting(): Promise<Long> {
    const machine = await EngineMachine.make();
    machine.mode = 'sse-s3';
    machine.rules = { ...machine.rules, transfers: 1 };
    const all = Array.from({ length: COUNT }, (_, n) => named(n)).sort();
    for (const path of all) machine.tree.write(path, '');
    // The names are in their order already.
    machine.tree.walk = async function* () {
      for (let at = 0; at < COUNT; at += 1_000) {
        const seen = await Promise.all(all.slice(at, at + 1_000).map((path) => this.look(relPath(path))));
        yield seen.filter((one) => one !== undefined);
      }
    };
    const { engine } = machine.engine({ once: false });
    engine.command({ command: 'pause' });
    void engine.run();
    await machine.until(() => engine.snapshot().queue.waiting === COUNT);
    return { machine, engine, all };
  }

  test('are seen and found to the last one, raised in order, and left out', async () => {
    const { machine, engine, all } = await waiting();
    const end = await engine.queue({ filter: '', from: COUNT - 3, count: 10 });
    expect(end).toMatchObject({ total: COUNT, waiting: COUNT, from: COUNT - 10 });
    expect(paths(end)).toEqual(all.slice(-10));
    const found = await engine.queue({ filter: 'FOLDER-42/', from: 990, count: 20 });
    expect(found.total).toBe(1_000);
    expect(paths(found)).toEqual(all.filter((path) => path.startsWith('folder-42/')).slice(-20));

    const [far, near] = [all[90_000] ?? '', all[1_000] ?? ''];
    engine.command({ command: 'first', path: far });
    engine.command({ command: 'first', path: near });
    await machine.wait(100);
    const begin = await engine.queue({
      filter: '',
      from: 0,
      count: 4,
      held: { path: all[1] ?? '', line: 1 },
    });
    // The window goes with the file that is asked for.
    expect(begin).toMatchObject({ total: COUNT, held: 3, from: 2 });
    expect(paths(begin)).toEqual(all.slice(0, 4));
    expect(paths(await engine.queue({ filter: '', from: 0, count: 4 }))).toEqual([
      far,
      near,
      ...all.slice(0, 2),
    ]);

    const out = all[95_000] ?? '';
    engine.command({ command: 'skip', path: out });
    expect(problemsOf(engine, out)).toMatchObject([{ code: 'left-out' }]);
    const without = await engine.queue({ filter: out, from: 0, count: 4, held: { path: out, line: 0 } });
    expect(without).toEqual({ total: 0, waiting: COUNT - 1, from: 0, lines: [] });

    machine.fault = () => new Promise((resolve) => setImmediate(resolve));
    engine.command({ command: 'resume' });
    await machine.until(() => machine.remote().length >= 4);
    expect(machine.remote()).toEqual(expect.arrayContaining([far, near, all[0], all[1]]));
    engine.command({ command: 'stop' });
    await machine.drive(engine.ended);
  }, 60_000);
});

test('what is raised out of a plan belongs to it: the plan is not done before', async () => {
  const machine = await EngineMachine.make();
  machine.rules = { ...machine.rules, transfers: 1 };
  for (let n = 0; n < 600; n++) machine.tree.write(named(n), String(n));
  const { engine, events } = machine.engine({ once: true });
  engine.command({ command: 'pause' });
  void engine.run();
  await machine.until(() => engine.snapshot().queue.waiting === 600);
  // The last one is in the plan; the other was drawn, and waits for room in the queue.
  const all = [...machine.tree.files.keys()].sort();
  const raised = [all[599] ?? '', all[300] ?? ''];
  for (const path of raised) engine.command({ command: 'first', path });
  await machine.wait(600);
  expect(
    engine
      .snapshot()
      .queue.next.slice(0, 3)
      .map(({ path }) => path),
  ).toEqual([...raised, all[0]]);
  engine.command({ command: 'resume' });
  await machine.drive(engine.ended);
  const sent = events.flatMap((event) => (event.event === 'transfer.start' ? [event.path] : []));
  // Each once, and these first.
  expect(sent.slice(0, 2)).toEqual(raised);
  expect([sent.length, new Set(sent).size]).toEqual([600, 600]);
  expect(machine.inStep()).toEqual([]);
});

test('a scan amid a long plan shows nothing twice, and what is left out stays out of sight', async () => {
  const machine = await EngineMachine.make();
  // The bucket was listed: a scan needs not wait for the plan before.
  await machine.sync();
  for (let n = 0; n < 600; n++) machine.tree.write(named(n), String(n));
  const { engine, events } = machine.engine({ once: false });
  engine.command({ command: 'pause' });
  void engine.run();
  await machine.until(() => engine.snapshot().queue.waiting === 600);
  engine.command({ command: 'skip', path: named(599) });
  engine.command({ command: 'rescan' });
  await machine.until(() => events.filter(({ event }) => event === 'plan').length === 2);
  await machine.wait(1_000);
  const { total, lines } = await engine.queue({ filter: '', from: 0, count: 1_000 });
  expect([total, new Set(lines.map(({ path }) => path)).size]).toEqual([599, 599]);
  engine.command({ command: 'resume' });
  await machine.until(() => engine.snapshot().state === 'idle');
  expect(machine.remote()).toHaveLength(599);
  expect((await engine.queue({ filter: '', from: 0, count: 9 })).waiting).toBe(0);
  engine.command({ command: 'stop' });
  await machine.drive(engine.ended);
});

test('a window is what a list would show, whatever was drawn, raised and taken before', async () => {
  const index = await memoryIndex();
  const names = Array.from(
    { length: 40 },
    (_, n) => `${n % 3 === 0 ? 'Ä' : 'b'}${String(n).padStart(2, '0')}`,
  );
  const step = fc.oneof(
    fc.record({ do: fc.constant('draw' as const), n: fc.constant(0) }),
    fc.record({ do: fc.constant('raise' as const), n: fc.nat(39) }),
    fc.record({ do: fc.constant('drop' as const), n: fc.nat(39) }),
    fc.record({
      do: fc.constant('look' as const),
      n: fc.nat(39),
      filter: fc.constantFrom('', 'ä', 'B1', '7', 'NEW', 'none'),
      from: fc.nat(45),
      count: fc.nat(12),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(40), async (steps, inMemory) => {
      const spool = index.spool();
      spool.clear();
      const actions = names.map(put);
      spool.push(actions.slice(inMemory).filter(canSpool).map(spoolLine));
      const rest = new Rest(actions.slice(0, inMemory), { spool, index });
      const upcoming = new Upcoming(new ManualClock(), { emit: () => undefined });
      upcoming.join(rest);
      const drawn = rest.draw()[Symbol.iterator]();
      // The model: what is raised, what is queued behind it, what waits in the plan.
      let [front, queued, plan] = [[] as string[], [] as string[], [...names]];
      for (const one of steps) {
        const name = names[one.n] ?? '';
        if (one.do === 'draw') {
          const next = drawn.next().value as Action | undefined;
          expect(next?.path).toBe(plan[0]);
          if (next === undefined) continue;
          plan = plan.slice(1);
          queued.push(next.path);
          expect(rest.admit(next)).toBe(true);
          upcoming.add(next);
        } else if (one.do === 'raise') {
          if (!queued.includes(name)) continue;
          queued = queued.filter((other) => other !== name);
          front.push(name);
          upcoming.raise(nameKey(name));
        } else if (one.do === 'drop') {
          const others = (list: readonly string[]) => list.filter((other) => other !== name);
          [front, queued, plan] = [others(front), others(queued), others(plan)];
          upcoming.drop(nameKey(name));
          expect(upcoming.get(nameKey(name))).toBeUndefined();
        } else {
          const all = [...front, ...queued, ...plan];
          const fits = all.filter((path) =>
            findable({ path, kind: 'put', reason: 'new' }).includes(one.filter.toLowerCase()),
          );
          const held = fits.indexOf(name);
          const moved = held === -1 ? 0 : held - 5;
          const from = Math.max(0, Math.min(one.from + moved, fits.length - one.count));
          const window = await upcoming.window({ ...one, held: { path: name, line: 5 } }, nameKey(name));
          expect(window).toMatchObject({ total: fits.length, waiting: all.length, from });
          expect(paths(window)).toEqual(fits.slice(from, from + one.count));
          expect(window.held).toBe(held === -1 ? undefined : held);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('what comes out of the Index has the Record of that moment, drawn or taken', async () => {
  const index = await memoryIndex();
  index.spool().push([put('a'), put('b')].filter(canSpool).map(spoolLine));
  const rest = new Rest([], { spool: index.spool(), index });
  index.commit(['a', 'b'].map((path) => ({ kind: 'put', record: record(path) })));
  expect(rest.take(nameKey('b'))).toMatchObject({ path: 'b', record: { etag: record('b').etag } });
  expect([...rest.draw()]).toMatchObject([{ path: 'a', record: { etag: record('a').etag } }]);
  expect(rest.admit(put('a'))).toBe(true);
  expect(rest.count).toBe(0);
});

test('what was taken out after it was drawn is not run where it stood', async () => {
  const rest = new Rest(['a', 'b', 'c'].map(put));
  const ran: string[] = [];
  const schedule = await Schedule.create({
    transfers: 1,
    run: async ({ path }) => void ran.push(path),
    onPace: () => undefined,
  });
  const drawn = [...rest.draw()];
  expect(rest.take(nameKey('b'))).toBe(drawn[1]);
  await schedule.runAll(
    drawn,
    () => undefined,
    (action) => rest.admit(action),
  );
  expect(ran).toEqual(['a', 'c']);
});
