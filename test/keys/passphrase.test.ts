import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Prompt, passphraseSource } from '../../src/keys/passphrase.ts';
import { Secret } from '../../src/model/secret.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-pass-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  return path;
}

const text = (secret: Secret): string => secret.use((bytes) => bytes.toString('utf8'));
const secret = (value: string): Secret => new Secret(Buffer.from(value));
const never: Prompt = () => Promise.reject(new Error('asked'));

describe('where a passphrase comes from', () => {
  test('the file first, without its line end', async () => {
    const env = { S3VAULT_PASSPHRASE_FILE: file('a', ' pass word \r\n'), CREDENTIALS_DIRECTORY: folder };
    expect(text(await passphraseSource({ env, prompt: never, command: 'false' })())).toBe(' pass word ');
  });

  test('then the command', async () => {
    const env = { PATH: process.env['PATH'], CREDENTIALS_DIRECTORY: folder };
    expect(text(await passphraseSource({ env, prompt: never, command: "printf '%s\\n' 'from it'" })())).toBe(
      'from it',
    );
  });

  test('then systemd', async () => {
    mkdirSync(join(folder, 'credentials'));
    writeFileSync(join(folder, 'credentials', 's3vault-passphrase'), 'from systemd\n', { mode: 0o440 });
    const env = { CREDENTIALS_DIRECTORY: join(folder, 'credentials') };
    expect(text(await passphraseSource({ env, prompt: never })())).toBe('from systemd');
  });

  test('then the terminal: once to open, twice for a new file', async () => {
    const questions: string[] = [];
    const prompt: Prompt = async (question) => {
      questions.push(question);
      return secret('typed');
    };
    expect(text(await passphraseSource({ env: {}, prompt })())).toBe('typed');
    expect(text(await passphraseSource({ env: { CREDENTIALS_DIRECTORY: folder }, prompt })('new'))).toBe(
      'typed',
    );
    expect(questions).toEqual([
      'passphrase of the key file: ',
      'new passphrase for the key file: ',
      'once more: ',
    ]);
  });

  test('else nowhere, and the hint says what to do', async () => {
    await expect(passphraseSource({ env: {} })()).rejects.toMatchObject({
      code: 'no-passphrase',
      kind: 'usage',
      hint: expect.stringContaining('S3VAULT_PASSPHRASE_FILE'),
    });
  });
});

describe('a source that is named and fails is never passed over', () => {
  const prompt: Prompt = async () => secret('typed');

  test.each([0o644, 0o640, 0o660])('a file of mode %o', async (mode) => {
    const env = { S3VAULT_PASSPHRASE_FILE: file(`open-${mode}`, 'x', mode) };
    await expect(passphraseSource({ env, prompt })()).rejects.toMatchObject({ code: 'file-exposed' });
  });

  test('a missing file, an empty one', async () => {
    const missing = { S3VAULT_PASSPHRASE_FILE: join(folder, 'nowhere') };
    await expect(passphraseSource({ env: missing, prompt })()).rejects.toMatchObject({
      code: 'no-passphrase',
    });
    const empty = { S3VAULT_PASSPHRASE_FILE: file('empty', '\n') };
    await expect(passphraseSource({ env: empty, prompt })()).rejects.toMatchObject({
      code: 'passphrase-empty',
    });
  });

  test('a command that fails or prints nothing', async () => {
    const env = { PATH: process.env['PATH'] };
    await expect(passphraseSource({ env, prompt, command: 'false' })()).rejects.toMatchObject({
      code: 'command-failed',
    });
    await expect(passphraseSource({ env, prompt, command: 'true' })()).rejects.toMatchObject({
      code: 'passphrase-empty',
    });
  });

  test('nothing typed, or two different things', async () => {
    await expect(passphraseSource({ env: {}, prompt: async () => secret('') })()).rejects.toMatchObject({
      code: 'passphrase-empty',
    });
    let n = 0;
    const differing = passphraseSource({ env: {}, prompt: async () => secret(`typed ${n++}`) });
    await expect(differing('new')).rejects.toMatchObject({ code: 'passphrase-differs' });
  });
});
