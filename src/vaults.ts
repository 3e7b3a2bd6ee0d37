/**
 * The composition root: one vault's configuration and the adapters become a running Engine. Read from top to bottom:
 * refuse plain HTTP, take the vault, fetch the key, connect, assemble.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Places } from './config.ts';
import { systemClock } from './clock.ts';
import { generateAes } from './crypto/generate.ts';
import { keyringOf, kmsKeyring } from './crypto/wrap.ts';
import type { Side } from './engine/conversion.ts';
import { Engine, type EngineOptions } from './engine/engine.ts';
import { Rekey, type RekeyOptions, type RekeyTotals } from './engine/rekey.ts';
import { tryOpen } from './engine/try-open.ts';
import { type Sealing, clientSealing, serverSealing } from './engine/sealing.ts';
import type { Custody } from './keys/custody.ts';
import { type KeyNotes, openKeyNotes } from './keys/key-notes.ts';
import { type KeyStoreOptions, openKeyStore } from './keys/open-key-store.ts';
import { openTree } from './local/tree.ts';
import { openWatcher } from './local/watch.ts';
import type { Outcome } from './model/command.ts';
import { MAX_KEY_BYTES } from './model/brands.ts';
import { VaultError } from './model/errors.ts';
import type { KeyMaterial, KeyRef, KeyStoreKind } from './model/keyref.ts';
import { type Mode, modeFingerprint } from './model/mode.ts';
import type { Action } from './model/plan.ts';
import type { Clock, Index, KeyStore, Kms } from './model/ports.ts';
import { DEFAULT_TRANSFERS, type Vault } from './model/vault.ts';
import { type ResolvedRemote, resolveRemote } from './s3/connect.ts';
import type { Protection } from './s3/modes.ts';
import { openMover } from './s3/mover.ts';
import { openStore } from './s3/open-store.ts';
import { openIndex, readIndex } from './state/open-index.ts';

export interface OpenOptions extends EngineOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly places: Places;
  readonly keys: Omit<KeyStoreOptions, 'clock' | 'env' | 'places'>;
  /** Where keys of vaults that name no place of their own are kept. */
  readonly keyStore: KeyStoreKind;
  /** A key that is in no store: the demo's. */
  readonly material?: KeyMaterial;
  /** Told of every stored key that is used, by its fingerprint. */
  readonly onKey?: (fingerprint: string) => Promise<void>;
  /** An opened store of keys; else one is opened. */
  readonly keysFrom?: KeyStore;
  readonly clock?: Clock;
}

export interface OpenVault {
  readonly engine: Engine;
  /** Runs to the end, then frees everything. */
  run(): Promise<Outcome>;
  /** Only plans (`--dry-run`), then frees everything. */
  preview(onAction: (action: Action) => void): Promise<Outcome>;
}

/** What is remembered of keys beside the keys. */
export const keyNotes = (places: Places): KeyNotes => openKeyNotes(places.state);

/** A key for one run, kept nowhere. */
export const temporaryKey = (): KeyMaterial => generateAes();

export type { Custody, KeyNotes, KeyStoreOptions, RekeyTotals };

/** What can be done with named keys in one place. Nothing is read or asked yet. */
export async function openKeys(kind: KeyStoreKind, options: KeyStoreOptions): Promise<Custody> {
  const { openCustody } = await import('./keys/custody.ts');
  return openCustody(kind, options);
}

export interface VaultStatus {
  readonly files: number;
  /** Plaintext bytes. */
  readonly bytes: number;
  /** Multipart uploads that will go on. */
  readonly unfinished: number;
}

/** What the Index of a vault knows, without holding the vault. */
export async function vaultStatus(vault: Vault, places: Places): Promise<VaultStatus> {
  const index = await readIndex({ folder: vaultState(places, vault) });
  if (index === undefined) return { files: 0, bytes: 0, unfinished: 0 };
  try {
    return { ...index.count(), unfinished: index.journal().all().length };
  } finally {
    index.close();
  }
}

/** The state folder of one vault. */
export const vaultState = (places: Places, vault: Pick<Vault, 'id'>): string =>
  join(places.state, 'vaults', vault.id);

