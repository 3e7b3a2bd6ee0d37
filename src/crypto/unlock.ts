import { timingSafeEqual } from 'node:crypto';
import { VaultError } from '../model/errors.ts';
import type { Keyring, Waits } from '../model/ports.ts';
import type { Secret } from '../model/secret.ts';
import { DATA_KEY_BYTES, SUITE, V2_NAME, commitmentOf } from './derive.ts';
import type { Envelope } from './envelope.ts';
import { cannotOpen, encryptOnly } from './fault.ts';

/**
 * Unwraps an envelope's data key and, for V3, proves that it is the one the object commits to (s3ec 3.1), before
 * anything is derived for the content. The Secret is the caller's to wipe.
 */
export async function unlock(keyring: Keyring, envelope: Envelope, options?: Waits): Promise<Secret> {
  if (!keyring.canOpen) throw encryptOnly();
  if (keyring.wrap !== envelope.wrap) throw cannotOpen('wrapped with another kind of key');
  const name = envelope.format === 'V3' ? SUITE : V2_NAME;
  const dataKey = await unwrapped(keyring, envelope, name, options);
  try {
    checkDataKey(envelope, dataKey);
    return dataKey;
  } catch (thrown) {
    dataKey.wipe();
    throw thrown;
  }
}

async function unwrapped(
  keyring: Keyring,
  envelope: Envelope,
  name: string,
  options: Waits | undefined,
): Promise<Secret> {
  try {
    return await keyring.unwrap({ wrapped: envelope.wrapped, context: envelope.context }, name, options);
  } catch (thrown) {
    throw thrown instanceof VaultError ? thrown : cannotOpen(thrown);
  }
}

function checkDataKey(envelope: Envelope, dataKey: Secret): void {
  if (envelope.format === 'V2') {
    if (![16, 24, 32].includes(dataKey.length)) throw cannotOpen('data key of an impossible length');
    return;
  }
  if (dataKey.length !== DATA_KEY_BYTES) throw cannotOpen('data key is not 32 bytes');
  if (!timingSafeEqual(commitmentOf(dataKey, envelope.messageId), envelope.commitment)) {
    throw cannotOpen('the data key is not the one the object commits to');
  }
}
