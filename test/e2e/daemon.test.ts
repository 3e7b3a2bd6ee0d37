/** The daemon of the built program, on the embedded server. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type DaemonClient, connectDaemon } from '../../src/daemon/client.ts';
import { places } from '../../src/config.ts';
import type { Asked } from '../../src/daemon/protocol.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import type { Command } from '../../src/model/command.ts';
import type { Event } from '../../src/model/event.ts';
import type { ConsentReason } from '../../src/model/plan.ts';
import { NotifySocket, describeNotify } from '../daemon/notify-socket.ts';
import { openIndependently } from '../support/independent-open.ts';
import { Terminal, describeTerminal } from '../terminal.ts';
import { MAIN, Machine, type Started } from './harness.ts';

const BUCKET = 'daemon-bucket';
const MIB = 2 ** 20;

let server: EmbeddedServer;
let folder: string;
let machine: Machine;
const clients: DaemonClient[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-daemon-e2e-'));
  server = await startEmbedded({});
  server.createBucket(BUCKET);
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
});
beforeEach(() => {
  machine = new Machine({
    endpoint: server.url,
    caFile: join(folder, 'ca.pem'),
    ...server.credentials,
    region: server.region,
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await machine.run(['daemon', 'stop']);
  machine.remove();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const where = (): ReturnType<typeof places> => places({ S3VAULT_HOME: join(machine.home, 's3vault') });

/** A second folder of the same user, beside `machine.root`. */
function otherRoot(): string {
  const root = join(machine.home, 'other');
  mkdirSync(root, { recursive: true });
  return root;
}

async function register(root: string, prefix: string, ...more: readonly string[]): Promise<void> {
  const to = ['--to', `s3://${BUCKET}/${prefix}`, ...machine.keyArgs, ...machine.remoteArgs, ...more];
  const ended = await machine.run(['sync', root, '--once', ...to]);
  expect(ended.stderr).not.toMatch(/^!/m);
  expect(ended.code).toBe(0);
}

/** `daemon run`, ready. */
async function runDaemon(env: NodeJS.ProcessEnv = {}, ...args: readonly string[]): Promise<Started> {
  const started = machine.start(['daemon', 'run', ...args], { env });
  await logged(started, /"state":"ready"/);
  return started;
}

/** Resolves when the log holds it; rejects when the program ends first. */
async function logged(started: Started, pattern: RegExp): Promise<string> {
  let log = '';
  return new Promise((resolve, reject) => {
    started.child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (pattern.test(log)) resolve(log);
    });
    void started.ended.then(({ stderr }) =>
      reject(new Error(`it ended without ${String(pattern)}\n${stderr}`)),
    );
  });
}

async function watching(): Promise<DaemonClient> {
  const client = await connectDaemon(where());
  if (client === undefined) throw new Error('no daemon runs');
  clients.push(client);
  await client.watch();
  return client;
}

/** Resolves with the first event that fits, now on; at once where `already` holds. */
function event(
  client: DaemonClient,
  root: string,
  fits: (event: Event) => boolean,
  already = false,
): Promise<void> {
  const remote = client.vaults.find(({ vault }) => vault.root === root);
  if (remote === undefined) throw new Error(`the daemon has no ${root}`);
  return new Promise((resolve) => {
    if (already && remote.snapshot().state === 'idle') return resolve();
    const off = remote.subscribe((one) => {
      if (!fits(one)) return;
      off();
      resolve();
    });
  });
}

const inStep = (client: DaemonClient, root: string): Promise<void> =>
  event(client, root, (one) => one.event === 'idle', true);

const stored = (key: string): string => {
  const object = server.object(BUCKET, key);
  return object === undefined
    ? ''
    : openIndependently(machine.key, object.metadata, Buffer.from(object.body)).toString('latin1');
};

