/**
 * Keys that systemd hands to a service, read-only: `LoadCredentialEncrypted=s3vault-key-NAME:FILE` in the unit puts the
 * file `s3vault-key-NAME` into `$CREDENTIALS_DIRECTORY`, in memory that is not swapped (systemd.exec(5), Credentials).
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfCancelled } from '../crypto/fault.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyInfo, KeyMaterial } from '../model/keyref.ts';
import type { KeyStore } from '../model/ports.ts';
import { readCredential } from '../private-file.ts';
import { checkKeyName, isKeyName, keyMissing } from './key-name.ts';
import { keyFromBytes, readOnlyStore } from './key-text.ts';
import { infoOf, wipeMaterial } from './stored-key.ts';

const PREFIX = 's3vault-key-';
const WHERE = 'the credentials of this service';
const MAKE =
  'systemd-creds encrypt --name=s3vault-key-NAME - FILE.cred, and LoadCredentialEncrypted=s3vault-key-NAME:FILE.cred in the unit';

/** Codes of its own: `no-credentials`, `key-format`, `store-read-only`, all of kind `usage`. */
export function credentialsStore(options: { readonly folder: string | undefined }): KeyStore {
  const folder = (): string => {
    if (options.folder !== undefined && options.folder !== '') return options.folder;
    throw new VaultError(
      'usage',
      'no-credentials',
      'systemd gave this process no credentials: CREDENTIALS_DIRECTORY is not set',
      { hint: `run it as a service of systemd: ${MAKE}; or choose --key-store keychain, file or command` },
    );
  };
  return {
    list: async (waits) => {
      throwIfCancelled(waits);
      return list(folder());
    },
    load: async (name, waits) => {
      throwIfCancelled(waits);
      return (await read(folder(), checkKeyName(name))).material;
    },
    save: async (name) => Promise.reject(refused(`store key ${checkKeyName(name)}`)),
    remove: async (name) => Promise.reject(refused(`remove key ${checkKeyName(name)}`)),
    // Nothing is kept between two calls.
    lock: () => undefined,
  };
}

const refused = (what: string): VaultError =>
  readOnlyStore(what, "systemd's credentials", `do it with: ${MAKE}`);

async function list(folder: string): Promise<readonly KeyInfo[]> {
  const files = await readdir(folder).catch((cause: unknown) => {
    throw new VaultError('usage', 'no-credentials', `${folder} cannot be read (CREDENTIALS_DIRECTORY)`, {
      cause,
      hint: 'it belongs to the service: run s3vault as its user, inside the service',
    });
  });
  const names = files.filter((file) => file.startsWith(PREFIX)).map((file) => file.slice(PREFIX.length));
  const infos: KeyInfo[] = [];
  for (const name of names.filter(isKeyName).sort()) {
    const { material, created } = await read(folder, name);
    infos.push(infoOf(name, material, created, 'credentials'));
    wipeMaterial(material);
  }
  return infos;
}

async function read(
  folder: string,
  name: string,
): Promise<{ readonly material: KeyMaterial; readonly created: string }> {
  const bytes = await readCredential(join(folder, PREFIX + name));
  if (bytes === undefined) throw keyMissing(name, WHERE, `add it: ${MAKE}`);
  return keyFromBytes(bytes, name);
}
