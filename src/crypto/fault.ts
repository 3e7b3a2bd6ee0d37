import { VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';

/**
 * The one error for everything that can be wrong with a sealed object, from its syntax to its last byte: whoever can
 * change objects must not learn from our answers how far they got. What it really was is in `cause`, for the log; a
 * cause names no key and no plaintext.
 */
export function cannotOpen(cause: unknown): VaultError {
  return new VaultError(
    'security',
    'cannot-open',
    'object cannot be opened: wrong key, or it was tampered with',
    {
      hint: 'check that this is the key it was sealed with; older versions of the object may still be intact',
      cause: typeof cause === 'string' ? new Error(cause) : cause,
    },
  );
}

/** V2 says nothing that ties the data key to the body, so a replaced wrapped key could switch the plaintext. */
export function notCommitting(): VaultError {
  return new VaultError(
    'security',
    'not-committing',
    'object has the format V2, which does not commit to its key',
    { hint: 'if you trust whoever can write to the bucket, open it with --commitment allow' },
  );
}

/** CBC content, or a data key wrapped without its algorithm bound in: never read, whatever the options. */
export function legacyFormat(what: string): VaultError {
  return new VaultError(
    'security',
    'legacy-format',
    `object has a legacy format (${what}) that protects nothing against tampering and is never read`,
    {
      hint: 'read it with an official S3 Encryption Client and store it anew; --commitment allow opens V2 with AES-GCM only',
    },
  );
}

/** A public key seals and can't open; says nothing about the object. */
export function encryptOnly(): VaultError {
  return new VaultError('security', 'encrypt-only', 'this key can only encrypt', {
    hint: 'use the private key, on a machine that may read',
  });
}

export function throwIfCancelled(options: Waits | undefined): void {
  if (options?.signal?.aborted === true) {
    throw new VaultError('cancelled', 'cancelled', 'cancelled', { cause: options.signal.reason });
  }
}