test('starts, takes files, is killed, starts again and converges; a second one is refused', async () => {
  machine.write('first.txt', 'first');
  await register(machine.root, 'a/');
  const started = await machine.run(['daemon', 'start']);
  expect(started).toMatchObject({ code: 0, stderr: '' });
  expect(started.stdout).toMatch(/^the daemon runs: process \d+, log .*daemon\.log\n/);
  const client = await watching();
  await inStep(client, machine.root);
  const sent = event(
    client,
    machine.root,
    (one) => one.event === 'transfer.done' && one.path === 'second.txt',
  );
  machine.write('second.txt', 'second');
  await sent;
  expect(stored('a/second.txt')).toBe('second');

  const status = JSON.parse((await machine.run(['status', '--json'])).stdout) as Record<string, unknown>;
  expect(status).toMatchObject({ root: machine.root, files: 2, daemon: client.facts.pid, phase: 'running' });
  const second = await machine.run(['daemon', 'run']);
  expect(second.code).toBe(7);
  expect(second.stderr).toMatch(/a daemon runs already: process \d+/);
  expect((await machine.run(['daemon', 'start'])).code).toBe(7);

  process.kill(client.facts.pid, 'SIGKILL');
  await client.closed;
  expect((await machine.run(['daemon', 'status'])).stdout).toMatch(/^no daemon runs/);
  expect(JSON.parse((await machine.run(['status', '--json'])).stdout)).toMatchObject({
    daemon: null,
    files: 2,
  });
  machine.write('third.txt', 'third');
  writeFileSync(join(machine.root, 'second.txt'), 'changed meanwhile');
  expect((await machine.run(['daemon', 'start'])).code).toBe(0);
  const again = await watching();
  const once = await machine.run(['sync', machine.root, '--once', '--json']);
  expect(once.code).toBe(0);
  expect(once.stderr).toBe(`the daemon (process ${again.facts.pid}) holds this vault and does the sync\n`);
  expect(once.lines.at(-1)).toMatchObject({ event: 'summary', exit: 0, failed: 0 });
  expect(stored('a/third.txt')).toBe('third');
  expect(stored('a/second.txt')).toBe('changed meanwhile');

  const ended = await machine.run(['daemon', 'stop']);
  expect(ended.stdout).toBe(`the daemon (process ${again.facts.pid}) has ended\n`);
  expect((await machine.run(['daemon', 'stop'])).stdout).toBe('no daemon runs\n');
}, 120_000);

test('sends nothing from outside a folder, whatever the socket says; removals that were declined are not in step', async () => {
  machine.write('.s3vaultignore', '*.tmp\n');
  for (const name of ['a', 'b', 'c', 'd']) machine.write(name, name);
  const secret = join(machine.root, '..', 'secret');
  writeFileSync(secret, 'not yours');
  await register(machine.root, 'out/', '--delete');
  await runDaemon();
  const client = await watching();
  await inStep(client, machine.root);
  const id = client.vaults[0]?.vault.id ?? '';
  const say = (command: Command): Promise<unknown> =>
    client.ask({ do: 'command', vault: id, command } as Asked);
  for (const path of [
    '../secret',
    'x/../../secret',
    '/../secret',
    '',
    '.',
    '.s3vault/marker',
    'x'.repeat(9_000),
  ]) {
    for (const command of [
      { command: 'retry', paths: [path] },
      { command: 'first', path },
      { command: 'skip', path },
    ] as const)
      await expect(say(command)).rejects.toMatchObject({ kind: 'usage', code: 'bad-path' });
  }
  await expect(say({ command: 'consent', yes: false, question: 1 })).rejects.toMatchObject({
    message: 'that question is no longer open',
  });
  const asked = event(client, machine.root, (one) => one.event === 'consent');
  for (const name of ['a', 'b', 'c']) rmSync(join(machine.root, name));
  await asked;
  const consent = (): ConsentReason | null | undefined => client.vaults[0]?.snapshot().consent;
  const question = (): number => {
    const reason = consent();
    return reason?.kind === 'many-removals' ? (reason.question ?? 0) : 0;
  };
  await expect(say({ command: 'consent', yes: false, question: question() + 1 })).rejects.toMatchObject({
    code: 'plan-changed',
  });
  // Those that came while it was asked are part of the question that is open then, or of a further one.
  const declined = event(client, machine.root, (one) => one.event === 'idle' && one.short !== undefined);
  const end = { over: false };
  void declined.then(() => (end.over = true));
  while (!end.over) {
    if (consent() === null) await client.status();
    else await say({ command: 'consent', yes: false, question: question() }).catch(() => undefined);
  }
  const { stdout } = await machine.run(['status', machine.root]);
  expect(stdout).toMatch(/in step but for 1 problem\n.*! not in step: \d removals? held back\n/);
  const { stdout: json } = await machine.run(['status', machine.root, '--json']);
  expect(JSON.parse(json)).toMatchObject({ state: 'idle', inStep: false, problems: 1, short: { exit: 5 } });
  expect([...server.keys(BUCKET)].filter((key) => key.includes('secret'))).toEqual([]);
});

