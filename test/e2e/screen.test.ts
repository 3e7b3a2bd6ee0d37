/** The screen of the built program in a real terminal, on the embedded server and on Ceph RGW. */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import widthOf from 'string-width';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { BINDINGS, type Order } from '../../src/tui/keys.ts';
import { describeRgw, rgw } from '../rgw.ts';
import { openIndependently } from '../support/independent-open.ts';
import { Terminal, describeTerminal } from '../terminal.ts';
import { expectGolden } from './golden.ts';
import { type Endpoint, MAIN, Machine } from './harness.ts';

/** How tmux calls the keys of the bindings table. */
const TMUX: { readonly [key: string]: string } = {
  return: 'Enter',
  escape: 'Escape',
  down: 'Down',
  backspace: 'BSpace',
  '/': '/',
};
const keyOf = (order: Order): string => {
  const key = BINDINGS.find((binding) => binding.order === order)?.keys[0] ?? '';
  return TMUX[key] ?? key;
};

interface Store {
  readonly endpoint: Endpoint;
  readonly bucket: string;
}

/** As long as the names of the real store's buckets: the screen is laid out the same. */
const BUCKET = 'screen-0123456';

/** Conjuncts, vowels of their own, what is not to be seen, many marks, syllables of letters. */
const ODD = [
  'नमस्ते क्षत्रिय.txt',
  'กำแพง.txt',
  'a\ufff9b\ufffbc.txt',
  'd\u115fe\u3164f.txt',
  '\ufdfd.txt',
  `z${'\u0301'.repeat(30)}.txt`,
  '\u1100\u1161\u11a8.txt',
  '漢字.txt',
];
/** As tmux counts them: each code point by itself, but for syllables of Hangul letters. */
const cells = (line: string): number =>
  Array.from(line.replaceAll(/[\u1160-\u11ff]/g, '')).reduce((sum, char) => sum + widthOf(char), 0);

let machine: Machine;
let terminal: Terminal;

/** Opens a terminal with the program on it. */
function start(
  store: Store,
  columns: number,
  rows: number,
  prefix: string,
  more: Readonly<Record<string, string>> = {},
  ...flags: readonly string[]
): void {
  machine = new Machine(store.endpoint);
  for (const [path, text] of Object.entries(more)) machine.write(path, text);
  machine.write('notes/meeting.md', 'minutes');
  machine.write('odd\n\u001b[31mname.txt', 'x');
  const to = ['--to', `s3://${store.bucket}/${prefix}`];
  // One at a time, so that what is shown comes in one order.
  const args = ['sync', machine.root, ...to, ...machine.keyArgs, ...machine.remoteArgs, '--transfers', '1'];
  terminal = new Terminal(columns, rows);
  types([...args, ...flags]);
}

