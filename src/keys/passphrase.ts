import { join } from 'node:path';
import { VaultError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';
import { readCredential, readSecretFile } from '../private-file.ts';
import { runForSecret, shellWords } from './run-command.ts';

/** Asks a person without showing what is typed. */
export type Prompt = (question: string) => Promise<Secret>;

export interface PassphraseOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Undefined where there is no terminal. */
  readonly prompt?: Prompt | undefined;
  /** Prints the passphrase. */
  readonly command?: string | undefined;
  /** What it is for, in the question. */
  readonly subject?: string;
}

const CREDENTIAL = 's3vault-passphrase';

/**
 * Where a passphrase comes from, in this order: the file named by `S3VAULT_PASSPHRASE_FILE`, the command, systemd's
 * `$CREDENTIALS_DIRECTORY/s3vault-passphrase`, the terminal. One that is named and fails is an error, never a reason to
 * try the next. Trailing line ends do not count. Rejects with kind `usage`: `no-passphrase`, `passphrase-empty`, …
 */
export function passphraseSource(options: PassphraseOptions): (purpose?: 'open' | 'new') => Promise<Secret> {
  return async (purpose = 'open') => {
    const given = await givenPassphrase(options);
    if (given !== undefined) return given;
    if (options.prompt === undefined) throw noSource();
    return ask(options.prompt, options.subject ?? 'the key file', purpose);
  };
}

async function givenPassphrase({ env, command }: PassphraseOptions): Promise<Secret | undefined> {
  const file = env['S3VAULT_PASSPHRASE_FILE'];
  if (file !== undefined && file !== '') return fromFile(file);
  if (command !== undefined) {
    const output = await runForSecret(shellWords(command, 'passphrase command'), 'passphrase command', {
      env,
    });
    return trimmed(output, 'the passphrase command printed nothing');
  }
  return fromSystemd(env['CREDENTIALS_DIRECTORY']);
}

async function fromFile(path: string): Promise<Secret> {
  const bytes = await readSecretFile(path);
  if (bytes === undefined) {
    throw new VaultError('usage', 'no-passphrase', `there is no file ${path} (S3VAULT_PASSPHRASE_FILE)`, {
      hint: 'create it with the passphrase in it, readable only by you, or unset the variable',
    });
  }
  return trimmed(bytes, `${path} holds no passphrase`);
}

async function fromSystemd(folder: string | undefined): Promise<Secret | undefined> {
  if (folder === undefined || folder === '') return undefined;
  const path = join(folder, CREDENTIAL);
  const bytes = await readCredential(path);
  return bytes === undefined ? undefined : trimmed(bytes, `${path} holds no passphrase`);
}

function trimmed(bytes: Buffer, ifEmpty: string): Secret {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  const secret = new Secret(bytes.subarray(0, end));
  bytes.fill(0);
  if (secret.length === 0) throw empty(ifEmpty);
  return secret;
}

const empty = (message: string) =>
  new VaultError('usage', 'passphrase-empty', message, { hint: 'a passphrase has at least one character' });

async function ask(prompt: Prompt, subject: string, purpose: 'open' | 'new'): Promise<Secret> {
  if (purpose === 'open') return notEmpty(await prompt(`passphrase of ${subject}: `));
  const first = notEmpty(await prompt(`new passphrase for ${subject}: `));
  const again = await prompt('once more: ');
  const same = first.use((a) => again.use((b) => a.equals(b)));
  again.wipe();
  if (same) return first;
  first.wipe();
  throw new VaultError('usage', 'passphrase-differs', 'the two passphrases differ', { hint: 'try again' });
}

function notEmpty(secret: Secret): Secret {
  if (secret.length === 0) throw empty('no passphrase was typed');
  return secret;
}

function noSource(): VaultError {
  return new VaultError('usage', 'no-passphrase', 'there is no terminal to ask for the passphrase', {
    hint: 'name a file with S3VAULT_PASSPHRASE_FILE, give --passphrase-command, or let systemd load the credential s3vault-passphrase',
  });
}
