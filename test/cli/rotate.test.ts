/** `keys rotate` and what it leaves needed, on a bucket with versions; the commands run in this process, with a quick key file. */
import { mkdtempSync, rmSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keysCommand } from '../../src/cli/keys.ts';
import { systemClock } from '../../src/clock.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { asVaultError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { configFile, places, readConfig } from '../../src/config.ts';
import { type Ended, Machine } from '../e2e/harness.ts';

let server: EmbeddedServer;
let folder: string;
let machine: Machine;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-rotate-'));
  server = await startEmbedded({});
  const { url: endpoint, credentials, region } = server;
  machine = new Machine({ endpoint, caFile: await server.caFile(folder), ...credentials, region });
  writeFileSync(machine.passphraseFile, 'correct horse', { mode: 0o600 });
});
afterAll(async () => {
  machine.remove();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `answer` makes it a terminal; it is given all that was printed so far. */
async function keys(
  args: readonly string[],
  answer?: (question: string, err: string) => string,
): Promise<Said> {
  const isTTY = answer !== undefined;
  let [out, err, code] = ['', '', 0];
  const command = keysCommand(
    {
      env: machine.env(),
      clock: systemClock,
      stdin: Object.assign(Readable.from([]), { isTTY }),
      stdout: { isTTY, write: (text) => (out += text) },
      stderr: { isTTY, write: (text) => (err += text) },
      terminal: () =>
        answer && {
          ask: async (question) => answer(question, err),
          askSecret: async () => new Secret(Buffer.from('correct horse')),
        },
      workFactorForTests: 2,
    },
    (exit) => {
      code = exit;
    },
  );
  try {
    await command.parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    const error = asVaultError(thrown);
    return { code: error.exit, out, err: `${err}${error.message}` };
  }
  return { code, out, err };
}

function sync(...more: string[]): Promise<Ended> {
  return machine.run(['sync', machine.root, '--once', ...machine.remoteArgs, ...more]);
}

async function vault(bucket: string, key: string): Promise<void> {
  server.createBucket(bucket, { versioning: true });
  for (let n = 0; n < 5; n++) machine.write(`f${n}`, `${bucket} ${n}`);
  const made = await keys(['create', key, '--key-store', 'file']);
  expect(made.code, made.err).toBe(0);
  const first = await sync('--to', `s3://${bucket}/v`, '--key', key, '--key-store', 'file');
  expect(first.code, first.stderr).toBe(0);
  machine.write('f0', 'a second version');
  expect((await sync()).code).toBe(0);
}

test('a dry run makes no key; older versions keep the old key needed; --all-versions frees it', async () => {
  await vault('rotated', 'laptop');
  const dry = await keys(['rotate', 'laptop', '--dry-run', '--all-versions']);
  expect(dry.code, dry.err).toBe(0);
  expect(dry.out).toMatch(/6 versions of 5 objects, .* only the wrapping of the data keys changes/);
  expect(dry.out).not.toContain('older versions');
  expect(dry.out).toMatch(/about 64 requests, less than \$0\.01 on Amazon S3/);
  const json = await keys(['rotate', 'laptop', '--dry-run', '--json']);
  expect(JSON.parse(json.out)).toMatchObject({ event: 'estimate', name: 'laptop', objects: 5, versions: 5 });
  expect((await keys(['list'])).out).not.toContain('laptop-2');

  const plain = await keys(['rotate', 'laptop', '--yes']);
  expect(plain.code, plain.err).toBe(0);
  expect(plain.err).toMatch(/older versions in s3:\/\/rotated\/v\/ still need key laptop/);
  const needed = await keys(['delete', 'laptop', '--yes']);
  expect([needed.code, needed.err]).toEqual([
    5,
    expect.stringContaining('older versions in s3://rotated/v/'),
  ]);
  // Of the versions under the first key the second one opens none: those objects are reported and stay, and so does the key.
  const half = await keys(['rotate', 'laptop-2', '--yes', '--all-versions']);
  expect([half.code, half.out]).toEqual([3, expect.stringContaining('5 not')]);
  expect((await keys(['delete', 'laptop-2', '--yes'])).code).toBe(5);
  expect((await keys(['test', 'laptop-2'])).code).toBe(0);
  const forgotten = await machine.run(['forget', machine.root]);
  expect(forgotten.code, forgotten.stderr).toBe(0);

  rmSync(join(machine.root, '.s3vault'), { recursive: true });
  await vault('all', 'fresh');
  const all = await keys(['rotate', 'fresh', '--yes', '--all-versions']);
  expect(all.code, all.err).toBe(0);
  expect(all.err).not.toContain('older versions');
  expect(all.out).toContain('nothing needs key fresh any more; delete it only when you have that copy');
  expect(all.err).toContain('s3vault keys export fresh-2 --format words');
  expect((await keys(['delete', 'fresh', '--yes'])).code).toBe(0);
  expect((await sync('--check-remote')).code).toBe(0);
}, 120_000);

const forget = async (): Promise<void> => {
  await machine.run(['forget', machine.root]);
  rmSync(join(machine.root, '.s3vault'), { recursive: true, force: true });
};

const rekeyTo = async (): Promise<unknown> =>
  (await readConfig(places(machine.env()))).vaults.map((one) => one.rekeyTo);

const word = (question: string, err: string): string => {
  const [, at = ''] = /^word (\d+)/.exec(question) ?? [];
  return new RegExp(`\\b${at}\\.? +([a-z]+)`).exec(err.slice(err.indexOf('has the key')))?.[1] ?? '';
};

test('a rotation that does not begin leaves no key and no trace; then the words are asked back, and rekey notes versions', async () => {
  await forget();
  await vault('undone', 'desk');
  const before = readFileSync(configFile(places(machine.env())));
  const watching = machine.start(['sync', machine.root, '--json', ...machine.remoteArgs]);
  await watching.line(({ event }) => event === 'idle');
  const held = await keys(['rotate', 'desk', '--yes']);
  expect(held.code, held.err).toBe(7);
  watching.kill('SIGTERM');
  await watching.ended;
  expect((await keys(['list'])).out).not.toContain('desk-2');
  expect(await rekeyTo()).toEqual([undefined]);
  expect((await sync()).code).toBe(0);

  const checked = await keys(['rotate', 'desk', '--yes', '--all-versions', '--json'], word);
  expect(checked.code, checked.err).toBe(0);
  const lines = checked.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    {
      event: 'key.rotate',
      name: 'desk',
      next: 'desk-2',
      done: 5,
      failed: 0,
      versionsIn: [],
      words: 'checked',
    },
    { event: 'summary', files: 5, failed: 0, skipped: 0, exit: 0 },
  ]);
  machine.write('f0', 'a version under desk-2');
  expect((await sync()).code).toBe(0);

  // As if another machine had moved it.
  const now = readFileSync(configFile(places(machine.env())));
  writeFileSync(configFile(places(machine.env())), before);
  const moved = await keys(['rotate', 'desk', '--yes']);
  expect([moved.code, moved.err]).toEqual([6, expect.stringContaining('by now')]);
  expect((await keys(['list'])).out).not.toContain('desk-3');
  expect(await rekeyTo()).toEqual([undefined]);
  writeFileSync(configFile(places(machine.env())), now);

  expect((await keys(['create', 'other'])).code).toBe(0);
  const dry = await machine.run(['rekey', machine.root, '--key', 'other', '--dry-run']);
  expect(dry.stdout).toMatch(/^5 objects, .*\n.*less than \$0\.01.*\nolder versions of objects stay/);
  const rekey = await machine.run(['rekey', machine.root, '--key', 'other', '--yes']);
  expect(rekey.code, rekey.stderr).toBe(0);
  expect(rekey.stdout).toMatch(/^plan: 5 objects to move \(/);
  const needed = await keys(['delete', 'desk-2', '--yes']);
  expect([needed.code, needed.err]).toEqual([5, expect.stringContaining('older versions in s3://undone/v/')]);
}, 120_000);

test('a key that is replaced while a rekey counts is found out before any object is touched', async () => {
  await forget();
  server.createBucket('replaced');
  const script = join(machine.home, 'key.sh');
  const seen = join(machine.home, 'seen');
  writeFileSync(
    script,
    `if [ $1 = two ] && [ -e ${seen} ]; then head -c32 /dev/zero | tr '\\0' c | base64; exit; fi
[ $1 = two ] && touch ${seen}
head -c32 /dev/zero | tr '\\0' $([ $1 = one ] && echo a || echo b) | base64\n`,
  );
  const store = ['--key-store', 'command', '--key-command', `sh ${script} {name}`];
  expect((await sync('--to', 's3://replaced/v', '--key', 'one', ...store)).code).toBe(0);
  const etag = server.object('replaced', 'v/f0')?.etag;
  const moved = await machine.run(['rekey', machine.root, '--key', 'two', '--yes', ...store]);
  expect([moved.code, moved.stderr]).toEqual([6, expect.stringContaining('was deleted or replaced')]);
  expect(moved.stdout).toContain('no object was touched');
  expect(await rekeyTo()).toEqual([undefined]);
  expect(server.object('replaced', 'v/f0')?.etag).toBe(etag);
  expect((await sync(...store)).code).toBe(0);
}, 60_000);
