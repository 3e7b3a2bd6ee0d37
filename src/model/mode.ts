import type { KeyRef } from './keyref.ts';

/** How bytes are protected at rest. One vault has one Mode; it is always sent explicitly. */
export type Mode =
  | { readonly kind: 'client'; readonly key: KeyRef }
  | { readonly kind: 'sse-c'; readonly key: Extract<KeyRef, { kind: 'stored' }> }
  | KmsMode
  | { readonly kind: 'sse-s3' };

/** SSE-KMS and DSSE-KMS (two layers, no Bucket Key). */
export interface KmsMode {
  readonly kind: 'sse-kms' | 'dsse-kms';
  /** Key id, ARN or alias, as the user gave it. An alias is resolved to its ARN on AWS. */
  readonly keyId: string;
  /** Encryption context, sent as base64 JSON. */
  readonly context: Readonly<Record<string, string>>;
  /** Asks for an S3 Bucket Key on (true) or off (false); undefined leaves it to the bucket. */
  readonly bucketKey?: boolean;
}

export type ModeKind = Mode['kind'];

/** Those in which the store encrypts. */
export type ServerMode = Exclude<ModeKind, 'client'>;

export const MODE_KINDS: readonly ModeKind[] = ['client', 'sse-c', 'sse-kms', 'dsse-kms', 'sse-s3'];

/**
 * A short text that changes when objects would have to be written anew to fit the Mode: kind and key, not the
 * Bucket Key switch. `keyId` is the fingerprint of the key in use, or the KMS key as resolved.
 */
export function modeFingerprint(mode: Mode, keyId: string): string {
  switch (mode.kind) {
    case 'client':
    case 'sse-c':
    case 'sse-kms':
    case 'dsse-kms':
      return `${mode.kind}:${keyId}`;
    case 'sse-s3':
      return mode.kind;
    default:
      return mode satisfies never;
  }
}
