import { MAX_KEY_BYTES, type NameKey, type ObjectKey, objectKey } from '../model/brands.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import { type Names, plainNames } from '../model/names.ts';
import type { Clock, FileTree, FolderWriter, Index, Mover, ObjectStore, Watcher } from '../model/ports.ts';
import type { Direction, Vault } from '../model/vault.ts';
import { RateLimit } from './budget.ts';
import type { Reader } from './fetching.ts';
import { demandedIn } from './protected.ts';
import { Renames } from './renames.ts';
import type { Sealing } from './sealing.ts';
import { explainedBy } from './underway.ts';

/** The adapters of one vault, as the composition root hands them over. */
export interface EngineParts {
  readonly vault: Vault;
  readonly store: ObjectStore;
  readonly index: Index;
  readonly tree: FileTree;
  /** Needed where changes come from the bucket. */
  readonly writer?: FolderWriter;
  /** Copies objects inside the store, for renames; without it they are sent again. */
  readonly copier?: Mover;
  /** This machine's name, for conflict copies. */
  readonly host?: string;
  /** Undefined: no watching (`--once`). */
  readonly watcher: Watcher | undefined;
  readonly sealing: Sealing;
  /** Default: plain names. */
  readonly names?: Names;
  readonly clock: Clock;
  /** See `modeFingerprint`: what a Record must carry to be in step with the vault's Mode. */
  readonly modeFingerprint: string;
  /** Fingerprint of the key, KMS key id, or empty: goes into the vault's description in the bucket. */
  readonly keyFingerprint: string;
  /** Whether KMS is kept to its quota elsewhere: when it asks for fewer requests, no transfers are held back here. */
  readonly kmsPaced?: () => boolean;
}

/** What one Transfer needs of the world. */
export interface World {
  readonly store: ObjectStore;
  readonly tree: FileTree;
  readonly index: Index;
  readonly sealing: Sealing;
  readonly reader: Reader;
  readonly clock: Clock;
  readonly writer: FolderWriter | undefined;
  readonly host: string;
  readonly copier: Mover | undefined;
  readonly renames: Renames;
  readonly direction: Direction;
  readonly upload: RateLimit;
  readonly prefix: string;
  readonly names: Names;
  readonly modeFingerprint: string;
}

export function worldOf(parts: EngineParts): World {
  const { store, tree, index, sealing, clock, vault, modeFingerprint, writer, copier } = parts;
  const { host = 'host' } = parts;
  const download = new RateLimit(clock, vault.rules.limitDownload);
  return {
    store,
    reader: readerOf(parts, download),
    tree,
    index,
    sealing,
    clock,
    writer,
    host,
    copier,
    renames: new Renames(),
    direction: vault.direction,
    upload: new RateLimit(clock, vault.rules.limitUpload),
    prefix: vault.remote.prefix,
    names: namesOf(parts),
    modeFingerprint,
  };
}

function readerOf({ store, sealing, vault, clock }: EngineParts, download: RateLimit): Reader {
  const { keyring } = sealing;
  const reach: Reader['reach'] = (work) => again(work, clock);
  const mode = vault.mode.kind;
  const demanded = demandedIn([mode]);
  const explain = explainedBy({ vault, store, mode, clock });
  return { store, mode, demanded, keyring, commitment: 'require', download, explain, reach };
}

const TRIES = 4;
const FIRST_MS = 200;

/** A connection that broke is no reason to begin the whole file again; what lasts is the engine's business. */
async function again<T>(work: () => Promise<T>, clock: Clock): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.kind !== 'transient' || tries === TRIES) throw error;
      await clock.sleep(FIRST_MS * 2 ** tries * (0.5 + clock.random() / 2));
    }
  }
}

export function writerOf({ writer }: { readonly writer?: FolderWriter | undefined }): FolderWriter {
  if (writer !== undefined) return writer;
  throw new VaultError('internal', 'no-writer', 'this vault was opened without a way to write files');
}

export const namesOf = ({ names = plainNames(MAX_KEY_BYTES) }: Pick<EngineParts, 'names'>): Names => names;

export const keyIn = (world: { readonly prefix: string }, key: NameKey): ObjectKey =>
  objectKey(world.prefix + key);
