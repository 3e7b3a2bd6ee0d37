import { beforeEach, describe, expect, test } from 'vitest';
import { vaultLines } from '../../src/cli/daemon-lines.ts';
import { statusText } from '../../src/daemon/status-text.ts';
import { RUN_AGAIN, VaultError } from '../../src/model/errors.ts';
import { EMPTY_TOTALS } from '../../src/model/plan.ts';
import { FakeWorld, settled, vault } from './fakes.ts';

const A = vault('a');
const B = vault('b');
const C = vault('c');
let world: FakeWorld;

const start = async (...vaults: Parameters<typeof vault>[0][]): Promise<void> => {
  world = new FakeWorld(...vaults.map((name) => vault(name)));
  await world.daemon.start();
};

beforeEach(() => start('a', 'b'));

test('opens every vault; one that cannot be opened is a problem of its own', async () => {
  world = new FakeWorld(A, B);
  world.fails = ({ id }) =>
    id === A.id
      ? new VaultError('usage', 'key-missing', 'there is no key k', { hint: 'bring it' })
      : undefined;
  await world.daemon.start();
  expect(world.line(A)).toMatchObject({ phase: 'waiting', state: 'needs-you', exit: 2 });
  expect(world.line(A).why).toStrictEqual({
    code: 'key-missing',
    message: 'there is no key k',
    hint: 'bring it',
  });
  expect(world.line(B).phase).toBe('running');
});

describe('a vault that waits', () => {
  const failing = async (kind: ConstructorParameters<typeof VaultError>[0], code = 'x'): Promise<void> => {
    world = new FakeWorld(A);
    world.fails = () => new VaultError(kind, code, 'no');
    await world.daemon.start();
    world.fails = () => undefined;
  };

  test.each([
    ['held', 5_000],
    ['offline', 5_000],
    ['refused', 30_000],
    ['usage', 60_000],
  ] as const)('for kind %s is tried again after %i ms', async (kind, ms) => {
    await failing(kind);
    world.clock.advance(ms - 1);
    await settled();
    expect(world.opened(A)).toBe(0);
    world.clock.advance(1);
    await settled();
    expect(world.opened(A)).toBe(1);
    expect(world.line(A)).toMatchObject({ phase: 'running', exit: 0 });
  });

  test('says that it goes on by itself where the store is not reached', async () => {
    await failing('offline', 'unreachable');
    expect(world.line(A).why?.hint).toContain('it goes on by itself once the store answers');
  });

  test('after a security failure, or in the middle of a rekey, is not tried by itself', async () => {
    for (const [kind, code] of [
      ['security', 'no-proof'],
      ['usage', 'rekey-unfinished'],
    ] as const) {
      await failing(kind, code);
      world.clock.advance(24 * 3_600_000);
      await settled();
      expect(world.opened(A)).toBe(0);
      world.daemon.command(A.id, { command: 'retry' });
      await settled();
      expect(world.opened(A)).toBe(1);
    }
  });

  test('after a security failure, is not tried because another vault was lent out', async () => {
    world = new FakeWorld(A, B);
    world.fails = ({ id }) => (id === A.id ? new VaultError('security', 'no-proof', 'no') : undefined);
    await world.daemon.start();
    world.fails = () => undefined;
    await world.daemon.release(B.id);
    world.daemon.takeBack(B.id);
    while (world.line(B).phase !== 'running') await settled();
    await settled();
    expect(world.opened(A)).toBe(0);
    // Who asks for it is a person.
    await world.daemon.reload();
    await settled();
    expect(world.opened(A)).toBe(1);
  });

  test('is tried more and more seldom, and its trouble is said once', async () => {
    world = new FakeWorld(A);
    let tries = 0;
    world.fails = () => {
      tries++;
      return new VaultError('held', 'vault-held', 'process 1 holds this vault');
    };
    await world.daemon.start();
    await world.clock.run(300_000, 1_000);
    expect(tries).toBe(8);
    expect(world.events.filter(({ event }) => event.event === 'warning')).toHaveLength(1);
  });

  test('is tried at once after a reload', async () => {
    await failing('usage', 'key-missing');
    await world.daemon.reload();
    await settled();
    expect(world.line(A).phase).toBe('running');
  });
});

