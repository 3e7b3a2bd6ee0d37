/** A vault with encrypted names, in memory: the engine, listings and restores know paths, the bucket knows none. */
import { describe, expect, test } from 'vitest';
import { showKept, showLevel } from '../../src/engine/level.ts';
import { historiesOf } from '../../src/engine/undelete.ts';
import { objectKey } from '../../src/model/brands.ts';
import { EngineMachine, PREFIX, named, sealed } from './machine.ts';
import { RestoreRig } from './restore-rig.ts';

const LONG = 'n'.repeat(255);
const CUT = `${LONG}/${LONG}/cut`;
const PATHS = ['a', 'd/e/f', 'd/g', 'é', CUT];

async function make(direction: 'push' | 'pull' | 'both' = 'push'): Promise<EngineMachine> {
  const machine = await EngineMachine.make();
  machine.names = sealed();
  machine.direction = direction;
  return machine;
}

async function filled(): Promise<EngineMachine> {
  const machine = await make();
  for (const path of PATHS) machine.tree.write(path, `content of ${path}`);
  expect((await machine.sync()).exit).toBe(0);
  return machine;
}

/** Another machine on the same bucket, which has read none of its names. */
async function beside({ bucket, clock }: EngineMachine, direction: 'pull' | 'both'): Promise<EngineMachine> {
  const other = await EngineMachine.with({ bucket, clock, host: 'other' });
  other.names = sealed();
  other.direction = direction;
  return other;
}

const sorted = (paths: Iterable<string>): string[] => [...paths].toSorted();

describe('what is sent', () => {
  test('stands under names that say nothing, and is in step', async () => {
    const machine = await filled();
    expect(machine.inStep()).toEqual([]);
    expect(sorted(machine.remote())).toEqual(sorted(PATHS));
    for (const key of machine.bucket.keys())
      expect(key.slice(PREFIX.length)).toMatch(/^(\.s3vault\/|[_a-z2-7/]+$)/);
    machine.forget();
    const again = await machine.sync({ checkRemote: true });
    expect(named(again.events, 'transfer.start')).toEqual([]);
    expect(machine.count('head')).toBe(0);
  });

  test('goes by its path in events, and by its name in `key`', async () => {
    const machine = await make();
    machine.tree.write('d/g', 'x');
    const { events } = await machine.sync();
    const [done] = named(events, 'transfer.done');
    expect(done).toMatchObject({ path: 'd/g', key: PREFIX + machine.names.keyOf('d/g') });
  });

  test('is removed, renamed and found again after a lost Index like any other', async () => {
    const machine = await filled();
    machine.rules = { ...machine.rules, removals: true };
    machine.copies = [];
    machine.tree.rename(CUT, `${CUT} renamed`);
    machine.tree.remove('a');
    expect((await machine.sync({ consent: true })).exit).toBe(0);
    expect(sorted(machine.remote())).toEqual(sorted(['d/e/f', 'd/g', 'é', `${CUT} renamed`]));
    expect(machine.copies).toHaveLength(1);
    const copied = machine.names.keyOf(`${CUT} renamed`);
    const { metadata = {} } = machine.bucket.find(PREFIX + copied)?.stat ?? {};
    expect(sealed().readCut(copied, metadata)).toBe(`${CUT} renamed`);
    const other = await beside(machine, 'both');
    for (const [path, file] of machine.tree.files) other.tree.files.set(path, file);
    other.direction = 'push';
    const lost = await other.sync();
    expect(lost.exit).toBe(0);
    expect(named(lost.events, 'transfer.done').map(({ result }) => result)).toEqual(
      Array(4).fill('unchanged'),
    );
  });

  test('a path that has no room is reported by its path, and the others go', async () => {
    const machine = await make();
    const deep = Array.from({ length: 80 }, (_, at) => `d${at}`).join('/');
    machine.tree.write('a', 'x');
    machine.tree.odd.set(deep, 'key-too-long');
    const { exit, events } = await machine.sync();
    expect(exit).toBe(3);
    expect(named(events, 'warning')).toMatchObject([{ code: 'key-too-long', path: deep }]);
    expect(machine.remote()).toEqual(['a']);
  });
});

describe('what comes', () => {
  test.each([
    'pull',
    'both',
  ] as const)('%s: files under their paths, a look for the cut one only', async (direction) => {
    const machine = await filled();
    const other = await beside(machine, direction);
    expect((await other.sync()).exit).toBe(0);
    expect(sorted(other.tree.files.keys())).toEqual(sorted(PATHS));
    expect(other.inStep()).toEqual([]);
    expect(other.count('head')).toBe(1);
  });

  test('objects of others, and moved ones, are said and left alone [NAME-3]', async () => {
    const machine = await filled();
    const moved = machine.names.keyOf('d/g').split('/')[1] ?? '';
    for (const name of ['notes.txt', moved, `${machine.names.keyOf('d')}/notes`])
      await machine.store().put(objectKey(PREFIX + name), Buffer.from('x'), {});
    await machine.store().put(objectKey(`${PREFIX}folder/`), Buffer.alloc(0), {});
    const other = await beside(machine, 'both');
    other.rules = { ...other.rules, removals: true };
    const { exit, events } = await other.sync();
    expect(exit).toBe(0);
    expect(named(events, 'warning').map(({ code }) => code)).toEqual(Array(3).fill('foreign-name'));
    expect(sorted(other.tree.files.keys())).toEqual(sorted(PATHS));
    expect(machine.bucket.keys()).toHaveLength(PATHS.length + 5);
  });

  test("a name with metadata that is not its own is nobody's", async () => {
    const machine = await filled();
    const key = PREFIX + machine.names.keyOf(CUT);
    const found = machine.bucket.find(key);
    if (found === undefined) throw new Error('it was just sent');
    const { 's3vault-name': _, ...metadata } = found.stat.metadata;
    await machine.store().put(objectKey(key), found.body, metadata);
    const other = await beside(machine, 'both');
    const { events } = await other.sync();
    expect(named(events, 'warning').map(({ code }) => code)).toEqual(['foreign-name']);
  });
});

