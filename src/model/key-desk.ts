import type { ErrorReport } from './errors.ts';
import type { KeyInfo, KeyKind, KeyStoreKind } from './keyref.ts';
import type { ModeKind } from './mode.ts';
import type { Secret } from './secret.ts';

/** The forms in which a key comes in and goes out. */
export type KeyFormat = 'base64' | 'words' | 'pem' | 'age';

/** What is known of a key's recovery words; `none` where the kind has no words (RSA, KMS). */
export type WordsState = 'never' | 'shown' | 'checked' | 'none';

/** One vault that needs a key. */
export interface KeyUse {
  /** The synced folder, shortened for people (`~`). */
  readonly root: string;
  readonly mode: ModeKind;
  /** Objects the Index knows; of a vault that was never synced: 0. */
  readonly objects: number;
}

/**
 * One line of the key screen. A row of kind and store `kms` is a key that AWS KMS holds and registered vaults use: nothing
 * of it is here. Its name is its alias or id, its fingerprint that one shortened, `created` empty; it can be tested, and
 * all else rejects with code `kms-key` and says why.
 */
export interface KeyRow extends Omit<KeyInfo, 'kind' | 'store'> {
  readonly kind: KeyKind | 'kms';
  readonly store: KeyStoreKind | 'kms';
  readonly words: WordsState;
  readonly uses: readonly KeyUse[];
  /** ISO 8601; undefined where it was never used here. */
  readonly lastUsed?: string;
  readonly lastTest?: { readonly time: string; readonly ok: boolean };
  /** A rotation that was begun and has not ended: the name of the key that takes over. */
  readonly rotatingTo?: string;
  /** Places whose older object versions can only be read with this key. */
  readonly versionsIn: readonly string[];
}

/** What a test of a key found for one vault. */
export interface KeyTest {
  readonly root: string;
  /** The object that was fetched and opened; undefined where the vault has none. */
  readonly path?: string;
  readonly error?: ErrorReport;
  /** Of the error: what the command ends with. */
  readonly exit?: number;
}

/** How far a rotation is, over all vaults that use the key. */
export interface RotateProgress {
  readonly root: string;
  readonly done: number;
  readonly failed: number;
  readonly all: number;
  /** Bytes that went through this machine: 0 where the store moved everything by itself. */
  readonly bytes: number;
}

export interface RotateEnd {
  /** The key that took over. */
  readonly next: string;
  readonly done: number;
  readonly failed: number;
  /** As stored, of what was moved. */
  readonly bytes?: number;
  /** As `rekey` would end; 0 without an error. */
  readonly exit?: number;
  /** Set where it did not come to its end; the same rotation can be begun again and goes on. */
  readonly error?: ErrorReport;
}

/**
 * What the key screen needs of the world. Every method rejects with a VaultError. Where the store of keys must be
 * opened first, `ask` (set by the screen) is called for the passphrase.
 */
export interface KeyDesk {
  /** Where keys are kept, in words. */
  readonly place: string;
  /** Set by whoever shows the desk: asks a person without echo. Rejects with kind `cancelled`. */
  ask: ((question: string) => Promise<Secret>) | undefined;
  list(): Promise<readonly KeyRow[]>;
  create(name: string, kind: 'aes-256' | 'rsa'): Promise<KeyInfo>;
  /** `text` is wiped. */
  bringIn(name: string, format: KeyFormat, text: Secret): Promise<KeyInfo>;
  /** The 24 recovery words, separated by blanks; the caller wipes them. */
  words(name: string): Promise<Secret>;
  /** Remembers that the words were shown, or asked back and right. */
  noteWords(name: string, state: 'shown' | 'checked'): Promise<void>;
  /** Writes the key to a new file that only its owner may read; refuses to replace one. Gives its absolute path. */
  exportTo(name: string, format: KeyFormat, path: string): Promise<string>;
  test(name: string): Promise<readonly KeyTest[]>;
  rotate(
    name: string,
    onProgress: (progress: RotateProgress) => void,
    signal: AbortSignal,
  ): Promise<RotateEnd>;
  remove(name: string): Promise<void>;
  /** Forgets what was opened: the next call asks for the passphrase again. */
  lock(): void;
}
