/** `--all-versions`: the same history under the new key, none of it under the old one, wherever the process dies. */
import { randomInt } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Side } from '../../src/engine/conversion.ts';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { seeded } from '../e2e/kill-rounds.ts';
import { mortal, named } from './machine.ts';
import {
  type Held,
  type MemoryWorld,
  PREFIX,
  RekeyMachine,
  type SideName,
  memoryWorld,
  readBy,
  versionsOf,
} from './rekey-machine.ts';

const REMOVED = '(removed)';
const machines: RekeyMachine[] = [];
afterEach(async () => {
  await Promise.all(machines.splice(0).map((one) => one.close()));
});

interface Rig {
  readonly world: MemoryWorld;
  readonly machine: RekeyMachine;
  readonly from: Side & Held;
  readonly to: Side & Held;
  readonly third: Side & Held;
}

async function rig(pair: readonly [SideName, SideName] = ['aes', 'aes2']): Promise<Rig> {
  const world = memoryWorld(true);
  const machine = new RekeyMachine(world.ground, systemClock, await memoryIndex());
  machines.push(machine);
  const [from, to, third] = [
    await machine.side(pair[0]),
    await machine.side(pair[1]),
    await machine.side('rsa'),
  ];
  return { world, machine, from, to, third };
}

/** Writes a history: texts under the old key, those with `+` under the new one, removals. */
async function write({ machine, from, to }: Rig, name: string, history: readonly string[]): Promise<void> {
  for (const text of history) {
    if (text === REMOVED) await from.store.remove(objectKey(PREFIX + name));
    else await machine.put(text.startsWith('+') ? to : from, name, Buffer.from(text));
  }
}

async function historyOf(sides: readonly Side[], name: string): Promise<string[]> {
  const found: string[] = [];
  for (const { versionId, marker } of await versionsOf(sides[0]!.store, name))
    found.push(marker ? REMOVED : (await readBy(sides, name, versionId)).content.toString());
  return found;
}

const HISTORIES: readonly (readonly string[])[] = [
  ['one'],
  ['one', 'two', 'three'],
  ['one', REMOVED, 'two'],
  ['one', 'two', REMOVED],
  ['one', REMOVED],
  ['one', 'one', 'one'],
  ['one', '+two', 'three', '+four'],
  ['+one', 'two', REMOVED, REMOVED, '+three'],
  ['+one', '+two'],
  [REMOVED, 'one'],
  ['+one', REMOVED],
];

test.each([
  ['aes', 'aes2'],
  ['sse-c', 'sse-c2'],
  ['aes', 'sse-c'],
  ['sse-s3', 'aes'],
  ['sse-kms', 'dsse-kms'],
] as const)('%s to %s: every history stays as it is, and the old key is not needed', async (...pair) => {
  const r = await rig(pair);
  for (const [n, history] of HISTORIES.entries()) await write(r, `h${n}`, history);
  const { exit, versions, events } = await r.machine.run(r.from, r.to, { allVersions: true });
  expect(named(events, 'transfer.failed')).toEqual([]);
  expect([exit, versions]).toEqual([0, false]);
  for (const [n, history] of HISTORIES.entries()) expect(await historyOf([r.to], `h${n}`)).toEqual(history);
  const again = await r.machine.run(r.from, r.to, { allVersions: true });
  expect(again.exit).toBe(0);
  expect(again.rekey.totals).toMatchObject({ rewrapped: 0, copied: 0, resent: 0 });
});

test('where S3 changes encryption in place nothing is written anew', async () => {
  const r = await rig(['sse-s3', 'sse-kms']);
  await write(r, 'f', ['one', REMOVED, 'two', 'three']);
  const before = (await versionsOf(r.from.store, 'f')).map(({ versionId }) => versionId);
  const { exit, events } = await r.machine.run(r.from, r.to, { allVersions: true });
  expect(exit).toBe(0);
  expect(named(events, 'transfer.done')).toMatchObject([{ result: 'updated' }]);
  expect((await versionsOf(r.to.store, 'f')).map(({ versionId }) => versionId)).toEqual(before);
});

