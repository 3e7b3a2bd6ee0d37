/** Messages to systemd, heard on a real notify socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Notifier, openNotifier, withoutNotify } from '../../src/daemon/notify.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { NotifySocket, describeNotify } from './notify-socket.ts';

describeNotify('what systemd hears', () => {
  let folder: string;
  let socket: NotifySocket;
  const clock = new ManualClock();
  const troubles: string[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-notify-'));
    troubles.length = 0;
  });
  afterEach(() => {
    socket.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(env: NodeJS.ProcessEnv, alive: () => boolean = () => true): Promise<Notifier> {
    socket = await NotifySocket.open(env['NOTIFY_SOCKET'] ?? '');
    const notifier = openNotifier({
      env: { PATH: process.env['PATH'], ...env },
      pid: 4_711,
      clock,
      alive,
      onTrouble: (message) => troubles.push(message),
    });
    if (notifier === undefined) throw new Error('nobody listens');
    return notifier;
  }

  test.each([
    ['in a folder', () => join(folder, 'notify.sock')],
    ['without a file', () => `@s3vault-test-${process.pid}`],
  ])('on a socket %s, in order', async (_, path) => {
    const notifier = await open({ NOTIFY_SOCKET: path() });
    notifier.ready();
    notifier.status('1 in step\nREADY=0');
    notifier.reloading(12_345n);
    notifier.ready();
    notifier.stopping();
    await notifier.settled();
    expect((await socket.messages(5)).map((message) => message[0])).toStrictEqual([
      'READY=1',
      'STATUS=1 in step READY=0',
      'RELOADING=1',
      'READY=1',
      'STOPPING=1',
    ]);
    expect(socket.all[2]).toStrictEqual(['RELOADING=1', 'MONOTONIC_USEC=12345']);
    notifier.close();
    expect(troubles).toStrictEqual([]);
  });

  test('signs of life at half of the time, as long as there is life', async () => {
    let alive = true;
    const notifier = await open(
      { NOTIFY_SOCKET: join(folder, 'n'), WATCHDOG_USEC: '30000000', WATCHDOG_PID: '4711' },
      () => alive,
    );
    clock.advance(14_999);
    await notifier.settled();
    expect(socket.all).toStrictEqual([]);
    clock.advance(15_001);
    await notifier.settled();
    expect(await socket.messages(2)).toStrictEqual([['WATCHDOG=1'], ['WATCHDOG=1']]);
    alive = false;
    clock.advance(60_000);
    notifier.ready();
    await notifier.settled();
    expect((await socket.messages(3))[2]).toStrictEqual(['READY=1']);
    notifier.close();
  });

  test('no signs of life where they are another process’s', async () => {
    const notifier = await open({
      NOTIFY_SOCKET: join(folder, 'n'),
      WATCHDOG_USEC: '30000000',
      WATCHDOG_PID: '1',
    });
    clock.advance(60_000);
    notifier.ready();
    await notifier.settled();
    expect(await socket.messages(1)).toStrictEqual([['READY=1']]);
    notifier.close();
  });

  test('a status that changes often, now and then', async () => {
    const notifier = await open({ NOTIFY_SOCKET: join(folder, 'n') });
    for (const text of ['a', 'b', 'c', 'c']) notifier.status(text);
    clock.advance(2_000);
    notifier.status('c');
    clock.advance(2_000);
    await notifier.settled();
    expect(await socket.messages(2)).toStrictEqual([['STATUS=a'], ['STATUS=c']]);
    notifier.close();
  });

  test('nothing where systemd-notify is missing, and that is said once', async () => {
    const notifier = await open({ NOTIFY_SOCKET: join(folder, 'n'), PATH: folder });
    notifier.ready();
    notifier.stopping();
    await notifier.settled();
    expect(troubles).toStrictEqual(['systemd cannot be told: systemd-notify is not installed']);
    notifier.close();
  });
});

test('without a socket there is nobody to tell; what systemd says is not passed on', () => {
  const options = { pid: 1, clock: new ManualClock(), alive: () => true, onTrouble: () => undefined };
  expect(openNotifier({ ...options, env: {} })).toBeUndefined();
  expect(
    withoutNotify({ NOTIFY_SOCKET: 'x', WATCHDOG_USEC: '1', WATCHDOG_PID: '2', HOME: '/h' }),
  ).toStrictEqual({
    HOME: '/h',
  });
});
