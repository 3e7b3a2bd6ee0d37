/** Where the heartbeat's address comes from. It is a secret: whoever knows it can keep the watcher quiet. */
import { join } from 'node:path';
import type { Places } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import { privateFolder, readSecretFile, replacePrivate } from '../private-file.ts';
import { heartbeatUrl } from './heartbeat.ts';

/** Names of variables: the address itself, and a private file with it. Neither shows in a list of processes. */
export const HEARTBEAT_URL = 'S3VAULT_HEARTBEAT_URL';
export const HEARTBEAT_FILE = 'S3VAULT_HEARTBEAT_FILE';

/** As given, from the environment, or from a file; undefined where nobody asked for it. */
export async function heartbeatAddress(
  given: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const told = given ?? (env[HEARTBEAT_URL] === '' ? undefined : env[HEARTBEAT_URL]);
  if (told !== undefined) return heartbeatUrl(told).href;
  const file = env[HEARTBEAT_FILE] ?? '';
  if (file === '') return undefined;
  const bytes = await readSecretFile(file);
  if (bytes !== undefined) return heartbeatUrl(bytes.toString('utf8').trim()).href;
  throw new VaultError('usage', 'heartbeat-file', `there is no file ${file} with the heartbeat's address`, {
    hint: 'write it anew with: s3vault daemon install --heartbeat-url URL',
  });
}

/** Keeps the address for a service; gives the file, which only its owner can read. */
export async function keepAddress(places: Places, address: string): Promise<string> {
  const file = join(places.config, 'heartbeat-url');
  await privateFolder(places.config);
  await replacePrivate(file, Buffer.from(`${heartbeatUrl(address).href}\n`));
  return file;
}
