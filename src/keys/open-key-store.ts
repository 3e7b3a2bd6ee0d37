import { join } from 'node:path';
import { VaultError } from '../model/errors.ts';
import type { KeyStoreKind } from '../model/keyref.ts';
import type { Clock, KeyStore } from '../model/ports.ts';
import { commandStore } from './command.ts';
import { credentialsStore } from './credentials.ts';
import { keyFileStore } from './key-file.ts';
import { keychainStore } from './keychain.ts';
import { type Prompt, passphraseSource } from './passphrase.ts';

export interface KeyStoreOptions {
  readonly clock: Clock;
  readonly env: NodeJS.ProcessEnv;
  /** The folder that holds the key file. */
  readonly places: { readonly config: string };
  /** Undefined where there is no terminal to ask on. */
  readonly prompt?: Prompt | undefined;
  readonly passphraseCommand?: string | undefined;
  /** For key store `command`; else `S3VAULT_KEY_COMMAND`. */
  readonly command?: string | undefined;
  /** Names that `list` of key store `command` asks for. */
  readonly names?: readonly string[];
  /** For tests only; see `KeyFileOptions`. */
  readonly workFactorForTests?: number;
}

export const keyFilePath = (places: { readonly config: string }): string => join(places.config, 'keys.age');

/** The store that was chosen. Nothing is read, asked or run before its first call; there is no falling back. */
export function openKeyStore(kind: KeyStoreKind, options: KeyStoreOptions): KeyStore {
  switch (kind) {
    case 'keychain':
      return keychainStore({ clock: options.clock, lockAt: join(options.places.config, 'keychain') });
    case 'file':
      return openKeyFile(options);
    case 'command':
      return openCommand(options);
    case 'credentials':
      return credentialsStore({ folder: options.env['CREDENTIALS_DIRECTORY'] });
    default:
      return kind satisfies never;
  }
}

function openKeyFile({
  env,
  prompt,
  passphraseCommand,
  places,
  workFactorForTests,
}: KeyStoreOptions): KeyStore {
  return keyFileStore({
    path: keyFilePath(places),
    passphrase: passphraseSource({ env, prompt, command: passphraseCommand }),
    ...(workFactorForTests === undefined ? {} : { workFactorForTests }),
  });
}

function openCommand({ env, command, names }: KeyStoreOptions): KeyStore {
  const line = command ?? env['S3VAULT_KEY_COMMAND'];
  if (line === undefined || line === '') {
    throw new VaultError('usage', 'no-key-command', 'key store command needs a command that prints the key', {
      hint: 'give --key-command "PROGRAM {name}", or set S3VAULT_KEY_COMMAND',
    });
  }
  return commandStore({ command: line, env, ...(names === undefined ? {} : { names }) });
}
