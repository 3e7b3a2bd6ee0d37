import type { VaultError } from '../model/errors.ts';
import type { KeyInfo, KeyMaterial } from '../model/keyref.ts';
import type { KeyStore, Waits } from '../model/ports.ts';
import { checkKeyName } from './key-name.ts';
import { keyFromBytes, readOnlyStore } from './key-text.ts';
import { runForSecret, shellWords } from './run-command.ts';
import { infoOf, wipeMaterial } from './stored-key.ts';

export interface CommandOptions {
  /** Words as in a shell; `{name}` in them stands for the key's name, which is also in `S3VAULT_KEY`. */
  readonly command: string;
  /** Names that `list` asks for: the command itself can't tell which keys it has. */
  readonly names?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/**
 * Keys from an external program, read-only: it prints 32 bytes in base64, a PEM key, or the JSON that s3vault stores.
 * When a raw key was created is not known: `created` is empty then. Codes `command-failed`, `key-format`, `store-read-only`.
 */
export function commandStore(options: CommandOptions): KeyStore {
  const words = shellWords(options.command, 'key command');
  const read = async (name: string, waits: Waits = {}) => readKey(words, options, checkKeyName(name), waits);
  return {
    list: async (waits) => {
      const infos: KeyInfo[] = [];
      for (const name of options.names ?? []) {
        const { material, created } = await read(name, waits);
        infos.push(infoOf(name, material, created, 'command'));
        wipeMaterial(material);
      }
      return infos;
    },
    load: async (name, waits) => (await read(name, waits)).material,
    save: async (name) => Promise.reject(readOnly(`store key ${checkKeyName(name)}`)),
    remove: async (name) => Promise.reject(readOnly(`remove key ${checkKeyName(name)}`)),
    // Nothing is kept between two calls.
    lock: () => undefined,
  };
}

async function readKey(
  words: readonly [string, ...string[]],
  { env = process.env, timeoutMs }: CommandOptions,
  name: string,
  waits: Waits,
): Promise<{ material: KeyMaterial; created: string }> {
  const [program, ...args] = words;
  const filled = [program, ...args.map((word) => word.replaceAll('{name}', name))] as const;
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  const output = await runForSecret(filled, 'key command', {
    ...waits,
    ...limit,
    env: { ...env, S3VAULT_KEY: name },
  });
  return keyFromBytes(output, name);
}

const readOnly = (what: string): VaultError =>
  readOnlyStore(
    what,
    'a command',
    'do it with the program that keeps them, or choose --key-store keychain or file',
  );
