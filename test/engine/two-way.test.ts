/** Two machines and one bucket. */
import { beforeEach, describe, expect, test } from 'vitest';
import { actionLine } from '../../src/cli/plan.ts';
import { relPath } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Conditions } from '../../src/model/ports.ts';
import type { Direction } from '../../src/model/vault.ts';
import { MemoryBucket } from '../../src/s3/memory.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, PREFIX, named, troubled } from './machine.ts';

let a: EngineMachine;
let b: EngineMachine;

const machines = async (direction: Direction = 'both'): Promise<void> => {
  const clock = new ManualClock();
  const bucket = new MemoryBucket();
  a = await EngineMachine.with({ clock, bucket, host: 'desk' });
  b = await EngineMachine.with({ clock, bucket, host: 'laptop.example.org', skew: -86_400_000 });
  a.direction = direction === 'pull' ? 'push' : direction;
  b.direction = direction;
  for (const one of [a, b]) one.rules = { ...one.rules, removals: true };
};

beforeEach(() => machines());

const contents = ({ tree }: EngineMachine): { [path: string]: string } =>
  Object.fromEntries([...tree.files].map(([path, { content }]) => [path, content.toString()]));

async function both(): Promise<void> {
  for (const one of [a, b, a]) expect((await one.sync({ consent: true })).exit).toBe(0);
}

test('a mass removal elsewhere is asked about as what it is: removals here, gone from the bucket', async () => {
  for (const path of OTHERS) a.tree.write(path, 'one');
  await both();
  for (const path of OTHERS.slice(0, 5)) a.tree.remove(path);
  expect((await a.sync({ consent: true })).exit).toBe(0);
  const { exit, events } = await b.sync();
  expect(exit).toBe(5);
  expect(named(events, 'consent')).toMatchObject([{ reason: { removals: 5, here: 5 } }]);
  b.tree.remove(OTHERS[6] ?? '');
  expect(named((await b.sync()).events, 'consent')).toMatchObject([{ reason: { removals: 6, here: 5 } }]);
});

test('a Plan counts plaintext: of what goes, of what comes, and of what is to be compared', async () => {
  for (const path of ['a', 'b', ...OTHERS]) a.tree.write(path, 'one');
  await both();
  a.tree.write('a', '12345');
  a.tree.write('b', '1234567');
  await a.sync();
  b.tree.write('b', '12');
  b.tree.write('new', '123');
  const lines: string[] = [];
  const { engine, events } = b.engine();
  await b.drive(engine.preview((action) => lines.push(actionLine(action))));
  expect(lines).toEqual(['fetch   a  5 B  changed', 'clash   b  both-changed', 'send    new  3 B  new']);
  const plan = { put: 1, putBytes: 3, get: 1, getBytes: 5, conflict: 1, bytes: 15 };
  expect(named(events, 'plan')).toMatchObject([plan]);
  const run = await b.sync();
  expect(named(run.events, 'plan')[0]).toMatchObject(plan);
  // And the copy that the conflict leaves is sent.
  expect(named(run.events, 'summary')).toMatchObject([{ files: 4, bytes: 17 }]);
});

