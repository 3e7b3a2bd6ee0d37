import type { Keyring, Metadata, Waits } from '../model/ports.ts';
import { SUITE } from './derive.ts';
import { readEnvelope, writeEnvelope } from './envelope.ts';
import { notCommitting } from './fault.ts';
import { unlock } from './unlock.ts';

/**
 * The envelope of an object for another wrapping key: same data key, message id and commitment, so body and
 * `s3vault-mac` stay as they are, and a copy of the object onto itself with this metadata moves it to the new key (s3ec
 * 8). Who held the old key may have kept the data key: this is a rotation, not a revocation. Only V3. Errors as
 * `startOpen`.
 */
export async function rewrap(
  from: Keyring,
  to: Keyring,
  metadata: Metadata,
  options?: Waits,
): Promise<Metadata> {
  const envelope = readEnvelope(metadata);
  if (envelope.format !== 'V3') throw notCommitting();
  const dataKey = await unlock(from, envelope, options);
  try {
    return writeEnvelope({ ...envelope, wrap: to.wrap, ...(await to.wrapAgain(dataKey, SUITE, options)) });
  } finally {
    dataKey.wipe();
  }
}
