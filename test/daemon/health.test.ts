/** Heartbeat, notifications and metrics: for people who do not look. */
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { request } from 'node:https';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { NeedsYou } from '../../src/daemon/desktop.ts';
import { Heartbeat, type HeartbeatOptions, heartbeatUrl, pinging } from '../../src/daemon/heartbeat.ts';
import { type MetricsServer, serveMetrics } from '../../src/daemon/metrics-server.ts';
import { Tally, metricsText } from '../../src/daemon/metrics.ts';
import { type ConsentReason, EMPTY_TOTALS } from '../../src/model/plan.ts';
import type { Waits } from '../../src/model/ports.ts';
import { takeDaemonLock } from '../../src/vaults/daemon-lock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { FakeWorld, at, settled, tempPlaces, vault } from './fakes.ts';

const A = vault('a');
const B = vault('b');

describe('the heartbeat', () => {
  let clock: ManualClock;
  let pings: number;
  let troubles: string[];
  let states: Map<string, boolean>;
  let closed: Set<string>;
  let fail: boolean;
  let heartbeat: Heartbeat;

  beforeEach(() => {
    clock = new ManualClock();
    pings = 0;
    troubles = [];
    fail = false;
    closed = new Set();
    states = new Map([
      [A.id, false],
      [B.id, false],
    ]);
    heartbeat = new Heartbeat(options());
  });
  afterEach(() => heartbeat.close());

  const options = (): HeartbeatOptions => ({
    clock,
    vaults: () => [...states].map(([id, inStep]) => ({ id, inStep, runs: !closed.has(id) })),
    onTrouble: (message) => troubles.push(message),
    ping: async () => {
      pings++;
      if (fail) throw new Error('the watcher answered 500');
    },
  });

  const idle = (one: typeof A): void => {
    states.set(one.id, true);
    heartbeat.hear(at({ event: 'idle' }), one);
  };

  test('comes when every vault has been in step, and then as long as they are', () => {
    idle(A);
    expect(pings).toBe(0);
    idle(B);
    expect(pings).toBe(1);
    clock.advance(300_000);
    expect(pings).toBe(2);
    clock.advance(300_000);
    expect(pings).toBe(3);
    states.set(A.id, false);
    clock.advance(3_600_000);
    expect(pings).toBe(3);
    idle(A);
    expect(pings).toBe(4);
    clock.advance(300_000);
    expect(pings).toBe(5);
  });

  test('counts a vault that was in step in between, and comes once a minute at most', () => {
    idle(A);
    states.set(A.id, false);
    idle(B);
    expect(pings).toBe(1);
    for (let n = 0; n < 20; n++) {
      idle(A);
      idle(B);
    }
    expect(pings).toBe(1);
    clock.advance(60_000);
    expect(pings).toBe(2);
  });

  test.each([
    'needs-you',
    'stopped',
    'offline',
    'paused',
  ] as const)('does not come for a vault that was in step and is %s since', (state) => {
    idle(A);
    states.set(A.id, false);
    heartbeat.hear(at({ event: 'state', state }), A);
    idle(B);
    clock.advance(300_000);
    expect(pings).toBe(0);
    // Nor when it is busy with it again: what counts is that it is in step.
    heartbeat.hear(at({ event: 'state', state: 'working' }), A);
    idle(B);
    clock.advance(300_000);
    expect(pings).toBe(0);
    idle(A);
    expect(pings).toBe(1);
  });

  test('does not come for a vault that was in step longer ago than the interval', () => {
    idle(A);
    states.set(A.id, false);
    heartbeat.hear(at({ event: 'state', state: 'working' }), A);
    clock.advance(300_001);
    idle(B);
    expect(pings).toBe(0);
    idle(A);
    expect(pings).toBe(1);
  });

  test('does not come for a vault that was in step and is not open any more', () => {
    idle(A);
    states.set(A.id, false);
    closed.add(A.id);
    idle(B);
    clock.advance(299_999);
    expect(pings).toBe(0);
  });

  test('does not come where a vault begins to need somebody while the stores are asked', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    heartbeat.close();
    heartbeat = new Heartbeat({ ...options(), reach: () => promise });
    idle(A);
    idle(B);
    heartbeat.hear(at({ event: 'state', state: 'needs-you' }), B);
    resolve();
    await settled();
    expect(pings).toBe(0);
    expect(troubles).toStrictEqual([]);
  });

  test('does not come while files are not protected, though nothing is left to do', () => {
    heartbeat.hear(at({ event: 'idle' }), A);
    // Before the other one is in step, a file comes that cannot be taken.
    heartbeat.hear(at({ event: 'idle', short: { failed: 0, unprotected: 1, exit: 3 } }), A);
    idle(B);
    clock.advance(3_600_000);
    expect(pings).toBe(0);
    idle(A);
    expect(pings).toBe(1);
  });

  test('does not come while a store does not answer, though nothing changes; it says so once', async () => {
    let there = false;
    heartbeat.close();
    heartbeat = new Heartbeat({
      ...options(),
      reach: () => (there ? Promise.resolve() : Promise.reject(new Error('no such host'))),
    });
    idle(A);
    idle(B);
    await settled();
    clock.advance(300_000);
    await settled();
    expect(pings).toBe(0);
    expect(troubles).toStrictEqual(['no heartbeat, for a store does not answer: no such host']);
    there = true;
    clock.advance(300_000);
    await settled();
    expect(pings).toBe(1);
  });

  test('says once that it does not get through', async () => {
    fail = true;
    idle(A);
    idle(B);
    clock.advance(300_000);
    await settled();
    clock.advance(300_000);
    await settled();
    expect(troubles).toStrictEqual(['the heartbeat did not get through: the watcher answered 500']);
  });

  describe('that is under way', () => {
    let signal: AbortSignal | undefined;
    const hangs = (waits: Waits): Promise<never> => {
      signal = waits.signal;
      return new Promise((_, reject) => {
        waits.signal?.addEventListener('abort', () => reject(waits.signal?.reason as Error));
      });
    };
    const begin = async (how: Partial<HeartbeatOptions>): Promise<void> => {
      heartbeat.close();
      heartbeat = new Heartbeat({ ...options(), ...how });
      idle(A);
      idle(B);
      await settled();
    };

    test('has ten seconds in all', async () => {
      await begin({ ping: hangs });
      clock.advance(9_999);
      expect(signal?.aborted).toBe(false);
      clock.advance(1);
      await settled();
      expect(troubles).toStrictEqual(['the heartbeat did not get through: no answer in time']);
    });

    test.each(['ping', 'reach'] as const)('is called off at the end: %s', async (what) => {
      await begin({ [what]: hangs });
      expect(signal?.aborted).toBe(false);
      heartbeat.close();
      await settled();
      expect(signal?.aborted).toBe(true);
      expect(pings).toBe(0);
      expect(troubles).toStrictEqual([]);
    });

    test('lets go of a watcher that never answers', async () => {
      const sockets: Socket[] = [];
      const server = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const abort = new AbortController();
      const pinged = pinging(new URL(`https://127.0.0.1:${port}/`))({ signal: abort.signal });
      await once(server, 'connection');
      abort.abort(new Error('the end'));
      await expect(pinged).rejects.toThrow('the end');
      // Nothing of it keeps the process: its end is seen by the other side.
      await Promise.all(sockets.map((socket) => once(socket.resume(), 'close')));
      server.close();
    });
  });

  test('goes over https only', () => {
    expect(heartbeatUrl('https://hc.example.org/ping/1').hostname).toBe('hc.example.org');
    for (const text of ['http://hc.example.org/', 'hc.example.org', 'file:///x', ''])
      expect(() => heartbeatUrl(text)).toThrow('must begin with https://');
  });
});

