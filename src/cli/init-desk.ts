/** What the first-run wizard does in the world. */
import { constants } from 'node:fs';
import { access, mkdir, realpath, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { type Config, findVault, parseTarget, readConfig } from '../config.ts';
import type { Finding } from '../model/bucket.ts';
import { shellWord } from '../model/display.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import type {
  BucketFound,
  CredentialsFound,
  FolderFound,
  InitChoice,
  InitDesk,
  KeyPlace,
} from '../model/init-desk.ts';
import type { KeyInfo, KeyStoreKind } from '../model/keyref.ts';

import { commandLine } from '../model/place-flags.ts';
import type { Secret } from '../model/secret.ts';
import type { Remote } from '../model/vault.ts';
import { guardOf, openPosture, remoteFlags } from '../vaults/bucket.ts';
import { findBucket, findCredentials, listBuckets } from '../vaults/first-look.ts';
import { checkKeyName, openKeys } from '../vaults/keys.ts';
import type { AskedOnce } from './asked-once.ts';
import { fromHomely, homely } from './homely.ts';
import { Desk, type DeskOptions } from './key-desk.ts';
import type { KeyFlags, RemoteFlags, VaultFlags } from './options.ts';
import { checkNesting, checkPlace, modeOf, remoteOf, vaultFor } from './register.ts';

export interface InitFlags extends RemoteFlags, KeyFlags, Pick<VaultFlags, 'encryptNames'> {}

export interface InitDeskOptions extends Pick<DeskOptions, 'env' | 'where' | 'clock' | 'workFactorForTests'> {
  readonly dir: string | undefined;
  readonly flags: InitFlags;
  /** Remembers the passphrase for whoever opens the vault afterwards. */
  readonly passphrase: AskedOnce;
}

export class FirstDesk implements InitDesk {
  readonly #options: InitDeskOptions;
  readonly #desks = new Map<KeyStoreKind, Desk>();
  readonly given: InitDesk['given'];
  readonly keyName = firstKeyName();

  constructor(options: InitDeskOptions) {
    this.#options = options;
    const { dir, flags } = options;
    this.given = {
      ...(dir === undefined ? {} : { dir: homely(resolve(dir)) }),
      ...(flags.keyStore === undefined ? {} : { store: flags.keyStore }),
    };
  }

  get ask(): InitDesk['ask'] {
    return this.#options.passphrase.ask;
  }

  set ask(ask: InitDesk['ask']) {
    this.#options.passphrase.ask = ask;
  }