describe('what one machine does', () => {
  test('comes to the other: new, changed, links, times and permissions', async () => {
    a.tree.write('d/note', 'one');
    a.tree.chmod('d/note', 0o100600);
    a.tree.link('link', '../elsewhere');
    await both();
    expect(contents(b)).toEqual({ 'd/note': 'one', link: '../elsewhere' });
    expect(b.tree.files.get('d/note')?.mode).toBe(0o100600);
    expect(b.tree.files.get('link')).toMatchObject({ link: true });
    expect(Math.round((b.tree.files.get('d/note')?.mtime ?? 0) * 1_000)).toBe(
      Math.round((a.tree.files.get('d/note')?.mtime ?? 0) * 1_000),
    );
    b.tree.write('d/note', 'two');
    await b.sync();
    await both();
    expect(contents(a)).toEqual(contents(b));
    expect(contents(a)['d/note']).toBe('two');
    expect([a.inStep(), b.inStep()]).toEqual([[], []]);
  });

  test('goes over no edit of the very moment: that becomes a conflict copy, and goes to all [BOTH-2]', async () => {
    a.tree.write('note', 'one');
    await both();
    a.tree.write('note', 'two');
    await a.sync();
    b.tree.onGoOver = () => Buffer.from('edited while it was gone over');
    const run = await b.sync();
    b.tree.onGoOver = () => undefined;
    expect(named(run.events, 'warning')).toMatchObject([{ code: 'conflict', path: 'note' }]);
    await both();
    await both();
    const [copy = ''] = Object.keys(contents(a)).filter((path) => path.startsWith('note (conflict laptop'));
    expect(contents(a)).toEqual({ note: 'two', [copy]: 'edited while it was gone over' });
    expect(contents(b)).toEqual(contents(a));
  });

  test('a removal, where it is let through', async () => {
    for (let n = 0; n < 8; n++) a.tree.write(`f${n}`, `${n}`);
    await both();
    b.tree.remove('f1');
    await both();
    expect(a.tree.files.has('f1')).toBe(false);
    expect(a.remote()).not.toContain('f1');
    expect(a.index.count()).toEqual(b.index.count());
  });

  test('a removal is reported and not done without --delete', async () => {
    b.rules = { ...b.rules, removals: false };
    for (let n = 0; n < 8; n++) a.tree.write(`f${n}`, `${n}`);
    await both();
    a.tree.remove('f1');
    await both();
    expect(b.tree.files.has('f1')).toBe(true);
    const run = await b.sync();
    expect(named(run.events, 'warning').map(({ code }) => code)).toContain('kept-here');
    expect(run.exit).toBe(0);
  });

  test('many removals are held back on the receiving side too [DEL-4]', async () => {
    for (let n = 0; n < 8; n++) a.tree.write(`f${n}`, `${n}`);
    await both();
    for (let n = 0; n < 4; n++) a.tree.remove(`f${n}`);
    await a.sync({ consent: true });
    const held = await b.sync();
    expect(held.exit).toBe(5);
    expect(b.tree.files.size).toBe(8);
    expect((await b.sync({ consent: true })).exit).toBe(0);
    expect(b.tree.files.size).toBe(4);
  });

  test('nothing in step costs more than a listing', async () => {
    for (let n = 0; n < 8; n++) a.tree.write(`f${n}`, `${n}`);
    await both();
    b.forget();
    await b.sync();
    expect(b.count('list')).toBe(1);
    expect(
      b.steps.map(({ operation }) => operation).filter((name) => !['get', 'list', 'uploads'].includes(name)),
    ).toEqual([]);
    // The vault's description.
    expect(b.count('get')).toBe(1);
  });
});

/** So that a few removals are not many. */
const OTHERS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9'];

