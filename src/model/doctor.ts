/** What `doctor` finds, in the order in which it is said. */

import type { ModeKind } from './mode.ts';

export const CHECK_NAMES = [
  'node',
  'keys',
  'credentials',
  'clock',
  'tls',
  'bucket',
  'region',
  'sse-c',
  'kms',
  'watch',
  'checksums',
  'conditions',
  'copy',
  'versioning',
  'modes',
] as const;

export type CheckName = (typeof CHECK_NAMES)[number];

export interface Check {
  readonly check: CheckName;
  /** `unknown`: it could not be asked; never taken for fine. */
  readonly state: 'pass' | 'warn' | 'fail' | 'unknown';
  /** What was found, in a sentence without a full stop. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
  /** Stable, where an error is behind it. */
  readonly code?: string;
  /** Exit code of a failure. */
  readonly exit?: number;
}

export type SseOutcome = 'proved' | 'unproved' | 'refused';

/** What a store was seen to do. A field that is not there could not be tried. */
export interface Capabilities {
  /** ISO 8601: when it was tried. */
  readonly time: string;
  /** The mode it was tried in: in another one, copies and checksums may be other. */
  readonly mode: ModeKind;
  /** Conditional PUT: kept as AWS does, taken and ignored, or refused. */
  readonly conditions?: 'kept' | 'ignored' | 'refused';
  /** The same of `If-Match` in removals, and of `If-None-Match` in copies. */
  readonly removeConditions?: 'kept' | 'ignored' | 'refused';
  readonly copyConditions?: 'kept' | 'ignored' | 'refused';
  /** It compares ETags in conditions as text, and its own have no quotes. */
  readonly bareEtags?: boolean;
  /** Checksum of the stored object that its answers name. */
  readonly checksum?: 'crc32' | 'md5' | 'none';
  /** CopyObject of an object onto itself, in the vault's mode. */
  readonly copy?: boolean;
  readonly versioning?: boolean;
  /** Whether its answers prove these kinds of encryption. */
  readonly sse?: Readonly<Partial<Record<'sse-c' | 'sse-s3' | 'sse-kms' | 'dsse-kms', SseOutcome>>>;
}
