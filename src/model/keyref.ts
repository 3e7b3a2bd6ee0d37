import type { Secret } from './secret.ts';

/** Where keys are kept. Chosen explicitly and remembered; there is never a silent fallback. */
export type KeyStoreKind = 'keychain' | 'file' | 'command' | 'credentials';

/** The name of a key, never the key. A KMS key is named by id, ARN or alias and stays with AWS. */
export type KeyRef =
  | { readonly kind: 'stored'; readonly name: string }
  | {
      readonly kind: 'kms';
      readonly keyId: string;
      readonly context: Readonly<Record<string, string>>;
    };

/** Kinds of stored keys. `rsa-public` can only encrypt: a machine that sends but cannot read. */
export type KeyKind = 'aes-256' | 'rsa' | 'rsa-public';

/** What may be shown of a key. */
export interface KeyInfo {
  readonly name: string;
  readonly kind: KeyKind;
  /** First 8 bytes of the key check value, 16 hex digits. */
  readonly fingerprint: string;
  /** ISO 8601. */
  readonly created: string;
  readonly store: KeyStoreKind;
}

/** A key in use. `secret` is 32 bytes for AES; PKCS#8 PEM text for RSA. */
export type KeyMaterial =
  | { readonly kind: 'aes-256'; readonly fingerprint: string; readonly secret: Secret }
  | {
      readonly kind: 'rsa';
      readonly fingerprint: string;
      readonly publicPem: string;
      readonly secret: Secret;
    }
  | { readonly kind: 'rsa-public'; readonly fingerprint: string; readonly publicPem: string };
