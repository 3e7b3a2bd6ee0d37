/** Server and client on a real socket, over a daemon of fake engines. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DaemonClient, connectDaemon } from '../../src/daemon/client.ts';
import { freshToken, socketPath, writeNote } from '../../src/daemon/endpoint.ts';
import { PROTOCOL, packed } from '../../src/daemon/protocol.ts';
import { type SocketServer, listenForClients } from '../../src/daemon/server.ts';
import type { Parting, Served } from '../../src/daemon/session.ts';
import { EMPTY_WINDOW } from '../../src/model/queue.ts';
import { EMPTY_SNAPSHOT } from '../../src/model/snapshot.ts';
import { takeDaemonLock } from '../../src/vaults/daemon-lock.ts';
import { FakeWorld, settled, tempPlaces, vault } from './fakes.ts';

const A = vault('a');
const B = vault('b');
const TOKEN = freshToken();
const MAX_WAITING = 256 * 1024;

let world: FakeWorld;
let home: ReturnType<typeof tempPlaces>;
let server: SocketServer;
let path: string;
let partings: Parting[];
let stopped: number;
const clients: DaemonClient[] = [];

beforeEach(async () => {
  home = tempPlaces();
  world = new FakeWorld(A, B);
  await world.daemon.start();
  partings = [];
  stopped = 0;
  path = socketPath(home.places, {});
  (await takeDaemonLock(home.places))();
  server = await listenForClients({
    path,
    token: TOKEN,
    served: served(),
    clock: world.clock,
    maxWaiting: MAX_WAITING,
    onParting: (how) => partings.push(how),
  });
  await writeNote(home.places, { pid: process.pid, socket: path, token: TOKEN });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  const closed = server.close();
  world.clock.advance(1_000);
  await closed;
  home.remove();
});

function served(): Served {
  const { daemon } = world;
  const facts = { version: '1', pid: process.pid, started: 'then', ready: true };
  return {
    facts: () => facts,
    status: () => ({
      ...facts,
      locked: daemon.locked,
      memory: 1,
      clients: server.clients,
      vaults: daemon.lines(),
    }),
    join: (listener) => daemon.join(listener),
    command: (id, command) => daemon.command(id, command),
    queue: (id, ask) => daemon.queue(id, ask),
    history: (id, ask) => daemon.history(id, ask),
    reload: () => daemon.reload(),
    lock: () => daemon.lock(),
    unlock: () => daemon.unlock(),
    release: (id) => daemon.release(id),
    takeBack: (id) => daemon.takeBack(id),
    stop: () => {
      stopped++;
    },
  };
}

async function client(): Promise<DaemonClient> {
  const connected = await connectDaemon(home.places);
  if (connected === undefined) throw new Error('nobody there');
  clients.push(connected);
  return connected;
}

/** What the server says to a raw client until it hangs up, or `enough`. */
async function raw(send: string, enough: (text: string) => boolean = () => false): Promise<string> {
  const socket: Socket = connect(path);
  socket.write(send);
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (enough(text)) break;
  }
  socket.destroy();
  return text;
}

const hello = (token = TOKEN, protocol = PROTOCOL): string =>
  `${JSON.stringify({ hello: 's3vault', protocol, token })}\n`;

test('the socket is its owner’s alone, and so is its folder', () => {
  expect(lstatSync(path).mode & 0o777).toBe(0o600);
  expect(lstatSync(home.places.runtime).mode & 0o777).toBe(0o700);
  expect(lstatSync(join(home.places.state, 'daemon', 'daemon.json')).mode & 0o777).toBe(0o600);
});

