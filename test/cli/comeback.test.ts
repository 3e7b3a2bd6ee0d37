import { beforeEach, expect, test } from 'vitest';
import { Comeback } from '../../src/cli/comeback.ts';
import { VaultError } from '../../src/model/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';

interface Client {
  close(): void;
}

const silent = new VaultError('offline', 'daemon-silent', 'the daemon (process 7) does not answer');
let clock: ManualClock;
let left: AbortController;
/** What connecting gives, tried in ticks. */
let answer: () => Client | undefined;
let tries: number[];
let said: (string | undefined)[];
let closed: number;
let comeback: Comeback<Client>;
const client: Client = { close: () => closed++ };

beforeEach(() => {
  clock = new ManualClock();
  left = new AbortController();
  tries = [];
  said = [];
  closed = 0;
  answer = () => undefined;
  comeback = new Comeback<Client>({
    clock,
    signal: left.signal,
    connect: async () => {
      tries.push(clock.ticks());
      return answer();
    },
    onWaiting: (trouble) => void said.push(trouble?.code),
  });
});

const fail = (error: VaultError) => (): never => {
  throw error;
};

test('after a good connection the next daemon is looked for at once, then more and more seldom', async () => {
  clock.advance(60_000);
  const found = comeback.next();
  await new Promise((resolve) => setImmediate(resolve));
  expect(tries).toStrictEqual([60_000]);
  await clock.run(40_000, 250);
  const waits = tries.slice(1).map((at, n) => at - (tries[n] ?? 0));
  expect(waits).toStrictEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  answer = () => client;
  await clock.run(10_000, 250);
  expect(await found).toBe(client);
  expect(said.every((code) => code === undefined)).toBe(true);
});

test('a daemon that takes the connection and drops it at once is not asked again and again', async () => {
  answer = () => client;
  const begun: number[] = [];
  const spin = async (): Promise<void> => {
    while ((await comeback.next()) !== undefined) begun.push(clock.ticks());
  };
  const spun = spin();
  await clock.run(60_000, 250);
  // Without a wait it would be thousands.
  expect(begun.length).toBeLessThan(12);
  left.abort();
  await spun;
});

test.each([
  ['nobody answers', silent],
  ['the token is of another one', new VaultError('usage', 'wrong-token', 'not the one of this daemon')],
  ['the socket is not its own yet', new VaultError('security', 'socket-not-mine', 'not made by you')],
])('where %s, it is waited for half a minute, then that is why it ends', async (_, error) => {
  answer = fail(error);
  let ended: unknown = 'waits';
  const next = comeback.next().catch((thrown: unknown) => {
    ended = thrown;
  });
  await clock.run(29_750, 250);
  expect(ended).toBe('waits');
  expect(said.at(-1)).toBe(error.code);
  await clock.run(15_000, 250);
  await next;
  expect(ended).toBe(error);
});

test('a daemon that is there for a moment is no end of the trouble', async () => {
  answer = () => client;
  let ended: unknown;
  const sessions = async (): Promise<void> => {
    for (;;) {
      await comeback.next(silent);
      await clock.sleep(5_000);
    }
  };
  void sessions().catch((thrown: unknown) => {
    ended = thrown;
  });
  await clock.run(29_000, 250);
  expect(ended).toBeUndefined();
  await clock.run(15_000, 250);
  expect(ended).toBe(silent);
});

test('what goes away in between is no trouble that lasts', async () => {
  answer = fail(silent);
  const found = comeback.next();
  await clock.run(20_000, 250);
  answer = () => undefined;
  await clock.run(20_000, 250);
  expect(said.at(-1)).toBeUndefined();
  answer = fail(silent);
  await clock.run(20_000, 250);
  answer = () => client;
  await clock.run(20_000, 250);
  expect(await found).toBe(client);
});

test('a daemon that was silent is given the same time; one of another version is not', async () => {
  clock.advance(60_000);
  answer = () => client;
  expect(await comeback.next(silent)).toBe(client);
  expect(said).toStrictEqual(['daemon-silent']);
  const other = new VaultError('usage', 'other-protocol', 'the daemon speaks version 9');
  clock.advance(60_000);
  answer = fail(other);
  await expect(comeback.next()).rejects.toBe(other);
});

test('who leaves meanwhile gets none, and a connection that comes too late is closed', async () => {
  const waits = comeback.next();
  await clock.run(1_000, 250);
  left.abort();
  expect(await waits).toBeUndefined();
  left = new AbortController();
  comeback = new Comeback<Client>({
    clock,
    signal: left.signal,
    connect: async () => {
      left.abort();
      return client;
    },
    onWaiting: () => undefined,
  });
  expect(await comeback.next()).toBeUndefined();
  expect(closed).toBe(1);
});

/** Somebody left while a connection was tried; that is still to come, or to fail. */
async function leftWhileTrying(): Promise<PromiseWithResolvers<Client | undefined>> {
  const late = Promise.withResolvers<Client | undefined>();
  comeback = new Comeback<Client>({
    clock,
    signal: left.signal,
    connect: () => late.promise,
    onWaiting: () => undefined,
  });
  const found = comeback.next();
  await new Promise((resolve) => setImmediate(resolve));
  left.abort();
  expect(await found).toBeUndefined();
  return late;
}

test('who leaves does not wait for a connection that is being tried; one that comes late is closed', async () => {
  const late = await leftWhileTrying();
  late.resolve(client);
  await new Promise((resolve) => setImmediate(resolve));
  expect(closed).toBe(1);
});

test('who leaves is not told of a connection that fails later', async () => {
  const late = await leftWhileTrying();
  late.reject(new VaultError('usage', 'other-protocol', 'another version'));
  await new Promise((resolve) => setImmediate(resolve));
});