describe('what both do', () => {
  test('the remote one wins the name, the local one is kept, and both have both', async () => {
    a.tree.write('d/note.txt', 'base');
    await both();
    a.tree.write('d/note.txt', 'from a');
    b.tree.write('d/note.txt', 'from b');
    await a.sync();
    const run = await b.sync();
    expect(named(run.events, 'warning')).toMatchObject([{ code: 'conflict', path: 'd/note.txt' }]);
    await both();
    const copy = Object.keys(contents(b)).find((path) => path.includes('conflict'));
    expect(copy).toMatch(/^d\/note \(conflict laptop \d{4}-\d\d-\d\d \d\d-\d\d-\d\d\)\.txt$/);
    expect(contents(b)).toEqual({ 'd/note.txt': 'from a', [copy ?? '']: 'from b' });
    expect(contents(a)).toEqual(contents(b));
  });

  test('the same new content on both needs no copy', async () => {
    a.tree.write('note', 'same');
    await a.sync();
    b.tree.write('note', 'same');
    await both();
    expect(contents(b)).toEqual({ note: 'same' });
    expect(b.tree.files.get('note')?.mtime).toBeCloseTo(a.tree.files.get('note')?.mtime ?? 0, 3);
  });

  test.each([
    'sse-s3',
    'sse-c',
  ] as const)('two contents of one size and one time are a conflict, in mode %s too', async (mode) => {
    for (const one of [a, b]) one.mode = mode;
    a.tree.write('note', 'one');
    a.tree.write('other', 'same');
    await both();
    const time = a.clock.now() - 1_000;
    a.tree.write('note', 'AAA', time);
    b.tree.write('note', 'BBB', time);
    a.tree.write('first', 'AAA', time);
    b.tree.write('first', 'BBB', time);
    await both();
    await both();
    expect(Object.values(contents(a)).toSorted()).toEqual(['AAA', 'AAA', 'BBB', 'BBB', 'same']);
    expect(contents(a)).toEqual(contents(b));
    // The same bytes need no copy, and in this mode no transfer.
    a.tree.write('equal', 'equal', time);
    b.tree.write('equal', 'equal', time);
    await a.sync();
    b.forget();
    await b.sync();
    expect(b.count('get', 'equal')).toBe(mode === 'sse-s3' ? 0 : 1);
    expect(Object.keys(contents(b)).filter((path) => path.startsWith('equal'))).toEqual(['equal']);
  });

  test('a file becomes a folder, a folder a file: in one run', async () => {
    for (const name of ['thing', 'fold/x', 'fold/y', ...OTHERS]) a.tree.write(name, 'x');
    await both();
    for (const name of ['thing', 'fold/x', 'fold/y']) a.tree.remove(name);
    a.tree.write('thing/in', 'inner');
    a.tree.write('fold', 'a file');
    await both();
    expect(contents(b)).toMatchObject({ 'thing/in': 'inner', fold: 'a file' });
    expect(contents(b)).toEqual(contents(a));
  });

  test.each([
    ['a file that is edited', 'q', 'q/z'],
    ['a folder that is edited', 'q/z', 'q'],
  ])('%s on one machine has become the other on another: both stay, the folder under its name', async (_, was, becomes) => {
    for (const name of [was, ...OTHERS]) a.tree.write(name, 'x');
    await both();
    a.tree.remove(was);
    a.tree.write(becomes, 'of a');
    b.tree.write(was, 'of b');
    const codes: string[] = [];
    for (const one of [a, b, a, b, a, b]) {
      const { events } = await one.sync({ consent: true });
      codes.push(...named(events, 'warning').map(({ code }) => code));
    }
    expect(codes.filter((code) => code === 'conflict')).toHaveLength(1);
    await both();
    expect(contents(a)).toEqual(contents(b));
    expect(
      Object.values(contents(a))
        .filter((text) => text !== 'x')
        .toSorted(),
    ).toEqual(['of a', 'of b']);
    expect(contents(a)['q/z']).toBeDefined();
    expect([a.inStep(), b.inStep()]).toEqual([[], []]);
  });

  test('a copy of the folder is in step without a transfer', async () => {
    a.tree.write('note', 'same');
    a.tree.write('d/other', 'same too');
    await a.sync();
    for (const [path, file] of a.tree.files) b.tree.files.set(path, { ...file, inode: file.inode + 500 });
    b.forget();
    expect((await b.sync()).exit).toBe(0);
    expect([b.count('put'), b.count('get')]).toEqual([0, 1]);
    expect(b.index.count().files).toBe(2);
  });

  test('an edit meets a removal: the edit stays', async () => {
    for (const name of ['x', 'y', 'z', 'v', 'w', 'u', 't', 's']) a.tree.write(name, 'base');
    await both();
    a.tree.remove('x');
    b.tree.write('x', 'edited');
    b.tree.remove('y');
    a.tree.write('y', 'edited too');
    await both();
    await both();
    expect(contents(a)).toMatchObject({ x: 'edited', y: 'edited too' });
    expect(contents(a)).toEqual(contents(b));
  });

  test('what the other wrote after our listing is not overwritten: the condition fails and we look again', async () => {
    a.tree.write('note', 'base');
    await both();
    b.tree.write('note', 'from b');
    a.tree.write('note', 'from a');
    let raced = false;
    b.fault = async (step) => {
      if (raced || step.operation !== 'put' || step.when !== 'before') return;
      raced = true;
      // It lands while the request of b is on its way.
      const other = a.engine();
      await other.engine.run();
    };
    expect((await b.sync()).exit).toBe(0);
    expect(raced).toBe(true);
    await both();
    expect(Object.values(contents(a)).toSorted()).toEqual(['from a', 'from b']);
    expect(contents(a)).toEqual(contents(b));
  });

  test('an answer that got lost is recognised, not taken for another machine', async () => {
    a.tree.write('note', 'once');
    let lost = false;
    a.fault = (step) => {
      if (lost || step.operation !== 'put' || step.when !== 'after' || !step.key.endsWith('note')) return;
      lost = true;
      throw Object.assign(new Error('lost'), {});
    };
    await a.sync();
    a.fault = () => undefined;
    await a.sync();
    expect(contents(a)).toEqual({ note: 'once' });
    expect(a.count('put', 'note')).toBe(1);
  });

  test('a file edited while its new version arrives is not overwritten', async () => {
    a.tree.write('note', 'base');
    await both();
    a.tree.write('note', 'from a');
    await a.sync();
    let edited = false;
    b.tree.onPlace = () => {
      if (!edited) b.tree.write('note', 'typed just now');
      edited = true;
    };
    await b.sync();
    await both();
    expect(Object.values(contents(a)).toSorted()).toEqual(['from a', 'typed just now']);
    expect(contents(a)).toEqual(contents(b));
  });
});