/** Runs the program on the terminal, in the machine's environment. */
function types(args: readonly string[]): void {
  const assignments = Object.entries(machine.env()).map(([name, value]) => `${name}='${value ?? ''}'`);
  const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`);
  const script = join(machine.home, 'start.sh');
  writeFileSync(
    script,
    `env -i TERM="$TERM" LANG=C.UTF-8 ${assignments.join(' ')} ${words.join(' ')}\necho "exit $?"\n`,
  );
  terminal.run(`clear; echo before; sh ${script}`);
}

/** Plaintext of what is stored, by code of its own; empty where there is nothing. */
async function stored({ endpoint, bucket }: Store, key: string): Promise<string> {
  const { accessKeyId, secretAccessKey, region } = endpoint;
  const client = new S3Client({
    endpoint: endpoint.endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestHandler: { httpsAgent: new Agent({ ca: readFileSync(endpoint.caFile) }) },
  });
  try {
    const { Metadata = {}, Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    return openIndependently(machine.key, Metadata, bytes).toString();
  } catch (thrown) {
    if ((thrown as Error).name === 'NoSuchKey') return '';
    throw thrown;
  } finally {
    client.destroy();
  }
}

async function becomes(store: Store, key: string, text: string): Promise<void> {
  const started = performance.now();
  let screen = '';
  while (performance.now() - started < 30_000) {
    if ((await stored(store, key)) === text) return;
    // The screen is asked in between: what is waited for is the program.
    screen = await terminal.shows(/s3vault/);
  }
  expect(await stored(store, key), screen).toBe(text);
}

const fits = (columns: number) => (screen: string) =>
  screen.split('\n').every((line) => widthOf(line) <= columns);

function screenSuite(storeOf: () => Store, name: string): void {
  afterEach(() => {
    terminal.close();
    machine.remove();
  });

  /** The screen that fits, as it was kept. */
  async function golden(view: string, fits: RegExp | ((screen: string) => boolean)): Promise<string> {
    const screen = await terminal.shows(fits);
    await expectGolden(`screen-${view}`, terminal, { [storeOf().bucket]: 'bucket' });
    return screen;
  }

  /** While the engine of the same process holds the vault. */
  async function browses(): Promise<void> {
    terminal.press(keyOf('browse'));
    await golden('browse', /BROWSE +1 of 3 *\n[^]*later\.txt +19 B[^]*notes\//);
    terminal.press(keyOf('open'));
    await terminal.shows(/VERSIONS {2}later\.txt[^]*19 B +current/);
    terminal.press(keyOf('back'));
    await terminal.shows(/▶ later/);
    terminal.press(keyOf('down'));
    await terminal.shows(/▶ notes\//);
    terminal.press(keyOf('restore'));
    await terminal.shows(/restore into: ~\/restored-notes/);
    terminal.press('Enter');
    await terminal.shows(/✓ 1 file restored into/);
    const back = join(machine.home, 'restored-notes', 'notes', 'meeting.md');
    expect(readFileSync(back, 'utf8')).toBe('minutes');
    terminal.press(keyOf('folder-up'));
    await terminal.shows(/LAST/);
  }

  async function visitsKeys(): Promise<void> {
    terminal.press(keyOf('keys'));
    await golden('keys', /s3vault › keys[^]*laptop/);
    terminal.press('Escape');
    await terminal.shows(/LAST/);
  }

  test('shows what arrives, pauses, goes on, opens every view, resizes, and leaves the terminal as it was', async () => {
    const store = storeOf();
    start(store, 80, 24, 'a');
    const first = await golden('dashboard', /✓ in step[^]*✓ odd[^]*POSTURE/);
    expect(terminal.alternate).toBe(true);
    expect(fits(80)(first)).toBe(true);

    machine.write('later.txt', 'a new file');
    await terminal.shows(/✓ later\.txt/);
    expect(await stored(store, 'a/later.txt')).toBe('a new file');

    terminal.press(keyOf('pause'));
    await terminal.shows(/‖ paused/);
    appendFileSync(join(machine.root, 'later.txt'), ', changed');
    terminal.press(keyOf('queue'));
    await golden('queue', /QUEUE +1 of 1[^]*↑? ?later\.txt/);
    terminal.press(keyOf('back'));
    terminal.resize(200, 50);
    await golden(
      'wide',
      (screen) => /‖ paused/.test(screen) && screen.split('\n').some((l) => widthOf(l) > 150),
    );
    expect(await stored(store, 'a/later.txt')).toBe('a new file');
    terminal.press(keyOf('pause'));
    await terminal.shows(/✓ in step/);
    await becomes(store, 'a/later.txt', 'a new file, changed');

    terminal.resize(80, 24);
    await terminal.shows(fits(80));
    for (const [order, shows] of [
      ['activity', /ACTIVITY +1 of 4/],
      ['problems', /PROBLEMS +none/],
      ['plan', /PLAN/],
      ['settings', /transfers at a time +1/],
      ['help', /KEYS/],
    ] as const) {
      terminal.press(keyOf(order));
      await golden(order, shows);
    }
    terminal.press(keyOf('back'));
    await terminal.shows(/LAST/);
    await browses();
    await visitsKeys();
    terminal.press(keyOf('quit'));
    const after = await terminal.shows(/exit 0/);
    expect(terminal.alternate).toBe(false);
    expect(terminal.cursorShown).toBe(true);
    expect(after).toMatch(/before/);
    expect(after).not.toMatch(/TRANSFERS/);
  }, 120_000);

  if (name !== 'embedded') return;

  test('a setting that is changed is remembered', async () => {
    start(storeOf(), 80, 24, 'c');
    // Keys that come before there is a screen must not shift it.
    for (let n = 0; n < 20; n++) terminal.press('z');
    expect((await terminal.shows(/✓ in step/)).split('\n')[0]).toMatch(/^ s3vault +1 vault/);
    terminal.press(keyOf('settings'));
    await terminal.shows(/removals +only reported/);
    for (let n = 0; n < 3; n++) terminal.press(keyOf('down'));
    await terminal.shows(/▶ removals/);
    terminal.press(keyOf('change'));
    await terminal.shows(/remove in the bucket what is removed here\?/);
    terminal.press('y');
    await terminal.shows(/removals +let through[^]*saved/);
    terminal.press(keyOf('quit'));
    await terminal.shows(/exit 0/);
    const config = readFileSync(join(machine.home, 's3vault', 'config', 'config.json'), 'utf8');
    expect(JSON.parse(config)).toMatchObject({ vaults: [{ rules: { removals: true, transfers: 1 } }] });
  }, 60_000);

  test('a conflict is settled: the copy of this machine takes the name, and is sent', async () => {
    const store = storeOf();
    const copy = 'notes/meeting (conflict laptop 2026-11-24 12-04-29).md';
    start(store, 80, 24, 'd', { [copy]: 'other minutes' });
    await terminal.shows(/✓ in step/);
    terminal.press(keyOf('conflicts'));
    const conflict = /CONFLICTS +1 of 1[^]*mine: what laptop had[^]*13 B[^]*7 B/;
    await golden('conflicts', conflict);
    terminal.resize(200, 50);
    await golden('conflicts-wide', conflict);
    terminal.resize(80, 24);
    await terminal.shows(fits(80));
    terminal.press(keyOf('keep-mine'));
    await terminal.shows(/Replace meeting\.md by the copy of laptop\?/);
    terminal.press('y');
    await terminal.shows(/the copy has the name/);
    await terminal.shows(/CONFLICTS +none/);
    expect(readFileSync(join(machine.root, 'notes/meeting.md'), 'utf8')).toBe('other minutes');
    await becomes(store, 'd/notes/meeting.md', 'other minutes');
    terminal.press(keyOf('quit'));
    await terminal.shows(/exit 0/);
  }, 60_000);

  test('says what it asks, what it waits for, and why it needs somebody', async () => {
    const server = await startEmbedded({});
    server.createBucket(BUCKET);
    const { url: endpoint, credentials, region } = server;
    const { caFile } = storeOf().endpoint;
    writeFileSync(`${caFile}.e`, server.caPem);
    const store = { endpoint: { endpoint, caFile: `${caFile}.e`, ...credentials, region }, bucket: BUCKET };
    const scans = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`scans/page-${n}.txt`, 'page']));
    start(store, 80, 24, 'e', scans, '--delete');
    await terminal.shows(/✓ in step/);
    terminal.press(keyOf('quit'));
    await terminal.shows(/exit 0/);
    rmSync(join(machine.root, 'scans'), { recursive: true });
    const again = ['sync', machine.root];
    types(again);
    await golden('removals', /needs you: 9 removals to confirm[^]*Remove 9 of 11 files/);
    terminal.press(keyOf('plan'));
    await golden('removals-plan', /REMOVALS +1 of 9/);
    terminal.resize(200, 50);
    await golden('removals-plan-wide', (screen) => /REMOVALS +1 of 9/.test(screen) && !fits(150)(screen));
    terminal.press(keyOf('back'));
    await golden('removals-wide', /TRANSFERS[^]*Remove 9 of 11 files/);
    terminal.resize(80, 24);
    await terminal.shows(fits(80));
    terminal.press(keyOf('no'));
    await terminal.shows(/in step/);
    terminal.press(keyOf('quit'));
    await terminal.shows(/exit \d/);
    const { stdout } = await machine.run(['status']);
    expect(stdout).toContain('! 9 removals were not done: you said no\n    nothing removes them before you');
    const json = (await machine.run(['status', '--json'])).stdout;
    expect(JSON.parse(json)).toMatchObject({ daemon: null, declined: 9 });

    await server.close();
    types(again);
    await golden('offline', /… offline, trying again/);
    terminal.resize(200, 50);
    await golden('offline-wide', (screen) => /… offline/.test(screen) && !fits(150)(screen));
    terminal.press(keyOf('quit'));
    await terminal.shows(/exit \d/);

    terminal.resize(80, 24);
    rmSync(join(machine.root, '.s3vault'), { recursive: true });
    types([]);
    // How much of a sentence that begins with the folder's path fits into 80 columns hangs on the machine.
    await terminal.shows(/! needs you +\/[^\n]*: the folder lost/);
    terminal.resize(200, 50);
    await golden('needs-you-wide', (screen) => /! needs you/.test(screen) && !fits(150)(screen));
    terminal.press(keyOf('problems'));
    await terminal.shows(/PROBLEMS +1 of 1[^]*marker-missing[^]*\n → nothing was sent or removed/);
    terminal.press(keyOf('quit'));
    await terminal.shows(/exit/);
  }, 120_000);

  test('a restore that it was left from has a last word, and goes on by the command in it', async () => {
    const slow = ['--limit-download', '1M'];
    start(storeOf(), 200, 24, 'r', { 'a/first': 'first', 'a/large': 'x'.repeat(60_000_000) }, ...slow);
    await terminal.shows(/✓ in step/);
    terminal.press(keyOf('browse'));
    await terminal.shows(/▶ a\//);
    terminal.press(keyOf('restore'));
    await terminal.shows(/restore into: ~\/restored-a/);
    terminal.press('Enter');
    await terminal.shows(/RESTORE [^\n]* 1 of 2 files/);
    terminal.press(keyOf('quit'));
    const said = await terminal.shows(/exit 130/);
    expect(terminal.alternate).toBe(false);
    expect(said).toMatch(/! the restore was broken off: 1 file restored into \/\S+\/restored-a, 5 B so far/);
    const command = /goes on from there: s3vault (restore .*)/.exec(said)?.[1] ?? '';
    const out = join(machine.home, 'restored-a');
    expect(command.trim()).toBe(`restore a --from ${machine.root} --out ${out}`);
    const before = statSync(join(out, 'a', 'first')).ino;
    const ended = await machine.run([
      ...command.trim().split(' '),
      '--limit-download',
      '1G',
      ...machine.keyArgs.slice(2),
    ]);
    expect(ended.code).toBe(0);
    expect(statSync(join(out, 'a', 'first')).ino).toBe(before);
    expect(statSync(join(out, 'a', 'large')).size).toBe(60_000_000);
  }, 60_000);

  test('names of any script stay in their lines; a soft kill puts the terminal back', async () => {
    start(storeOf(), 80, 24, 'b', Object.fromEntries(ODD.map((odd) => [odd, 'x'])));
    await terminal.shows(/✓ in step/);
    expect(terminal.wraps).toBe(false);
    terminal.press(keyOf('activity'));
    for (let at = 1; at <= ODD.length + 2; at++) {
      const screen = await terminal.shows(new RegExp(`ACTIVITY +${at} of ${ODD.length + 2}`));
      const lines = screen.split('\n');
      expect(lines[0]).toMatch(/^ s3vault +1 vault/);
      expect(lines[1]).toBe('─'.repeat(80));
      expect(lines[22]).toBe('─'.repeat(80));
      // The time at the right end stands where it stands on each line, as the terminal counts cells.
      const rows = lines.filter((line) => /:\d\d *$/.test(line));
      expect(rows.length).toBeGreaterThanOrEqual(ODD.length);
      for (const row of rows) expect(cells(row.trimEnd())).toBe(79);
      terminal.press(keyOf('down'));
    }
    terminal.press(keyOf('back'));
    expect(await terminal.shows(/LAST/)).not.toMatch(/ACTIVITY/);
    // The same folder from a second process: refused, in words, with the exit code of the contract.
    const second = await machine.run(['sync', machine.root, '--once']);
    expect(second.code).toBe(7);
    terminal.press('C-c');
    await terminal.shows(/exit 0/);
    expect(terminal.alternate).toBe(false);
    expect(terminal.cursorShown).toBe(true);
    expect(terminal.wraps).toBe(true);
  }, 60_000);
}

describeTerminal('sync DIR on a terminal', () => {
  describe('on the embedded server', () => {
    let server: EmbeddedServer;
    let folder: string;
    let store: Store;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 's3vault-screen-'));
      server = await startEmbedded({});
      server.createBucket(BUCKET);
      const caFile = join(folder, 'ca.pem');
      writeFileSync(caFile, server.caPem);
      const { url: endpoint, credentials, region } = server;
      store = { endpoint: { endpoint, caFile, ...credentials, region }, bucket: BUCKET };
    });
    afterAll(async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    });
    screenSuite(() => store, 'embedded');
  });

  describeRgw('on a real store', () => {
    let store: Store;
    beforeAll(async () => {
      store = { endpoint: rgw(), bucket: await rgw().createBucket('x') };
    });
    screenSuite(() => store, 'rgw');
  });
});
