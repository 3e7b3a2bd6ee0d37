import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askBack } from '../../src/cli/ask-back.ts';
import { type KeysWorld, keysCommand } from '../../src/cli/keys.ts';
import type { Terminal } from '../../src/cli/prompt.ts';
import { changeConfig, places, readConfig } from '../../src/config.ts';
import { vaultId } from '../../src/model/brands.ts';
import { Secret } from '../../src/model/secret.ts';
import type { Vault } from '../../src/model/vault.ts';
import { ManualClock } from '../support/manual-clock.ts';

const KEY = Buffer.alloc(32, 0xa7);
const BASE64 = KEY.toString('base64');
const PASSPHRASE = 'correct horse';
let home: string;
let passphraseFile: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 's3vault-cli-keys-'));
  passphraseFile = join(home, 'passphrase');
  writeFileSync(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Stage {
  readonly stdin?: string;
  readonly isTTY?: boolean;
  /** What is typed, in order; none: there is no terminal. */
  readonly typed?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Happens while a question stands. */
  readonly during?: () => Promise<void>;
}

interface Outcome {
  readonly out: string;
  readonly err: string;
  readonly questions: readonly string[];
  readonly failure: unknown;
}

async function run(args: readonly string[], stage: Stage = {}): Promise<Outcome> {
  const { isTTY = false, typed } = stage;
  let [out, err] = ['', ''];
  const questions: string[] = [];
  const answers = [...(typed ?? [])];
  const ask = async (question: string): Promise<string> => {
    questions.push(question);
    await stage.during?.();
    return answers.shift() ?? '';
  };
  const terminal: Terminal = {
    ask,
    askSecret: async (question) => new Secret(Buffer.from(await ask(question))),
  };
  const world: KeysWorld = {
    env: {
      PATH: process.env['PATH'],
      S3VAULT_HOME: home,
      S3VAULT_PASSPHRASE_FILE: passphraseFile,
      ...stage.env,
    },
    clock: new ManualClock(),
    stdin: Object.assign(Readable.from(stage.stdin === undefined ? [] : [Buffer.from(stage.stdin)]), {
      isTTY,
    }),
    stdout: { isTTY, write: (text) => (out += text) },
    stderr: { isTTY, write: (text) => (err += text) },
    terminal: () => (typed === undefined ? undefined : terminal),
    workFactorForTests: 2,
  };
  const command = keysCommand(world);
  for (const one of [command, ...command.commands]) {
    one.configureOutput({ writeOut: (text) => (out += text), writeErr: (text) => (err += text) });
  }
  const failure = await command.parseAsync([...args], { from: 'user' }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { out, err, questions, failure };
}

async function good(args: readonly string[], stage?: Stage): Promise<Outcome> {
  const outcome = await run(args, stage);
  expect(outcome.failure).toBeUndefined();
  return outcome;
}

const FILE = ['--key-store', 'file'];

describe('keys create', () => {
  test('prints name, kind, fingerprint and place; without a terminal no secret', async () => {
    const { out, err } = await good(['create', 'laptop', ...FILE]);
    expect(out).toMatch(/^created key laptop \(aes-256, fingerprint [0-9a-f]{16}\) in .*keys\.age\n$/);
    expect(err).toContain('s3vault keys export laptop --format words');
    const { out: words } = await good(['export', 'laptop', '--format', 'words', '--yes']);
    // One word may be part of a sentence by chance; two that follow each other are a leak.
    const list = words.trim().split(' ');
    const said = `${out}${err}`.split(/\W+/).join(' ');
    for (const [at, word] of list.slice(1).entries()) expect(said).not.toContain(`${list[at]} ${word}`);
  });

  test('asks three of the words back, and remembers that they were right', async () => {
    const noted = (): unknown =>
      (JSON.parse(readFileSync(join(home, 'state', 'keys.json'), 'utf8')) as { keys: { words: string }[] })
        .keys[0]?.words;
    const { err, questions } = await good(['create', 'laptop', ...FILE], {
      isTTY: true,
      typed: ['wrong', ''],
    });
    expect(questions.every((question) => /^word \d+: $/.test(question))).toBe(true);
    expect(err).toMatch(/that is not word \d+/);
    expect(noted()).toBe('shown');
    const words = (await good(['export', 'laptop', '--format', 'words', '--yes'])).out.trim().split(' ');
    const seen: string[] = [];
    const terminal = {
      ask: async (question: string) => {
        const at = Number(/\d+/.exec(question)?.[0]) - 1;
        seen.push(words[at] ?? '');
        return words[at] ?? '';
      },
      askSecret: async () => new Secret(Buffer.alloc(0)),
    };
    const kept = new Secret(Buffer.from(words.join(' ')));
    const out = { write: () => true };
    expect(await askBack(terminal, kept, out, { random: () => 0.5 })).toBe(true);
    expect(new Set(seen).size).toBe(3);
  });

  test('shows the recovery words once, on a terminal', async () => {
    const { err } = await good(['create', 'laptop', ...FILE], { isTTY: true, typed: [] });
    const table = err.split('\n').filter((line) => /^ {2} ?\d/.test(line));
    const cells = [...table.join('\n').matchAll(/(\d+) ([a-z]+)/g)].sort(
      (a, b) => Number(a[1]) - Number(b[1]),
    );
    const words = cells.map(([, , word]) => word).join(' ');
    const { out } = await good(['export', 'laptop', '--format', 'words', '--yes']);
    expect(words).toBe(out.trim());
  });

  test('makes RSA keys too, and never replaces a key', async () => {
    const { out, err } = await good(['create', 'server', '--kind', 'rsa', ...FILE]);
    expect(out).toContain('(rsa, fingerprint ');
    expect(err).toContain('--format pem');
    expect((await run(['create', 'server', ...FILE])).failure).toMatchObject({ code: 'key-exists', exit: 2 });
  });

  test('remembers the first place that was chosen, once it worked', async () => {
    const where = places({ S3VAULT_HOME: home });
    const bad = { env: { S3VAULT_PASSPHRASE_FILE: join(home, 'none') } };
    expect((await run(['create', 'a', ...FILE], bad)).failure).toMatchObject({ code: 'no-passphrase' });
    expect((await readConfig(where)).keyStore).toBeUndefined();
    await good(['create', 'a', ...FILE, '--passphrase-command', 'pass show s3vault']);
    expect(await readConfig(where)).toMatchObject({
      keyStore: 'file',
      passphraseCommand: 'pass show s3vault',
    });
    await good(['list']);
    await good(['list', '--key-store', 'command', '--key-command', 'true']);
    expect((await readConfig(where)).keyStore).toBe('file');
  });

  test.each([['bad name'], ['../x'], ['']])('refuses the name %j', async (name) => {
    expect((await run(['create', name, ...FILE])).failure).toMatchObject({ code: 'key-name', exit: 2 });
  });
});

describe('keys import, export and recover', () => {
  test('base64 there and back, alone on stdout', async () => {
    const { out } = await good(['import', 'k', '--format', 'base64', ...FILE], { stdin: `${BASE64}\n` });
    expect(out).toMatch(/^imported key k \(aes-256/);
    expect(out).not.toContain(BASE64);
    expect((await good(['export', 'k', '--format', 'base64', '--yes', ...FILE])).out).toBe(`${BASE64}\n`);
  });

  test('words, into another name and the same key', async () => {
    await good(['import', 'k', '--format', 'base64', ...FILE], { stdin: BASE64 });
    const words = (await good(['export', 'k', '--format', 'words', '--yes'])).out;
    await good(['recover', 'again'], { stdin: words });
    expect((await good(['export', 'again', '--format', 'base64', '--yes'])).out).toBe(`${BASE64}\n`);
    await good(['recover', 'typed'], { isTTY: true, typed: [words] });
    const prints = (await good(['list'])).out.match(/[0-9a-f]{16}/g) ?? [];
    expect(prints).toHaveLength(3);
    expect(new Set(prints).size).toBe(1);
  });

  test('pem', async () => {
    await good(['create', 'r', '--kind', 'rsa', ...FILE]);
    const pem = (await good(['export', 'r', '--format', 'pem', '--yes'])).out;
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    await good(['import', 'r2', '--format', 'pem'], { stdin: pem });
    expect((await good(['export', 'r2', '--format', 'pem', '--yes'])).out).toBe(pem);
  });

  test('age, sealed with a passphrase', async () => {
    await good(['import', 'k', '--format', 'base64', ...FILE], { stdin: BASE64 });
    const { out } = await good(['export', 'k', '--format', 'age', '--yes']);
    expect(out).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n[\s\S]*-----END AGE ENCRYPTED FILE-----\n$/);
    await good(['import', 'k2', '--format', 'age'], { stdin: out });
    expect((await good(['export', 'k2', '--format', 'base64', '--yes'])).out).toBe(`${BASE64}\n`);
    const typo = { stdin: out, typed: ['wrong'] };
    expect(
      (
        await run(['import', 'k3', '--format', 'age', ...FILE], {
          ...typo,
          env: { S3VAULT_PASSPHRASE_FILE: '' },
        })
      ).failure,
    ).toMatchObject({
      code: 'passphrase-wrong',
    });
  });

  test.each([
    ['hex', KEY.toString('hex')],
    ['too short', KEY.subarray(1).toString('base64')],
    ['garbage after it', `${BASE64} and more`],
    ['nothing', ''],
  ])('%s on stdin is refused, stored nowhere and shown nowhere', async (_what, stdin) => {
    const { out, err, failure } = await run(['import', 'k', '--format', 'base64', ...FILE], { stdin });
    expect(failure).toMatchObject({ code: 'key-format', exit: 2 });
    if (stdin !== '') expect(`${out}${err}${(failure as Error).stack}`).not.toContain(stdin.slice(0, 16));
    expect(readdirSync(home)).toEqual(['passphrase']);
  });

  test('export asks; without a yes nothing comes out', async () => {
    await good(['import', 'k', '--format', 'base64', ...FILE], { stdin: BASE64 });
    const args = ['export', 'k', '--format', 'base64'];
    expect((await good(args, { typed: ['y'] })).out).toBe(`${BASE64}\n`);
    for (const typed of [undefined, [], ['n'], ['yes please']] as const) {
      const { out, failure } = await run(args, typed === undefined ? {} : { typed });
      expect(failure).toMatchObject({ code: 'not-agreed', exit: 5 });
      expect(out).toBe('');
    }
    const json = await run([...args, '--yes', '--json']);
    expect(json).toMatchObject({ out: '', failure: { code: 'no-json', exit: 2 } });
  });

  test('no secret is taken as an argument', async () => {
    const { failure, out, err } = await run(['import', 'k', BASE64, '--format', 'base64', ...FILE]);
    expect(failure).toMatchObject({ code: 'too-many-arguments', exit: 2 });
    expect(`${out}${err}`).not.toContain(BASE64);
    expect((await run(['import', 'k', '--format', 'base64', '--key', BASE64])).failure).toMatchObject({
      code: 'commander.unknownOption',
    });
  });
});

describe('keys list', () => {
  test('prints one line or one JSON object a key, and no secret', async () => {
    const empty = await good(['list', ...FILE]);
    expect(empty.out).toBe('');
    expect(empty.err).toContain('no keys');
    await good(['import', 'k', '--format', 'base64'], { stdin: BASE64 });
    const plain = (await good(['list'])).out;
    expect(plain).toMatch(/^k {2}aes-256 {5}[0-9a-f]{16} {2}2023-11-14\n$/);
    const line = JSON.parse((await good(['list', '--json'])).out);
    expect(line).toEqual({
      event: 'key',
      time: '2023-11-14T22:13:20.000Z',
      name: 'k',
      kind: 'aes-256',
      fingerprint: plain.match(/[0-9a-f]{16}/)?.[0],
      created: '2023-11-14T22:13:20.000Z',
      store: 'file',
    });
  });
});

describe('keys delete', () => {
  const vault: Vault = {
    id: vaultId('0b7a2a4e-5f0c-4c8b-9a39-0d9a5d1c2e3f'),
    root: '/docs',
    remote: { bucket: 'my-bucket', prefix: '' },
    mode: { kind: 'client', key: { kind: 'stored', name: 'k' } },
    direction: 'push',
    rules: { removals: false, include: [], exclude: [] },
  };
  const names = async (): Promise<string> => (await good(['list'])).out;
  beforeEach(async () => {
    await good(['import', 'k', '--format', 'base64', ...FILE], { stdin: BASE64 });
  });

  test('wants the name typed, or --yes', async () => {
    for (const typed of [undefined, [], ['y'], ['K']] as const) {
      const { failure } = await run(['delete', 'k'], typed === undefined ? {} : { typed });
      expect(failure).toMatchObject({ code: 'not-agreed', exit: 5 });
    }
    expect(await names()).toContain('k');
    await good(['delete', 'k'], { typed: ['k'] });
    expect(await names()).toBe('');
    await good(['import', 'k', '--format', 'base64'], { stdin: BASE64 });
    await good(['delete', 'k', '--yes']);
    expect(await names()).toBe('');
    expect((await run(['delete', 'k', '--yes'])).failure).toMatchObject({ code: 'key-missing' });
  });

  test('of a key that a vault uses wants the name typed, whatever --yes says', async () => {
    await changeConfig(places({ S3VAULT_HOME: home }), (now) => ({ ...now, vaults: [vault] }));
    expect((await run(['delete', 'k', '--yes'])).failure).toMatchObject({ code: 'key-in-use', exit: 5 });
    const wrong = await run(['delete', 'k', '--yes'], { typed: ['yes'] });
    expect(wrong.failure).toMatchObject({ code: 'key-in-use', exit: 5 });
    expect(wrong.questions[0]).toContain('/docs');
    expect(await names()).toContain('k');
    await good(['delete', 'k', '--yes'], { typed: ['k'] });
    expect(await names()).toBe('');
  });

  test('of a key that a forgotten place still needs wants the name typed', async () => {
    const left = [{ place: 's3://bucket/docs/', keyStore: 'file', key: 'k' }] as const;
    await changeConfig(places({ S3VAULT_HOME: home }), (now) => ({ ...now, left }));
    const refused = await run(['delete', 'k', '--yes']);
    expect(refused.failure).toMatchObject({ code: 'key-in-use', exit: 5 });
    expect(String(refused.failure)).toContain('objects left in s3://bucket/docs/');
    await good(['delete', 'k', '--yes'], { typed: ['k'] });
    expect((await readConfig(places({ S3VAULT_HOME: home }))).left).toBeUndefined();
  });

  test('is refused where nobody can tell what older versions need', async () => {
    mkdirSync(join(home, 'state'), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, 'state', 'keys.json'), '{ "version": 1, "keys": [', { mode: 0o600 });
    expect((await run(['delete', 'k', '--yes'])).failure).toMatchObject({
      code: 'notes-unreadable',
      exit: 2,
    });
    expect(await names()).toContain('k');
    // Nor is what is in it thrown away by a note.
    await run(['create', 'other', ...FILE], { isTTY: true, typed: [''] });
    expect(readFileSync(join(home, 'state', 'keys.json'), 'utf8')).toBe('{ "version": 1, "keys": [');
  });

  test('is refused where a vault took the key up while the question stood', async () => {
    const during = async (): Promise<void> => {
      await changeConfig(places({ S3VAULT_HOME: home }), (now) => ({ ...now, vaults: [vault] }));
    };
    const left = [{ place: 's3://bucket/docs/', keyStore: 'file', key: 'k' }] as const;
    await changeConfig(places({ S3VAULT_HOME: home }), (now) => ({ ...now, left }));
    const refused = await run(['delete', 'k'], { typed: ['k'], during });
    expect(refused.failure).toMatchObject({ code: 'key-in-use' });
    expect(await names()).toContain('k');
  });

  test('of a key of the same name in another place goes by that place', async () => {
    const elsewhere: Vault = { ...vault, keyStore: 'keychain' };
    await changeConfig(places({ S3VAULT_HOME: home }), (now) => ({ ...now, vaults: [elsewhere] }));
    await good(['delete', 'k', '--yes']);
  });
});

describe('with a real terminal and the age program', () => {
  const cli = join(import.meta.dirname, '..', '..', 'src', 'cli', 'keys.ts');
  const program = `import { keysCommand } from ${JSON.stringify(cli)};
    keysCommand().parseAsync(process.argv.slice(1), { from: 'user' }).catch((e) => { console.error(e.code); process.exitCode = e.exit; });`;

  /** Runs a command line on a terminal of its own; each answer is typed when its question shows. */
  function onTerminal(line: string, answers: readonly (readonly [string, string])[]): Promise<string> {
    const env = { ...process.env, S3VAULT_HOME: join(home, 'h'), NODE: process.execPath, PROGRAM: program };
    return new Promise((resolve, reject) => {
      const waiting = [...answers];
      let seen = '';
      let from = 0;
      const child = execFile(
        'script',
        ['-qec', line, '/dev/null'],
        { env, timeout: 50_000 },
        (error, stdout) => {
          if (error === null) resolve(stdout);
          else reject(new Error(seen, { cause: error }));
        },
      );
      child.stdout?.on('data', (chunk: string) => {
        seen += chunk;
        const [next] = waiting;
        const at = next === undefined ? -1 : seen.indexOf(next[0], from);
        if (next === undefined || at < 0) return;
        from = at + next[0].length;
        waiting.shift();
        child.stdin?.write(`${next[1]}\r`);
      });
    });
  }

  test('the passphrase is not echoed, and age opens the file with it', async () => {
    const create = '"$NODE" --input-type=module -e "$PROGRAM" create laptop --key-store file';
    const screen = await onTerminal(create, [
      ['new passphrase', 'pa\u007fässword'],
      ['once more', 'pässword'],
      ['enter alone: later', ''],
    ]);
    expect(screen).toContain('created key laptop');
    expect(screen).toContain('write these 24 words down');
    expect(screen).not.toContain('ssword');
    const path = join(home, 'h', 'config', 'keys.age');
    expect(readFileSync(path, 'latin1')).toMatch(/^age-encryption\.org\/v1\n/);
    const plain = join(home, 'plain');
    await onTerminal(`age -d -o ${plain} ${path}`, [['passphrase', 'pässword']]);
    const { keys } = JSON.parse(readFileSync(plain, 'utf8'));
    expect(keys).toMatchObject([{ name: 'laptop', kind: 'aes-256', version: 1 }]);
    expect(screen).not.toContain(keys[0].key);
  });

  test('Ctrl-C at the question ends it and writes nothing', async () => {
    const create = '"$NODE" --input-type=module -e "$PROGRAM" create laptop --key-store file';
    const failure = await onTerminal(create, [['new passphrase', '\u0003']]).catch(
      (thrown: unknown) => thrown,
    );
    expect(failure).toMatchObject({ message: expect.stringContaining('cancelled'), cause: { code: 130 } });
    expect(readdirSync(join(home, 'h', 'config'))).toEqual([]);
  });

  test('age is there to open it', () => {
    expect(execFileSync('age', ['--version']).toString()).toMatch(/\d/);
  });
});
