/**
 * Every command of the built program with `--log-level trace`, errors included, and then a search of all it printed and all
 * it left on the disk and in the bucket for the bytes of the keys, the recovery words and the passphrases [KEY-2].
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aesMaterial, generateRsa } from '../../src/crypto/generate.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { toWords } from '../../src/keys/formats.ts';
import { keyFileStore } from '../../src/keys/key-file.ts';
import type { KeyMaterial } from '../../src/model/keyref.ts';
import { Secret } from '../../src/model/secret.ts';
import { CREATED } from '../contract/key-store.ts';
import { MAIN, Machine } from '../e2e/harness.ts';
import {
  findIn,
  findInFolder,
  type Found,
  type Needle,
  needlesOfBytes,
  needlesOfRsa,
  needlesOfText,
  needlesOfWords,
} from '../support/secret-search.ts';

const PASSPHRASE = 'correct horse battery staple';
const WRONG = 'wrong donkey engine paperclip';
const KMS = '1234abcd-12ab-34cd-56ef-1234567890ab';
const [laptop, other, brought] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const base64 = (key: Buffer): string => key.toString('base64');

let server: EmbeddedServer;
let folder: string;
let machine: Machine;
let needles: readonly Needle[];
let words: string;
let pem: string;
const found: Found[] = [];
/** Commands that were run, as `sync` or `keys list`. */
const ran = new Set<string>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-secrets-'));
  server = await startEmbedded({ kmsKeys: [{ id: KMS, alias: 'photos' }] });
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
  const { credentials, region } = server;
  machine = new Machine({ endpoint: server.url, caFile: join(folder, 'ca.pem'), ...credentials, region });
  writeFileSync(machine.passphraseFile, PASSPHRASE, { mode: 0o600 });
  const rsa = await generateRsa(2048);
  words = textOf(await toWords(aesMaterial(new Secret(laptop))));
  pem = textOf(rsa.secret);
  await keyFile(join(machine.home, 's3vault'), PASSPHRASE, {
    laptop: aesMaterial(new Secret(laptop)),
    'ssec-key': aesMaterial(new Secret(laptop)),
    pair: rsa,
  });
  needles = [
    ...needlesOfBytes('laptop', laptop),
    ...needlesOfBytes('other', other),
    ...needlesOfBytes('brought', brought),
    ...needlesOfWords('words', words),
    ...needlesOfRsa('pair', pem),
    ...needlesOfText('passphrase', PASSPHRASE),
    ...needlesOfText('wrong passphrase', WRONG),
  ];
});

afterAll(async () => {
  await server.close();
  machine.remove();
  rmSync(folder, { recursive: true, force: true });
});

const textOf = (secret: Secret): string => secret.use((bytes) => bytes.toString('utf8'));

async function keyFile(home: string, passphrase: string, keys: Record<string, KeyMaterial>): Promise<void> {
  const store = keyFileStore({
    path: join(home, 'config', 'keys.age'),
    passphrase: async () => new Secret(Buffer.from(passphrase)),
    workFactorForTests: 2,
  });
  for (const [name, material] of Object.entries(keys)) await store.save(name, material, CREATED);
}

interface Run {
  readonly exit: number;
  readonly stdin?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What stdout is for: the key itself. */
  readonly givesOut?: true;
}

async function run(
  line: string | readonly string[],
  { exit, stdin = '', env, givesOut }: Run,
): Promise<string> {
  const args = typeof line === 'string' ? line.split(' ') : line;
  ran.add(args[0] === 'keys' ? args.slice(0, 2).join(' ') : (args[0] ?? ''));
  const ended = await machine.run([...args, '--log-level', 'trace'], {
    stdin,
    ...(env === undefined ? {} : { env }),
  });
  expect(ended, `${args.join(' ')}\n${ended.stderr}`).toMatchObject({ code: exit });
  found.push(...findIn(needles, ended.stderr, `stderr of ${args.join(' ')}`));
  if (givesOut === undefined) found.push(...findIn(needles, ended.stdout, `stdout of ${args.join(' ')}`));
  return ended.stdout;
}

const root = (name: string): string => join(machine.home, name);

