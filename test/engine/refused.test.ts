/** Removals that a person said no to stay undone until they agree, whatever looks find them again. */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { Refused } from '../../src/engine/refused.ts';
import { type RelPath, nameKey, relPath } from '../../src/model/brands.ts';
import type { RefusedRemoval } from '../../src/model/refused.ts';
import { MemoryBucket } from '../../src/s3/memory.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, type Watching, answerTo, named } from './machine.ts';

const photos = Array.from({ length: 12 }, (_, n) => `photos/${n}`);
const docs = Array.from({ length: 8 }, (_, n) => `docs/${n}`);
const others = Array.from({ length: 40 }, (_, n) => `others/${n}`);
const all = [...photos, ...docs, ...others];

const ask = async (machine: EngineMachine, { engine, events }: Watching): Promise<void> => {
  const before = named(events, 'consent').length;
  engine.command({ command: 'rescan' });
  await machine.until(() => named(events, 'consent').length > before);
};
const told = ({ engine }: Watching): readonly string[] =>
  [...engine.snapshot().problems.values()].map(({ message }) => message);
const declined = ({ engine }: Watching): number => engine.snapshot().short?.declined ?? 0;

async function answer(machine: EngineMachine, { engine }: Watching, yes: boolean): Promise<void> {
  engine.command(answerTo(engine, yes));
  await machine.until(() => engine.snapshot().state === 'idle');
}

/** Another look has ended, and nothing is left to do. */
async function scanned(machine: EngineMachine, { engine, events }: Watching): Promise<void> {
  const scans = (): number => named(events, 'scan').filter(({ state }) => state === 'done').length;
  const before = scans();
  engine.command({ command: 'rescan' });
  await machine.until(() => scans() > before && engine.snapshot().state !== 'scanning');
}

describe('refused removals in the bucket', () => {
  let machine: EngineMachine;
  let watching: Watching;

  beforeEach(async () => {
    machine = await EngineMachine.make();
    machine.rules = { ...machine.rules, removals: true };
    for (const path of all) machine.tree.write(path, path);
    await machine.sync();
    for (const path of [...photos, ...docs]) machine.tree.remove(path);
    watching = await machine.watch();
    await answer(machine, watching, false);
  });

  test('stay undone while the files are brought back one by one', async () => {
    machine.tree.write('photos/0', 'photos/0');
    watching.watcher.listener?.hint({ kind: 'under', path: 'photos' as RelPath });
    await machine.wait(10_000);
    expect(machine.remote()).toHaveLength(60);
    expect(declined(watching)).toBe(19);
    expect(told(watching)).toEqual(['19 removals were not done: you said no']);
    for (const path of [...photos, ...docs]) machine.tree.write(path, path);
    for (const path of ['photos', 'docs'])
      watching.watcher.listener?.hint({ kind: 'under', path: path as RelPath });
    await machine.until(() => watching.engine.snapshot().short === null);
    expect(told(watching)).toEqual([]);
    expect(machine.index.refused().all()).toEqual([]);
    await watching.stop();
  });

  test('are asked about again at a scan, however few are still gone', async () => {
    for (const path of docs) machine.tree.write(path, path);
    await ask(machine, watching);
    expect(watching.engine.snapshot()).toMatchObject({
      state: 'needs-you',
      consent: { removals: 12, of: 60 },
    });
    expect(told(watching)).toEqual([]);
    expect(machine.remote()).toHaveLength(60);
    await answer(machine, watching, false);
    expect(declined(watching)).toBe(12);
    await ask(machine, watching);
    await answer(machine, watching, true);
    expect(machine.remote()).toHaveLength(48);
    expect(watching.engine.snapshot().short).toBeNull();
    expect(machine.index.refused().all()).toEqual([]);
    await watching.stop();
  });

  test.each([
    'photos/3',
    undefined,
  ])('are not let through by trying again (%s), by hints or by the scan of the hour', async (path) => {
    for (const back of docs) machine.tree.write(back, back);
    watching.engine.command({ command: 'retry', ...(path === undefined ? {} : { paths: [path] }) });
    watching.hint('photos/3');
    watching.engine.command({ command: 'first', path: 'photos/4' });
    await machine.wait(10_000);
    watching.watcher.listener?.hint({ kind: 'under', path: '' as RelPath });
    await machine.wait(7_500_000);
    expect(machine.remote()).toHaveLength(60);
    expect(watching.engine.snapshot()).toMatchObject({ state: 'idle', consent: null });
    expect(declined(watching)).toBe(12);
    expect(named(watching.events, 'consent')).toHaveLength(1);
    await watching.stop();
  });

  test('are remembered by the next start, which asks', async () => {
    for (const back of docs) machine.tree.write(back, back);
    await watching.stop();
    const again = await machine.watch();
    expect(again.engine.snapshot()).toMatchObject({ state: 'needs-you', consent: { removals: 12, of: 60 } });
    await again.stop();
    const { exit } = await machine.sync();
    expect(exit).toBe(5);
    expect(machine.remote()).toHaveLength(60);
    expect((await machine.sync({ consent: true })).exit).toBe(0);
    expect(machine.remote()).toHaveLength(48);
    expect(machine.index.refused().all()).toEqual([]);
  });

  test('are asked about with those that join them; a few others are done as ever once there are few of them', async () => {
    machine.tree.remove('others/0');
    watching.hint('others/0');
    await machine.until(() => watching.engine.snapshot().consent !== null);
    expect(watching.engine.snapshot().consent).toMatchObject({ removals: 21, of: 60 });
    await answer(machine, watching, false);
    expect(declined(watching)).toBe(21);
    for (const back of [...photos, 'others/0']) machine.tree.write(back, back);
    watching.watcher.listener?.hint({ kind: 'under', path: 'photos' as RelPath });
    watching.hint('others/0');
    await machine.until(() => declined(watching) === 8);
    machine.tree.remove('others/1');
    watching.hint('others/1');
    await machine.until(() => machine.remote().length === 59);
    expect(machine.remote()).toEqual(expect.arrayContaining(docs));
    await watching.stop();
  });

  test('of files that came back and go again are another matter', async () => {
    for (const back of [...photos, ...docs]) machine.tree.write(back, 'new');
    await scanned(machine, watching);
    await machine.until(() => watching.engine.snapshot().state === 'idle');
    machine.tree.remove('photos/0');
    watching.hint('photos/0');
    await machine.until(() => !machine.remote().includes('photos/0'));
    await watching.stop();
  });

  test('stay refused while their folder is not looked at, or removals are off', async () => {
    for (const back of docs) machine.tree.write(back, back);
    await watching.stop();
    for (const path of photos) machine.tree.ignored.add(path);
    expect((await machine.sync()).exit).toBe(0);
    machine.tree.ignored.clear();
    machine.rules = { ...machine.rules, removals: false };
    expect((await machine.sync()).exit).toBe(0);
    machine.rules = { ...machine.rules, removals: true };
    expect((await machine.sync()).exit).toBe(5);
    expect(machine.remote()).toHaveLength(60);
  });
});

