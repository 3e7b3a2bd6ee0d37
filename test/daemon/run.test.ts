/** The daemon's process, with signals of the test's own. */
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DaemonEvent } from '../../src/daemon/log.ts';
import { runDaemon } from '../../src/daemon/run.ts';
import type { Event } from '../../src/model/event.ts';
import { FakeEngine, tempPlaces, vault } from './fakes.ts';
import { NotifySocket, describeNotify } from './notify-socket.ts';

describeNotify('a daemon that is told to reload while it starts', () => {
  let home: ReturnType<typeof tempPlaces>;
  let socket: NotifySocket;

  beforeEach(async () => {
    home = tempPlaces();
    socket = await NotifySocket.open(join(home.folder, 'notify'));
  });
  afterEach(() => {
    socket.close();
    home.remove();
  });

  test('is ready once, when it is', async () => {
    const signals = new EventEmitter();
    const gate = Promise.withResolvers<void>();
    const reloaded = Promise.withResolvers<void>();
    const engines: FakeEngine[] = [];
    const ending = runDaemon({
      places: home.places,
      env: {
        PATH: process.env['PATH'],
        NOTIFY_SOCKET: join(home.folder, 'notify'),
        S3VAULT_HOME: home.folder,
      },
      version: '0',
      log: (line: Event | DaemonEvent) => {
        if (line.event === 'daemon' && line.state === 'metrics') signals.emit('SIGHUP');
        if (line.event === 'daemon' && line.state === 'reloaded') reloaded.resolve();
      },
      metricsPort: 0,
      readConfig: async () => ({ version: 1, vaults: [vault('a')] }),
      open: async () => {
        await gate.promise;
        const engine = new FakeEngine();
        engines.push(engine);
        return engine.opened();
      },
      signals: signals as unknown as Pick<NodeJS.Process, 'on' | 'off'>,
    });
    await reloaded.promise;
    gate.resolve();
    await socket.until((all) => all.some(([line]) => line === 'READY=1'));
    signals.emit('SIGTERM');
    await ending;
    await socket.until((all) => all.some(([line]) => line === 'STOPPING=1'));
    expect(engines).toHaveLength(1);
    const said = socket.all.map(([line]) => line);
    expect(said.filter((line) => line === 'READY=1')).toHaveLength(1);
    expect(said).not.toContain('RELOADING=1');
  });
});