describe('who joins', () => {
  test('late sees the same as who joined early', async () => {
    const early = await client();
    await early.watch();
    world.engine(A).emit({ event: 'state', state: 'scanning' });
    world.engine(A).emit({ event: 'warning', code: 'x', message: 'odd\n\u001b[31mname' });
    const late = await client();
    await late.watch();
    world.engine(A).emit({ event: 'idle' });
    world.engine(B).emit({ event: 'throttle', resource: 'kms', rate: 2, quota: 100 });
    await late.status();
    await early.status();
    const seen = (one: DaemonClient): unknown =>
      one.vaults.map((remote) => [remote.vault, packed(remote.snapshot())]);
    expect(seen(late)).toStrictEqual(seen(early));
    expect(late.vaults.map((remote) => remote.snapshot().state)).toStrictEqual(['idle', 'starting']);
  });

  test('does not go on showing the last word of a daemon that is gone', async () => {
    const one = await client();
    await one.watch();
    world.engine(A).emit({ event: 'idle' });
    await one.status();
    const [remote] = one.vaults;
    one.close();
    await remote?.ended;
    expect(remote?.snapshot().state).toBe('stopped');
  });

  test('hears of vaults that come and go, and gives commands', async () => {
    const one = await client();
    await one.watch();
    let changes = 0;
    one.onChange(() => changes++);
    const [remote] = one.vaults;
    remote?.command({ command: 'rescan' });
    await one.status();
    expect(world.engine(A).commands).toStrictEqual([{ command: 'rescan' }]);
    world.config = { version: 1, vaults: [A, vault('c')] };
    expect(await one.reload()).toMatchObject({ added: ['/files/c'], removed: ['/files/b'] });
    expect(one.vaults.map((other) => other.vault.root)).toStrictEqual(['/files/a', '/files/c']);
    expect(changes).toBeGreaterThan(1);
    // Leaving is not stopping.
    remote?.command({ command: 'stop' });
    await expect(remote?.ended).resolves.toStrictEqual({ exit: 0 });
    await one.status();
    expect(world.engine(A).commands).toStrictEqual([{ command: 'rescan' }]);
  });

  test('gets errors as they were', async () => {
    const one = await client();
    await expect(
      one.ask({ do: 'command', vault: 'none', command: { command: 'pause' } }),
    ).rejects.toMatchObject({
      kind: 'usage',
      code: 'no-such-vault',
      hint: expect.stringContaining('reload'),
    });
  });

  test('and goes away while it has a vault gives it back', async () => {
    const one = await client();
    await one.ask({ do: 'release', vault: A.id });
    expect(world.line(A).phase).toBe('released');
    one.close();
    await one.closed;
    while (world.line(A).phase !== 'running') await settled();
    expect(world.opened(A)).toBe(2);
  });

  test('may stop it', async () => {
    await (await client()).ask({ do: 'stop' });
    expect(stopped).toBe(1);
  });
});

test('a reader that does not read is dropped; the others go on', async () => {
  const good = await client();
  await good.watch();
  const lazy = connect(path);
  lazy.write(`${hello()}${JSON.stringify({ id: 1, do: 'watch' })}\n`);
  lazy.pause();
  while (server.clients < 2) await settled();
  const message = 'x'.repeat(1_000);
  for (let n = 0; !partings.includes('dropped'); n++) {
    world.engine(A).emit({ event: 'warning', code: `w${n % 10}`, message });
    await settled();
    if (n > 5_000) throw new Error('it was never dropped');
  }
  expect((await good.status()).clients).toBe(1);
  expect(good.vaults[0]?.snapshot().problems.size).toBe(10);
  lazy.destroy();
});

describe('the queue', () => {
  const ask = { filter: 'ä', from: 3, count: 2, held: { path: 'odd\n', line: 4 } };

  test('is answered by the engine of the vault', async () => {
    const lines = [{ kind: 'put', path: 'odd\n', bytes: 1, reason: 'new' }] as const;
    const asked: unknown[] = [];
    world.engine(A).queue = async (one) => {
      asked.push(one);
      return { total: 9, waiting: 100_000, from: 3, lines, held: 3 };
    };
    const one = await client();
    await one.watch();
    const vault = one.vaults.find((other) => other.vault.id === A.id);
    expect(await vault?.queue?.(ask)).toEqual({ total: 9, waiting: 100_000, from: 3, lines, held: 3 });
    expect(asked).toEqual([ask]);
  });

  test('is empty where the vault does not run, or has none', async () => {
    const one = await client();
    await one.watch();
    expect(await one.vaults[0]?.queue?.(ask)).toEqual(EMPTY_WINDOW);
    await one.ask({ do: 'lock' });
    expect(await one.vaults[0]?.queue?.(ask)).toEqual(EMPTY_WINDOW);
  });
});

describe('the history', () => {
  const ask = { filter: '', from: 0, count: 9, held: { id: 4, line: 4 } };

  test('is answered by the engine of the vault; there is none while it does not run', async () => {
    const answer = { total: 0, from: 0, lines: [] };
    world.engine(A).history = async (one) => {
      expect(one).toEqual(ask);
      return answer;
    };
    const one = await client();
    await one.watch();
    expect(await one.vaults[0]?.history?.(ask)).toEqual(answer);
    await one.ask({ do: 'lock' });
    await expect(one.vaults[0]?.history?.(ask)).rejects.toMatchObject({ code: 'not-running' });
  });
});

