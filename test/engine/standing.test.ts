/** A machine that goes on watching while another one moves the vault to another key: it notices, stops and sends nothing more. */
import { beforeEach, describe, expect, test } from 'vitest';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Direction } from '../../src/model/vault.ts';
import { memoryStore } from '../../src/s3/memory.ts';
import { EngineMachine, OWN, type Watching, named } from './machine.ts';

const NEW_KEY = 'ffffffffffffffff';
const BEGUN = { movingTo: { mode: 'client', key: NEW_KEY } };
const ENDED = { keys: [NEW_KEY] };

let machine: EngineMachine;
let life: Watching;

beforeEach(async () => {
  machine = await EngineMachine.make();
  machine.tree.write('a', 'a');
});

const looks = (): number =>
  machine.steps.filter(({ operation, key }) => operation === 'get' && key === OWN).length;
const sent = (): string[] =>
  machine.steps.filter(({ operation }) => operation === 'put').map(({ key }) => key);
const offline = () => new VaultError('offline', 'unreachable', 'the store does not answer');

async function watch(direction: Direction = 'push'): Promise<void> {
  machine.direction = direction;
  life = await machine.watch();
  machine.forget();
}

/** Another machine writes the description anew; its requests are not this one's. */
async function another(over: object): Promise<void> {
  const found = machine.bucket.find(OWN);
  if (found === undefined) throw new Error('no description');
  const text = JSON.stringify({ ...(JSON.parse(Buffer.from(found.body).toString()) as object), ...over });
  const store = memoryStore({ clock: machine.clock, bucket: machine.bucket, protection: { mode: 'sse-s3' } });
  await store.put(objectKey(OWN), Buffer.from(text), {});
}

function write(name: string): void {
  machine.tree.write(name, name);
  life.hint(name);
}

async function turnedAway(code: string, exit: number): Promise<void> {
  expect((await machine.drive(life.ended)).exit).toBe(exit);
  expect(named(life.events, 'warning').map((warning) => warning.code)).toEqual([code]);
  expect(sent()).toEqual([]);
}

const says: readonly (readonly [string, object, string, number])[] = [
  ['a rekey has begun', BEGUN, 'rekey-begun', 2],
  ['a rekey has ended', ENDED, 'other-key', 6],
  ['another mode', { mode: 'sse-s3', keys: [] }, 'other-mode', 2],
  ['another vault', { id: 'another' }, 'other-vault', 2],
];

describe.each(['push', 'both'] as const)('direction %s', (direction) => {
  test.each(says)('%s: noticed before the next file is sent [MOVE-3]', async (_name, over, code, exit) => {
    await watch(direction);
    await machine.wait(31_000);
    await another(over);
    write('b');
    await turnedAway(code, exit);
    expect(machine.remote()).toEqual(['a']);
  });

  test.each(says)('%s: noticed before the next scan, however soon', async (_name, over, code, exit) => {
    await watch(direction);
    await another(over);
    machine.tree.write('b', 'b');
    life.engine.command({ command: 'rescan' });
    await turnedAway(code, exit);
  });

  test('a busy machine looks every half minute, not at every file', async () => {
    await watch(direction);
    for (let n = 0; n < 50; n++) {
      write(`f${n}`);
      await machine.wait(1_000);
    }
    await machine.until(() => machine.remote().length === 51);
    expect(sent()).toHaveLength(50);
    // Both ways the bucket is listed after own writes, four times here: each listing begins with a look.
    expect(looks()).toBeLessThanOrEqual(direction === 'both' ? 7 : 3);
    expect(looks()).toBeGreaterThan(0);
    await life.stop();
  });

  test('after a lost connection it looks before it sends', async () => {
    await watch(direction);
    let down = true;
    machine.fault = () => {
      if (down) throw offline();
    };
    write('b');
    await machine.until(() => life.engine.snapshot().state === 'offline');
    await another(ENDED);
    machine.forget();
    down = false;
    await turnedAway('other-key', 6);
    expect(machine.remote()).toEqual(['a']);
  });
});

test.each(['pull', 'both'] as const)('direction %s: noticed at the next look at the bucket', async (way) => {
  await machine.sync();
  await watch(way);
  await another(BEGUN);
  await turnedAway('rekey-begun', 2);
  expect(machine.count('list')).toBe(0);
});

test('a machine with nothing to do asks nothing', async () => {
  await watch();
  await machine.wait(600_000);
  expect(machine.steps).toEqual([]);
  await life.stop();
});

test('a file on its way for long is called off [MOVE-3]', async () => {
  await watch();
  let sending = false;
  machine.fault = ({ operation, key }) => {
    if (operation !== 'put' || key === OWN) return undefined;
    sending = true;
    return machine.clock.sleep(300_000);
  };
  write('b');
  await machine.until(() => sending);
  await another(BEGUN);
  const before = machine.clock.ticks();
  await machine.until(() => named(life.events, 'warning').length > 0);
  expect(machine.clock.ticks() - before).toBeLessThan(31_000);
  expect(named(life.events, 'warning')[0]?.code).toBe('rekey-begun');
  expect((await machine.drive(life.ended)).exit).toBe(2);
});

test('what was sealed before a machine slept is not sent after it: the wall clock counts too', async () => {
  await watch();
  const { clock } = machine;
  const now = clock.now.bind(clock);
  clock.now = () => now() + 3_600_000;
  await another(ENDED);
  write('b');
  await turnedAway('other-key', 6);
});

test('a store that fails at the look is asked again', async () => {
  await watch();
  await machine.wait(31_000);
  let failures = 3;
  machine.fault = ({ operation, key }) => {
    if (operation === 'get' && key === OWN && failures-- > 0)
      throw new VaultError('transient', 'http-500', 'the store failed');
  };
  write('b');
  await machine.until(() => machine.remote().includes('b'));
  expect(named(life.events, 'warning')).toEqual([]);
  await life.stop();
});

test('a description that is gone is told once, and sync goes on', async () => {
  await watch();
  machine.bucket.remove(OWN, undefined);
  for (const name of ['b', 'c']) {
    await machine.wait(31_000);
    write(name);
    await machine.until(() => machine.remote().includes(name));
  }
  expect(named(life.events, 'warning').map(({ code }) => code)).toEqual(['description-missing']);
  await life.stop();
});
