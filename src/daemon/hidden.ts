/** What of a home the service has no business with: keys and secrets of other programs. */
import { join } from 'node:path';
import type { InstallFacts } from './install-facts.ts';

const SECRETS = [
  '.ssh',
  '.kube',
  '.docker',
  '.azure',
  '.netrc',
  '.git-credentials',
  '.config/gcloud',
  '.config/gh',
  '.config/google-chrome',
  '.config/chromium',
  '.mozilla',
  '.thunderbird',
  '.local/share/keyrings',
  '.bash_history',
  '.zsh_history',
] as const;

/** A command that gives a key or passphrase is often `gpg` or `pass`: then these are its own. */
const OF_COMMANDS = ['.gnupg', '.password-store'] as const;

/** Absolute paths. None that a vault, the program or its settings lie in, and none inside a vault: those are to be sent. */
export function hiddenPaths(facts: InstallFacts): readonly string[] {
  const { home, places, roots, node, main, env, passphraseFile, credentialsFile, commands } = facts;
  const files = [passphraseFile, credentialsFile, env['AWS_CONFIG_FILE'], env['AWS_SHARED_CREDENTIALS_FILE']];
  const more = [env['AWS_CA_BUNDLE'], env['NODE_EXTRA_CA_CERTS'], env['AWS_WEB_IDENTITY_TOKEN_FILE']];
  const needed = [node, main, places.config, places.state, places.logs, places.runtime, ...files, ...more];
  const isNeeded = (path: string): boolean =>
    needed.some((one) => one !== undefined && lies(one, path)) ||
    roots.some((root) => lies(root, path) || lies(path, root));
  return [...SECRETS, ...(commands === true ? [] : OF_COMMANDS)]
    .map((name) => join(home, name))
    .filter((path) => !isNeeded(path));
}

const lies = (path: string, inside: string): boolean =>
  path === inside || path.startsWith(inside.endsWith('/') ? inside : `${inside}/`);
