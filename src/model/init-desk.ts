import type { Finding } from './bucket.ts';
import type { KeyInfo, KeyStoreKind } from './keyref.ts';
import type { ModeKind } from './mode.ts';
import type { Secret } from './secret.ts';

/** A folder that is to become a vault. */
export interface FolderFound {
  /** Absolute, links followed. */
  readonly root: string;
  /** The same for people (`~`). */
  readonly shown: string;
  /** False: it is made when the vault is registered. */
  readonly exists: boolean;
  /** The prefix that is proposed for it. */
  readonly prefix: string;
}

export interface CredentialsFound {
  /** Where they come from, in words. */
  readonly from: string;
  /** The access key id, which is no secret. */
  readonly id: string;
}

/** A bucket that answers to these credentials. */
export interface BucketFound {
  readonly bucket: string;
  readonly region: string;
  /** Undefined: Amazon S3. */
  readonly endpoint?: string;
}

/** A place where keys can be kept; `why`: not just now. */
export interface KeyPlace {
  readonly kind: KeyStoreKind;
  readonly says: string;
  readonly why?: string;
}

/** A vault as it was put together. Key and store are there where the mode needs them. */
export interface InitChoice {
  readonly root: string;
  readonly bucket: BucketFound;
  /** Empty, or ends with `/`. */
  readonly prefix: string;
  readonly mode: ModeKind;
  readonly store?: KeyStoreKind;
  readonly key?: string;
  readonly kmsKey?: string;
}

/**
 * What the first-run wizard needs of the world. Every method rejects with a VaultError. Nothing is changed but by
 * `createKey`, `noteWords` and `register`. Where a key store must be opened first, `ask` (set by the wizard) is called.
 */
export interface InitDesk {
  /** What the command line said. */
  readonly given: { readonly dir?: string; readonly store?: KeyStoreKind };
  ask: ((question: string) => Promise<Secret>) | undefined;
  /** Kind `usage` where it cannot be a vault: not a folder, in another vault, a vault already. */
  folder(path: string): Promise<FolderFound>;
  credentials(): Promise<CredentialsFound>;
  /** Names in order. Rejects with kind `refused` where the credentials may not list them. */
  buckets(): Promise<readonly string[]>;
  bucket(name: string): Promise<BucketFound>;
  /** Where a prefix can hold this vault: as it is to be written. Kind `usage` where it cannot. */
  prefix(root: string, bucket: string, prefix: string): Promise<string>;
  /** Asks each whether it answers. */
  stores(): Promise<readonly KeyPlace[]>;
  keys(store: KeyStoreKind): Promise<readonly KeyInfo[]>;
  /** A name for a first key. */
  readonly keyName: string;
  createKey(store: KeyStoreKind, name: string): Promise<KeyInfo>;
  /** The 24 recovery words, separated by blanks; the caller wipes them. */
  words(store: KeyStoreKind, name: string): Promise<Secret>;
  noteWords(store: KeyStoreKind, name: string, state: 'shown' | 'checked'): Promise<void>;
  /** What is found in the settings of the bucket for this vault. */
  posture(choice: InitChoice): Promise<readonly Finding[]>;
  /** The command that would mend what was found. */
  hardenCommand(choice: InitChoice): string;
  /** Makes the folder where it is not there, and remembers the vault. Gives its id. */
  register(choice: InitChoice): Promise<string>;
}