/** Opens a vault. Rejects before any key is read where an endpoint is not HTTPS, and with exit 7 where it is held. */
export async function openVault(vault: Vault, options: OpenOptions): Promise<OpenVault> {
  const clock = options.clock ?? systemClock;
  const resolved = await resolveRemote(vault.remote, options.env);
  const index = await openIndex({ folder: vaultState(options.places, vault) });
  try {
    const protecting = await protect(vault.mode, vault, resolved, options, clock);
    return assemble(vault, resolved, index, protecting, options, clock);
  } catch (thrown) {
    index.close();
    await resolved.close();
    throw thrown;
  }
}

export interface OpenRekey {
  readonly rekey: Rekey;
  /** Runs to the end, then frees everything. */
  readonly run: () => Promise<Outcome>;
}

/** Opens a vault for moving its objects to another Mode. Rejects as `openVault` does. */
export async function openRekey(
  vault: Vault,
  next: Mode,
  options: OpenOptions & RekeyOptions,
): Promise<OpenRekey> {
  const clock = options.clock ?? systemClock;
  const closing: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closing.splice(0)) await close();
  };
  try {
    const resolved = await resolveRemote(vault.remote, options.env);
    closing.push(() => resolved.close());
    const index = await openIndex({ folder: vaultState(options.places, vault) });
    closing.push(() => index.close());
    const keysFrom = options.keysFrom ?? keysOf(vault, options, clock);
    const opening = { ...options, keysFrom };
    const transfers = vault.rules.transfers ?? DEFAULT_TRANSFERS;
    const onThrottle = (error: VaultError): void => rekey.throttled(error);
    const side = async (mode: Mode): Promise<Side & { readonly protection: Protection }> => {
      const { protection, sealing, key } = await protect(mode, vault, resolved, opening, clock);
      // Each store closes the connections and credentials it was given.
      const own = await resolveRemote(vault.remote, options.env);
      const store = openStore(own, protection, { clock, transfers, onThrottle });
      closing.push(() => store.close());
      return { kind: mode.kind, store, sealing, fingerprint: modeFingerprint(mode, key), key, protection };
    };
    const from = await side(vault.mode);
    const to = await side(next);
    const mover = openMover(resolved, from.protection, to.protection, { clock, transfers, onThrottle });
    closing.push(
      () => mover.close(),
      () => [from, to].forEach(({ protection }) => protection.mode === 'sse-c' && protection.key.wipe()),
    );
    const rekey: Rekey = new Rekey({ vault, from, to, mover, index, clock }, options);
    const run = async (): Promise<Outcome> => {
      const letGo = holdProcess();
      try {
        return await rekey.run();
      } finally {
        await closeAll();
        letGo();
      }
    };
    return { rekey, run };
  } catch (thrown) {
    await closeAll();
    throw thrown;
  }
}

/** Fetches one object of a vault and opens it; gives its path, undefined where the vault has none. Changes nothing. */
export async function tryVault(vault: Vault, options: OpenOptions): Promise<string | undefined> {
  const clock = options.clock ?? systemClock;
  const index = await readIndex({ folder: vaultState(options.places, vault) });
  if (index === undefined) return undefined;
  try {
    const resolved = await resolveRemote(vault.remote, options.env);
    const { protection, sealing } = await protect(vault.mode, vault, resolved, options, clock);
    const store = openStore(resolved, protection, { clock, transfers: 1, attempts: 3 });
    try {
      return await tryOpen({ store, sealing }, index, vault.remote.prefix);
    } finally {
      await store.close();
    }
  } finally {
    index.close();
  }
}

interface Protecting {
  readonly protection: Protection;
  readonly sealing: Sealing;
  /** Fingerprint of the key in use, or the KMS key; empty where there is none. */
  readonly key: string;
}

async function protect(
  mode: Mode,
  vault: Vault,
  resolved: ResolvedRemote,
  options: OpenOptions,
  clock: Clock,
): Promise<Protecting> {
  switch (mode.kind) {
    case 'client':
      return protectHere(mode.key, vault, resolved, options, clock);
    case 'sse-c': {
      const material = await loadKey(mode.key, vault, options, clock);
      if (material.kind !== 'aes-256') {
        throw new VaultError(
          'usage',
          'key-kind',
          `key ${mode.key.name} is ${material.kind}; sse-c needs aes-256`,
          {
            hint: 'make one with: s3vault keys create NAME',
          },
        );
      }
      return {
        protection: { mode: 'sse-c', key: material.secret },
        sealing: serverSealing,
        key: material.fingerprint,
      };
    }
    case 'sse-kms':
    case 'dsse-kms': {
      const keyId = await resolveKmsKey(mode.keyId, vault, resolved, options);
      const { kind, context, bucketKey } = mode;
      const protection = { mode: kind, keyId, context, ...(bucketKey === undefined ? {} : { bucketKey }) };
      return { protection, sealing: serverSealing, key: keyId };
    }
    case 'sse-s3':
      return { protection: { mode: 'sse-s3' }, sealing: serverSealing, key: '' };
    default:
      return mode satisfies never;
  }
}