describe('a store that removes whatever stands there', () => {
  test('takes no file along that this machine wrote: it is moved out of the folder', async () => {
    for (const one of [a, b]) one.removesUnseen = true;
    for (const name of ['doc', 'k1', 'k2', 'k3', 'k4', 'k5']) a.tree.write(name, 'one');
    await both();
    a.tree.remove('doc');
    b.tree.write('doc', 'a day of work');
    let raced = false;
    a.fault = async (step) => {
      if (raced || step.operation !== 'remove' || step.when !== 'before') return;
      raced = true;
      await b.engine().engine.run();
    };
    await a.sync();
    expect(raced).toBe(true);
    const run = await b.sync();
    expect(named(run.events, 'warning').map(({ code }) => code)).toContain('kept-aside');
    expect([...b.tree.aside]).toEqual([['doc', 'a day of work']]);
    // What only came from the bucket goes as always.
    a.tree.remove('k1');
    a.fault = () => undefined;
    await both();
    expect(b.tree.files.has('k1')).toBe(false);
    expect(b.tree.aside.size).toBe(1);
  });

  test('and that it does is said at every start, until it is mended; versions are good enough', async () => {
    const warned = async () =>
      named((await a.sync()).events, 'warning').some(({ code }) => code === 'no-conditions');
    a.removesUnseen = true;
    expect([await warned(), await warned()]).toEqual([true, true]);
    a.wrap = (store) => {
      const found = store.conditions.bind(store);
      store.conditions = async (...args) => ({ ...(await found(...args)), versions: true });
      return store;
    };
    expect(await warned()).toBe(false);
    a.wrap = (store) => store;
    a.removesUnseen = false;
    expect(await warned()).toBe(false);
  });
});

test('that a store lets nothing be changed on condition is said at every start, where no versions tell', async () => {
  const warned = async (versions: boolean) => {
    a.wrap = (store) => ({
      ...store,
      conditions: async () => ({
        writes: 'refused',
        removals: 'kept',
        copies: 'kept',
        versions,
        unmet: true,
      }),
    });
    return named((await a.sync()).events, 'warning').filter(({ code }) => code.includes('conditions'));
  };
  const [one, two] = [await warned(false), await warned(false)];
  for (const said of [one, two])
    expect(said).toMatchObject([{ code: 'conditions-refused', hint: expect.stringContaining('versioning') }]);
  expect(await warned(true)).toEqual([]);
});

test('that all conditions are kept is known once, but not from an earlier version, which tried less', async () => {
  const asked = async (): Promise<unknown> => {
    let known: unknown;
    a.wrap = (store) => ({
      ...store,
      conditions: async (prefix, options = {}) => {
        ({ known } = options);
        return store.conditions(prefix, options);
      },
    });
    await a.sync();
    return known;
  };
  const kept = { writes: 'kept', removals: 'kept', copies: 'kept' };
  a.index.setMeta('conditions-kept', 'kept kept kept');
  expect([await asked(), await asked()]).toEqual([{}, kept]);
  // Another store says nothing of this one.
  a.place = { ...a.place, endpoint: 'https://other.example' };
  expect([await asked(), await asked()]).toEqual([{}, kept]);
});

