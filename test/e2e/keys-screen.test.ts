/** The key screen of the built program in a real terminal: from a new key to the last object moved off it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import widthOf from 'string-width';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { type Order, KEY_BINDINGS } from '../../src/tui/keys-screen/bindings.ts';
import { Terminal, describeTerminal } from '../terminal.ts';
import { MAIN, Machine } from './harness.ts';

/** tmux's names for the keys of the table. */
const TMUX: { readonly [name: string]: string } = {
  return: 'Enter',
  escape: 'Escape',
  up: 'Up',
  down: 'Down',
  tab: 'Tab',
  'ctrl+c': 'C-c',
  'ctrl+u': 'C-u',
};

/** The key that the table has for an order. */
function keyOf(order: Order): string {
  const key = KEY_BINDINGS.find((binding) => binding.order === order)?.keys[0] ?? '';
  return TMUX[key] ?? key;
}

describeTerminal('keys on a terminal', () => {
  let server: EmbeddedServer;
  let folder: string;
  let machine: Machine;
  let terminal: Terminal;
  let count = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-keys-'));
    server = await startEmbedded({});
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

  /** `passphrase`: undefined where the screen asks for it. */
  function start(
    over: NodeJS.ProcessEnv = {},
    size: readonly [number, number] = [80, 24],
    prepare: (terminal: Terminal) => void = () => undefined,
  ): void {
    machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    writeFileSync(machine.passphraseFile, 'correct horse', { mode: 0o600 });
    terminal = new Terminal(...size);
    prepare(terminal);
    again(over);
  }

  function again(over: NodeJS.ProcessEnv = {}): void {
    const assignments = Object.entries(machine.env(over))
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}='${value}'`);
    const script = join(machine.home, 'start.sh');
    const env = `env -i TERM="$TERM" LANG=C.UTF-8 ${assignments.join(' ')}`;
    writeFileSync(
      script,
      `(sh -c 'echo $PPID' > '${pidFile()}'; exec ${env} '${process.execPath}' '${MAIN}' keys --key-store file)\necho "exit $?"\n`,
    );
    terminal.run(`clear; echo before; sh ${script}`);
  }

  const pidFile = (): string => join(machine.home, 'pid');

  const order = (...orders: readonly Order[]): void => terminal.press(...orders.map(keyOf));

  /** Creates a key and gives its words, as a person reads them off the screen. */
  async function create(name: string): Promise<readonly string[]> {
    order('create');
    await terminal.shows(/which kind/);
    order('choose');
    await terminal.shows(/name: ▏/);
    terminal.type(name);
    await terminal.shows(new RegExp(`name: ${name}▏`));
    order('done');
    return wordsOf(name);
  }

  /** The words themselves, not the question before them. */
  async function wordsOf(name: string): Promise<readonly string[]> {
    const screen = await terminal.shows(new RegExp(`RECOVERY WORDS of ${name}\\n[^]*\\b24 [a-z]+\\n`));
    const words: string[] = [];
    for (const [, number, word] of screen.matchAll(/\b(\d{1,2}) ([a-z]{3,8})\b/g))
      words[Number(number) - 1] = word ?? '';
    expect(words.filter((word) => word !== undefined)).toHaveLength(24);
    return words;
  }

  async function answerWords(name: string, words: readonly string[]): Promise<void> {
    order('check');
    for (let n = 1; n <= 3; n++) {
      const asked = await terminal.shows(new RegExp(`RECOVERY WORDS of ${name}: ${n} of 3`));
      const word = words[Number(/word (\d+):/.exec(asked)?.[1]) - 1] ?? '';
      terminal.type(word);
      await terminal.shows(new RegExp(`word \\d+: ${word}▏`));
      order('done');
    }
    await terminal.shows(new RegExp(`${name} +AES-256.*✓ checked`));
  }

  /** The words stand nowhere, what was scrolled away included. One alone can be part of something else: `1 vault`. */
  function expectGone(words: readonly string[], text: string): void {
    const left = words.filter((word, at) => new RegExp(`\\b${at + 1} ${word}\\b`).test(text));
    expect(left.length, text).toBeLessThan(3);
  }

  test('create, words asked back, rotate, delete refused, delete by name', async () => {
    start();
    await terminal.shows(/no keys yet/);
    const words = await create('laptop');
    await answerWords('laptop', words);
    expectGone(words, terminal.history());
    order('quit');
    await terminal.shows(/exit 0/);

    const bucket = `keys-${++count}`;
    server.createBucket(bucket);
    for (let n = 0; n < 5; n++) machine.write(`file-${n}`, `content ${n}`);
    const synced = await machine.run([
      'sync',
      machine.root,
      '--once',
      '--to',
      `s3://${bucket}/docs`,
      '--key',
      'laptop',
      ...machine.remoteArgs,
    ]);
    expect(synced.code, synced.stderr).toBe(0);

    // From here on the passphrase is typed, once: what the test and the rotation open asks nothing more.
    again({ S3VAULT_PASSPHRASE_FILE: undefined });
    await terminal.shows(/passphrase of the key file: ▏/);
    terminal.type('correct horse');
    await terminal.shows(/13 characters, not shown▏/);
    order('done');
    const listed = await terminal.shows(/▶ laptop .*1 vault +5 /);
    expect(listed.split('\n').every((line) => widthOf(line) <= 80)).toBe(true);
    order('delete');
    await terminal.shows(/is needed to read:/);
    terminal.type('lapto');
    await terminal.shows(/its name: lapto▏/);
    order('done');
    await terminal.shows(/! key laptop was not deleted: it is needed/);
    order('back');
    await terminal.shows(/▶ laptop/);

    order('test');
    await terminal.shows(/✓ .*file-\d was fetched and opens/);
    order('back');
    await terminal.shows(/▶ laptop/);
    order('rotate');
    await terminal.shows(/Move 5 objects of 1 vault from key laptop to a new key\?/);
    order('yes');
    await terminal.shows(/✓ 5 objects moved from key laptop to key laptop-2/);
    order('words');
    await terminal.shows(/Show the 24 words/);
    order('yes');
    const next = await wordsOf('laptop-2');
    await answerWords('laptop-2', next);

    order('up');
    await terminal.shows(/▶ laptop /);
    order('delete');
    await terminal.shows(/Nothing that is known here needs key laptop/);
    terminal.type('laptop');
    await terminal.shows(/its name: laptop▏/);
    order('done');
    await terminal.shows(/✓ deleted key laptop\n/);
    order('quit');
    const after = await terminal.shows(/exit 0/);
    expect(terminal.alternate).toBe(false);
    expect(terminal.cursorShown).toBe(true);
    expect(after).toMatch(/before/);
    expectGone([...words], terminal.history());
    expectGone([...next], terminal.history());

    // The objects are whole under the new key alone.
    const tested = await machine.run(['keys', 'test', 'laptop-2']);
    expect(tested.stdout).toMatch(/✓ .*file-\d opens/);
  }, 240_000);

  test('the passphrase is asked for on the screen, hidden; nothing of a secret stays when it is killed softly', async () => {
    start({ S3VAULT_PASSPHRASE_FILE: undefined });
    await terminal.shows(/no keys yet/);
    order('create');
    await terminal.shows(/which kind/);
    order('choose');
    await terminal.shows(/name: ▏/);
    terminal.type('laptop');
    await terminal.shows(/name: laptop▏/);
    order('done');
    for (const question of ['new passphrase for the key file', 'once more']) {
      await terminal.shows(new RegExp(`${question}: ▏`));
      terminal.type('tr0ub4dor');
      await terminal.shows(new RegExp(`${question}: 9 characters, not shown▏`));
      order('done');
    }
    const words = await wordsOf('laptop');
    process.kill(Number(readFileSync(pidFile(), 'utf8')), 'SIGTERM');
    await terminal.shows(/exit 0/);
    expect(terminal.alternate).toBe(false);
    expectGone(words, terminal.history());
    expect(terminal.history()).not.toContain('tr0ub4dor');
  }, 120_000);

  test('without the alternate screen nothing of the words stays either', async () => {
    start({}, [80, 24], (before) => before.noAlternateScreen());
    await terminal.shows(/no keys yet/);
    const words = await create('laptop');
    order('quit');
    await terminal.shows(/exit 0/);
    expectGone(words, terminal.history());
  }, 120_000);

  test('to a screen reader: sentences, and the words are gone once they are left', async () => {
    start({ INK_SCREEN_READER: 'true' });
    await terminal.shows(/no keys yet/);
    order('create');
    await terminal.shows(/\(selected\) AES-256/);
    order('choose');
    await terminal.shows(/name:/);
    terminal.type('laptop');
    await terminal.shows(/name: +laptop/);
    order('done');
    const words = await wordsOf('laptop');
    order('back');
    const left = await terminal.shows(/\(selected\) laptop, AES-256, fingerprint/);
    expect(left).not.toMatch(/[─│▏▶]/);
    expectGone(words, terminal.history());
    order('quit');
    await terminal.shows(/exit 0/);
  }, 120_000);
});

describe('keys without a terminal', () => {
  test('says what to do instead', async () => {
    const machine = new Machine({
      endpoint: '',
      caFile: '',
      accessKeyId: 'a',
      secretAccessKey: 'b',
      region: 'c',
    });
    const ended = await machine.run(['keys']);
    machine.remove();
    expect(ended.code).toBe(2);
    expect(ended.stdout).toBe('');
    expect(ended.stderr).toMatch(/Usage: s3vault keys/);
    expect(ended.stderr).toMatch(/the key screen needs a terminal\n {2}without one: s3vault keys list\n$/);
  });
});
