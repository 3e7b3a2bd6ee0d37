import type { Kind } from '../model/entry.ts';
import type { Keyring, Metadata, Waits } from '../model/ports.ts';
import type { Secret } from '../model/secret.ts';
import { type ContentCipher, v2Cipher, v3Cipher, withMacKey } from './derive.ts';
import { type Envelope, readEnvelope } from './envelope.ts';
import { cannotOpen, notCommitting, throwIfCancelled } from './fault.ts';
import { macFits } from './mac.ts';
import { MAX_PLAINTEXT, TAG_BYTES, finish, gcmCipher, gcmDecipher, openPieces } from './stream.ts';
import { unlock } from './unlock.ts';

export { needsInstructionFile } from './envelope.ts';

export interface OpenOptions extends Waits {
  /** `require` (default): only V3, which commits to its key. `allow`: V2 too. V3 is verified either way. */
  readonly commitment?: 'require' | 'allow';
  /** Text of the object's instruction file, where `needsInstructionFile` says so. Else it is not looked at. */
  readonly instructionFile?: string;
}

/** One sealed object whose key was found right. */
export interface Opening {
  readonly format: 'V2' | 'V3';
  /** The plaintext of a whole body; nothing is returned before the tag was found right. */
  whole(body: Uint8Array): Buffer;
  /**
   * Plaintext as it comes, **unverified**: only when the iteration has ended without an error is it known to be what was
   * sealed. The caller must write to a temporary file and rename it only then, and remove it on an error. Errors of
   * `body` pass through. `kept`: plaintext that came in an earlier run, from the beginning; `body` goes on behind it. It
   * is verified by the same tag, and not yielded again.
   */
  stream(body: AsyncIterable<Uint8Array>, kept?: AsyncIterable<Uint8Array>): AsyncIterable<Buffer>;
  /** True where `mac` is the `s3vault-mac` of such a plaintext (SHA-256) and kind. Constant time. Never true for V2. */
  macFits(digest: Uint8Array, mac: string, kind: Kind): boolean;
  /** Overwrites the data key. A stream that was begun goes on to its end. */
  wipe(): void;
}

/**
 * Reads an object's envelope, applies the commitment policy, unwraps the data key and checks what it commits to (s3ec
 * 14). Errors, all of kind `security`: `legacy-format` and `not-committing` (policy), `encrypt-only` (public RSA key),
 * `cannot-open` for everything else. Errors of KMS that say nothing about the object pass through.
 */
export async function startOpen(
  keyring: Keyring,
  metadata: Metadata,
  options: OpenOptions = {},
): Promise<Opening> {
  const { envelope, dataKey } = await unlocked(keyring, metadata, options);
  return {
    format: envelope.format,
    whole: (body) => openWhole(contentCipher(envelope, dataKey), body),
    stream: (body, kept) => {
      const content = contentCipher(envelope, dataKey);
      const before = kept === undefined ? undefined : { cipher: gcmCipher(content), pieces: kept };
      return openPieces(gcmDecipher(content), body, before);
    },
    macFits: (digest, mac, kind) =>
      envelope.format === 'V3' &&
      withMacKey(dataKey, envelope.messageId, (key) => macFits(key, digest, mac, kind)),
    wipe: () => dataKey.wipe(),
  };
}

/** Envelope and proven data key of an object; the Secret is the caller's to wipe. */
export async function unlocked(
  keyring: Keyring,
  metadata: Metadata,
  options: OpenOptions,
): Promise<{ readonly envelope: Envelope; readonly dataKey: Secret }> {
  throwIfCancelled(options);
  const envelope = readEnvelope(metadata, options.instructionFile);
  if (envelope.format === 'V2' && options.commitment !== 'allow') throw notCommitting();
  return { envelope, dataKey: await unlock(keyring, envelope, options) };
}

export function contentCipher(envelope: Envelope, dataKey: Secret): ContentCipher {
  return envelope.format === 'V3' ? v3Cipher(dataKey, envelope.messageId) : v2Cipher(dataKey, envelope.iv);
}

function openWhole(content: ContentCipher, body: Uint8Array): Buffer {
  if (body.length < TAG_BYTES) throw cannotOpen('body is shorter than a tag');
  if (body.length > MAX_PLAINTEXT + TAG_BYTES) throw cannotOpen('body is longer than any sealed object');
  const decipher = gcmDecipher(content);
  const end = body.length - TAG_BYTES;
  const plaintext = decipher.update(body.subarray(0, end));
  try {
    finish(decipher, body.subarray(end));
  } catch (thrown) {
    plaintext.fill(0);
    throw thrown;
  }
  return plaintext;
}