test('that the object conditions were tried with stays is said, and not every start leaves one more', async () => {
  const started = async (): Promise<readonly unknown[]> => {
    let tried = false;
    a.wrap = (store) =>
      Object.assign(store, {
        conditions: async (
          _: string,
          { known = {} }: { readonly known?: Partial<Conditions> } = {},
        ): Promise<Conditions> => {
          tried = known.writes === undefined;
          const left = tried ? { left: new VaultError('refused', 'trial-left', 'it stays') } : {};
          return { writes: 'kept', removals: 'refused', copies: 'kept', versions: true, ...known, ...left };
        },
      });
    const { exit, events } = await a.sync();
    return [exit, tried, named(events, 'warning').map(({ code }) => code)];
  };
  expect([await started(), await started()]).toEqual([
    [0, true, ['trial-left']],
    [0, false, []],
  ]);
  a.clock.advance(31 * 86_400_000);
  expect(await started()).toEqual([0, true, ['trial-left']]);
});

describe('what must not be believed', () => {
  test('a bucket that lost its description is no mass removal [DEL-6]', async () => {
    for (let n = 0; n < 8; n++) a.tree.write(`f${n}`, `${n}`);
    await both();
    for (const key of a.bucket.keys()) a.bucket.remove(key, undefined);
    expect((await b.sync({ consent: true })).exit).toBe(5);
    expect(b.tree.files.size).toBe(8);
    // Taken as it is, it is filled again.
    expect((await b.sync({ consent: true, acceptSource: true })).exit).toBe(0);
    expect(b.tree.files.size).toBe(8);
    expect(b.remote()).toHaveLength(8);
  });

  test('a file that somebody made a link in the bucket is none [KIND-1]', async () => {
    a.tree.write('note', '/etc/passwd');
    await a.sync();
    const stored = a.bucket.find(`${PREFIX}note`)!;
    const metadata = { ...stored.stat.metadata, 's3vault-mode': '120777' };
    a.bucket.replace(`${PREFIX}note`, undefined, { ...stored, stat: { ...stored.stat, metadata } });
    const run = await b.sync();
    expect(run.exit).toBe(6);
    expect(named(run.events, 'transfer.failed').map(({ error }) => error.code)).toEqual(['kind-unproved']);
    expect(contents(b)).toEqual({});
  });

  test('links of an older version come once the machine that has them has sent them again', async () => {
    a.wrapSealing = (sealing) => ({
      ...sealing,
      start: async (options) => {
        const wrapping = await sealing.start(options);
        return { ...wrapping, mac: (digest) => wrapping.mac(digest, 'file') };
      },
    });
    a.tree.link('link', 'elsewhere');
    a.tree.write('file', 'content');
    await a.sync();
    a.index.setMeta('links-bound', undefined);
    const before = await b.sync();
    expect(named(before.events, 'transfer.failed').map(({ error }) => error.code)).toEqual(['kind-unproved']);
    a.wrapSealing = (sealing) => sealing;
    const again = await a.sync();
    expect(named(again.events, 'transfer.done').map(({ path }) => path)).toEqual(['link']);
    expect((await b.sync()).exit).toBe(0);
    expect(b.tree.files.get('link')).toMatchObject({ link: true });
    expect(named((await a.sync()).events, 'transfer.start')).toEqual([]);
  });

  test('a link and a file of the same bytes are never one object', async () => {
    a.tree.write('file', 'elsewhere');
    for (const other of OTHERS) a.tree.write(other, other);
    await both();
    a.tree.remove('file');
    a.tree.link('link', 'elsewhere');
    await both();
    expect(b.tree.files.get('link')).toMatchObject({ link: true });
    expect(b.tree.files.has('file')).toBe(false);
  });

  test('an object that cannot be opened is reported, and the others come', async () => {
    a.tree.write('good', 'good');
    a.tree.write('bad', 'bad');
    await a.sync();
    const stored = a.bucket.find(`${PREFIX}bad`);
    if (stored !== undefined) stored.body[0] = (stored.body[0] ?? 0) ^ 1;
    const run = await b.sync();
    expect(run.exit).toBe(6);
    expect(contents(b)).toEqual({ good: 'good' });
  });
});