test('a vault is said to do what its plan does, and to be in step only where it is', () => {
  const text = (): string => statusText(world.daemon.lines());
  world.engine(A).emit({ event: 'plan', ...EMPTY_TOTALS, get: 3 });
  world.engine(A).emit({ event: 'state', state: 'working' });
  expect(world.line(A)).toMatchObject({ planned: { files: 3 }, flow: 'fetching' });
  expect(text()).toBe('1 fetching, 1 starting');
  world.engine(A).emit({ event: 'warning', code: 'key-too-long', path: 'x', message: 'x is too long' });
  world.engine(A).emit({ event: 'idle', short: { failed: 0, unprotected: 1, exit: 3 } });
  world.engine(B).emit({ event: 'idle' });
  expect(text()).toBe('1 in step but for problems, 1 in step');
  expect(vaultLines(world.line(A))).toStrictEqual([
    '/files/a  in step but for 1 problem',
    '! not in step: 1 file',
    '  s3vault attach shows why: P there lists the problems, r tries all that failed again',
  ]);
  expect(world.line(A)).toMatchObject({ exit: 3, unprotected: 1, inStep: false, short: { unprotected: 1 } });
  expect(world.line(B)).toMatchObject({ exit: 0, unprotected: 0, inStep: true });
  expect(world.line(B)).not.toHaveProperty('short');
  // Short, though no problem is listed; and more than are listed.
  world.engine(B).emit({ event: 'idle', short: { failed: 0, unprotected: 0, declined: 3, exit: 5 } });
  expect(text()).toBe('2 in step but for problems');
  expect(vaultLines(world.line(B)).slice(0, 2)).toStrictEqual([
    '/files/b  in step but for 1 problem',
    '! not in step: 3 removals held back',
  ]);
  world.engine(A).emit({ event: 'idle', short: { failed: 1_500, unprotected: 0, exit: 3 } });
  expect(world.line(A)).toMatchObject({ problems: 1_500, unlisted: 1_499 });
  expect(vaultLines(world.line(A))[0]).toBe('/files/a  in step but for 1,500 problems');
});

test('where an engine gave up, its vault is said to be tried again: it is', async () => {
  world = new FakeWorld(A);
  await world.daemon.start();
  for (let times = 0; times < 2; times++) {
    const engine = world.engine(A);
    const message = 'the connection to the store broke';
    engine.emit({ event: 'warning', code: 'connection', message, hint: RUN_AGAIN });
    engine.end(3);
    await settled();
    const problem = world.daemon.slots[0]?.snapshot.problems.get('connection');
    expect([world.line(A).why?.hint, problem?.hint]).toEqual(['it is tried again', 'it is tried again']);
    await world.clock.run(200_000, 1_000);
  }
});

test('an engine that ends by itself is a problem with its own words, and begins again later', async () => {
  world
    .engine(A)
    .emit({ event: 'warning', code: 'access-denied', message: 'the store refused', hint: 'look' });
  world.engine(A).end(4);
  await settled();
  expect(world.line(A)).toMatchObject({ phase: 'waiting', state: 'needs-you', exit: 4 });
  expect(world.line(A).why?.message).toBe('the store refused');
  expect(world.line(B).phase).toBe('running');
  world.clock.advance(30_000);
  await settled();
  expect(world.line(A).phase).toBe('running');
});