describe('refuses', () => {
  test.each([
    ['a wrong token', hello('wrong'), 'wrong-token'],
    ['another protocol', hello(TOKEN, 99), 'other-protocol'],
    ['something else than a greeting', 'GET / HTTP/1.1\r\n\r\n', 'bad-greeting'],
    ['a request before the greeting', '{"id":1,"do":"stop"}\n', 'bad-greeting'],
    ['what is no request', `${hello()}dance\n`, 'bad-request'],
    ['a line without end', `${hello()}${'x'.repeat(70_000)}`, 'line-too-long'],
  ])('%s, and hangs up', async (_, send, code) => {
    expect(await raw(send)).toContain(`"code":"${code}"`);
    while (partings.length === 0) await settled();
    expect(partings).toStrictEqual(['refused']);
    expect(stopped).toBe(0);
  });

  test('who says nothing', async () => {
    const answer = raw('');
    while (server.clients === 0) await settled();
    world.clock.advance(5_000);
    expect(await answer).toContain('no-greeting');
  });

  test('what came later from a client of the version before, which it speaks otherwise', async () => {
    const ask = { filter: '', from: 0, count: 1 };
    const asked = [
      { id: 4, do: 'queue', vault: A.id, ask },
      { id: 5, do: 'status' },
    ];
    const text = `${hello(TOKEN, 2)}${asked.map((one) => `${JSON.stringify(one)}\n`).join('')}`;
    const answer = await raw(text, (said) => said.includes('"id":5'));
    expect(answer).toContain('{"type":"hello","protocol":2,');
    expect(answer).toContain('"id":4,"error":{"code":"bad-request"');
    expect(answer).toContain('"id":5,"ok":{');
  });

  test('an unknown request by its number, and goes on', async () => {
    const answer = await raw(`${hello()}{"id":4,"do":"dance"}\n{"id":5,"do":"status"}\n`, (text) =>
      text.includes('"id":5'),
    );
    expect(answer).toContain('"id":4,"error":{"code":"bad-request"');
  });
});