/** In the bucket it no longer opens. */
function damage(...paths: readonly string[]): void {
  for (const path of paths) {
    const stored = a.bucket.find(PREFIX + path);
    if (stored !== undefined) stored.body[0] = (stored.body[0] ?? 0) ^ 1;
  }
}

const hintsOf = (events: Parameters<typeof named>[0]): { [path: string]: string | undefined } =>
  Object.fromEntries(named(events, 'transfer.failed').map(({ path, error }) => [path, error.hint]));

test('over an object that cannot be opened nothing is sent, and it is said what to do; that leads out', async () => {
  const all = ['as it was', 'edited', 'in doubt'];
  for (const path of [...all, ...OTHERS]) a.tree.write(path, 'one');
  a.tree.link('link', 'one');
  await both();
  for (const path of all) a.tree.write(path, 'two');
  a.tree.link('link', 'two');
  await a.sync();
  damage(...all, 'link');
  b.tree.write('edited', 'an edit of b');
  b.tree.chmod('in doubt', 0o100644);
  const run = await b.sync();
  expect(run.exit).toBe(6);
  const way = /touch it first, .*, then remove the object .*, and the next sync sends the file/;
  const hints = hintsOf(run.events);
  expect(hints).toEqual({
    'as it was': expect.stringMatching(way),
    edited: expect.stringMatching(way),
    'in doubt': expect.stringMatching(way),
    link: expect.stringContaining('touch it (touch -h) first'),
  });
  expect(all.filter((path) => hints[path]?.includes('was changed'))).toEqual(['edited']);
  expect(contents(b)).toMatchObject({ 'as it was': 'one', edited: 'an edit of b', 'in doubt': 'one' });
  for (const path of [...all, 'link']) b.tree.touch(path);
  for (const path of [...all, 'link']) a.bucket.remove(PREFIX + path, undefined);
  expect((await b.sync({ consent: true })).exit).toBe(0);
  const sent = [...all, 'link'].map((path) => b.plaintext(path).toString());
  expect(sent).toEqual(['one', 'an edit of b', 'one', 'one']);
});

test('the same where nothing is ever sent: the file stays, and what is sent again there comes', async () => {
  await machines('pull');
  const all = ['as it was', 'in doubt'];
  for (const path of [...all, ...OTHERS]) a.tree.write(path, 'one');
  await a.sync();
  await b.sync();
  for (const path of all) a.tree.write(path, 'two');
  await a.sync();
  damage(...all);
  b.tree.chmod('in doubt', 0o100644);
  const run = await b.sync();
  expect(run.exit).toBe(6);
  const way =
    /on the machine that sends it, touch it and sync, .* touch it here first, or the file here goes/;
  const hint = expect.stringMatching(way);
  expect(hintsOf(run.events)).toEqual({ 'as it was': hint, 'in doubt': hint });
  expect(JSON.stringify(hintsOf(run.events))).not.toContain('next sync sends');
  for (const path of all) {
    b.tree.touch(path);
    a.bucket.remove(PREFIX + path, undefined);
  }
  await b.sync({ consent: true });
  expect(contents(b)).toMatchObject({ 'as it was': 'one', 'in doubt': 'one' });
  for (const path of all) a.tree.touch(path);
  expect((await a.sync({ checkRemote: true })).exit).toBe(0);
  expect((await b.sync({ consent: true })).exit).toBe(0);
  expect(contents(b)).toMatchObject({ 'as it was': 'two', 'in doubt': 'two' });
  expect(Object.keys(contents(b)).toSorted()).toEqual(Object.keys(contents(a)).toSorted());
});