test('an engine that breaks is a problem of its own vault, also while it is stopped', async () => {
  world.engine(A).breaks(new Error('no space left on device'));
  await settled();
  expect(world.line(A)).toMatchObject({ phase: 'waiting', exit: 1 });
  expect(world.line(A).why?.message).toBe('no space left on device');
  expect(world.line(B).phase).toBe('running');
  world.engine(B).obeys = false;
  const stopped = world.daemon.stop();
  await settled();
  world.engine(B).breaks(new Error('no space left on device'));
  await stopped;
});

describe('a reload', () => {
  test('adds, removes and changes vaults, and does not touch the others', async () => {
    await start('a', 'b', 'c');
    const other = vault('b', { rules: { removals: true, include: [], exclude: [] } });
    world.config = { version: 1, vaults: [A, other, vault('d')] };
    expect(await world.daemon.reload()).toStrictEqual({
      added: ['/files/d'],
      removed: ['/files/c'],
      changed: ['/files/b'],
    });
    await settled();
    expect(world.opened(A)).toBe(1);
    expect(world.engine(A).commands).toStrictEqual([]);
    expect(world.opened(B)).toBe(2);
    expect(world.engine(C).commands).toStrictEqual([{ command: 'stop' }]);
    expect(world.daemon.lines().map(({ root }) => root)).toStrictEqual(['/files/a', '/files/b', '/files/d']);
  });

  test('sees no change in the order of fields', async () => {
    world.config = {
      version: 1,
      vaults: [Object.fromEntries(Object.entries(A).toReversed()) as typeof A, B],
    };
    expect(await world.daemon.reload()).toStrictEqual({ added: [], removed: [], changed: [] });
  });

  describe('of a vault whose transfers are under way', () => {
    const other = vault('a', { direction: 'both' });
    const [patient, stop] = [{ command: 'stop', patient: true }, { command: 'stop' }] as const;
    const reload = async (one = other): Promise<void> => {
      world.config = { version: 1, vaults: [one, B] };
      await world.daemon.reload();
      await settled();
    };

    beforeEach(() => {
      world.engine(A).obeys = false;
      world.engine(A).emit({ event: 'state', state: 'working' });
      const facts = { id: 1, path: 'a', key: 'a', bytes: 1, mode: 'sse-s3', direction: 'up' } as const;
      world.engine(A).emit({ event: 'transfer.start', ...facts });
    });

    test('lets them end, and takes over the newest configuration once', async () => {
      await reload();
      await reload();
      world.clock.advance(119_999);
      const first = world.engine(A);
      expect(first.commands).toStrictEqual([patient]);
      const newest = vault('a', { direction: 'pull' });
      await reload(newest);
      first.end(130);
      await settled();
      expect(world.opened(A)).toBe(2);
      expect(world.daemon.slots[0]?.vault).toStrictEqual(newest);
      world.clock.advance(600_000);
      expect(world.engine(A).commands).toStrictEqual([]);
      expect(first.commands).toStrictEqual([patient]);
    });

    test('calls them off after two minutes, in order', async () => {
      await reload();
      world.clock.advance(120_000);
      expect(world.engine(A).commands).toStrictEqual([patient, stop]);
      world.clock.advance(6_000);
      expect(world.engine(A).commands).toStrictEqual([patient, stop, stop]);
    });

    test.each(['stop', 'lock'] as const)('makes haste on %s, and is not opened again', async (order) => {
      await reload();
      const done = world.daemon[order]();
      await settled();
      const engine = world.engine(A);
      expect(engine.commands).toStrictEqual([patient, stop]);
      engine.end(130);
      await done;
      expect(world.opened(A)).toBe(1);
    });

    test('refuses commands meanwhile with what it does, not as if syncing ended', async () => {
      await reload();
      world.engine(A).refuses = new VaultError('usage', 'ending', 'this sync is ending');
      const given = (): void => world.daemon.command(A.id, { command: 'pause' });
      expect(given).toThrow(
        expect.objectContaining({
          kind: 'usage',
          code: 'taking-over',
          message: 'its new settings are being taken over: what is under way ends first',
          hint: 'try again when that is done',
        }),
      );
      expect(world.line(A).paused).toBe(false);
      world.engine(A).end(130);
      await settled();
      given();
      expect(world.engine(A).commands).toStrictEqual([{ command: 'pause' }]);
    });

    test('refuses commands of one that is wanted again before it is closed', async () => {
      const released = world.daemon.release(A.id);
      await settled();
      world.daemon.takeBack(A.id);
      await settled();
      expect(() => world.daemon.command(A.id, { command: 'pause' })).toThrow(
        expect.objectContaining({ code: 'not-running', message: 'not synced just now: it is being closed' }),
      );
      world.engine(A).end(130);
      await released;
    });

    test('does not wait where the store is not reached', async () => {
      world.engine(A).emit({ event: 'state', state: 'offline' });
      await reload();
      expect(world.engine(A).commands).toStrictEqual([stop]);
    });
  });

  test('of a configuration that cannot be read changes nothing', async () => {
    const { daemon } = world;
    Object.defineProperty(world, 'config', {
      get: () => {
        throw new VaultError('usage', 'config-json', 'config.json is not JSON');
      },
    });
    await expect(daemon.reload()).rejects.toThrow('not JSON');
    expect(daemon.lines().map(({ phase }) => phase)).toStrictEqual(['running', 'running']);
  });
});