  async folder(path: string): Promise<FolderFound> {
    const full = resolve(fromHomely(path));
    const exists = await isFolder(full);
    const root = exists ? await realpath(full) : await toBeMade(full);
    const config = await readConfig(this.#options.where);
    refuseKnown(config, root);
    checkNesting(root, config.vaults);
    return { root, shown: homely(root), exists, prefix: prefixFor(root) };
  }

  credentials(): Promise<CredentialsFound> {
    return findCredentials(this.#where, this.#options.env);
  }

  buckets(): Promise<readonly string[]> {
    return listBuckets(this.#where, this.#options.env);
  }

  async bucket(name: string): Promise<BucketFound> {
    const { bucket, prefix } = parseTarget(name.startsWith('s3://') ? name : `s3://${name}`);
    if (prefix !== '') throw bucketOnly(bucket, prefix);
    const { region, endpoint } = await findBucket({ ...this.#where, bucket, prefix }, this.#options.env);
    return { bucket, region, ...(endpoint === undefined ? {} : { endpoint }) };
  }

  async prefix(root: string, bucket: string, text: string): Promise<string> {
    const { prefix } = parseTarget(`s3://${bucket}/${text}`);
    const { vaults } = await readConfig(this.#options.where);
    checkPlace({ root, remote: { bucket, prefix } }, vaults);
    return prefix;
  }

  async stores(): Promise<readonly KeyPlace[]> {
    const { clock, env, where } = this.#options;
    const keychain = await openKeys('keychain', { clock, env, places: where });
    const why = await keychain.list().then(
      () => undefined,
      (thrown: unknown) => asVaultError(thrown).message,
    );
    const system = { kind: 'keychain', says: 'opened when you sign in; nothing to type' } as const;
    return [
      why === undefined ? system : { ...system, why },
      { kind: 'file', says: 'one file, sealed with a passphrase that is asked for at each start' },
    ];
  }

  async keys(store: KeyStoreKind): Promise<readonly KeyInfo[]> {
    const desk = await this.#desk(store);
    try {
      // Keys that KMS holds are named by their id, not here.
      return (await desk.list()).flatMap(({ name, kind, fingerprint, created, store: place }) =>
        kind === 'kms' || place === 'kms' ? [] : [{ name, kind, fingerprint, created, store: place }],
      );
    } catch (thrown) {
      this.#forget(store);
      throw thrown;
    }
  }

  async createKey(store: KeyStoreKind, name: string): Promise<KeyInfo> {
    checkKeyName(name);
    try {
      return await (await this.#desk(store)).create(name, 'aes-256');
    } catch (thrown) {
      if (asVaultError(thrown).code !== 'key-exists') this.#forget(store);
      throw thrown;
    }
  }

  async words(store: KeyStoreKind, name: string): Promise<Secret> {
    return (await this.#desk(store)).words(name);
  }

  async noteWords(store: KeyStoreKind, name: string, state: 'shown' | 'checked'): Promise<void> {
    await (await this.#desk(store)).noteWords(name, state);
  }

  async posture(choice: InitChoice): Promise<readonly Finding[]> {
    const { env, clock } = this.#options;
    const flags = remoteFlags(this.#where);
    const posture = await openPosture(remoteFor(choice, this.#where), env, { clock, flags });
    try {
      await posture.handshake();
      const mode = modeOf(flagsFor(choice));
      return posture.findings(await posture.facts(), [guardOf(choice.prefix, mode)]);
    } finally {
      await posture.close();
    }
  }

  hardenCommand({ bucket, prefix, mode, kmsKey }: InitChoice): string {
    const place = shellWord(`s3://${bucket.bucket}/${prefix}`);
    const key = kmsKey === undefined ? '' : `--kms-key ${shellWord(kmsKey)}`;
    const reached = remoteFlags(this.#where);
    return commandLine(['s3vault bucket harden', place, `--mode ${mode}`, key, reached, '--dry-run']);
  }

  async register(choice: InitChoice): Promise<string> {
    const { where, flags } = this.#options;
    const made = await makeFolder(choice.root);
    try {
      const { vault, register } = await vaultFor(choice.root, { ...flags, ...flagsFor(choice) }, where);
      await register(vault);
      return vault.id;
    } catch (thrown) {
      if (made) await removeEmpty(choice.root);
      throw thrown;
    }
  }

  /** Wipes what was opened. */
  lock(): void {
    for (const desk of this.#desks.values()) desk.lock();
    this.#desks.clear();
  }

  // ------------------------------------------------------------------------------------------------------------- inside

  get #where(): Omit<Remote, 'bucket' | 'prefix'> {
    return remoteOf(this.#options.flags);
  }

  async #desk(kind: KeyStoreKind): Promise<Desk> {
    const known = this.#desks.get(kind);
    if (known !== undefined) return known;
    const { flags, where, env, clock, passphrase, workFactorForTests } = this.#options;
    const factor = workFactorForTests === undefined ? {} : { workFactorForTests };
    const desk = new Desk({ kind, flags, where, env, clock, ask: passphrase.prompt, ...factor });
    this.#desks.set(kind, desk);
    return desk;
  }

  /** A passphrase that was wrong must be asked for again. */
  #forget(kind: KeyStoreKind): void {
    this.#desks.get(kind)?.lock();
    this.#desks.delete(kind);
    this.#options.passphrase.wipe();
  }
}

const remoteFor = ({ bucket, prefix }: InitChoice, where: Omit<Remote, 'bucket' | 'prefix'>): Remote => ({
  ...where,
  region: bucket.region,
  bucket: bucket.bucket,
  prefix,
});

/** As `sync` would be told. The region is remembered: it was found out. */
function flagsFor({ bucket, prefix, mode, store, key, kmsKey }: InitChoice): VaultFlags & KeyFlags {
  return {
    to: `s3://${bucket.bucket}/${prefix}`,
    region: bucket.region,
    mode,
    ...(store === undefined ? {} : { keyStore: store }),
    ...(key === undefined ? {} : { key }),
    ...(kmsKey === undefined ? {} : { kmsKey }),
  };
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch((thrown: unknown) => {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw new VaultError('usage', 'no-folder', `${path} cannot be looked at (${codeOf(thrown)})`, {
      cause: thrown,
      hint: 'name another folder',
    });
  });
  if (found === undefined || found.isDirectory()) return found !== undefined;
  throw new VaultError('usage', 'no-folder', `${path} is not a folder`, { hint: 'a vault is a folder' });
}

/** Where a folder that is not there yet would lie. Rejects where it could not be made. */
async function toBeMade(path: string): Promise<string> {
  const above = dirname(path);
  try {
    const real = await realpath(above);
    await access(real, constants.W_OK | constants.X_OK);
    return resolve(real, basename(path));
  } catch (cause) {
    throw new VaultError(
      'usage',
      'no-folder',
      `there is no folder ${path}, and it cannot be made in ${above}`,
      {
        cause,
        hint: 'create the folder around it first, or name another one',
      },
    );
  }
}

async function makeFolder(path: string): Promise<boolean> {
  try {
    return (await mkdir(path, { recursive: true })) !== undefined;
  } catch (cause) {
    throw new VaultError('usage', 'no-folder', `${path} cannot be made (${codeOf(cause)})`, { cause });
  }
}

async function removeEmpty(path: string): Promise<void> {
  const { rmdir } = await import('node:fs/promises');
  await rmdir(path).catch(() => undefined);
}

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error';

function refuseKnown(config: Config, root: string): void {
  const known = findVault(config, root);
  if (known === undefined) return;
  const { bucket, prefix } = known.remote;
  throw new VaultError(
    'usage',
    'registered',
    `${homely(root)} is a vault already, kept in s3://${bucket}/${prefix}`,
    {
      hint: 'name another folder; s3vault alone opens those that are vaults',
    },
  );
}

const bucketOnly = (bucket: string, prefix: string): VaultError =>
  new VaultError('usage', 'bad-target', 'only the bucket is asked for here', {
    hint: `type ${bucket}; the prefix ${prefix} is asked for next`,
  });

/** The folder's name, as far as a prefix can have it. */
function prefixFor(root: string): string {
  const name = basename(root)
    .normalize('NFC')
    .replaceAll(/[\u0000-\u001f\u007f]/g, '');
  return name === '' || name === '.s3vault' ? '' : `${name}/`;
}

/** The machine's own name, as a key can be called. */
function firstKeyName(): string {
  const name =
    hostname()
      .split('.')[0]
      ?.toLowerCase()
      .replaceAll(/[^a-z0-9_-]/g, '') ?? '';
  return /^[a-z]/.test(name) ? name.slice(0, 32) : 'laptop';
}