test('what a stranger wrote beside an object is read as strictly as in a restore', async () => {
  a.tree.write('note', 'x');
  await a.sync();
  const stored = a.bucket.find(`${PREFIX}note`);
  if (stored === undefined) throw new Error('no object');
  const metadata = { ...stored.stat.metadata, 's3vault-mtime': '1e300', 's3vault-mode': '100600junk' };
  a.bucket.replace(`${PREFIX}note`, undefined, { ...stored, stat: { ...stored.stat, metadata } });
  expect((await b.sync()).exit).toBe(0);
  expect(b.tree.files.get('note')).toMatchObject({ mtime: stored.stat.modified, mode: 0o100644 });
});

describe('pull', () => {
  beforeEach(() => machines('pull'));

  test('gets what is there, sends nothing, keeps what was changed here', async () => {
    for (let n = 0; n < 8; n++) a.tree.write(`f${n}`, `${n}`);
    await a.sync();
    b.tree.write('mine', 'only here');
    await b.sync();
    b.tree.write('f1', 'changed here');
    b.tree.remove('f2');
    a.tree.write('f3', 'changed there');
    a.tree.remove('f4');
    await a.sync();
    b.forget();
    const run = await b.sync();
    expect(run.exit).toBe(0);
    expect(contents(b)).toMatchObject({
      mine: 'only here',
      f1: 'changed here',
      f2: '2',
      f3: 'changed there',
    });
    expect(b.tree.files.has('f4')).toBe(false);
    expect(b.count('put') + b.count('remove')).toBe(0);
    expect(
      named(run.events, 'warning')
        .map(({ code }) => code)
        .toSorted(),
    ).toEqual(['local-changed', 'local-only']);
  });
});

describe('a look at an object that is begun and not done', () => {
  /** Both objects, fetched at the same time, are others each time when they come; until the looks at them begin. */
  async function unsettled(failing: () => VaultError): Promise<void> {
    const asked = new Set<string>();
    let failed = false;
    b.fault = ({ operation, key, when }) => {
      const name = key.slice(PREFIX.length);
      if (when !== 'before' || !name.startsWith('f')) return;
      if (operation === 'get' && !asked.has(name)) {
        asked.add(name);
        throw new VaultError('changed', 'precondition', 'the object is another one');
      }
      if (operation === 'head' && name === 'f2' && !failed) {
        failed = true;
        throw failing();
      }
    };
  }

  test.each(['offline', 'transient'] as const)('is made again after %s: --once fetches all', async (kind) => {
    a.tree.write('f1', 'one');
    a.tree.write('f2', 'two');
    await a.sync();
    b.clock.random = () => 0;
    await unsettled(() => new VaultError(kind, 'gone', 'no answer'));
    const { exit } = await b.sync();
    expect(contents(b)).toEqual({ f1: 'one', f2: 'two' });
    expect(exit).toBe(0);
  });

  test('below a folder that is looked at at the same moment it is made, and nothing is listed', async () => {
    b.rules = { ...b.rules, pollRemoteMs: 36_000_000 };
    a.tree.write('d/other', 'other');
    await both();
    const watching = await b.watch();
    a.tree.write('d/f1', 'one');
    await a.sync();
    await b.wait(5_000);
    let failed = false;
    b.fault = ({ operation, key }) => {
      if (failed || operation !== 'get' || key !== `${PREFIX}d/f1`) return;
      failed = true;
      throw new VaultError('changed', 'precondition', 'the object is another one');
    };
    b.forget();
    watching.engine.command({ command: 'first', path: 'd/f1' });
    await b.until(() => named(watching.events, 'transfer.failed').length > 0);
    b.tree.write('d/new', 'new');
    watching.watcher.listener?.hint({ kind: 'under', path: relPath('d') });
    b.clock.advance(20_000);
    await b.until(() => contents(b)['d/f1'] === 'one' && b.count('put', 'd/new') === 1);
    expect(b.count('head', 'd/f1')).toBe(2);
    expect(b.count('put')).toBe(1);
    expect(b.count('list')).toBe(0);
    await watching.stop();
  });
});