test('a copy says of which version it is one, and when that was written; a copy of a copy says the first time', async () => {
  const r = await rig();
  await write(r, 'f', ['one', 'two']);
  const [first] = await versionsOf(r.from.store, 'f');
  const time = new Date(first!.modified).toISOString();
  await r.machine.run(r.from, r.to, { allVersions: true });
  const [copied] = await versionsOf(r.to.store, 'f');
  const { metadata } = await readBy([r.to], 'f', copied!.versionId);
  expect(metadata['s3vault-version']).toBe(`${first!.versionId} ${time}`);
  await r.machine.run(r.to, r.third, { allVersions: true });
  const [again] = await versionsOf(r.third.store, 'f');
  const second = await readBy([r.third], 'f', again!.versionId);
  expect(second.metadata['s3vault-version']).toBe(`${copied!.versionId} ${time}`);
});

/** The history without what a run under way has added: originals or, where they are gone, their copies. */
async function contentsOf(sides: readonly Side[], name: string): Promise<ReadonlySet<string>> {
  return new Set((await historyOf(sides, name)).filter((text) => text !== REMOVED));
}

/** Runs until the `at`th request and dies there: its store hangs for good, its Index hears nothing more of it. */
async function dieAt(r: Rig, at: number): Promise<boolean> {
  const { machine } = r;
  const { index } = machine;
  let count = 0;
  let dead = false;
  const died = Promise.withResolvers<'died'>();
  const ground = r.world.groundWith(({ when }) => {
    dead ||= when === 'before' ? ++count > at : count >= at;
    if (!dead) return undefined;
    died.resolve('died');
    return new Promise<void>(() => undefined);
  });
  machine.index = mortal(index, () => dead);
  const [from, to] = [await machine.sideOf(r.from, ground), await machine.sideOf(r.to, ground)];
  const { rekey } = await machine.rekey(from, to, { allVersions: true }, ground);
  const how = await Promise.race([died.promise, rekey.run()]);
  machine.index = index;
  return how === 'died';
}

test('killed anywhere: no content is ever lost, and the next run brings all to its end [CHAIN-1]', async () => {
  const seed = Number(process.env['S3VAULT_SEED'] ?? randomInt(2 ** 31));
  process.stdout.write(`all versions, killed: seed ${seed}\n`);
  const random = seeded(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let round = 0; round < 25; round++) {
    const r = await rig(round % 3 === 0 ? ['sse-c', 'aes'] : ['aes', 'aes2']);
    const histories = Array.from({ length: 3 }, (_, file) =>
      Array.from({ length: 1 + below(5) }, (_, n) =>
        random() < 0.25 ? REMOVED : `${random() < 0.3 ? '+' : ''}file ${file} text ${n}`,
      ),
    );
    for (const [n, history] of histories.entries()) await write(r, `h${n}`, history);
    for (let kill = 0; kill < 6; kill++) {
      const died = await dieAt(r, below(90));
      for (const [n, history] of histories.entries()) {
        const contents = await contentsOf([r.from, r.to], `h${n}`);
        for (const text of history) if (text !== REMOVED) expect(contents, `seed ${seed}`).toContain(text);
      }
      if (!died) break;
    }
    const { exit, events } = await r.machine.run(r.from, r.to, { allVersions: true });
    expect(named(events, 'transfer.failed'), `seed ${seed}`).toEqual([]);
    expect(exit).toBe(0);
    for (const [n, history] of histories.entries()) {
      const left = await historyOf([r.to, r.from], `h${n}`);
      // Removals that nothing followed need no key and may be doubled; all else is exactly as it was.
      expect(once(left), `seed ${seed}`).toEqual(once(history));
      if (history.some((text) => text !== REMOVED)) expect(await historyOf([r.to], `h${n}`)).toEqual(left);
    }
  }
});

/** One removal after another is one removal. */
const once = (history: readonly string[]): readonly string[] =>
  history.filter((text, at) => text !== REMOVED || history[at - 1] !== REMOVED);

test('killed while an older content was the newest: also a run without --all-versions puts that right', async () => {
  const r = await rig();
  await write(r, 'f', ['one', 'two', 'three']);
  let copies = 0;
  const died = Promise.withResolvers<void>();
  const ground = r.world.groundWith(({ operation, when }) => {
    if (operation !== 'copy' || when !== 'before' || ++copies < 2) return undefined;
    died.resolve();
    return new Promise<void>(() => undefined);
  });
  const sides = [await r.machine.sideOf(r.from, ground), await r.machine.sideOf(r.to, ground)] as const;
  void (await r.machine.rekey(...sides, { allVersions: true }, ground)).rekey.run();
  await died.promise;
  expect((await readBy([r.from, r.to], 'f')).content.toString()).toBe('one');
  const { exit, versions } = await r.machine.run(r.from, r.to);
  expect([exit, versions]).toEqual([0, true]);
  expect(await historyOf([r.to, r.from], 'f')).toEqual(['one', 'two', 'three', 'three']);
  expect((await readBy([r.to], 'f')).content.toString()).toBe('three');
});