test('files that failed for good are notified once, and again where it is more; what a person chose is not', () => {
  const said: string[] = [];
  const needs = new NeedsYou((_, body) => said.push(body));
  const idle = (failed: number): void =>
    needs.hear(at({ event: 'idle', short: { failed, unprotected: 2, declined: 3, exit: 3 } }), A);
  idle(0);
  expect(said).toEqual([]);
  idle(1);
  needs.hear(at({ event: 'state', state: 'working' }), A);
  idle(1);
  expect(said).toEqual(['in step but for 1 file that failed\nsee: s3vault attach, P']);
  idle(2);
  needs.hear(at({ event: 'idle' }), A);
  idle(2);
  expect(said).toHaveLength(3);
});

test('a notification comes when a vault begins to need somebody, not again while it does', () => {
  const said: string[] = [];
  const needs = new NeedsYou((title, body) => said.push(`${title}: ${body}`));
  const warn = (message: string): void => needs.hear(at({ event: 'warning', code: 'x', message }), A);
  const state = (to: 'needs-you' | 'working' | 'starting' | 'scanning'): void =>
    needs.hear(at({ event: 'state', state: to }), A);
  warn('the key is gone');
  state('needs-you');
  state('needs-you');
  // Tried again, in vain.
  state('starting');
  state('scanning');
  warn('the key is gone');
  state('needs-you');
  expect(said).toHaveLength(1);
  state('working');
  state('needs-you');
  needs.hear(at({ event: 'state', state: 'needs-you' }), undefined);
  expect(said).toStrictEqual(Array(2).fill('s3vault needs you: /files/a: the key is gone'));
  warn('the disk is gone');
  state('needs-you');
  expect(said.at(-1)).toBe('s3vault needs you: /files/a: the disk is gone');
});

