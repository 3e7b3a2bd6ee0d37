/**
 * A bucket's own settings: what is read of them, how they are changed, and what is found wrong. The port is stated by the
 * posture checks; adapters and the fake live in `s3/posture`.
 */
import type { ObjectKey } from './brands.ts';
import type { Waits } from './ports.ts';
import type { VaultError } from './errors.ts';

/**
 * One setting as far as it could be read. `unknown` is never taken for fine: `denied` for lack of permission,
 * `unsupported` where the store has no such setting, `failed` for all else.
 */
export type Setting<T> =
  | { readonly state: 'set'; readonly value: T }
  | { readonly state: 'absent' }
  | {
      readonly state: 'unknown';
      readonly why: 'denied' | 'unsupported' | 'failed';
      readonly reason: string;
      /** Where the store could not be reached. */
      readonly offline?: VaultError;
    };

export interface DefaultEncryption {
  readonly algorithm: string;
  readonly kmsKeyId?: string;
  readonly bucketKey: boolean;
  /** `BlockedEncryptionTypes`; undefined where the store does not say: unknown, not allowed. */
  readonly blocked?: readonly string[];
}

export type Versioning = 'Enabled' | 'Suspended';

export interface PublicAccess {
  readonly blockAcls: boolean;
  readonly ignoreAcls: boolean;
  readonly blockPolicy: boolean;
  readonly restrictBuckets: boolean;
}

/** Its switches as S3 calls them. */
export const ACCESS_SWITCHES: readonly (readonly [keyof PublicAccess, string])[] = [
  ['blockAcls', 'BlockPublicAcls'],
  ['ignoreAcls', 'IgnorePublicAcls'],
  ['blockPolicy', 'BlockPublicPolicy'],
  ['restrictBuckets', 'RestrictPublicBuckets'],
];

/** What is understood of a lifecycle rule. `raw` is the adapter's own, given back as it came when rules are written. */
export interface LifecycleRule {
  readonly id?: string;
  readonly enabled: boolean;
  /** Keys it is for; empty: all. Undefined where it chooses by tag or size: it is not for all objects under anything. */
  readonly prefix?: string;
  readonly abortUploadsDays?: number;
  readonly oldVersionsDays?: number;
  /** So many of the newest old versions stay, however old they are. */
  readonly oldVersionsKept?: number;
  /** It puts objects, or old versions, where they can't be read at once: when, and into which storage class. */
  readonly archives?: string;
  readonly archivesOld?: string;
  /** It removes objects that are in use: after so many days, or at a date. */
  readonly removesObjects?: string;
  readonly raw?: unknown;
}

export interface Lifecycle {
  readonly rules: readonly LifecycleRule[];
  /** `TransitionDefaultMinimumObjectSize`, given back as it came. */
  readonly minimumSize?: string;
}

export interface ObjectLock {
  /** `GOVERNANCE` or `COMPLIANCE` where new versions are locked by default. */
  readonly mode?: string;
  /** Such as `30 days`. */
  readonly period?: string;
}

export type Ownership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter';

/** Reads never reject for what the store says: they give `unknown`. They reject with kind `cancelled` only. */
export interface BucketConfig {
  readonly bucket: string;
  /** The policy's JSON text, byte for byte as the store gives it. */
  policy(options?: Waits): Promise<Setting<string>>;
  encryption(options?: Waits): Promise<Setting<DefaultEncryption>>;
  versioning(options?: Waits): Promise<Setting<Versioning>>;
  publicAccess(options?: Waits): Promise<Setting<PublicAccess>>;
  ownership(options?: Waits): Promise<Setting<Ownership>>;
  lifecycle(options?: Waits): Promise<Setting<Lifecycle>>;
  objectLock(options?: Waits): Promise<Setting<ObjectLock>>;
  /** Each replaces the whole setting; `undefined` removes it. Reject with a VaultError. */
  setPolicy(text: string | undefined, options?: Waits): Promise<void>;
  setEncryption(encryption: DefaultEncryption | undefined, options?: Waits): Promise<void>;
  setVersioning(versioning: Versioning, options?: Waits): Promise<void>;
  setPublicAccess(access: PublicAccess, options?: Waits): Promise<void>;
  setOwnership(ownership: Ownership, options?: Waits): Promise<void>;
  setLifecycle(lifecycle: Lifecycle, options?: Waits): Promise<void>;
}