test('says why it does not start', async () => {
  mkdirSync(join(machine.home, 's3vault', 'config'), { recursive: true, mode: 0o700 });
  writeFileSync(join(machine.home, 's3vault', 'config', 'config.json'), '{', { mode: 0o600 });
  const started = await machine.run(['daemon', 'start']);
  expect(started.code).toBe(2);
  expect(started.stderr).toMatch(/config\.json is not JSON\n {2}mend it.*its log: .*daemon\.log\n$/);
  const url = await machine.run(['daemon', 'start', '--heartbeat-url', 'http://x']);
  expect(url).toMatchObject({ code: 2, stderr: expect.stringContaining('must begin with https://') });
});

describe('commands that need the vault', () => {
  test('have the daemon let go of it, and it goes on under what holds then', async () => {
    machine.write('a.txt', 'a');
    await register(machine.root, 'r/');
    const daemon = await runDaemon();
    const client = await watching();
    const forced = await machine.run(['sync', machine.root, '--once', '--check-remote']);
    expect(forced).toMatchObject({ code: 0, stderr: expect.stringContaining('lets go of it meanwhile') });
    const rekeyed = await machine.run(['rekey', machine.root, '--to-mode', 'sse-s3', '--yes', '--json']);
    expect(rekeyed.code).toBe(0);
    const mode = (): string | undefined => client.vaults[0]?.vault.mode.kind;
    while (mode() !== 'sse-s3') await client.status();
    await inStep(client, machine.root);
    machine.write('b.txt', 'plainly');
    const through = await machine.run(['sync', machine.root, '--once']);
    expect(through.code).toBe(0);
    expect(Buffer.from(server.object(BUCKET, 'r/b.txt')?.body ?? []).toString()).toBe('plainly');
    expect((await machine.run(['forget', machine.root])).code).toBe(0);
    expect((await client.status()).vaults).toStrictEqual([]);
    daemon.kill('SIGTERM');
    expect((await daemon.ended).code).toBe(0);
  }, 120_000);

  test('locked, it holds no vault; unlocked, it goes on', async () => {
    machine.write('a.txt', 'a');
    await register(machine.root, 'l/');
    await runDaemon();
    expect((await machine.run(['daemon', 'lock'])).code).toBe(0);
    const status = await machine.run(['status']);
    expect(status.stdout).toMatch(/needs you.*\n.*locked: its key is out of memory/);
    const unlocked = await machine.run(['daemon', 'unlock']);
    expect(unlocked).toMatchObject({ code: 0, stderr: '' });
    await inStep(await watching(), machine.root);
  }, 60_000);
});

