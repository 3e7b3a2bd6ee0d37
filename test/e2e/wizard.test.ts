/** `s3vault` alone and the wizard of the built program, in a real terminal, from an empty home to a vault in step. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import widthOf from 'string-width';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { type Order as ScreenOrder, BINDINGS } from '../../src/tui/keys.ts';
import { type Order, WIZARD_BINDINGS } from '../../src/tui/wizard/bindings.ts';
import { Terminal, describeTerminal } from '../terminal.ts';
import { MAIN, Machine } from './harness.ts';

/** tmux's names for the keys of the tables. */
const TMUX: { readonly [name: string]: string } = {
  return: 'Enter',
  escape: 'Escape',
  up: 'Up',
  down: 'Down',
  tab: 'Tab',
  'ctrl+c': 'C-c',
  'ctrl+u': 'C-u',
};

const named = (keys: readonly string[] | undefined): string => TMUX[keys?.[0] ?? ''] ?? keys?.[0] ?? '';
const wizardKey = (order: Order): string =>
  named(WIZARD_BINDINGS.find((binding) => binding.order === order)?.keys);
const screenKey = (order: ScreenOrder): string =>
  named(BINDINGS.find((binding) => binding.order === order)?.keys);

const PASSPHRASE = 'correct horse';

describeTerminal('the wizard on a terminal', () => {
  let server: EmbeddedServer;
  let folder: string;
  let machine: Machine;
  let terminal: Terminal;
  let count = 0;
  let bucket: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-wizard-'));
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

  function open(): void {
    machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    bucket = `acme-${++count}`;
    server.createBucket(bucket);
    machine.write('notes/meeting.md', 'minutes');
    machine.write('todo.txt', 'nothing');
    terminal = new Terminal(80, 24);
  }

  /** The environment says where the store is; the region is found, and a passphrase is asked for. */
  const env = (over: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    AWS_ENDPOINT_URL_S3: server.url,
    AWS_CA_BUNDLE: join(folder, 'ca.pem'),
    AWS_REGION: undefined,
    S3VAULT_PASSPHRASE_FILE: undefined,
    ...over,
  });

  function run(args: readonly string[] = [], over: NodeJS.ProcessEnv = {}): void {
    const assignments = Object.entries(machine.env(env(over)))
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}='${value}'`);
    const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
    const script = join(machine.home, 'start.sh');
    writeFileSync(
      script,
      `cd '${machine.home}'; env -i TERM="$TERM" LANG=C.UTF-8 ${assignments.join(' ')} ${words}\necho "exit $?"\n`,
    );
    terminal.run(`clear; echo before; sh ${script}`);
  }

  const press = (...orders: readonly Order[]): void => terminal.press(...orders.map(wizardKey));
  const onScreen = (...orders: readonly ScreenOrder[]): void => terminal.press(...orders.map(screenKey));
  const configFile = (): string => join(machine.home, 's3vault', 'config', 'config.json');

  async function typed(label: string, text: string): Promise<void> {
    await terminal.shows(new RegExp(`${label}: .*▏`));
    terminal.type(text);
    await terminal.shows(new RegExp(`${label}: .*${text}▏`));
    press('done');
  }

  /** From the folder to the choice of a mode. */
  async function toMode(): Promise<void> {
    await typed('folder', machine.root);
    await terminal.shows(/✓ from the environment/);
    press('go-on');
    await terminal.shows(new RegExp(`▶ acme-1\\b`));
    for (let n = 1; n < count; n++) press('down');
    await terminal.shows(new RegExp(`▶ ${bucket}\\b`));
    press('choose');
    await terminal.shows(new RegExp(`prefix: files/▏[^]*bucket ${bucket} answers, region us-east-1`));
    press('done');
    await terminal.shows(/▶ client/);
  }

  /** From the choice of a mode to the words of a new key, whose key file gets a passphrase. */
  async function toWords(): Promise<readonly string[]> {
    press('choose');
    await terminal.shows(/▶ key file/);
    press('choose');
    await terminal.shows(/▶ a new key/);
    press('choose');
    await terminal.shows(/A NEW KEY[^]*name: .*▏/);
    press('clear');
    await typed('name', 'laptop');
    for (const question of ['new passphrase for the key file', 'once more']) {
      await terminal.shows(new RegExp(`${question}: ▏`));
      terminal.type(PASSPHRASE);
      await terminal.shows(new RegExp(`${question}: 13 characters, not shown▏`));
      press('done');
    }
    const screen = await terminal.shows(/RECOVERY WORDS of laptop\n[^]*\b24 [a-z]+\n/);
    const words: string[] = [];
    for (const [, number, word] of screen.matchAll(/\b(\d{1,2}) ([a-z]{3,8})\b/g))
      words[Number(number) - 1] = word ?? '';
    expect(words.filter((word) => word !== undefined)).toHaveLength(24);
    return words;
  }

  async function answerWords(words: readonly string[]): Promise<void> {
    press('check');
    for (let n = 1; n <= 3; n++) {
      const asked = await terminal.shows(new RegExp(`RECOVERY WORDS of laptop: ${n} of 3`));
      await typed('word \\d+', words[Number(/word (\d+):/.exec(asked)?.[1]) - 1] ?? '');
    }
  }

  /** One word alone can be part of something else. */
  function expectGone(words: readonly string[], text: string): void {
    const left = words.filter((word, at) => new RegExp(`\\b${at + 1} ${word}\\b`).test(text));
    expect(left.length, text).toBeLessThan(3);
  }

  test('an empty home becomes a vault in step; the next start opens it; one without its key stops no other', async () => {
    open();
    run();
    await toMode();
    const words = await toWords();
    await answerWords(words);
    const findings = await terminal.shows(/IS THE BUCKET SAFE\? +4 problems; nothing was changed/);
    expect(findings).toMatch(/✓ all three are right/);
    expect(findings).toMatch(new RegExp(`bucket harden s3://${bucket}/files/`));
    press('go-on');
    const summary = await terminal.shows(/ALL TOGETHER/);
    expect(summary).toMatch(new RegExp(`kept in +s3://${bucket}/files/`));
    expect(summary).toMatch(/words +✓ asked back/);
    expect(existsSync(configFile())).toBe(false);
    press('begin');

    await terminal.shows(/! needs you: the first plan to confirm/);
    expect(server.keys(bucket).filter((key) => !key.includes('.s3vault'))).toEqual([]);
    onScreen('plan');
    const plan = await terminal.shows(/2 files to send/);
    expect(plan.split('\n').every((line) => widthOf(line) <= 80)).toBe(true);
    onScreen('yes');
    onScreen('back');
    await terminal.shows(/✓ in step/);
    expect(server.keys(bucket)).toEqual(expect.arrayContaining(['files/notes/meeting.md', 'files/todo.txt']));
    onScreen('quit');
    await terminal.shows(/exit 0/);
    expect(terminal.alternate).toBe(false);
    expect(terminal.cursorShown).toBe(true);
    expectGone(words, terminal.history());
    expect(terminal.history()).not.toContain(PASSPHRASE);

    // Again: asked for the passphrase once, and then the vault at once.
    addLostVault();
    run();
    await terminal.shows(/passphrase of the key file:/);
    terminal.run('wrong');
    await terminal.shows(/does not open[^]*passphrase of the key file:/);
    terminal.run(PASSPHRASE);
    await terminal.shows(/~\/files +→[^]*✓ in step[^]*~\/other +→[^]*! needs you/);
    machine.write('later.txt', 'a new file');
    await terminal.shows(/✓ later\.txt/);
    onScreen('next-vault');
    await terminal.shows(/▶ ~\/other/);
    onScreen('problems');
    await terminal.shows(/there is no key lost in [^]*s3vault keys list/);
    onScreen('quit');
    const after = await terminal.shows(/exit 2/);
    expect(after).toMatch(/! there is no key lost/);
    expect(terminal.alternate).toBe(false);
    expect(terminal.history()).not.toContain(PASSPHRASE);
  }, 240_000);

  /** A second vault whose key is not on this machine. */
  function addLostVault(): void {
    const root = join(machine.home, 'other');
    mkdirSync(root);
    const config = JSON.parse(readFileSync(configFile(), 'utf8'));
    const [vault] = config.vaults;
    expect(vault).toMatchObject({
      keyStore: 'file',
      remote: { bucket, prefix: 'files/', region: 'us-east-1' },
    });
    config.vaults.push({
      ...vault,
      id: '11111111-2222-4333-8444-555555555555',
      root,
      remote: { ...vault.remote, prefix: 'other/' },
      mode: { kind: 'client', key: { kind: 'stored', name: 'lost' } },
    });
    writeFileSync(configFile(), JSON.stringify(config), { mode: 0o600 });
  }

  test('esc goes back and keeps what was entered; who leaves has registered nothing, and a new key stays', async () => {
    open();
    run(['init', machine.root, ...machine.remoteArgs]);
    await terminal.shows(/folder: ~\/files▏/);
    press('done');
    await terminal.shows(/✓ from the environment/);
    press('go-on');
    await terminal.shows(/BUCKET/);
    press('back');
    await terminal.shows(/✓ from the environment/);
    press('back');
    await terminal.shows(/folder: ~\/files▏/);
    press('clear');
    await toMode();
    press('back');
    await terminal.shows(/prefix: files\/▏/);
    press('clear');
    await typed('prefix', 'other/place');
    await terminal.shows(/▶ client/);
    press('back');
    await terminal.shows(/prefix: other\/place▏/);
    press('done');
    await terminal.shows(/▶ client/);
    const words = await toWords();
    press('back');
    await terminal.shows(/key laptop is there, its words were not checked/);
    press('choose');
    await terminal.shows(/IS THE BUCKET SAFE/);
    press('quit');
    const after = await terminal.shows(/exit 0/);
    expect(after).toMatch(/nothing was registered; begin again with: s3vault init/);
    expect(after).toMatch(/key laptop was created and stays/);
    expect(terminal.alternate).toBe(false);
    expectGone(words, terminal.history());
    expect(existsSync(configFile())).toBe(false);
  }, 240_000);

  test('what is wrong is said, with the way out, and one goes on from there', async () => {
    open();
    run(['init'], { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined });
    await typed('folder', '/no/such/place');
    await terminal.shows(/! there is no folder \/no\/such\/place, and it cannot be made/);
    press('clear');
    await typed('folder', join(machine.home, 'new'));
    await terminal.shows(/CREDENTIALS: not found[^]*aws sso login/);
    press('go-on');
    await terminal.shows(/without credentials nothing can be asked/);
    press('quit');
    await terminal.shows(/exit 0/);
    expect(existsSync(join(machine.home, 'new'))).toBe(false);

    server.createBucket('only-typed');
    run(['init', 'new']);
    await terminal.shows(/folder: ~\/new▏/);
    press('done');
    await terminal.shows(/~\/new is not there yet/);
    press('go-on');
    await terminal.shows(/BUCKET[^]*another/);
    for (let n = 0; n < count + 5; n++) press('down');
    await terminal.shows(/▶ another/);
    press('choose');
    await typed('bucket', 'no-such-bucket');
    await terminal.shows(/! there is no bucket no-such-bucket/);
    press('clear');
    await typed('bucket', 'only-typed');
    await terminal.shows(/bucket only-typed answers/);
    terminal.resize(50, 12);
    await terminal.shows(/the window is too small/);
    terminal.resize(80, 24);
    await terminal.shows(/prefix: new\/▏/);
    press('done');
    await terminal.shows(/▶ client/);
    press('down', 'down', 'down', 'down');
    await terminal.shows(/▶ sse-s3/);
    press('choose');
    await terminal.shows(/IS THE BUCKET SAFE\? +\d problem/);
    press('go-on');
    await terminal.shows(/~\/new \(made now\)/);
    press('begin');
    await terminal.shows(/~\/new +→ +s3:\/\/only-typed\/new\/ +sse-s3[^]*✓ in step/);
    onScreen('quit');
    await terminal.shows(/exit 0/);
    expect(existsSync(join(machine.home, 'new'))).toBe(true);
  }, 240_000);

  test('where a daemon runs, s3vault alone is the screen on it', async () => {
    open();
    const to = ['--to', `s3://${bucket}/docs`, ...machine.keyArgs];
    const synced = await machine.run(['sync', machine.root, '--once', ...to, ...machine.remoteArgs]);
    expect(synced.code, synced.stderr).toBe(0);
    expect((await machine.run(['daemon', 'start'])).code).toBe(0);
    try {
      run();
      await terminal.shows(/✓ in step[^]*daemon, process \d+: it goes on when you leave/);
      onScreen('quit');
      await terminal.shows(/exit 0/);
      expect((await machine.run(['daemon', 'status'])).stdout).toMatch(/the daemon runs/);
    } finally {
      await machine.run(['daemon', 'stop']);
    }
  }, 120_000);

  test('to a screen reader: sentences, no drawing', async () => {
    open();
    run(['init', machine.root], { INK_SCREEN_READER: 'true', NO_COLOR: '1' });
    await terminal.shows(/folder: +~\/files/);
    press('done');
    await terminal.shows(/from the environment/);
    press('go-on');
    await terminal.shows(/\(selected\) acme-1/);
    press('quit');
    const after = await terminal.shows(/exit 0/);
    expect(after).not.toMatch(/[─│▏▶]/);
  }, 120_000);
});

describe('without a terminal', () => {
  test('s3vault alone says what there is, and init what to do instead', async () => {
    const machine = new Machine({
      endpoint: '',
      caFile: '',
      accessKeyId: 'a',
      secretAccessKey: 'b',
      region: 'c',
    });
    const alone = await machine.run([]);
    const init = await machine.run(['init']);
    machine.remove();
    expect(alone.code).toBe(2);
    expect(alone.stdout).toBe('');
    expect(alone.stderr).toMatch(/Usage: s3vault/);
    expect(init.code).toBe(2);
    expect(init.stderr).toMatch(/the wizard needs a terminal\n {2}without one: s3vault keys create/);
  });
});
