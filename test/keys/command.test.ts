import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateAes, generateRsa } from '../../src/crypto/generate.ts';
import { commandStore } from '../../src/keys/command.ts';
import { shellWords } from '../../src/keys/run-command.ts';
import { toStored } from '../../src/keys/stored-key.ts';
import { CREATED, bytesOf, counter, keyReadingContract, readOnlyContract } from '../contract/key-store.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-command-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);

describe('the port', () => {
  keyReadingContract({
    open: (names) => commandStore({ command: `cat '${folder}/{name}'`, names }),
    put: async (name, material) => put(name, JSON.stringify(toStored(material, CREATED))),
    remove: async (name) => rmSync(join(folder, name)),
    unique: counter('c'),
    missing: 'command-failed',
  });
  readOnlyContract(() => commandStore({ command: 'true' }), /a command/);
});

describe('keys from a command', () => {
  test('come as base64, PEM or the stored form, by name', async () => {
    const [aes, rsa] = [generateAes(), await generateRsa(2048)];
    put('aes', `${aes.secret.use((bytes) => bytes.toString('base64'))}\n`);
    put(
      'rsa',
      rsa.secret.use((bytes) => bytes.toString('utf8')),
    );
    put('json', JSON.stringify(toStored(aes, CREATED)));
    const store = commandStore({ command: `cat '${folder}/{name}'`, names: ['aes', 'json'] });
    expect(bytesOf(await store.load('aes'))).toBe(bytesOf(aes));
    expect(bytesOf(await store.load('rsa'))).toBe(bytesOf(rsa));
    expect(bytesOf(await store.load('json'))).toBe(bytesOf(aes));
    expect(await store.list()).toEqual([
      { name: 'aes', kind: 'aes-256', fingerprint: aes.fingerprint, created: '', store: 'command' },
      { name: 'json', kind: 'aes-256', fingerprint: aes.fingerprint, created: CREATED, store: 'command' },
    ]);
  });

  test('the name is in the environment, and no shell sees it', async () => {
    const aes = generateAes();
    put(
      'env-key',
      aes.secret.use((bytes) => bytes.toString('base64')),
    );
    const store = commandStore({ command: `sh -c 'cat "${folder}/$S3VAULT_KEY"'` });
    expect(bytesOf(await store.load('env-key'))).toBe(bytesOf(aes));
    await expect(store.load('$(id)')).rejects.toMatchObject({ code: 'key-name' });
  });

  test.each([
    ['false', 'command-failed', 'exit code 1'],
    ['/nowhere/at-all', 'command-failed', 'was not found'],
    ['sh -c "kill -9 $$"', 'command-failed', 'SIGKILL'],
    ['printf ""', 'key-format', ''],
    ['echo c2hvcnQ=', 'key-format', '5 bytes'],
    ['echo {', 'key-damaged', ''],
  ])('%s fails with %s', async (command, code, words) => {
    await expect(commandStore({ command }).load('a')).rejects.toMatchObject({
      code,
      message: expect.stringContaining(words),
    });
  });

  test('a command that hangs is ended', async () => {
    const store = commandStore({ command: 'sleep 60', timeoutMs: 100 });
    await expect(store.load('a')).rejects.toMatchObject({ code: 'command-failed' });
    const abort = AbortSignal.timeout(50);
    await expect(commandStore({ command: 'sleep 60' }).load('a', { signal: abort })).rejects.toMatchObject({
      kind: 'cancelled',
    });
  });

  test('what a failing command printed is nowhere in the error', async () => {
    const store = commandStore({ command: `sh -c 'echo hunter2; echo hunter2 >&2; exit 3'` });
    const failure = (await store.load('a').catch((thrown: unknown) => thrown)) as Error;
    expect(`${failure.stack} ${JSON.stringify(failure)} ${String(failure.cause)}`).not.toContain('hunter2; ');
    expect(failure.message).toBe('the key command (sh) ended with exit code 3');
    expect(failure.cause).toBeUndefined();
  });
});

describe('words of a command line', () => {
  test.each([
    ['pass show s3vault', ['pass', 'show', 's3vault']],
    ["  a  'b c'  ", ['a', 'b c']],
    ['a "b \\"c\\" \\\\ \\n"', ['a', 'b "c" \\ \\n']],
    ['a\'b\'"c"d', ['abcd']],
    ['a\\ b', ['a b']],
    ["a ''", ['a', '']],
    ['a $HOME * ; |', ['a', '$HOME', '*', ';', '|']],
  ])('%s', (line, words) => expect(shellWords(line, 'command')).toEqual(words));

  test.each(['', '   ', "a 'b", 'a "b', 'a \\', "''"])('refuses %j', (line) =>
    expect(() => shellWords(line, 'command')).toThrow(expect.objectContaining({ code: 'bad-command' })));
});
