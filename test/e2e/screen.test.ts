/** The screen of the built program in a real terminal, on the embedded server. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import widthOf from 'string-width';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { openIndependently } from '../support/independent-open.ts';
import { Terminal, describeTerminal } from '../terminal.ts';
import { MAIN, Machine } from './harness.ts';

describeTerminal('sync DIR on a terminal', () => {
  let server: EmbeddedServer;
  let folder: string;
  let machine: Machine;
  let terminal: Terminal;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-screen-'));
    server = await startEmbedded({});
    server.createBucket('screen-bucket');
    writeFileSync(join(folder, 'ca.pem'), server.caPem);
  });
  afterEach(() => {
    terminal.close();
    machine.remove();
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function start(columns: number, rows: number, prefix: string): void {
    machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    machine.write('notes/meeting.md', 'minutes');
    machine.write('odd\n\u001b[31mname.txt', 'x');
    const assignments = Object.entries(machine.env()).map(([name, value]) => `${name}='${value ?? ''}'`);
    const args = [
      'sync',
      machine.root,
      '--to',
      `s3://screen-bucket/${prefix}`,
      ...machine.keyArgs,
      ...machine.remoteArgs,
    ];
    const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`);
    const script = join(machine.home, 'start.sh');
    writeFileSync(
      script,
      `env -i TERM="$TERM" LANG=C.UTF-8 ${assignments.join(' ')} ${words.join(' ')}\necho "exit $?"\n`,
    );
    terminal = new Terminal(columns, rows);
    terminal.run(`clear; echo before; sh ${script}`);
  }

  const stored = (key: string): string => {
    const object = server.object('screen-bucket', key);
    return object === undefined
      ? ''
      : openIndependently(machine.key, object.metadata, Buffer.from(object.body)).toString();
  };

  test('shows what arrives, pauses, goes on, resizes, and leaves the terminal as it was', async () => {
    start(80, 24, 'a');
    const first = await terminal.shows(/✓ in step/);
    expect(terminal.alternate).toBe(true);
    expect(first).toMatch(/▶ .*→ {2}s3:\/\/screen-bucket\/a\//);
    expect(first).toMatch(/✓ notes\/meeting\.md +7 B {2}sealed, V3, [0-9a-f]{4}/);
    expect(first).toContain('odd\\n\\e[31mname.txt');
    expect(
      first
        .split('\n')
        .filter((line) => line !== '')
        .every((line) => widthOf(line) <= 80),
    ).toBe(true);

    machine.write('later.txt', 'a new file');
    await terminal.shows(/✓ later\.txt/);
    expect(stored('a/later.txt')).toBe('a new file');

    terminal.press('p');
    await terminal.shows(/‖ paused/);
    appendFileSync(join(machine.root, 'later.txt'), ', changed');
    terminal.resize(200, 50);
    await terminal.shows((screen) => screen.split('\n').some((line) => widthOf(line) > 150));
    expect(stored('a/later.txt')).toBe('a new file');
    terminal.press('p');
    await terminal.shows(/✓ in step/);
    await terminal.shows(() => stored('a/later.txt') === 'a new file, changed');

    terminal.resize(80, 24);
    terminal.press('?');
    await terminal.shows(/KEYS/);
    terminal.press('Escape');
    await terminal.shows(/LAST/);
    terminal.press('P');
    await terminal.shows(/PROBLEMS +none/);
    terminal.press('q');
    const after = await terminal.shows(/exit 0/);
    expect(terminal.alternate).toBe(false);
    expect(terminal.cursorShown).toBe(true);
    expect(after).toMatch(/before/);
    expect(after).not.toMatch(/TRANSFERS/);
  }, 60_000);

  test('puts the terminal back when it is killed softly, and says what went wrong when it ends by itself', async () => {
    start(80, 24, 'b');
    await terminal.shows(/✓ in step/);
    // The same folder from a second process: refused, in words, with the exit code of the contract.
    const second = await machine.run(['sync', machine.root, '--once']);
    expect(second.code).toBe(7);
    terminal.press('C-c');
    await terminal.shows(/exit 0/);
    expect(terminal.alternate).toBe(false);
    expect(terminal.cursorShown).toBe(true);
  }, 60_000);
});
