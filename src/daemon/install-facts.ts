/** What unit files and agents are made of. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Places } from '../config.ts';

export interface InstallFacts {
  /** Absolute paths: Node and the program. */
  readonly node: string;
  readonly main: string;
  /** Arguments after `daemon run`. */
  readonly args: readonly string[];
  readonly home: string;
  readonly places: Places;
  readonly env: Readonly<Record<string, string>>;
  /** Folders of the registered vaults. */
  readonly roots: readonly string[];
  /** A file with the passphrase of the key file. */
  readonly passphraseFile?: string;
}

/**
 * Settings that lead to a store and keep no secret: they are written into the unit, because a service does not see the
 * shell's environment. Secrets are never written down.
 */
const CARRIED = [
  'S3VAULT_HOME',
  'XDG_CONFIG_HOME',
  'XDG_STATE_HOME',
  'AWS_PROFILE',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_S3',
  'AWS_CA_BUNDLE',
  'AWS_EC2_METADATA_DISABLED',
  'NODE_EXTRA_CA_CERTS',
] as const;

const SECRET = ['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_ACCESS_KEY_ID'] as const;

export function carriedEnv(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const kept = CARRIED.flatMap((name) => {
    const value = env[name];
    return value === undefined || value === '' ? [] : [[name, value] as const];
  });
  return Object.fromEntries(kept);
}

/** Credentials that this shell has and a service will not have. */
export const leftBehind = (env: NodeJS.ProcessEnv): readonly string[] =>
  SECRET.filter((name) => (env[name] ?? '') !== '');

export const unitFile = (home: string, env: NodeJS.ProcessEnv): string =>
  join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'systemd', 'user', 's3vault.service');

export const agentFile = (home: string): string =>
  join(home, 'Library', 'LaunchAgents', 'org.s3vault.daemon.plist');

/** The text of a file, undefined where there is none. */
export const textOf = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw thrown;
  });