test('a notification says what is asked, in the words of the question, and what to do', () => {
  const said: string[] = [];
  const needs = new NeedsYou((_, body) => said.push(body));
  const hear = (body: Parameters<typeof at>[0]): void => needs.hear(at(body), A);
  const asked = (reason: ConsentReason): string | undefined => {
    hear({ event: 'consent', reason });
    hear({ event: 'state', state: 'needs-you' });
    // Of a file, or of something else: not what is asked.
    hear({ event: 'warning', code: 'x', path: 'x', message: 'x is too long' });
    hear({ event: 'warning', code: 'watch-limit', message: 'not everything is watched' });
    hear({ event: 'state', state: 'needs-you' });
    hear({ event: 'answered', yes: true });
    hear({ event: 'state', state: 'working' });
    return said.splice(0).join(' | ');
  };
  const local = { kind: 'remove-local', path: 'a', bytes: 0, reason: 'gone-remotely' } as const;
  expect(asked({ kind: 'many-removals', removals: 1_204, of: 5_310 })).toBe(
    'remove 1,204 of 5,310 files in the bucket?\nanswer on the screen: s3vault attach',
  );
  expect(asked({ kind: 'many-removals', removals: 2, of: 3, first: [local] })).toBe(
    'remove 2 of 3 files here?\nanswer on the screen: s3vault attach',
  );
  expect(asked({ kind: 'many-removals', removals: 1, of: 1, again: true })).toMatch(
    /^the plan has changed: remove 1 of 1 file in the bucket\?/,
  );
  expect(asked({ kind: 'plan-review', totals: EMPTY_TOTALS, first: [] })).toMatch(
    /^the first plan is to be confirmed\n/,
  );
  expect(asked({ kind: 'lost-source', why: 'other-device' })).toMatch(/^is this still the right folder\?\n/);
  // The question was answered: what is wrong now is something else.
  hear({ event: 'warning', code: 'key-missing', message: 'there is no key k', hint: 'bring it' });
  hear({ event: 'state', state: 'needs-you' });
  expect(said).toStrictEqual(['there is no key k\nbring it']);
  // Who locked it knows.
  hear({ event: 'warning', code: 'locked', message: 'locked: its key is out of memory' });
  hear({ event: 'state', state: 'needs-you' });
  expect(said).toHaveLength(1);
});

