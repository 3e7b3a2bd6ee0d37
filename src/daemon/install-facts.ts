/** What unit files and agents are made of. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Places } from '../config.ts';
import { HEARTBEAT_FILE } from './heartbeat-address.ts';

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
  /** A file with AWS credentials, in the form of `~/.aws/credentials`. */
  readonly credentialsFile?: string;
  /** Commands of the user's give keys or passphrases. */
  readonly commands?: boolean;
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
  'AWS_ENDPOINT_URL_KMS',
  'AWS_ENDPOINT_URL_STS',
  'AWS_ENDPOINT_URL_SSO',
  'AWS_ENDPOINT_URL_SSO_OIDC',
  'AWS_ENDPOINT_URL_SERVICE_QUOTAS',
  'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
  'AWS_ROLE_ARN',
  'AWS_ROLE_SESSION_NAME',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_STS_REGIONAL_ENDPOINTS',
  'AWS_USE_FIPS_ENDPOINT',
  'AWS_USE_DUALSTACK_ENDPOINT',
  'AWS_MAX_ATTEMPTS',
  'AWS_RETRY_MODE',
  'AWS_CA_BUNDLE',
  'AWS_EC2_METADATA_DISABLED',
  'NODE_EXTRA_CA_CERTS',
  'S3VAULT_KEY_COMMAND',
  HEARTBEAT_FILE,
] as const;

/** Read or handed over otherwise, or nothing for a service. */
const ELSEWHERE = new Set([
  'S3VAULT_PASSPHRASE_FILE',
  'S3VAULT_HEARTBEAT_URL',
  'AWS_EXECUTION_ENV',
  'AWS_PAGER',
]);

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

/** Settings of this shell that nobody has thought of here: the service will not see them either. */
export const unknownHere = (env: NodeJS.ProcessEnv): readonly string[] =>
  Object.keys(env).filter(
    (name) =>
      /^(AWS|S3VAULT)_/.test(name) &&
      (env[name] ?? '') !== '' &&
      ![...CARRIED, ...SECRET, ...ELSEWHERE].includes(name),
  );

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