test('one that is over twice takes no other along', async () => {
  const index = await memoryIndex();
  const said = ['x', 'y'].map((path): RefusedRemoval => {
    return { key: nameKey(path), path: relPath(path), kind: 'remove-remote', etag: 'e' };
  });
  index.refused().put(said);
  const rules = { removals: true, include: [], exclude: [], transfers: 4 };
  const refused = new Refused({ index, vault: { direction: 'push', rules }, tree: { ignores: () => false } });
  await refused.open();
  refused.missed([nameKey('x'), nameKey('x')]);
  expect(index.refused().all()).toEqual(said.slice(1));
});

test('a question loses what is back, and ends with the last of it', async () => {
  const machine = await EngineMachine.make();
  machine.rules = { ...machine.rules, removals: true };
  for (const path of all) machine.tree.write(path, path);
  await machine.sync();
  for (const path of [...photos, ...docs]) machine.tree.remove(path);
  const watching = await machine.watch();
  const { engine } = watching;
  const under = (path: string): void =>
    watching.watcher.listener?.hint({ kind: 'under', path: path as RelPath });
  for (const path of docs) machine.tree.write(path, path);
  under('docs');
  await machine.until(() => {
    const { consent } = engine.snapshot();
    return consent?.kind === 'many-removals' && consent.removals === 12;
  });
  expect(engine.snapshot().plan.removeRemote).toBe(12);
  engine.command({ command: 'pause' });
  for (const path of photos) machine.tree.write(path, path);
  under('photos');
  await machine.until(() => engine.snapshot().consent === null);
  engine.command({ command: 'resume' });
  await machine.until(() => engine.snapshot().state === 'idle');
  expect(engine.snapshot()).toMatchObject({ short: null, consent: null });
  expect(machine.remote()).toHaveLength(60);
  await watching.stop();
});