describe('a reload before the start', () => {
  test.each(['before', 'at the same time'] as const)('opens no vault twice: %s', async (when) => {
    world = new FakeWorld(A, B);
    const reloaded = world.daemon.reload();
    if (when === 'before') await reloaded;
    const [first] = world.daemon.slots;
    await Promise.all([reloaded, world.daemon.start()]);
    await settled();
    expect([world.opened(A), world.opened(B)]).toStrictEqual([1, 1]);
    if (when === 'before') expect(world.daemon.slots[0]).toBe(first);
    world.daemon.command(A.id, { command: 'pause' });
    expect(world.engine(A).commands).toStrictEqual([{ command: 'pause' }]);
  });

  test('is no reason not to wait until each was tried', async () => {
    const gate = Promise.withResolvers<void>();
    world = new FakeWorld(A);
    world.gate = gate.promise;
    await world.daemon.reload();
    let ready = false;
    const started = world.daemon.start().then(() => {
      ready = true;
    });
    await settled();
    expect(ready).toBe(false);
    // A key store that hangs holds back no reload either.
    await world.daemon.reload();
    gate.resolve();
    await started;
    expect(world.line(A).phase).toBe('running');
  });
});

describe('locking', () => {
  test('stops every engine, waits for that, and unlocking opens them anew; a pause is kept', async () => {
    world.daemon.command(A.id, { command: 'pause' });
    await world.daemon.lock();
    expect(world.daemon.lines().map(({ phase, state }) => [phase, state])).toStrictEqual([
      ['locked', 'needs-you'],
      ['locked', 'needs-you'],
    ]);
    expect(world.line(A).why?.message).toMatch(/^locked/);
    expect(() => world.daemon.command(B.id, { command: 'rescan' })).toThrow(
      'locked: its key is out of memory',
    );
    await world.daemon.unlock();
    expect(world.daemon.lines().map(({ phase }) => phase)).toStrictEqual(['running', 'running']);
    expect(world.engine(A).commands).toStrictEqual([{ command: 'pause' }]);
    expect(world.engine(B).commands).toStrictEqual([]);
  });

  test('also keeps a vault closed that comes later', async () => {
    await world.daemon.lock();
    world.config = { version: 1, vaults: [A, B, C] };
    await world.daemon.reload();
    await settled();
    expect(world.opened(C)).toBe(0);
    expect(world.line(C).phase).toBe('locked');
  });
});

