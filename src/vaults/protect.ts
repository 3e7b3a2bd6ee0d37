/** A Mode becomes what the store is told and what seals: keys are fetched here, and nowhere else on the way to a run. */
import { readFile } from 'node:fs/promises';
import { keyringOf, kmsKeyring } from '../crypto/wrap.ts';
import { type Sealing, clientSealing, serverSealing } from '../engine/sealing.ts';
import type { KmsClient } from '../keys/kms.ts';
import { openKeyStore } from '../keys/open-key-store.ts';
import { wipeMaterial } from '../keys/stored-key.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyMaterial, KeyRef } from '../model/keyref.ts';
import type { Mode } from '../model/mode.ts';
import type { Clock, KeyStore, Keyring, Kms, Waits } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import type { ResolvedRemote } from '../s3/connect.ts';
import type { Protection } from '../s3/modes.ts';
import { throttlingKms } from '../s3/throttling-kms.ts';
import type { KmsPace } from './kms-pace.ts';
import { type NamesKeeper, keeperOf } from './names.ts';
import type { OpenOptions } from './options.ts';

export interface Protecting {
  readonly protection: Protection;
  readonly sealing: Sealing;
  /** Fingerprint of the key in use, or the KMS key; empty where there is none. */
  readonly key: string;
  /** What can keep the key to encrypted names; undefined where no key is held here. */
  readonly names: NamesKeeper | undefined;
  /** Overwrites the key: nothing can be sealed, opened or asked of the store under it any more. */
  readonly wipe: () => void;
}

const NOTHING_TO_WIPE = (): void => undefined;
const PLAIN = { sealing: serverSealing, names: undefined, wipe: NOTHING_TO_WIPE } as const;

export async function protect(
  mode: Mode,
  vault: Vault,
  resolved: ResolvedRemote,
  options: OpenOptions,
  clock: Clock,
  pace?: KmsPace,
): Promise<Protecting> {
  switch (mode.kind) {
    case 'client':
      return protectHere(mode.key, vault, resolved, options, clock, pace);
    case 'sse-c': {
      const material = await loadKey(mode.key, vault, options, clock);
      if (material.kind !== 'aes-256') {
        wipeMaterial(material);
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
        names: keeperOf(keyringOf(material), material),
        wipe: () => material.secret.wipe(),
      };
    }
    case 'sse-kms':
    case 'dsse-kms': {
      const keyId = await resolveKmsKey(mode.keyId, vault, resolved, options);
      const { kind, context, bucketKey } = mode;
      const protection = { mode: kind, keyId, context, ...(bucketKey === undefined ? {} : { bucketKey }) };
      return { ...PLAIN, protection, key: keyId };
    }
    case 'sse-s3':
      return { ...PLAIN, protection: { mode: 'sse-s3' }, key: '' };
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
  pace: KmsPace | undefined,
): Promise<Protecting> {
  const under = (keyring: Keyring, wipe: () => void, material?: KeyMaterial): Protecting => {
    const key = keyring.fingerprint;
    const names = keeperOf(keyring, material);
    return { protection: { mode: 'client', key }, sealing: clientSealing(keyring), key, names, wipe };
  };
  if (ref.kind === 'kms') {
    const kms = await pacedKms(vault, resolved, options, clock, pace);
    return under(kmsKeyring(kms, ref.keyId, ref.context), NOTHING_TO_WIPE);
  }
  const material = await loadKey(ref, vault, options, clock);
  return under(keyringOf(material), () => wipeMaterial(material), material);
}

async function loadKey(
  ref: Extract<KeyRef, { kind: 'stored' }>,
  vault: Vault,
  options: OpenOptions,
  clock: Clock,
): Promise<KeyMaterial> {
  if (options.material !== undefined) return options.material;
  const store = options.keysFrom ?? keysOf(vault, options, clock);
  try {
    const material = await store.load(ref.name);
    await options.onKey?.(material.fingerprint);
    return material;
  } finally {
    // Whoever gave an opened store locks it.
    if (options.keysFrom === undefined) store.lock();
  }
}

export function keysOf(vault: Vault, options: OpenOptions, clock: Clock): KeyStore {
  const { env, places, keys } = options;
  return openKeyStore(vault.keyStore ?? options.keyStore, { ...keys, env, places, clock });
}

/** Under a pace each try is counted, so the SDK makes none by itself. */
async function pacedKms(
  vault: Vault,
  resolved: ResolvedRemote,
  options: OpenOptions,
  clock: Clock,
  pace: KmsPace | undefined,
): Promise<Kms> {
  if (pace === undefined) return kmsOf(vault, resolved, options);
  const kms = await kmsOf(vault, resolved, options, 1);
  return throttlingKms(kms, pace.direct, clock, { onThrottle: () => pace.throttled('direct') });
}

export async function kmsOf(
  vault: Pick<Vault, 'remote'>,
  resolved: Pick<ResolvedRemote, 'region'>,
  options: Pick<OpenOptions, 'env'>,
  attempts?: number,
): Promise<KmsClient> {
  const { openKms } = await import('../keys/kms.ts');
  const { caBundle, profile } = vault.remote;
  const ca = caBundle === undefined ? undefined : await readFile(caBundle, 'utf8');
  return openKms({
    region: resolved.region,
    env: options.env,
    ...(profile === undefined ? {} : { profile }),
    ...(ca === undefined ? {} : { ca }),
    ...(attempts === undefined ? {} : { attempts }),
  });
}

/** An alias is resolved to its ARN on AWS, so that the answer can be compared; other stores take the id as given. */
export async function resolveKmsKey(
  keyId: string,
  vault: Pick<Vault, 'remote'>,
  resolved: ResolvedRemote,
  options: Pick<OpenOptions, 'env'>,
  waits: Waits = {},
): Promise<string> {
  if (!resolved.isAws || !/(^|:)alias\//.test(keyId)) return keyId;
  return (await kmsOf(vault, resolved, options)).describe(keyId, waits);
}
