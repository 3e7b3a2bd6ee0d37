import { type NameKey, type ObjectKey, objectKey } from '../model/brands.ts';
import type { Clock, FileTree, Index, ObjectStore, Watcher } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import { RateLimit } from './budget.ts';
import type { Sealing } from './sealing.ts';

/** The adapters of one vault, as the composition root hands them over. */
export interface EngineParts {
  readonly vault: Vault;
  readonly store: ObjectStore;
  readonly index: Index;
  readonly tree: FileTree;
  /** Undefined: no watching (`--once`). */
  readonly watcher: Watcher | undefined;
  readonly sealing: Sealing;
  readonly clock: Clock;
  /** See `modeFingerprint`: what a Record must carry to be in step with the vault's Mode. */
  readonly modeFingerprint: string;
  /** Fingerprint of the key, KMS key id, or empty: goes into the vault's description in the bucket. */
  readonly keyFingerprint: string;
  /** KMS is kept to its quota elsewhere: when it asks for fewer requests, no transfers are held back here. */
  readonly kmsPaced?: boolean;
}

/** What one Transfer needs of the world. */
export interface World {
  readonly store: ObjectStore;
  readonly tree: FileTree;
  readonly index: Index;
  readonly sealing: Sealing;
  readonly clock: Clock;
  readonly upload: RateLimit;
  readonly prefix: string;
  readonly modeFingerprint: string;
}

export function worldOf({ store, tree, index, sealing, clock, vault, modeFingerprint }: EngineParts): World {
  const upload = new RateLimit(clock, vault.rules.limitUpload);
  return { store, tree, index, sealing, clock, upload, prefix: vault.remote.prefix, modeFingerprint };
}

export const keyIn = (world: { readonly prefix: string }, key: NameKey): ObjectKey =>
  objectKey(world.prefix + key);
