import { expect, test } from 'vitest';
import { Here } from '../../src/daemon/here.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Vault } from '../../src/model/vault.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { FakeEngine, settled, vault } from './fakes.ts';

const A = vault('a');
const B = vault('b');

interface World {
  readonly here: Here;
  readonly engines: Map<string, FakeEngine>;
}

/** `fails`: why a vault cannot be opened. */
async function start(
  fails: (one: Vault) => VaultError | undefined = () => undefined,
  vaults: Vault[] = [A, B],
): Promise<World> {
  const config = { version: 1, vaults } as const;
  const engines = new Map<string, FakeEngine>();
  const here = new Here(config, {
    clock: new ManualClock(),
    readConfig: async () => config,
    open: async (one) => {
      const error = fails(one);
      if (error !== undefined) throw error;
      const engine = new FakeEngine();
      engines.set(one.id, engine);
      return engine.opened();
    },
  });
  await here.start();
  return { here, engines };
}

const noKey = (one: Vault): VaultError | undefined =>
  one.id === A.id
    ? new VaultError('usage', 'key-missing', 'there is no key k', { hint: 'bring it' })
    : undefined;

const ended = async (here: Here): Promise<boolean> => {
  let over = false;
  void Promise.all([here.ended, ...here.vaults.map((one) => one.ended)]).then(() => (over = true));
  await settled();
  return over;
};

test('a vault that cannot be opened says why, and the other one works', async () => {
  const { here, engines } = await start(noKey);
  engines.get(B.id)?.emit({ event: 'state', state: 'working' });
  const [first, second] = here.vaults.map((one) => one.snapshot());
  expect(first?.state).toBe('needs-you');
  expect([...(first?.problems.values() ?? [])]).toMatchObject([
    { message: 'there is no key k', hint: 'bring it' },
  ]);
  expect(second?.state).toBe('working');
  expect(here.lines().map(({ phase, exit }) => [phase, exit])).toEqual([
    ['waiting', 2],
    ['running', 0],
  ]);
});

test('events and commands are those of the vault alone', async () => {
  const { here, engines } = await start();
  const heard: string[] = [];
  here.vaults[0]?.subscribe(({ event }) => heard.push(event));
  engines.get(B.id)?.emit({ event: 'idle' });
  engines.get(A.id)?.emit({ event: 'scan', state: 'start', files: 0 });
  here.vaults[1]?.command({ command: 'pause' });
  expect(heard).toEqual(['scan']);
  expect(engines.get(A.id)?.commands).toEqual([]);
  expect(engines.get(B.id)?.commands).toEqual([{ command: 'pause' }]);
});

test('a command to one that does not run is no accident', async () => {
  const { here } = await start(noKey);
  expect(() => here.vaults[0]?.command({ command: 'first', path: 'x' })).not.toThrow();
});

test('stop on one ends all, and waits for what is under way', async () => {
  const { here, engines } = await start();
  const slow = engines.get(B.id);
  if (slow === undefined) throw new Error('not opened');
  slow.obeys = false;
  here.vaults[0]?.command({ command: 'stop' });
  expect(await ended(here)).toBe(false);
  expect(slow.commands).toEqual([{ command: 'stop' }]);
  // Again: the engine itself ends at once.
  here.vaults[0]?.command({ command: 'stop' });
  expect(slow.commands).toEqual([{ command: 'stop' }, { command: 'stop' }]);
  slow.end(130);
  expect(await ended(here)).toBe(true);
});

test('what cannot be opened does not keep anybody', async () => {
  const { here } = await start(() => new VaultError('held', 'vault-held', 'process 7 holds this vault'));
  here.stop();
  expect(await ended(here)).toBe(true);
});

test('queue and history are those of the engine', async () => {
  const { here, engines } = await start();
  const ask = { filter: 'a', from: 0, count: 1 };
  const engine = engines.get(A.id);
  if (engine === undefined) throw new Error('it does not run');
  engine.queue = async () => ({ total: 7, waiting: 9, from: 0, lines: [] });
  engine.history = async () => ({ total: 8, from: 0, lines: [] });
  expect(await here.vaults[0]?.queue?.(ask)).toMatchObject({ total: 7, waiting: 9 });
  expect(await here.vaults[0]?.history?.(ask)).toMatchObject({ total: 8 });
});

test('a change holds at once, but for a vault whose transfers are under way', async () => {
  const vaults = [A, B];
  const { here, engines } = await start(undefined, vaults);
  const engine = engines.get(A.id);
  if (engine === undefined) throw new Error('it does not run');
  engine.obeys = false;
  engine.emit({ event: 'state', state: 'working' });
  const facts = { id: 1, path: 'a', key: 'a', bytes: 1, mode: 'sse-s3', direction: 'up' } as const;
  engine.emit({ event: 'transfer.start', ...facts });
  vaults.splice(0, 2, { ...A, direction: 'both' }, { ...B, direction: 'both' });
  expect(await here.reload(A.id)).toBe('after-transfers');
  expect(await here.reload(B.id)).toBe('now');
  engine.end(130);
  await settled();
  expect(await here.reload(A.id)).toBe('now');
});

test('a vault that is forgotten meanwhile says so, and asking for its queue breaks nothing', async () => {
  const vaults = [A, B];
  const { here } = await start(undefined, vaults);
  vaults.shift();
  await here.reload(A.id);
  const [gone] = here.vaults;
  expect(gone?.snapshot().state).toBe('needs-you');
  expect(gone?.snapshot().problems.get('forgotten')?.message).toMatch(/forget/);
  const asked = gone?.queue?.({ filter: '', from: 0, count: 1 });
  await expect(asked).rejects.toMatchObject({ code: 'no-such-vault' });
  const happened = gone?.history?.({ filter: '', from: 0, count: 1 });
  await expect(happened).rejects.toMatchObject({ code: 'no-such-vault' });
});