test.each([
  'pull',
  'both',
] as const)('%s: a cut name whose object is under another key ends nothing', async (direction) => {
  const machine = await filled();
  const key = PREFIX + machine.names.keyOf(CUT);
  const found = machine.bucket.find(key)!;
  machine.bucket.replace(key, found.stat.versionId, { ...found, needs: { key: 'of others' } });
  const other = await beside(machine, direction);
  const { events } = await other.sync();
  expect(named(events, 'warning').map(({ code }) => code)).toEqual(['foreign-name']);
  expect(sorted(other.tree.files.keys())).toEqual(sorted(PATHS.filter((path) => path !== CUT)));
});

describe('what does not fit together', () => {
  test('plain names where there are encrypted ones, and the other way round', async () => {
    const machine = await filled();
    machine.names = (await EngineMachine.make()).names;
    const plain = await machine.sync();
    expect(plain.exit).toBe(2);
    expect(named(plain.events, 'warning').at(-1)).toMatchObject({ code: 'encrypted-names' });
    const other = await EngineMachine.make();
    other.tree.write('a', 'x');
    expect((await other.sync()).exit).toBe(0);
    other.names = sealed();
    const refused = await other.sync();
    expect(refused.exit).toBe(2);
    expect(named(refused.events, 'warning').at(-1)).toMatchObject({ code: 'plain-names' });
  });

  test.each([
    ['another scheme', { version: 2, names: { scheme: 'rot13', keys: [{}] } }],
    ['no key', { version: 2, names: { scheme: 'aes-siv', keys: [] } }],
    [
      'an old version',
      { version: 1, names: { scheme: 'aes-siv', keys: [{ key: 'k', wrap: 'AES/GCM', wrapped: 'A' }] } },
    ],
    ['a new version', { version: 3 }],
    ['version 2 for a reason that is not known', { version: 2 }],
  ])('a description with %s is not taken for plain names [NAME-2]', async (_, over) => {
    const machine = await EngineMachine.make();
    machine.tree.write('a', 'x');
    const text = {
      id: machine.vault.id,
      mode: 'client',
      keys: [machine.keyring.fingerprint],
      created: '',
      ...over,
    };
    await machine
      .store()
      .put(objectKey(`${PREFIX}.s3vault/vault.json`), Buffer.from(JSON.stringify(text)), {});
    const { exit, events } = await machine.sync();
    expect(exit).toBe(2);
    expect(named(events, 'warning').at(-1)).toMatchObject({ code: 'description-newer' });
    expect(machine.remote()).toEqual([]);
  });
});

describe('looks and restores', () => {
  const rigged = async (): Promise<RestoreRig> => {
    const rig = new RestoreRig('client', true);
    rig.names = sealed();
    for (const path of PATHS) await rig.put(path, path.slice(-1));
    await rig.raw('notes.txt', 'x');
    // A reader that has seen none of these names.
    rig.names = sealed();
    return rig;
  };
  const gather = async <T>(all: AsyncIterable<T>): Promise<T[]> => {
    const found: T[] = [];
    for await (const one of all) found.push(one);
    return found;
  };

  test('a level, all below, what was removed and histories show paths', async () => {
    const rig = await rigged();
    const level = { store: rig.store(), prefix: PREFIX, names: rig.names, mode: 'client' as const };
    const ls = async (name: string, recursive = false) =>
      sorted((await gather(showLevel({ ...level, recursive }, name))).map((one) => one.name));
    expect(await ls('')).toEqual(sorted(['a', 'd/', 'é', `${LONG}/`, 'notes.txt']));
    expect(await ls('d')).toEqual(['d/e/', 'd/g']);
    expect(await ls(LONG)).toEqual([`${LONG}/${LONG}/`]);
    expect(await ls(`${LONG}/${LONG}`)).toEqual([CUT]);
    expect(await ls('d', true)).toEqual(['d/e/f', 'd/g']);
    const foreign = (await gather(showLevel({ ...level, recursive: false }, ''))).filter(
      (one) => one.foreign,
    );
    expect(foreign.map(({ name }) => name)).toEqual(['notes.txt']);
    await rig.store().remove(rig.keyOf(CUT));
    const kept = await gather(showKept({ ...level, names: sealed() }, `${LONG}/${LONG}`));
    expect(kept).toMatchObject([{ name: CUT, removed: true }]);
    expect(await gather(historiesOf({ ...level, names: sealed() }, 'd'))).toMatchObject(
      [{ name: 'd/e/f' }, { name: 'd/g' }].toSorted((a, b) =>
        rig.keyOf(a.name) < rig.keyOf(b.name) ? -1 : 1,
      ),
    );
  });

  test('a folder comes back with one listing of what is in it; objects of others are said and skipped', async () => {
    const rig = await rigged();
    expect(await rig.restore({ paths: ['d'] })).toMatchObject({ exit: 0, warnings: [] });
    expect(sorted(Object.keys(rig.files))).toEqual(['d/e/f', 'd/g']);
    expect(rig.steps.filter(({ operation }) => operation === 'list').map(({ key }) => key)).toEqual([
      rig.keyOf('d'),
      `${rig.keyOf('d')}/`,
    ]);
    expect(await rig.restore()).toMatchObject({ exit: 3, warnings: ['bad-name'] });
    expect(sorted(Object.keys(rig.files))).toEqual(sorted(PATHS));
  });
});