describe('a large file under way', () => {
  /** Parts trickle until they may go, so that the transfer stays in flight. */
  async function largeUpload(
    prefix: string,
  ): Promise<{ client: DaemonClient; daemon: Started; go: () => void }> {
    await register(machine.root, prefix);
    const slow = server.faults.add({
      match: ({ operation, key }) => operation === 'UploadPart' && key.startsWith(prefix),
      fault: { kind: 'slow-body' },
    });
    const daemon = await runDaemon();
    const client = await watching();
    await inStep(client, machine.root);
    const begun = event(client, machine.root, (one) => one.event === 'transfer.start');
    machine.write('large.bin', randomBytes(40 * MIB));
    await begun;
    // Only then is there something to journal.
    while (slow.hits === 0) await client.status();
    return { client, daemon, go: () => slow.remove() };
  }

  test('is not touched by a reload that adds a vault', async () => {
    const { client, daemon, go } = await largeUpload('h/');
    const root = otherRoot();
    writeFileSync(join(root, 'small.txt'), 'small');
    // As an editor would change it: nobody but the signal tells the daemon.
    const file = join(machine.home, 's3vault', 'config', 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { vaults: { remote: object }[] };
    const [first] = config.vaults;
    config.vaults.push({
      ...first,
      id: '11111111-1111-4111-8111-111111111111',
      root,
      remote: { ...first?.remote, prefix: 'h2/' },
    } as never);
    writeFileSync(file, JSON.stringify(config));
    const { promise: added, resolve } = Promise.withResolvers<void>();
    client.onChange(() => client.vaults.length === 2 && resolve());
    daemon.kill('SIGHUP');
    await added;
    await inStep(client, root);
    expect(stored('h2/small.txt')).toBe('small');
    expect(client.vaults[0]?.snapshot().active.size).toBe(1);
    const done = event(client, machine.root, (one) => one.event === 'transfer.done');
    go();
    await done;
    expect(server.object(BUCKET, 'h/large.bin')).toBeDefined();
  }, 120_000);

  test('goes to its end where its own vault is changed, which holds afterwards', async () => {
    const { client, daemon, go } = await largeUpload('g/');
    const file = join(machine.home, 's3vault', 'config', 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { vaults: { rules: object }[] };
    const [first] = config.vaults;
    writeFileSync(
      file,
      JSON.stringify({ ...config, vaults: [{ ...first, rules: { ...first?.rules, transfers: 3 } }] }),
    );
    const phase = async (): Promise<string | undefined> => (await client.status()).vaults[0]?.phase;
    daemon.kill('SIGHUP');
    while ((await phase()) !== 'closing') await client.status();
    expect(client.vaults[0]?.snapshot().active.size).toBe(1);
    const done = event(client, machine.root, (one) => one.event === 'transfer.done');
    const again = event(client, machine.root, (one) => one.event === 'state' && one.state === 'starting');
    go();
    await done;
    await again;
    await inStep(client, machine.root);
    expect(client.vaults[0]?.vault.rules).toMatchObject({ transfers: 3 });
    expect(stored('g/large.bin')).toBe(readFileSync(join(machine.root, 'large.bin')).toString('latin1'));
    expect(server.pendingUploads(BUCKET)).not.toContain('g/large.bin');
  }, 120_000);

  test('is journaled within ten seconds of SIGTERM, and goes on at the next start', async () => {
    const { daemon, go } = await largeUpload('t/');
    daemon.kill('SIGTERM');
    const { code, stderr } = await daemon.ended;
    go();
    expect({ code, said: stderr.includes('"state":"stopped"') }).toStrictEqual({ code: 0, said: true });
    expect(JSON.parse((await machine.run(['status', '--json'])).stdout)).toMatchObject({
      unfinished: 1,
      daemon: null,
    });
    expect(server.pendingUploads(BUCKET)).toContain('t/large.bin');
    await runDaemon();
    await inStep(await watching(), machine.root);
    expect(stored('t/large.bin')).toBe(readFileSync(join(machine.root, 'large.bin')).toString('latin1'));
    expect(server.pendingUploads(BUCKET)).not.toContain('t/large.bin');
  }, 120_000);
});

describeNotify('systemd', () => {
  test('hears of readiness, status, life, reload and end', async () => {
    machine.write('a.txt', 'a');
    await register(machine.root, 'n/');
    const socket = await NotifySocket.open(join(machine.home, 'notify'));
    try {
      const env = { NOTIFY_SOCKET: join(machine.home, 'notify'), WATCHDOG_USEC: '400000' };
      const daemon = await runDaemon(env);
      const has = (line: string) => (all: readonly (readonly string[])[]) =>
        all.some((one) => one.includes(line));
      await socket.until(has('READY=1'));
      await socket.until(has('STATUS=1 in step'));
      await socket.until(has('WATCHDOG=1'));
      daemon.kill('SIGHUP');
      const all = await socket.until(has('RELOADING=1'));
      expect(all.find((one) => one[0] === 'RELOADING=1')?.[1]).toMatch(/^MONOTONIC_USEC=\d+$/);
      const reloads = all.length;
      await socket.until((now) => now.slice(reloads).some((one) => one.includes('READY=1')));
      daemon.kill('SIGTERM');
      expect((await daemon.ended).code).toBe(0);
      await socket.until(has('STOPPING=1'));
      expect(JSON.stringify(socket.all)).not.toContain(machine.key.toString('base64'));
    } finally {
      socket.close();
    }
  }, 60_000);
});

describeTerminal('attach', () => {
  test('from two terminals at once shows the same, and leaving stops nothing', async () => {
    machine.write('notes.md', 'minutes');
    await register(machine.root, 's/');
    const daemon = await runDaemon();
    await inStep(await watching(), machine.root);
    const assignments = Object.entries(machine.env()).map(([name, value]) => `${name}='${value ?? ''}'`);
    const script = join(machine.home, 'attach.sh');
    writeFileSync(
      script,
      `env -i TERM="$TERM" LANG=C.UTF-8 ${assignments.join(' ')} '${process.execPath}' '${MAIN}' attach\necho "exit $?"\n`,
    );
    const terminals = [new Terminal(80, 24), new Terminal(120, 40)];
    const [first, second] = terminals;
    if (first === undefined || second === undefined) throw new Error('no terminals');
    try {
      for (const terminal of terminals) terminal.run(`clear; sh ${script}`);
      for (const terminal of terminals) await terminal.shows(/✓ in step/);
      machine.write('later.txt', 'a new file');
      for (const terminal of terminals) await terminal.shows(/✓ later\.txt/);
      first.press('p');
      for (const terminal of terminals) await terminal.shows(/‖ paused/);
      second.press('p');
      for (const terminal of terminals) await terminal.shows(/✓ in step/);
      first.press('q');
      await first.shows(/exit 0/);
      machine.write('last.txt', 'last');
      await second.shows(/✓ last\.txt/);
      daemon.kill('SIGTERM');
      await second.shows(/… waiting for a daemon[^]*The daemon \(process \d+\) has ended[^]*q leave/);
      expect((await daemon.ended).code).toBe(0);
      expect(second.alternate).toBe(true);
      // The screen comes back with the next one, and knows what has happened since.
      machine.write('meanwhile.txt', 'x');
      const next = await runDaemon();
      await second.shows(/✓ in step[^]*✓ meanwhile\.txt/);
      next.kill('SIGTERM');
      await second.shows(/waiting for a daemon/);
      expect((await next.ended).code).toBe(0);
      second.press('C-c');
      await second.shows(/exit 0/);
      // As before, with nothing of the screen left on it.
      expect([second.alternate, second.cursorShown, second.wraps]).toStrictEqual([false, true, true]);
      expect(second.screen()).not.toMatch(/waiting|s3vault {2}/);
    } finally {
      for (const terminal of terminals) terminal.close();
    }
  }, 90_000);
});