/** The first sync of a folder of its own. */
function syncArgs(name: string, ...more: readonly string[]): readonly string[] {
  mkdirSync(root(name), { recursive: true });
  writeFileSync(join(root(name), 'small'), `small file of ${name}`);
  return ['sync', root(name), '--to', `s3://bucket/${name}`, '--once', ...machine.remoteArgs, ...more];
}

const FILE = ['--key-store', 'file'];

test('nothing of a key or a passphrase is said, logged or left anywhere', { timeout: 600_000 }, async () => {
  server.createBucket('bucket');
  server.createBucket('denied', {
    policy: {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::denied/*' },
      ],
    },
  });
  await syncs();
  await keyCommands();
  await otherCommands();
  await failures();
  await keyChanges();
  expect(found).toEqual([]);
  expect(findInFolder(needles, machine.home, ['keys.age', 'passphrase'])).toEqual([]);
  expect(inBucket()).toEqual([]);
  expect([...(await allCommands())].filter((command) => !ran.has(command))).toEqual([]);
});

async function syncs(): Promise<void> {
  const sealed = syncArgs('docs', '--key', 'laptop', ...FILE);
  writeFileSync(join(root('docs'), 'large'), randomBytes(9 * 2 ** 20));
  await run([...sealed, '--dry-run'], { exit: 0 });
  await run([...sealed, '--plain'], { exit: 0 });
  await run([...sealed, '--json'], { exit: 0 });
  const ssec = syncArgs('ssec', '--mode', 'sse-c', '--key', 'ssec-key', '--json');
  writeFileSync(join(root('ssec'), 'large'), randomBytes(9 * 2 ** 20));
  await run(ssec, { exit: 0 });
  await run(syncArgs('pair', '--key', 'pair'), { exit: 0 });
  await run(syncArgs('photos', '--mode', 'sse-kms', '--kms-key', KMS), { exit: 0 });
  // Watching, until it is told to end.
  const watching = machine.start(['sync', root('ssec'), '--json', '--log-level', 'trace']);
  await watching.line((line) => line.event === 'idle');
  watching.kill('SIGTERM');
  const { stdout, stderr } = await watching.ended;
  found.push(...findIn(needles, stdout + stderr, 'a watching sync'));
}

async function keyCommands(): Promise<void> {
  await run('keys list', { exit: 0 });
  await run('keys list --json', { exit: 0 });
  await run('keys test laptop', { exit: 0 });
  await run('keys test pair --json', { exit: 0 });
  await run(`keys test ${KMS}`, { exit: 0 });
  for (const format of ['base64', 'words', 'age'])
    await run(`keys export laptop --format ${format} --yes`, { exit: 0, givesOut: true });
  await run('keys export pair --format pem --yes', { exit: 0, givesOut: true });
  await run('keys export pair --format pem --public', { exit: 0 });
  await run('keys export laptop --format base64', { exit: 5 });
  await run('keys export laptop --format base64 --yes --json', { exit: 2 });
  await run('keys export laptop --format pem --yes', { exit: 2 });
  await run(`keys export ${KMS} --format base64 --yes`, { exit: 2 });
  for (const stdin of [
    `${base64(brought)}x`,
    ` ${base64(brought)}`,
    brought.toString('hex'),
    base64(brought).slice(1),
  ])
    await run('keys import again --format base64', { exit: 2, stdin });
  for (const stdin of [`${pem}${pem}`, pem.replace('BEGIN', 'BEGUN'), pem.slice(0, 900), `x${pem}`])
    await run('keys import again --format pem', { exit: 2, stdin });
  for (const stdin of [words.replace(/^(\S+) (\S+)/, '$2 $1'), words.slice(1), `${words} extra`])
    await run('keys recover again', { exit: 2, stdin });
  // Keys given where they don't belong.
  await run(['keys', 'create', base64(brought)], { exit: 2 });
  await run(['keys', 'import', 'again', brought.toString('hex'), '--format', 'base64'], { exit: 2 });
  await run(['keys', 'test', brought.toString('hex')], { exit: 2 });
}

/** Last, since each writes the key file anew, and from then on it takes a second to open. */
async function keyChanges(): Promise<void> {
  await run('keys create fresh', { exit: 0 });
  await run('keys import brought --format base64', { exit: 0, stdin: base64(brought) });
  await run('keys recover back', { exit: 0, stdin: words });
  await run('keys delete back', { exit: 5 });
  await run('keys delete back --yes', { exit: 0 });
  await run('keys rotate laptop', { exit: 5 });
  await run('keys rotate ssec-key --yes --json', { exit: 0 });
  await run('keys rotate nothing --yes', { exit: 2 });
}

async function otherCommands(): Promise<void> {
  await run(['rekey', root('docs'), '--key', 'ssec-key', '--dry-run', '--yes'], { exit: 0 });
  await run(['rekey', root('docs'), '--to-mode', 'sse-c', '--key', 'laptop', '--yes'], { exit: 0 });
  await looks();
  await daemons();
  const plan = join(machine.home, 'plan.json');
  await run(['sync', root('docs'), '--plan', plan], { exit: 0 });
  await run(['apply', plan, '--json'], { exit: 0 });
  await run('vaults', { exit: 0 });
  await run('vaults --json', { exit: 0 });
  await run('status --json', { exit: 0 });
  // The wizard needs a terminal; on one it has tests of its own.
  await run('init', { exit: 2 });
  await run(['forget', root('photos')], { exit: 0 });
  await run('demo --once --plain --mode sse-c', { exit: 0 });
}

/** What is read back, looked at and judged. The key opens what is printed; the files hold nothing of it. */
async function looks(): Promise<void> {
  const from = ['--from', root('docs'), ...FILE];
  await run(['restore', '--out', root('restored'), ...from], { exit: 0 });
  await run(['restore', '--out', root('restored'), '--json', ...from], { exit: 0 });
  await run(['ls', '-lr', ...from], { exit: 0 });
  await run(['cat', join(root('docs'), 'small'), ...FILE], { exit: 0 });
  await run(['versions', join(root('docs'), 'small'), ...FILE], { exit: 0 });
  await run(['undelete', join(root('docs'), 'nothing'), '--yes', ...FILE], { exit: 3 });
  await run(['verify', root('docs'), '--deep', '100', '--json', ...FILE], { exit: 0 });
  await run(['verify', root('pair'), ...FILE], { exit: 0 });
  await run(['bucket', 'audit', 'bucket', ...machine.remoteArgs], { exit: 3 });
  await run(['bucket', 'policy', 'bucket', '--mode', 'client', ...machine.remoteArgs], { exit: 0 });
  await run(['doctor', root('docs')], { exit: 0 });
  await run(['doctor', root('ssec'), '--json'], { exit: 0 });
}

/** The daemon's own output goes through the log, which is in the folder that is searched. */
async function daemons(): Promise<void> {
  await run('attach', { exit: 2 });
  await run('daemon status', { exit: 0 });
  await run('daemon start', { exit: 0 });
  await run(['sync', root('docs'), '--once'], { exit: 0 });
  await run('daemon status --json', { exit: 0 });
  await run('daemon lock', { exit: 0 });
  await run('daemon unlock', { exit: 0 });
  await run('daemon stop', { exit: 0 });
}

/** What goes wrong, each in its way. */
async function failures(): Promise<void> {
  const wrong = join(machine.home, 'wrong');
  writeFileSync(wrong, WRONG, { mode: 0o600 });
  await run('keys list', { exit: 2, env: { S3VAULT_PASSPHRASE_FILE: wrong } });
  rmSync(wrong);
  await run('keys list', { exit: 2, env: { S3VAULT_PASSPHRASE_FILE: undefined } });
  await run(syncArgs('gone', '--key', 'laptop', '--to', 's3://no-such-bucket/x'), { exit: 4 });
  await run(syncArgs('denied', '--key', 'laptop', '--to', 's3://denied/x'), { exit: 4 });
  await run(syncArgs('sealed', '--key', base64(brought)), { exit: 2 });
  await run(syncArgs('sealed', '--mode', 'sse-c', '--key', 'pair'), { exit: 2 });
  await run(['sync', root('docs'), '--once', '--endpoint', 'http://localhost:1'], { exit: 2 });
  const strip = {
    match: 'PutObject',
    fault: { kind: 'strip-headers', names: ['x-amz-server-side-encryption-customer-key-md5'] },
  } as const;
  const unproved = server.faults.add(strip);
  writeFileSync(join(root('ssec'), 'unproved'), 'unproved');
  await run(['sync', root('ssec'), '--once'], { exit: 6 });
  unproved.remove();
  for (const kind of ['error-500', 'reset-mid-body'] as const) {
    const fault = server.faults.add({ match: 'PutObject', times: 3, fault: { kind } });
    writeFileSync(join(root('ssec'), kind), kind);
    await run(['sync', root('ssec'), '--once'], { exit: 0 });
    fault.remove();
  }
  await wrongKey();
  await brokenFiles();
}

/** Another machine with another key of the same name. */
async function wrongKey(): Promise<void> {
  const home = join(machine.home, 'second');
  await keyFile(home, PASSPHRASE, { laptop: aesMaterial(new Secret(other)) });
  const env = { S3VAULT_HOME: home };
  // The folder is that vault's own, brought along.
  cpSync(join(root('pair'), '.s3vault'), join(root('pair-2'), '.s3vault'), { recursive: true });
  for (const name of ['docs', 'pair']) {
    const mode = name === 'docs' ? ['--mode', 'sse-c'] : [];
    const args = syncArgs(`${name}-2`, '--key', 'laptop', ...FILE, ...mode, '--to', `s3://bucket/${name}`);
    await run(args, { exit: 6, env });
  }
}

/** A configuration and a key file with a key where none belongs. */
async function brokenFiles(): Promise<void> {
  const home = join(machine.home, 'third');
  const env = { S3VAULT_HOME: home };
  mkdirSync(join(home, 'config'), { recursive: true, mode: 0o700 });
  const config = join(home, 'config', 'config.json');
  const key = base64(brought);
  for (const content of [`{ "keyStore": "${key}" }`, `{"version":1,"vaults":[],"${key}":1}`, `{ ${key}`]) {
    writeFileSync(config, content, { mode: 0o600 });
    await run('keys list', { exit: 2, env });
  }
  rmSync(config);
  const keyCommand = ['--key-store', 'command', '--key-command', `cat ${join(home, 'printed')}`];
  for (const printed of [
    `{"key":"${key}"}`,
    `${key} `.repeat(2),
    JSON.stringify({ version: 1, kind: 'aes-256', key, created: CREATED, fingerprint: '00' }),
  ]) {
    writeFileSync(join(home, 'printed'), printed, { mode: 0o600 });
    const expected = printed.startsWith('{') ? 6 : 2;
    await run(syncArgs('printed', '--key', 'laptop', ...keyCommand), { exit: expected, env });
  }
  rmSync(join(home, 'printed'));
  // Another program's file under the name of the key file.
  writeFileSync(join(home, 'config', 'keys.age'), key, { mode: 0o600 });
  await run('keys list --key-store file', { exit: 6, env });
}

/** All the store holds: names, metadata, and bytes; bytes under sse-c are the server's to keep safe. */
function inBucket(): readonly Found[] {
  return ['bucket', 'denied'].flatMap((bucket) =>
    server.keys(bucket).flatMap((key) => {
      const stored = server.object(bucket, key);
      const text = JSON.stringify([key, stored?.metadata]);
      return [...findIn(needles, text, key), ...findIn(needles, Buffer.from(stored?.body ?? []), key)];
    }),
  );
}

/** The commands that help lists; the screen (`keys` alone) has tests of its own. */
async function allCommands(): Promise<ReadonlySet<string>> {
  const listed = async (...args: readonly string[]): Promise<readonly string[]> => {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...args, '--help']);
    const [section = ''] = (stdout.split('\nCommands:\n')[1] ?? '').split('\n\n');
    return [...section.matchAll(/^ {2}(\w[\w-]*)/gm)]
      .map(([, name]) => name ?? '')
      .filter((name) => name !== 'help');
  };
  const top = (await listed()).filter((name) => name !== 'keys');
  return new Set([...top, ...(await listed('keys')).map((name) => `keys ${name}`)]);
}