async function protectHere(
  ref: KeyRef,
  vault: Vault,
  resolved: ResolvedRemote,
  options: OpenOptions,
  clock: Clock,
): Promise<Protecting> {
  const keyring =
    ref.kind === 'kms'
      ? kmsKeyring(await kmsOf(vault, resolved, options), ref.keyId, ref.context)
      : keyringOf(await loadKey(ref, vault, options, clock));
  const key = keyring.fingerprint;
  return { protection: { mode: 'client', key }, sealing: clientSealing(keyring), key };
}

async function loadKey(
  ref: Extract<KeyRef, { kind: 'stored' }>,
  vault: Vault,
  options: OpenOptions,
  clock: Clock,
): Promise<KeyMaterial> {
  if (options.material !== undefined) return options.material;
  const material = await (options.keysFrom ?? keysOf(vault, options, clock)).load(ref.name);
  await options.onKey?.(material.fingerprint);
  return material;
}

function keysOf(vault: Vault, options: OpenOptions, clock: Clock): KeyStore {
  const { env, places, keys } = options;
  return openKeyStore(vault.keyStore ?? options.keyStore, { ...keys, env, places, clock });
}

async function kmsOf(vault: Vault, resolved: ResolvedRemote, options: OpenOptions): Promise<Kms> {
  const { openKms } = await import('./keys/kms.ts');
  const { caBundle, profile } = vault.remote;
  const ca = caBundle === undefined ? undefined : await readFile(caBundle, 'utf8');
  return openKms({
    region: resolved.region,
    env: options.env,
    ...(profile === undefined ? {} : { profile }),
    ...(ca === undefined ? {} : { ca }),
  });
}

/** An alias is resolved to its ARN on AWS, so that the answer can be compared; other stores take the id as given. */
async function resolveKmsKey(
  keyId: string,
  vault: Vault,
  resolved: ResolvedRemote,
  options: OpenOptions,
): Promise<string> {
  if (!resolved.isAws || !/(^|:)alias\//.test(keyId)) return keyId;
  return (await kmsOf(vault, resolved, options)).describe(keyId);
}

function assemble(
  vault: Vault,
  resolved: ResolvedRemote,
  index: Index,
  protecting: Protecting,
  options: OpenOptions,
  clock: Clock,
): OpenVault {
  const { include, exclude, transfers } = vault.rules;
  const store = openStore(resolved, protecting.protection, {
    clock,
    transfers: transfers ?? DEFAULT_TRANSFERS,
    onThrottle: (error) => engine.throttled(error),
  });
  const maxKeyBytes = MAX_KEY_BYTES - Buffer.byteLength(vault.remote.prefix);
  const tree = openTree({ root: vault.root, include, exclude, clock, maxKeyBytes });
  const watcher = options.once
    ? undefined
    : openWatcher({ root: vault.root, ignores: (path) => tree.ignores(path), clock });
  const engine: Engine = new Engine(
    {
      vault,
      store,
      index,
      tree,
      watcher,
      sealing: protecting.sealing,
      clock,
      modeFingerprint: modeFingerprint(vault.mode, protecting.key),
      keyFingerprint: protecting.key,
    },
    options,
  );
  const close = async (): Promise<void> => {
    index.close();
    await store.close();
    if (protecting.protection.mode === 'sse-c') protecting.protection.key.wipe();
  };
  const closing = async (work: () => Promise<Outcome>): Promise<Outcome> => {
    const letGo = holdProcess();
    try {
      return await work();
    } finally {
      await close();
      letGo();
    }
  };
  return {
    engine,
    run: () => closing(() => engine.run()),
    preview: (onAction) => closing(() => engine.preview(onAction)),
  };
}

/** A run that only waits (for the next try, for a file to be still) has no open handle: Node would end in its middle. */
function holdProcess(): () => void {
  const hold = new AbortController();
  systemClock.sleep(Number.MAX_SAFE_INTEGER, { signal: hold.signal }).catch(() => undefined);
  return () => hold.abort();
}
