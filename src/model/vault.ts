import type { VaultId } from './brands.ts';
import type { Capabilities } from './doctor.ts';
import type { KeyStoreKind } from './keyref.ts';
import type { Mode } from './mode.ts';
import type { NamesSetting } from './names.ts';

/** Where a vault's objects live, and how that place is reached. */
export interface Remote {
  readonly bucket: string;
  /** Empty, or ends with `/`. */
  readonly prefix: string;
  /** HTTPS only. Undefined: AWS, or what the environment and the profile say (checked just as strictly). */
  readonly endpoint?: string;
  readonly region?: string;
  readonly profile?: string;
  readonly pathStyle?: boolean;
  /** A PEM file with certificate authorities to trust beside the system's. */
  readonly caBundle?: string;
  readonly tlsMin?: TlsVersion;
}

export type TlsVersion = '1.2' | '1.3';

/** Which way changes go. Three settings of one planner. */
export type Direction = 'push' | 'pull' | 'both';

/** One local root folder bound to one Remote under one Mode, with its rules. */
export interface Vault {
  readonly id: VaultId;
  /** Absolute path of the synced folder. */
  readonly root: string;
  readonly remote: Remote;
  readonly mode: Mode;
  /** A rekey that was begun and has not ended: some objects are under this Mode already. */
  readonly rekeyTo?: Mode;
  /** Undefined: plain names. Decided once, before the first object. */
  readonly names?: NamesSetting;
  readonly keyStore?: KeyStoreKind;
  readonly direction: Direction;
  readonly rules: Rules;
  /** What its store was seen to do when `doctor` last looked; undefined: never. */
  readonly capabilities?: Capabilities;
}

/** What a vault lets through, and how fast. */
export interface Rules {
  /** Removals are done, not only reported. */
  readonly removals: boolean;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Transfers at a time; default 16. */
  readonly transfers?: number;
  /** Bytes a second. */
  readonly limitUpload?: number;
  readonly limitDownload?: number;
  /** KMS requests a second of the account; undefined: as AWS says. */
  readonly kmsQuota?: number;
  /** Percent of that which s3vault may use; default 50. */
  readonly kmsShare?: number;
  /** Milliseconds a file must be still before it is sent; default 400. */
  readonly settleMs?: number;
  /** Milliseconds between two looks at the bucket while watching, where changes come from there; default a minute. */
  readonly pollRemoteMs?: number;
}

export const DEFAULT_SETTLE_MS = 400;
export const DEFAULT_TRANSFERS = 16;
export const DEFAULT_POLL_REMOTE_MS = 60_000;