describe('letting go of a vault', () => {
  test('closes it first, and takes it back under the configuration that holds then', async () => {
    await world.daemon.release(A.id);
    expect(world.engine(A).commands).toStrictEqual([{ command: 'stop' }]);
    expect(world.line(A).phase).toBe('released');
    const moved = vault('a', { mode: { kind: 'sse-kms', keyId: 'k', context: {} } });
    world.config = { version: 1, vaults: [moved, B] };
    world.daemon.takeBack(A.id);
    await settled();
    expect(world.line(A).phase).toBe('running');
    expect(world.daemon.slots.map(({ vault: one }) => one.mode.kind)).toStrictEqual(['sse-kms', 'sse-s3']);
    expect(world.opened(A)).toBe(2);
  });

  test('is counted: the last one gives it back', async () => {
    await world.daemon.release(A.id);
    await world.daemon.release(A.id);
    world.daemon.takeBack(A.id);
    await settled();
    expect(world.line(A).phase).toBe('released');
    world.daemon.takeBack(A.id);
    await settled();
    expect(world.line(A).phase).toBe('running');
  });
});

test('stopping waits for all engines, and tells one that lingers once more', async () => {
  world.engine(B).obeys = false;
  let ended = false;
  const stopped = world.daemon.stop().then(() => {
    ended = true;
  });
  await settled();
  expect(ended).toBe(false);
  world.clock.advance(6_000);
  expect(world.engine(B).commands).toStrictEqual([{ command: 'stop' }, { command: 'stop' }]);
  world.engine(B).end(130);
  await stopped;
});

test('is not alive where a vault is neither opened nor refused', async () => {
  expect(world.daemon.alive).toBe(true);
  world.engine(A).obeys = false;
  void world.daemon.lock();
  await settled();
  expect(world.daemon.alive).toBe(true);
  world.clock.advance(300_001);
  expect(world.daemon.alive).toBe(false);
});

test('a pause of what does not run is refused, and holds nothing back later', async () => {
  world = new FakeWorld(A);
  await world.daemon.start();
  await world.daemon.lock();
  expect(() => world.daemon.command(A.id, { command: 'pause' })).toThrow('locked: its key is out of memory');
  await world.daemon.unlock();
  expect(world.engine(A).commands).toStrictEqual([]);
  expect(world.line(A)).toMatchObject({ phase: 'running', paused: false });
});

test('a refused pause takes no effect later, and neither does a refused go-on', async () => {
  const refused = new VaultError('usage', 'ending', 'this sync is ending');
  world.engine(A).refuses = refused;
  expect(() => world.daemon.command(A.id, { command: 'pause' })).toThrow(refused);
  expect(world.line(A).paused).toBe(false);
  world.engine(B).emit({ event: 'state', state: 'working' });
  world.daemon.command(B.id, { command: 'pause' });
  world.engine(B).refuses = refused;
  expect(() => world.daemon.command(B.id, { command: 'resume' })).toThrow(refused);
  expect(world.line(B).paused).toBe(true);
  await world.daemon.lock();
  expect(() => world.daemon.command(B.id, { command: 'resume' })).toThrow('locked');
  await world.daemon.unlock();
  expect(world.engine(A).commands).toStrictEqual([]);
  expect(world.engine(B).commands).toStrictEqual([{ command: 'pause' }]);
});