describe('metrics', () => {
  test('are counts and states of each vault', async () => {
    const odd = vault('a', { root: '/files/"odd"\n\\name' });
    const world = new FakeWorld(odd);
    await world.daemon.start();
    const tally = new Tally();
    const one = { id: 1, path: 'a', key: 'a', direction: 'up', bytes: 10, mode: 'client' } as const;
    const done = { versionId: null, proof: null, attempts: 1, ms: 1 } as const;
    tally.hear(at({ event: 'transfer.done', ...done, result: 'written', ...one }), odd);
    tally.hear(at({ event: 'transfer.done', ...done, result: 'removed', ...one }), odd);
    tally.hear(at({ event: 'transfer.done', ...done, result: 'restored', ...one, direction: 'down' }), odd);
    tally.hear(
      at({ event: 'transfer.done', ...done, result: 'removed', ...one, direction: 'remove-local' }),
      odd,
    );
    tally.hear(at({ event: 'idle' }), odd);
    const short = { failed: 0, unprotected: 1, exit: 3 };
    tally.hear({ ...at({ event: 'idle', short }), time: '2026-11-25T11:00:00Z' }, odd);
    world.engine(odd).emit({ event: 'plan', ...EMPTY_TOTALS, get: 5, removeLocal: 2, bytes: 70 });
    const text = metricsText({ version: '1.2.3', vaults: world.daemon.lines(), tally, memory: 5 });
    const labels = `vault="${odd.id}",root="/files/\\"odd\\"\\n\\\\name"`;
    for (const line of [
      's3vault_info{version="1.2.3"} 1',
      `s3vault_vault_state{${labels},state="starting"} 1`,
      `s3vault_vault_state{${labels},state="idle"} 0`,
      `s3vault_files_sent_total{${labels}} 1`,
      `s3vault_bytes_sent_total{${labels}} 10`,
      `s3vault_removals_total{${labels}} 1`,
      `s3vault_files_fetched_total{${labels}} 1`,
      `s3vault_bytes_fetched_total{${labels}} 10`,
      `s3vault_removals_here_total{${labels}} 1`,
      `s3vault_files_left{${labels}} 7`,
      `s3vault_last_in_step_timestamp_seconds{${labels}} ${Date.parse('2026-11-25T10:00:00Z') / 1_000}`,
    ])
      expect(text.split('\n')).toContain(line);
    expect(
      text.split('\n').filter((line) => !/^(# (HELP|TYPE) )?\w+(\{.*\})? ?.*$/.test(line)),
    ).toStrictEqual(['']);
    // What two plans had in common was done once: in step, nothing of it is left.
    world.engine(odd).emit({ event: 'idle' });
    const inStep = metricsText({ version: '1.2.3', vaults: world.daemon.lines(), tally, memory: 5 });
    expect(inStep.split('\n')).toContain(`s3vault_files_left{${labels}} 0`);
    expect(inStep.split('\n')).toContain(`s3vault_in_step{${labels}} 1`);
    const declined = { failed: 0, unprotected: 0, declined: 4, exit: 5 };
    world.engine(odd).emit({ event: 'idle', short: declined });
    const held = metricsText({ version: '1.2.3', vaults: world.daemon.lines(), tally, memory: 5 });
    expect(held.split('\n')).toContain(`s3vault_in_step{${labels}} 0`);
    expect(held.split('\n')).toContain(`s3vault_removals_declined{${labels}} 4`);
    expect(held.split('\n')).toContain(`s3vault_problems{${labels}} 1`);
  });

  describe('over HTTPS', () => {
    let home: ReturnType<typeof tempPlaces>;
    let server: MetricsServer;

    beforeEach(async () => {
      home = tempPlaces();
      (await takeDaemonLock(home.places))();
      server = await serveMetrics({
        port: 0,
        places: home.places,
        clock: systemClock,
        text: () => 'numbers\n',
      });
    });
    afterEach(async () => {
      await server.close();
      home.remove();
    });

    function get(path: string, token?: string): Promise<{ status: number; text: string }> {
      return new Promise((resolve, reject) => {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
        const options = {
          host: '127.0.0.1',
          port: server.port,
          path,
          headers,
          ca: readFileSync(server.certificate),
        };
        request(options, (answer) => {
          let text = '';
          answer.on('data', (chunk: Buffer) => {
            text += chunk.toString();
          });
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
        })
          .on('error', reject)
          .end();
      });
    }

    test('for who shows the token, with a certificate that can be checked and stays', async () => {
      const token = readFileSync(server.token, 'utf8').trim();
      expect(await get('/metrics', token)).toStrictEqual({ status: 200, text: 'numbers\n' });
      expect((await get('/metrics')).status).toBe(401);
      expect((await get('/metrics', 'wrong')).status).toBe(401);
      expect((await get('/', token)).status).toBe(404);
      const before = readFileSync(server.certificate, 'utf8');
      await server.close();
      server = await serveMetrics({ port: 0, places: home.places, clock: systemClock, text: () => '' });
      expect(readFileSync(server.certificate, 'utf8')).toBe(before);
      expect((await get('/metrics', token)).status).toBe(200);
    });

    test('with a certificate that is renewed while it runs', async () => {
      await server.close();
      const clock = new ManualClock(systemClock.now());
      server = await serveMetrics({ port: 0, places: home.places, clock, text: () => 'numbers\n' });
      const before = readFileSync(server.certificate, 'utf8');
      clock.advance(100 * 86_400_000);
      await settled();
      expect(readFileSync(server.certificate, 'utf8')).toBe(before);
      clock.advance(250 * 86_400_000);
      // It is that of a day to come: the new one is what clients get.
      const token = readFileSync(server.token, 'utf8').trim();
      const code = (): Promise<unknown> =>
        get('/metrics', token).then(
          () => 'none',
          (error: NodeJS.ErrnoException) => error.code,
        );
      await expect.poll(code, { timeout: 4_000 }).toBe('CERT_NOT_YET_VALID');
    });

    test('says so where the port is taken', async () => {
      const other = serveMetrics({
        port: server.port,
        places: home.places,
        clock: systemClock,
        text: () => '',
      });
      await expect(other).rejects.toMatchObject({ code: 'metrics-port' });
    });
  });
});