describe('the client', () => {
  /** Somebody who takes connections, and says `greeting` at most. */
  async function silent(greeting?: string): Promise<() => Promise<void>> {
    await server.close();
    const other = createServer((socket) => {
      socket.on('error', () => undefined).on('data', () => greeting !== undefined && socket.write(greeting));
    });
    await new Promise<void>((resolve) => other.listen(path, resolve));
    chmodSync(path, 0o600);
    await writeNote(home.places, { pid: 4711, socket: path, token: TOKEN });
    return () => new Promise<void>((resolve) => other.close(() => resolve()));
  }

  const SILENT = {
    kind: 'offline',
    message: 'the daemon (process 4711) does not answer',
    hint: expect.stringContaining('kill -9 4711'),
  } as const;

  test('waits five seconds for a daemon that hangs, and says how to end it', async () => {
    const close = await silent();
    let asked = false;
    const { clock } = world;
    const told = expect(connectDaemon(home.places, clock)).rejects.toMatchObject(SILENT);
    void told.then(() => (asked = true));
    while (clock.waiting === 0) await settled();
    clock.advance(4_999);
    await settled();
    expect(asked).toBe(false);
    clock.advance(1);
    // What came while this process was held up is read before anybody hangs up.
    clock.advance(250);
    await told;
    await close();
  });

  test('waits no longer once it is called off', async () => {
    const close = await silent();
    const { clock } = world;
    const left = new AbortController();
    const told = expect(connectDaemon(home.places, clock, { signal: left.signal })).rejects.toMatchObject({
      kind: 'offline',
    });
    while (clock.waiting === 0) await settled();
    left.abort();
    await told;
    await close();
  });

  test('hangs up on one that says what is no message', async () => {
    const close = await silent('{"type":"hello"\n');
    await expect(connectDaemon(home.places, world.clock)).rejects.toMatchObject({ code: 'daemon-garbled' });
    await close();
  });

  test('speaks the older version with a daemon that knows no other, and asks it nothing newer', async () => {
    await server.close();
    const greeted: number[] = [];
    const old = createServer((socket) => {
      const say = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
      socket
        .on('error', () => undefined)
        .on('data', (data) => {
          const { protocol, id } = JSON.parse(String(data)) as { protocol?: number; id?: number };
          if (protocol !== undefined) greeted.push(protocol);
          if (protocol === 2)
            say({ type: 'hello', protocol, version: '0', pid: 1, started: '', ready: true });
          else if (protocol !== undefined) {
            say({
              type: 'refused',
              error: { code: 'other-protocol', message: 'the daemon speaks version 2' },
            });
            socket.end();
          } else {
            say({ type: 'vault', vault: A, snapshot: packed(EMPTY_SNAPSHOT) });
            say({ type: 'answer', id, ok: null });
          }
        });
    });
    await new Promise<void>((resolve) => old.listen(path, resolve));
    chmodSync(path, 0o600);
    const one = await client();
    await one.watch();
    expect(greeted).toEqual([3, 2]);
    expect(one.vaults[0]?.vault.id).toBe(A.id);
    expect(one.vaults[0]?.queue).toBeUndefined();
    one.close();
    await new Promise<void>((resolve) => old.close(() => resolve()));
  });

  test('waits no longer for one that hangs later', async () => {
    const close = await silent(
      `${JSON.stringify({ type: 'hello', protocol: PROTOCOL, version: '1', pid: 4711, started: '', ready: true })}\n`,
    );
    const one = await connectDaemon(home.places, world.clock);
    if (one === undefined) throw new Error('nobody there');
    const told = expect(one.status()).rejects.toMatchObject(SILENT);
    world.clock.advance(5_000);
    world.clock.advance(250);
    await told;
    expect(one.why?.code).toBe('daemon-silent');
    await close();
  });

  test('finds nobody where a daemon was killed, and another can listen there', async () => {
    const closed = server.close();
    world.clock.advance(1_000);
    await closed;
    // What kill -9 leaves: a note and a dead socket.
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    chmodSync(path, 0o600);
    expect(existsSync(path)).toBe(true);
    await new Promise<void>((resolve) => dead.close(() => resolve()));
    writeFileSync(path, '');
    await expect(connectDaemon(home.places)).rejects.toMatchObject({ code: 'socket-not-mine' });
  });

  test('does not talk to a socket that others could replace', async () => {
    chmodSync(home.places.runtime, 0o777);
    await expect(connectDaemon(home.places)).rejects.toMatchObject({ code: 'socket-not-mine' });
  });

  test('does not talk to a socket that others may use', async () => {
    chmodSync(path, 0o666);
    await expect(connectDaemon(home.places)).rejects.toMatchObject({
      kind: 'security',
      code: 'socket-not-mine',
    });
  });

  test('says so when the daemon goes away under it', async () => {
    const one = await client();
    const closed = server.close();
    world.clock.advance(1_000);
    await closed;
    await one.closed;
    await expect(one.status()).rejects.toMatchObject({ code: 'daemon-gone' });
  });
});

describe('the path of the socket', () => {
  test('that is too long becomes a short one of the same home', () => {
    const long = { ...home.places, runtime: join('/tmp', 'x'.repeat(120)) };
    const short = socketPath(long, { XDG_RUNTIME_DIR: '/run/user/1000' });
    expect(short).toMatch(/^\/run\/user\/1000\/s3vault\/[0-9a-f]{16}\.sock$/);
    expect(socketPath(long, { XDG_RUNTIME_DIR: '/run/user/1000' })).toBe(short);
    expect(socketPath({ ...long, state: '/other' }, { XDG_RUNTIME_DIR: '/run/user/1000' })).not.toBe(short);
    expect(socketPath(long, {})).toMatch(/^\/tmp\/s3vault-\d+\/[0-9a-f]{16}\.sock$/);
  });
});

test('a second daemon of the same home is refused, with the first one’s process', async () => {
  const letGo = await takeDaemonLock(home.places);
  await expect(takeDaemonLock(home.places)).rejects.toMatchObject({
    kind: 'held',
    exit: 7,
    message: `a daemon runs already: process ${process.pid}`,
  });
  letGo();
  mkdirSync(join(home.folder, 'more'));
  expect(readFileSync(join(home.places.state, 'daemon', 'lock.pid'), 'utf8')).toBe(String(process.pid));
});