test('a copy that fails takes those before it with it: the newest is the newest again at once', async () => {
  const r = await rig();
  await write(r, 'f', ['one', 'two', 'three']);
  let copies = 0;
  r.world.fault = ({ operation, when }) => {
    if (operation === 'copy' && when === 'before' && ++copies === 3)
      throw new VaultError('file', 'archived', 'in an archive class');
  };
  const { exit, events } = await r.machine.run(r.from, r.to, { allVersions: true });
  expect(exit).toBe(3);
  expect(named(events, 'transfer.failed')).toMatchObject([{ error: { code: 'archived' } }]);
  expect(await historyOf([r.from], 'f')).toEqual(['one', 'two', 'three']);
});

test('what others write in the middle stays the newest, and nothing is removed', async () => {
  const r = await rig();
  await write(r, 'f', ['one', 'two', 'three']);
  let copies = 0;
  r.world.fault = async ({ operation, when }) => {
    if (operation === 'copy' && when === 'after' && ++copies === 2) await write(r, 'f', ['by others']);
  };
  const { exit } = await r.machine.run(r.from, r.to, { allVersions: true });
  expect(exit).toBe(3);
  expect(await historyOf([r.from], 'f')).toEqual(['one', 'two', 'three', 'by others']);
});

test('what others write while versions are changed in place is not taken for moved', async () => {
  const r = await rig(['sse-kms', 'sse-kms2']);
  await write(r, 'f', ['one', 'two']);
  let updates = 0;
  r.world.fault = async ({ operation, when }) => {
    if (operation === 'update' && when === 'after' && ++updates === 2) await write(r, 'f', ['by others']);
  };
  const { exit } = await r.machine.run(r.from, r.to, { allVersions: true });
  expect(exit).toBe(3);
  expect((await r.machine.run(r.from, r.to, { allVersions: true })).exit).toBe(0);
  expect(await historyOf([r.to], 'f')).toEqual(['one', 'two', 'by others']);
});

test('a version under a third key, or one that Object Lock keeps: that object stays as it is, the others move', async () => {
  const r = await rig();
  await write(r, 'mixed', ['one']);
  await r.machine.put(r.third, 'mixed', Buffer.from('foreign'));
  await write(r, 'mixed', ['two']);
  await write(r, 'fine', ['one', 'two']);
  const until = new Date(systemClock.now() + 86_400_000).toISOString();
  const kept = { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': until };
  const put = r.from.store.put.bind(r.from.store);
  Object.assign(r.from.store, { put: (...[k, b, m]: Parameters<typeof put>) => put(k, b, m, { kept }) });
  await write(r, 'locked', ['one', 'two']);
  const { exit, events, versions } = await r.machine.run(r.from, r.to, { allVersions: true });
  expect([exit, versions]).toEqual([3, undefined]);
  expect(
    named(events, 'transfer.failed')
      .map(({ path, error }) => `${path}: ${error.code}`)
      .sort(),
  ).toEqual(['locked: locked', 'mixed: cannot-open']);
  expect(await historyOf([r.from, r.third], 'mixed')).toEqual(['one', 'foreign', 'two']);
  expect(await historyOf([r.from], 'locked')).toEqual(['one', 'two']);
  expect(await historyOf([r.to], 'fine')).toEqual(['one', 'two']);
});

test('where versions cannot be removed, or versioning is off, nothing is begun', async () => {
  const r = await rig();
  await write(r, 'f', ['one', 'two']);
  r.world.fault = ({ operation, when, key }) => {
    if (operation === 'remove' && when === 'before' && key.includes('probe'))
      throw new VaultError('refused', 'access-denied', 'no');
  };
  const refused = await r.machine.run(r.from, r.to, { allVersions: true });
  expect(refused.exit).toBe(4);
  expect(refused.events.some(({ event }) => event === 'transfer.start')).toBe(false);
  r.world.fault = () => undefined;
  Object.assign(r.world.bucket, { versioned: false });
  const off = await r.machine.run(r.from, r.to, { allVersions: true });
  expect([off.exit, off.rekey.fatal?.code]).toEqual([2, 'versioning-off']);
  Object.assign(r.world.bucket, { versioned: true });
  expect(await historyOf([r.from], 'f')).toEqual(['one', 'two']);
});