describe('a vault that waits to be opened again', () => {
  const WAKES = ['retry', 'rescan', 'resume'] as const;
  beforeEach(async () => {
    world = new FakeWorld(A, B);
    world.fails = ({ id }) => (id === A.id ? new VaultError('usage', 'key-missing', 'no key') : undefined);
    await world.daemon.start();
    world.fails = () => undefined;
  });

  test.each(WAKES)('is not woken by %s while the daemon ends', async (command) => {
    const stopped = world.daemon.stop();
    expect(() => world.daemon.command(A.id, { command })).toThrow('syncing is ending');
    await stopped;
    expect(() => world.daemon.command(A.id, { command })).toThrow('syncing is ending');
    expect(() => world.daemon.command(A.id, { command: 'pause' })).toThrow('syncing is ending');
    await world.clock.run(3_600_000, 60_000);
    expect(world.opened(A)).toBe(0);
  });

  test.each(WAKES)('is not woken by %s while it is taken out of the configuration', async (command) => {
    const [slot] = world.daemon.slots;
    world.config = { version: 1, vaults: [B] };
    await world.daemon.reload();
    expect(() => slot?.command({ command })).toThrow('this vault is no longer one of the daemon');
    await world.clock.run(3_600_000, 60_000);
    expect(world.opened(A)).toBe(0);
  });

  test.each(WAKES)('is not woken by %s while it is lent out or locked', async (command) => {
    const released = world.daemon.release(A.id);
    expect(() => world.daemon.command(A.id, { command })).toThrow('another s3vault command works on this');
    await released;
    expect(world.opened(A)).toBe(0);
    world.daemon.takeBack(A.id);
    const locked = world.daemon.lock();
    await settled();
    await locked;
    expect(() => world.daemon.command(A.id, { command })).toThrow('locked: its key is out of memory');
  });
});

test('a vault is in step only while it runs, and one that does not run cannot be asked for its store', async () => {
  const slot = world.daemon.slots[0];
  world.engine(A).emit({ event: 'idle' });
  expect(slot?.inStep).toBe(true);
  await slot?.reach();
  world.engine(A).emit({ event: 'idle', short: { failed: 0, unprotected: 1, exit: 3 } });
  expect(slot?.inStep).toBe(false);
  world.engine(A).emit({ event: 'idle' });
  world.engine(A).obeys = false;
  world.config = { version: 1, vaults: [vault('a', { direction: 'both' }), B] };
  await world.daemon.reload();
  await settled();
  // It is being closed: that it was in step says nothing of what comes.
  expect(slot?.inStep).toBe(false);
  await expect(slot?.reach()).rejects.toThrow('it is being closed');
  world.engine(A).end(130);
  await world.daemon.lock();
  await expect(slot?.reach()).rejects.toThrow('locked: its key is out of memory');
});

describe('a vault that was in step and is opened anew', () => {
  const gate = Promise.withResolvers<void>();
  const shown = (): string => vaultLines(world.line(A))[0] ?? '';

  beforeEach(() => {
    world.engine(A).emit({ event: 'idle' });
    world.gate = gate.promise;
  });

  test('is starting while that takes its time, not in step', async () => {
    world.config = { version: 1, vaults: [vault('a', { direction: 'both' }), B] };
    await world.daemon.reload();
    await settled();
    expect(world.line(A)).toMatchObject({ phase: 'opening', state: 'starting', inStep: false });
    expect(shown()).toBe('/files/a  starting');
  });

  test('is starting after it was locked, and is not said to be locked any more', async () => {
    await world.daemon.lock();
    void world.daemon.unlock();
    await settled();
    expect(world.line(A)).toMatchObject({ phase: 'opening', state: 'starting', problems: 0 });
    expect(world.line(A)).not.toHaveProperty('why');
  });

  test('is stopping while its engine ends', async () => {
    world.engine(A).obeys = false;
    void world.daemon.stop();
    await settled();
    expect(shown()).toBe('/files/a  stopping');
    expect(statusText(world.daemon.lines())).toBe('1 stopping, 1 starting');
  });
});

test('a vault that waits goes on saying why while it is tried again', async () => {
  world = new FakeWorld(A);
  world.fails = () => new VaultError('usage', 'key-missing', 'no key');
  await world.daemon.start();
  world.gate = new Promise(() => undefined);
  void world.daemon.reload();
  await settled();
  expect(world.line(A)).toMatchObject({ phase: 'opening', state: 'needs-you', problems: 1 });
  expect(world.line(A).why?.message).toBe('no key');
});
