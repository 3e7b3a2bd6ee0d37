import type { ObjectKey } from '../model/brands.ts';
import type { VaultError } from '../model/errors.ts';
import type { ModeKind } from '../model/mode.ts';
import type { Index, Metadata, Mover, ObjectStore, Waits } from '../model/ports.ts';
import type { RateLimit } from './budget.ts';
import type { Sealing } from './sealing.ts';

/** One protection, with what it takes to read and write under it. */
export interface Side {
  readonly kind: ModeKind;
  readonly store: ObjectStore;
  readonly sealing: Sealing;
  /** See `modeFingerprint`. */
  readonly fingerprint: string;
  /** Fingerprint of the key, KMS key id, or empty. */
  readonly key: string;
}

export interface Conversion {
  readonly from: Side;
  readonly to: Side;
  readonly mover: Mover;
  readonly index: Index;
  readonly upload: RateLimit;
  readonly download: RateLimit;
  /** The name of an object in the vault: its key without the prefix. */
  readonly nameOf: (key: ObjectKey) => string;
  /** True once the store has shown that it changes the encryption of objects in place. */
  readonly inPlace: () => boolean;
  /** Told once that the store does not copy, and why things take longer. */
  readonly onNoCopy: (error: VaultError) => void;
}

/** Which of an object's versions is meant, and what its copy is to say of it. */
export interface Which extends Waits {
  /** Default: the newest. */
  readonly versionId?: string;
  readonly mark?: Metadata;
}

/** For calls that take no mark. */
export const plain = ({ signal, versionId }: Which): Waits & { readonly versionId?: string } => ({
  signal,
  ...(versionId === undefined ? {} : { versionId }),
});

/** Names of user metadata that belong to the envelope: all else stays. */
const ENVELOPE = /^x-amz-/;
export const isSealed = (metadata: Metadata): boolean =>
  Object.keys(metadata).some((name) => ENVELOPE.test(name));

/** User metadata without the envelope. */
export const bare = (metadata: Metadata): Metadata =>
  Object.fromEntries(Object.entries(metadata).filter(([name]) => !ENVELOPE.test(name)));