/** All settings as they were read together. */
export interface BucketFacts {
  readonly policy: Setting<string>;
  readonly encryption: Setting<DefaultEncryption>;
  readonly versioning: Setting<Versioning>;
  readonly publicAccess: Setting<PublicAccess>;
  readonly ownership: Setting<Ownership>;
  readonly lifecycle: Setting<Lifecycle>;
  readonly objectLock: Setting<ObjectLock>;
}

export type SettingName = keyof BucketFacts;

export const SETTING_NAMES: readonly SettingName[] = [
  'policy',
  'encryption',
  'versioning',
  'publicAccess',
  'ownership',
  'lifecycle',
  'objectLock',
];

/** As people call them. */
export const SETTING_WORDS: { readonly [S in SettingName]: string } = {
  policy: 'policy',
  encryption: 'default encryption',
  versioning: 'versioning',
  publicAccess: 'public access block',
  ownership: 'object ownership',
  lifecycle: 'lifecycle rules',
  objectLock: 'Object Lock',
};

/** Reads everything at once. */
export async function readFacts(config: BucketConfig, options: Waits = {}): Promise<BucketFacts> {
  const [policy, encryption, versioning, publicAccess, ownership, lifecycle, objectLock] = await Promise.all([
    config.policy(options),
    config.encryption(options),
    config.versioning(options),
    config.publicAccess(options),
    config.ownership(options),
    config.lifecycle(options),
    config.objectLock(options),
  ]);
  return { policy, encryption, versioning, publicAccess, ownership, lifecycle, objectLock };
}

/** How a test write says that it is to be encrypted. */
export type TrialHow =
  /** No word about encryption, as mode client sends. */
  | { readonly kind: 'plain' }
  | { readonly kind: 'sse-s3' }
  | {
      readonly kind: 'sse-kms' | 'dsse-kms';
      readonly keyId: string;
      readonly context: Readonly<Record<string, string>>;
    }
  /** Under a key that is made up for it and forgotten. */
  | { readonly kind: 'sse-c' };

export type Trial =
  | {
      readonly outcome: 'accepted';
      /** KMS key that the answer names. */
      readonly kmsKeyId?: string;
    }
  | { readonly outcome: 'refused'; readonly error: VaultError };

/** A test object that an earlier run left. `modified`: ms since 1970. */
export interface Leftover {
  readonly key: ObjectKey;
  readonly modified: number;
}

/** A test object that could not be removed again, and why. */
export interface TrialLeft {
  readonly key: ObjectKey;
  /** Code `trial-left`. */
  readonly error: VaultError;
}

/**
 * Tries what the store lets pass, with an object of a few bytes that is removed again: also where the signal fires meanwhile,
 * which is waited for some seconds at most. Rejects where the trial itself could not be made (offline, cancelled), and with
 * `trial-left`, without a write, where an earlier object is still there.
 */
export interface Trials {
  put(key: ObjectKey, how: TrialHow, options?: Waits): Promise<Trial>;
  /** Create, one part, Complete. */
  multipart(key: ObjectKey, how: TrialHow, options?: Waits): Promise<Trial>;
  /**
   * Why an object of this key could not be removed again: a removal is asked for while nothing is there. Undefined: it could.
   * `versions`: the ways in which it will have to be removed.
   */
  unremovable(
    key: ObjectKey,
    versions: readonly ('with' | 'without')[],
    options?: Waits,
  ): Promise<VaultError | undefined>;
  /** Tries again to remove what stayed, for some seconds at most; gives what still does. Never rejects. */
  left(): Promise<readonly TrialLeft[]>;
  /** Test objects of earlier runs under a prefix, in any version; not those of the last minutes, which may be in use. */
  leftovers(prefix: string, options?: Waits): Promise<Setting<readonly Leftover[]>>;
  /** Removes all of one; gives why it stays. Goes on for some seconds after the signal. */
  clear(key: ObjectKey, options?: Waits): Promise<VaultError | undefined>;
  /** The KMS key an object is stored under; undefined where there is no such object, or no such key. */
  kmsKeyOf(key: ObjectKey, options?: Waits): Promise<string | undefined>;
  close(): Promise<void>;
}

export type Severity = 'high' | 'medium' | 'low';

/** One thing looked at. */
export interface Finding {
  /** Stable, kebab-case. */
  readonly code: string;
  readonly state: 'ok' | 'problem' | 'unknown' | 'note';
  /** How bad it is, or would be where the state is unknown. */
  readonly severity: Severity;
  readonly title: string;
  readonly reason: string;
  /** What to do; a command, or the place in AWS. */
  readonly fix?: string;
}