describe('watching', () => {
  test('own writes are followed by a look at the bucket at once, one for all of them', async () => {
    for (const name of 'abcdefgh') a.tree.write(name, 'x');
    await both();
    b.rules = { ...b.rules, pollRemoteMs: 3_600_000 };
    const watching = await b.watch();
    await b.wait(5_000);
    b.forget();
    await b.wait(20_000);
    expect(b.count('list')).toBe(0);
    a.tree.write('new', 'of a');
    a.tree.remove('a');
    await a.sync();
    for (const name of ['b', 'c', 'd']) {
      b.tree.write(name, 'of b');
      watching.hint(name);
    }
    await b.until(() => contents(b)['new'] === 'of a' && !b.tree.files.has('a'));
    await b.wait(20_000);
    expect(b.count('put')).toBe(3);
    expect(b.count('list')).toBe(1);
    await watching.stop();
  });

  test('what has no place here is not fetched, and what cannot be opened not at each look at the bucket', async () => {
    a.tree.write('good', 'good');
    await both();
    b.tree.write('thing/x', 'x');
    const watching = await b.watch();
    a.tree.write('thing', 'a file');
    a.tree.write('bad', 'bad');
    await a.sync();
    const stored = a.bucket.find(`${PREFIX}bad`);
    if (stored !== undefined) stored.body[0] = (stored.body[0] ?? 0) ^ 1;
    b.forget();
    await b.wait(1_200_000);
    expect(b.count('list')).toBeGreaterThan(15);
    expect(b.count('get', 'thing')).toBe(0);
    expect(b.count('get', 'bad')).toBeLessThan(14);
    // Another object under that name is another matter.
    a.tree.write('bad', 'good again');
    await a.sync();
    b.forget();
    await b.wait(70_000);
    expect(contents(b)['bad']).toBe('good again');
    await watching.stop();
  });

  test('changes of the other machine come with the next look at the bucket, and are not sent back', async () => {
    a.tree.write('note', 'one');
    await both();
    const watching = await b.watch();
    a.tree.write('note', 'two');
    a.tree.write('new', 'new');
    await a.sync();
    b.forget();
    await b.wait(70_000);
    await b.until(() => contents(b)['note'] === 'two' && contents(b)['new'] === 'new');
    watching.hint('note');
    watching.hint('new');
    await b.wait(2_000);
    expect(b.count('put')).toBe(0);
    expect(b.count('head')).toBe(0);
    await watching.stop();
  });

  test('an object that cannot be opened is a problem until it is gone, and no sign of being in step', async () => {
    a.tree.write('bad', 'bad');
    await a.sync();
    const stored = a.bucket.find(`${PREFIX}bad`);
    if (stored !== undefined) stored.body[0] = (stored.body[0] ?? 0) ^ 1;
    const watching = await b.watch();
    const now = () => watching.engine.snapshot();
    expect(now().short).toEqual({ failed: 1, unprotected: 0, exit: 6 });
    watching.hint('bad');
    await b.wait(2_000);
    expect(troubled(watching.engine)).toEqual(['bad']);
    a.bucket.remove(`${PREFIX}bad`, undefined);
    watching.engine.command({ command: 'retry' });
    await b.until(() => now().short === null);
    expect([...now().problems.keys()]).toEqual([]);
    await watching.stop();
  });

  test.each([
    'a rescan',
    'first',
    'the hourly scan',
  ] as const)('it stays one while it waits for its next try and %s finds it again', async (look) => {
    a.tree.write('bad', 'bad');
    await a.sync();
    damage('bad');
    const watching = await b.watch();
    const { engine, events } = watching;
    // Until the wait for the next try is about as long as it gets.
    await b.wait(1_200_000);
    b.forget();
    if (look === 'a rescan') engine.command({ command: 'rescan' });
    if (look === 'first') engine.command({ command: 'first', path: 'bad' });
    await b.wait(look === 'the hourly scan' ? 3_000_000 : 5_000);
    expect(b.count('list') + b.count('head')).toBeGreaterThan(0);
    expect(named(events, 'idle').map(({ short }) => short?.exit)).not.toContain(undefined);
    expect(engine.snapshot().short).toEqual({ failed: 1, unprotected: 0, exit: 6 });
    expect(troubled(engine)).toEqual(['bad']);
    await watching.stop();
  });
});
