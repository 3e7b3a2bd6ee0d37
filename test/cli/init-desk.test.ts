/** What the wizard does in the world: on real folders, a real key file, and the embedded store over TLS. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AskedOnce } from '../../src/cli/asked-once.ts';
import { FirstDesk, type InitFlags } from '../../src/cli/init-desk.ts';
import { type Places, places, readConfig } from '../../src/config.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { asVaultError } from '../../src/model/errors.ts';
import type { InitChoice } from '../../src/model/init-desk.ts';
import { Secret } from '../../src/model/secret.ts';
import { ManualClock } from '../support/manual-clock.ts';

let server: EmbeddedServer;
let home: string;
let where: Places;
let passphrase: AskedOnce;
let questions: string[];
let answers: string[];

beforeAll(async () => {
  server = await startEmbedded({});
  server.createBucket('acme');
  server.createBucket('beta');
});
afterAll(() => server.close());
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 's3vault-init-')));
  where = places({ S3VAULT_HOME: join(home, 's3vault') });
  writeFileSync(join(home, 'ca.pem'), server.caPem);
  [questions, answers] = [[], []];
  passphrase = new AskedOnce(async (question) => {
    questions.push(question);
    return new Secret(Buffer.from(answers.shift() ?? 'correct horse'));
  });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const env = (): NodeJS.ProcessEnv => ({
  HOME: home,
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
  AWS_EC2_METADATA_DISABLED: 'true',
});

function desk(flags: InitFlags = {}, over: NodeJS.ProcessEnv = {}): FirstDesk {
  return new FirstDesk({
    dir: undefined,
    flags: { endpoint: server.url, caBundle: join(home, 'ca.pem'), ...flags },
    where,
    env: { ...env(), ...over },
    clock: new ManualClock(),
    passphrase,
    workFactorForTests: 2,
  });
}

const refusal = async (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'it was not refused',
    (thrown: unknown) => asVaultError(thrown).code,
  );

const choice = (over: Partial<InitChoice> = {}): InitChoice => ({
  root: join(home, 'files'),
  bucket: { bucket: 'acme', region: 'us-east-1' },
  prefix: 'files/',
  mode: 'sse-s3',
  ...over,
});

describe('folders', () => {
  test('one that is there, one that can be made, and what cannot be a vault', async () => {
    mkdirSync(join(home, 'files', 'inner'), { recursive: true });
    writeFileSync(join(home, 'file'), '');
    const { root, exists, prefix } = await desk().folder(join(home, 'files'));
    expect([root, exists, prefix]).toEqual([join(home, 'files'), true, 'files/']);
    expect(await desk().folder(join(home, 'new'))).toMatchObject({ root: join(home, 'new'), exists: false });
    expect(existsSync(join(home, 'new'))).toBe(false);
    expect(await refusal(desk().folder(join(home, 'file')))).toBe('no-folder');
    expect(await refusal(desk().folder(join(home, 'no', 'such')))).toBe('no-folder');
    await desk().register(choice());
    expect(await refusal(desk().folder(join(home, 'files')))).toBe('registered');
    expect(await refusal(desk().folder(join(home, 'files', 'inner')))).toBe('nested-vault');
  });
});

describe('the store', () => {
  test('where the credentials come from', async () => {
    expect((await desk().credentials()).from).toMatch(/environment/);
    const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
    mkdirSync(join(home, '.aws'));
    writeFileSync(
      join(home, '.aws', 'credentials'),
      '[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = x\n',
    );
    expect(await refusal(desk({ profile: 'nobody' }, none).credentials())).toBe('credentials-missing');
  });

  test('buckets are listed; one answers with its region, another is not there, a third may not be read', async () => {
    expect(await desk().buckets()).toEqual(['acme', 'beta']);
    const region = { AWS_REGION: undefined };
    expect(await desk({}, region).bucket('acme')).toMatchObject({ bucket: 'acme', region: 'us-east-1' });
    expect(await refusal(desk().bucket('no-such-bucket'))).toBe('bucket-missing');
    expect(await refusal(desk().bucket('Not A Bucket'))).toBe('bad-target');
    expect(await refusal(desk().bucket('acme/prefix'))).toBe('bad-target');
    const other = { AWS_SECRET_ACCESS_KEY: 'wrong' };
    expect(await refusal(desk({}, other).buckets())).toBe('signature');
    expect(await refusal(desk({}, other).bucket('acme'))).not.toBe('it was not refused');
  });

  test('the region is found where nothing says it; one that was named is not doubted', async () => {
    const far = await startEmbedded({ region: 'eu-west-1' });
    try {
      far.createBucket('acme');
      writeFileSync(join(home, 'ca.pem'), far.caPem);
      const keys = {
        AWS_ACCESS_KEY_ID: far.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: far.credentials.secretAccessKey,
      };
      const there = { endpoint: far.url };
      expect(await desk(there, keys).bucket('acme')).toMatchObject({ region: 'eu-west-1' });
      expect(await refusal(desk({ ...there, region: 'us-west-2' }, keys).bucket('acme'))).not.toBe(
        'it was not refused',
      );
    } finally {
      await far.close();
    }
  });

  test('plain HTTP is refused before anything is sent', async () => {
    const plain = desk({ endpoint: server.url.replace('https', 'http') });
    expect(await refusal(plain.buckets())).toBe('plain-http');
    expect(await refusal(plain.bucket('acme'))).toBe('plain-http');
  });

  test('a prefix gets its slash; one of another vault is refused', async () => {
    mkdirSync(join(home, 'files'));
    expect(await desk().prefix(join(home, 'files'), 'acme', 'docs')).toBe('docs/');
    expect(await desk().prefix(join(home, 'files'), 'acme', '')).toBe('');
    expect(await refusal(desk().prefix(join(home, 'files'), 'acme', 'a//b'))).toBe('bad-target');
    await desk().register(choice());
    expect(await refusal(desk().prefix(join(home, 'other'), 'acme', 'files/inner'))).toBe('shared-prefix');
  });

  test('the bucket is only looked at, and the command that would mend it is the whole one', async () => {
    const before = server.keys('acme');
    const found = await desk().posture(choice({ mode: 'client', key: 'laptop', store: 'file' }));
    expect(found.map(({ code }) => code)).toContain('versioning');
    expect(server.keys('acme')).toEqual(before);
    expect(desk().hardenCommand(choice())).toBe(
      `s3vault bucket harden s3://acme/files/ --mode sse-s3 --endpoint ${server.url} --ca-bundle ${join(home, 'ca.pem')} --dry-run`,
    );
  });
});

describe('keys', () => {
  test('a new key in a new key file: asked for its passphrase once, for all that follows', async () => {
    const first = desk();
    expect(await first.keys('file')).toEqual([]);
    expect(await first.createKey('file', 'laptop')).toMatchObject({ name: 'laptop', kind: 'aes-256' });
    const words = await first.words('file', 'laptop');
    expect(words.use((bytes) => bytes.toString('utf8').split(' '))).toHaveLength(24);
    words.wipe();
    await first.noteWords('file', 'laptop', 'checked');
    first.lock();
    expect(questions).toEqual(['new passphrase for the key file: ', 'once more: ']);
    // Whoever opens the vault afterwards asks nobody.
    passphrase.ask = undefined;
    expect((await desk().keys('file')).map(({ name }) => name)).toEqual(['laptop']);
    passphrase.wipe();
    expect(await refusal(desk().keys('file'))).toBe('passphrase-wanted');
  });

  test('a wrong passphrase is forgotten, and asked for again', async () => {
    await desk().createKey('file', 'laptop');
    passphrase.wipe();
    answers = ['wrong'];
    const second = desk();
    expect(await refusal(second.keys('file'))).not.toBe('it was not refused');
    expect((await second.keys('file')).map(({ name }) => name)).toEqual(['laptop']);
    expect(await refusal(second.createKey('file', 'laptop'))).toBe('key-exists');
  });

  test('two passphrases that differ make no key file', async () => {
    answers = ['one', 'two'];
    expect(await refusal(desk().createKey('file', 'laptop'))).toBe('passphrase-differs');
    answers = ['one', 'one'];
    expect(await desk().createKey('file', 'laptop')).toMatchObject({ name: 'laptop' });
  });
});

describe('registering', () => {
  test('remembers the vault as sync would, and makes the folder', async () => {
    const id = await desk().register(
      choice({ root: join(home, 'new'), mode: 'client', store: 'file', key: 'laptop' }),
    );
    const { vaults } = await readConfig(where);
    expect(vaults).toMatchObject([
      {
        id,
        root: join(home, 'new'),
        keyStore: 'file',
        mode: { kind: 'client', key: { kind: 'stored', name: 'laptop' } },
        remote: { bucket: 'acme', prefix: 'files/', region: 'us-east-1', endpoint: server.url },
      },
    ]);
    expect(existsSync(join(home, 'new'))).toBe(true);
  });

  test('what is refused at the last moment leaves no folder', async () => {
    mkdirSync(join(home, 'files'));
    await desk().register(choice());
    expect(await refusal(desk().register(choice({ root: join(home, 'new') })))).toBe('shared-prefix');
    expect(existsSync(join(home, 'new'))).toBe(false);
  });
});
