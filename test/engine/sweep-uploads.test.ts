/** Unfinished uploads that no journal knows: whose they are nobody says, so those that somebody still adds to stay [SWEEP-1]. */
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { type ObjectKey, objectKey } from '../../src/model/brands.ts';
import type { Direction } from '../../src/model/vault.ts';
import { MemoryBucket } from '../../src/s3/memory.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, PREFIX } from './machine.ts';

const MIB = 2 ** 20;
const DAY = 86_400_000;
let bucket: MemoryBucket;
let clock: ManualClock;

beforeEach(() => {
  bucket = new MemoryBucket();
  clock = new ManualClock(1_700_000_000_000);
});

async function machineOf(direction: Direction, skew = 0): Promise<EngineMachine> {
  const machine = await EngineMachine.with({ bucket, clock, skew });
  machine.direction = direction;
  return machine;
}

/** Ages in ms: when it was begun, and when its newest part came. */
function begun(id: string, key: ObjectKey, age: number, newest = age): void {
  const now = clock.now();
  bucket.pending.set(id, {
    key,
    initiated: now - age,
    touched: now - newest,
    metadata: {},
    parts: new Map(),
  });
}

const pending = (): readonly string[] => [...bucket.pending.keys()];

describe.each(['push', 'both'] as const)('%s', (direction) => {
  test('what nobody added to for a week is called off; what is younger, or elsewhere, is not', async () => {
    const machine = await machineOf(direction);
    begun('old', objectKey(`${PREFIX}lost`), 9 * DAY);
    begun('young', objectKey(`${PREFIX}begun`), 6 * DAY);
    begun('growing', objectKey(`${PREFIX}huge`), 60 * DAY, 3 * DAY);
    begun('elsewhere', objectKey('another/vault'), 60 * DAY);
    await machine.sync();
    expect(pending()).toEqual(['young', 'growing', 'elsewhere']);
  });

  test.each([
    40 * DAY,
    -40 * DAY,
  ])('a clock that is %d ms off calls nothing off, and spares nothing', async (skew) => {
    const machine = await machineOf(direction, skew);
    begun('old', objectKey(`${PREFIX}lost`), 9 * DAY);
    begun('young', objectKey(`${PREFIX}begun`), 60_000);
    await machine.sync();
    expect(pending()).toEqual(['young']);
  });

  test('they are looked at once a day, also after a time when the clock was far ahead', async () => {
    const machine = await machineOf(direction);
    machine.index.setMeta('uploads-swept-at', String(clock.now() + 400 * DAY));
    await machine.sync();
    await machine.sync();
    expect(machine.count('uploads')).toBe(1);
    clock.advance(DAY);
    await machine.sync();
    expect(machine.count('uploads')).toBe(2);
  });

  test('a store that lists uploads of other places has none of them called off', async () => {
    const machine = await machineOf(direction);
    begun('elsewhere', objectKey('another/vault'), 60 * DAY);
    machine.wrap = (store) => {
      const uploads = store.uploads.bind(store);
      return Object.assign(store, { uploads: (_: string, options: object) => uploads('', options) });
    };
    await machine.sync();
    expect(pending()).toEqual(['elsewhere']);
  });
});

test('who only pulls changes nothing there', async () => {
  const other = await machineOf('both');
  other.tree.write('f', 'x');
  await other.sync();
  const machine = await machineOf('pull');
  begun('old', objectKey(`${PREFIX}lost`), 9 * DAY);
  await machine.sync();
  expect(pending()).toEqual(['old']);
});

test('an upload of another machine that takes weeks goes through', async () => {
  const sending = await machineOf('both');
  const sweeping = await machineOf('both', 2 * DAY);
  await sending.sync();
  const content = randomBytes(27 * MIB);
  sending.tree.write('big', content);
  for (let part = 1; part <= 4; part++) {
    await sending.dieAt((step) => step.operation === 'part' && step.part === part && step.when === 'before');
    clock.advance(5 * DAY);
    await sweeping.sync();
  }
  sending.forget();
  expect((await sending.sync()).exit).toBe(0);
  expect(sending.count('create')).toBe(0);
  expect(sending.plaintext('big').equals(content)).toBe(true);
});

test.each([
  ['push', []],
  ['both', ['theirs']],
] as const)('one whose id never arrived, %s: others under its key are called off where there are no others', async (direction, left) => {
  const machine = await machineOf(direction);
  machine.tree.write('big', randomBytes(9 * MIB));
  await machine.dieAt(({ operation, when }) => operation === 'create' && when === 'before');
  expect(machine.index.journal().all()).toHaveLength(1);
  begun('theirs', objectKey(`${PREFIX}big`), 60_000);
  expect((await machine.sync()).exit).toBe(0);
  expect(pending()).toEqual(left);
  expect(machine.index.journal().all()).toEqual([]);
});
