import type { ObjectKey } from '../model/brands.ts';
import type { VaultError } from '../model/errors.ts';
import type { ModeKind } from '../model/mode.ts';
import type { Index, Metadata, Mover, ObjectStore } from '../model/ports.ts';
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
  /** The name of an object in the vault: its key without the prefix. */
  readonly nameOf: (key: ObjectKey) => string;
  /** Told once that the store does not copy, and why things take longer. */
  readonly onNoCopy: (error: VaultError) => void;
}

/** Names of user metadata that belong to the envelope: all else stays. */
const ENVELOPE = /^x-amz-/;
export const isSealed = (metadata: Metadata): boolean =>
  Object.keys(metadata).some((name) => ENVELOPE.test(name));

/** User metadata without the envelope. */
export const bare = (metadata: Metadata): Metadata =>
  Object.fromEntries(Object.entries(metadata).filter(([name]) => !ENVELOPE.test(name)));
