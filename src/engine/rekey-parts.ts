/** What a rekey is made of, what is asked of it, and what it comes to. */
import { VaultError } from '../model/errors.ts';
import type { Names } from '../model/names.ts';
import type { Clock, Index, Mover } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import type { Side } from './conversion.ts';

export interface RekeyParts {
  readonly vault: Vault;
  readonly from: Side;
  readonly to: Side;
  readonly mover: Mover;
  /** From `to` to `to`. */
  readonly onward: Mover;
  readonly index: Index;
  /** For what is shown; undefined: plain names. */
  readonly names?: Names;
  readonly clock: Clock;
  /** Rejects where a key in use is not what its store holds any more. */
  readonly keysHold: (begun: boolean) => Promise<void>;
}

export interface RekeyOptions {
  readonly dryRun: boolean;
  /** Ends once the bucket has agreed; nothing is counted, nothing done. */
  readonly meetOnly?: boolean;
  /** The vault is held and the bucket agrees, but nothing is counted yet: whoever reads the configuration should know of both keys. */
  readonly onMet?: () => Promise<void>;
  /** After `onMet`, where it ended before the bucket was told and any object touched. */
  readonly onUndone?: () => Promise<void>;
  /** Before the first object is touched: whoever reads the configuration now knows of both keys. */
  readonly onBegin: () => Promise<void>;
  /** Older versions, too, where the bucket has them. */
  readonly allVersions?: boolean;
  /**
   * After the last object: the old key is not needed any more. `versions`: but older object versions may need it. `oldKey` is its
   * fingerprint, or the KMS key; empty where there is none.
   */
  readonly onEnd: (versions: boolean, oldKey: string) => Promise<void>;
}

/** What is to be done, or was done. */
export interface RekeyTotals {
  readonly objects: number;
  /** With `allVersions` all of them, removals too; else as many as objects. */
  readonly versions: number;
  readonly bytes: number;
  /** Under the new protection already. */
  readonly already: number;
  /** Objects that are asked what they are before the first is touched (`checkKinds`). */
  readonly asked: number;
  readonly rewrapped: number;
  readonly copied: number;
  readonly resent: number;
  /** Encryption changed in place. */
  readonly updated: number;
  readonly failed: number;
  /** Bytes that went through this machine. */
  readonly through: number;
}

export const NOTHING_MOVED: RekeyTotals = {
  objects: 0,
  versions: 0,
  bytes: 0,
  already: 0,
  asked: 0,
  rewrapped: 0,
  copied: 0,
  resent: 0,
  updated: 0,
  failed: 0,
  through: 0,
};

/** Who can only send must not begin what cannot end. */
export function refuseBlind({ sealing: { keyring } }: Side): void {
  if (keyring === undefined || keyring.canOpen) return;
  throw new VaultError('usage', 'encrypt-only', 'this machine has only the public half of the key', {
    hint: 'it can send and not open what it sent; rekey where the private half is',
  });
}