describe('refused removals here', () => {
  let desk: EngineMachine;
  let laptop: EngineMachine;
  let watching: Watching;
  const names = Array.from({ length: 20 }, (_, n) => `f${n}`);

  beforeEach(async () => {
    const shared = { clock: new ManualClock(), bucket: new MemoryBucket() };
    desk = await EngineMachine.with({ ...shared, host: 'desk' });
    laptop = await EngineMachine.with({ ...shared, host: 'laptop' });
    for (const one of [desk, laptop]) {
      one.direction = 'both';
      one.rules = { ...one.rules, removals: true };
    }
    for (const name of names) desk.tree.write(name, name);
    await desk.sync();
    await laptop.sync();
    watching = await laptop.watch();
    for (const name of names.slice(0, 8)) desk.tree.remove(name);
    await desk.sync({ consent: true });
    await laptop.until(() => watching.engine.snapshot().consent !== null);
    await answer(laptop, watching, false);
  });

  test('are not asked about at each look into the bucket, and not done when some come back', async () => {
    await laptop.wait(300_000);
    expect(named(watching.events, 'consent')).toHaveLength(1);
    expect(declined(watching)).toBe(8);
    for (const name of names.slice(0, 4)) desk.tree.write(name, `${name} again`);
    await desk.sync();
    await laptop.wait(300_000);
    expect(laptop.tree.files.size).toBe(20);
    expect(declined(watching)).toBe(4);
    expect(told(watching)).toEqual(['4 removals were not done: you said no']);
    await ask(laptop, watching);
    expect(watching.engine.snapshot().consent).toMatchObject({ removals: 4 });
    await answer(laptop, watching, true);
    expect(laptop.tree.files.size).toBe(16);
    await watching.stop();
  });

  test('are not over because a file was moved away and back while its object is gone', async () => {
    for (const name of names.slice(0, 5)) desk.tree.write(name, `${name} again`);
    await desk.sync();
    await laptop.wait(300_000);
    expect(declined(watching)).toBe(3);
    // Away and back: another ctime.
    laptop.tree.rename('f7', 'elsewhere');
    laptop.tree.rename('elsewhere', 'f7');
    watching.hint('f7');
    await laptop.wait(300_000);
    expect(laptop.tree.files.size).toBe(20);
    expect(declined(watching)).toBe(3);
    expect(named(watching.events, 'consent')).toHaveLength(1);
    await watching.stop();
  });

  test('are over when the person removes the files', async () => {
    for (const name of names.slice(0, 8)) {
      laptop.tree.remove(name);
      watching.hint(name);
    }
    await laptop.until(() => watching.engine.snapshot().short === null);
    expect(laptop.index.refused().all()).toEqual([]);
    await watching.stop();
  });
});

const NAMES = Array.from({ length: 10 }, (_, n) => `${n < 5 ? 'd' : 'e'}/${n}`);
const moves = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('remove'), paths: fc.subarray(NAMES) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('write'), paths: fc.subarray(NAMES) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('no', 'no', 'yes'), paths: fc.constant([]) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('hint', 'folder', 'retry', 'scan', 'hour', 'restart'),
        paths: fc.subarray(NAMES, { maxLength: 3 }),
      }),
    },
  ),
  { maxLength: 25 },
);

test.each([
  'push',
  'both',
] as const)('whatever is done and looked at, nothing refused is removed without a yes (%s)', async (direction) => {
  await fc.assert(
    fc.asyncProperty(moves, async (history) => {
      const machine = await EngineMachine.make();
      machine.direction = direction;
      machine.rules = { ...machine.rules, removals: true };
      // A folder without any file is a lost one.
      for (const name of [...NAMES, 'stays']) machine.tree.write(name, name);
      let watching = await machine.watch();
      const refused = new Set<string>();
      const look = (path: string, kind: 'path' | 'under' = 'path'): void =>
        watching.watcher.listener?.hint({ kind, path: path as RelPath });
      const asked = (): readonly string[] => {
        const { consent } = watching.engine.snapshot();
        return consent?.kind === 'many-removals' ? (consent.first ?? []).map(({ path }) => path) : [];
      };
      for (const { do: what, paths } of history) {
        if (what === 'yes' || what === 'no') {
          const about = asked();
          if (about.length === 0) continue;
          for (const path of about) refused[what === 'no' ? 'add' : 'delete'](path);
          watching.engine.command(answerTo(watching.engine, what === 'yes'));
        } else if (what === 'restart') {
          await watching.stop();
          watching = await machine.watch();
        } else if (what === 'scan') watching.engine.command({ command: 'rescan' });
        else if (what === 'hour') look('', 'under');
        for (const path of paths) {
          if (what === 'remove') machine.tree.remove(path);
          if (what === 'write') machine.tree.write(path, `${path} again`);
          if (what === 'write') refused.delete(path);
          if (what === 'retry') watching.engine.command({ command: 'retry', paths });
          look(what === 'folder' ? path.slice(0, 1) : path, what === 'folder' ? 'under' : 'path');
        }
        await machine.wait(70_000);
        expect(machine.remote()).toEqual(expect.arrayContaining([...refused]));
        // Nothing is forgotten in silence either.
        const { state, short } = watching.engine.snapshot();
        if (state === 'idle') expect(short?.declined ?? 0).toBe(refused.size);
        else expect(asked()).toEqual(expect.arrayContaining([...refused]));
      }
      await watching.stop();
    }),
    { numRuns: Number(process.env['S3VAULT_MODEL_RUNS'] ?? 25) },
  );
}, 120_000);
